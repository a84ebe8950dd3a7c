"""Score against training time, a marker for each recipe."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from i2pmae.common.errors import UsageError
from i2pmae.viz.colours import distinct
from i2pmae.viz.drawing import paper_figure, pixels, write_png
from i2pmae.viz.text import line

__all__ = ["ComparisonPoint", "comparison_figure", "write_comparison"]

MARKERS = "osD^vPX*<>"
"""Shapes, so that colours are not all that tells recipes apart."""
WIDE = 20
"""From so many times the shortest time on, the axis is logarithmic."""


@dataclass(frozen=True)
class ComparisonPoint:
    """A recipe's score, and what it took."""

    name: str
    """The recipe."""
    minutes: float
    """Training time."""
    mean: float
    """Score between 0 and 1, the mean over seeds."""
    std: float = 0.0
    """Its standard deviation."""

    def __post_init__(self) -> None:
        """Check that the score is a share and the rest is not negative."""
        if not (0 <= self.mean <= 1 and 0 <= self.minutes < np.inf and 0 <= self.std < np.inf):
            raise UsageError(
                f"{self.name}: expected a score between 0 and 1 with deviation and minutes from 0, "
                f"got {self.mean} ± {self.std} after {self.minutes} minutes."
            )


def write_comparison(path: Path | str, points: Sequence[ComparisonPoint], score: str = "accuracy") -> Path:
    """Write :func:`comparison_figure` as PNG and return the path."""
    return write_png(path, comparison_figure(points, score))


def comparison_figure(points: Sequence[ComparisonPoint], score: str = "accuracy") -> np.ndarray:
    """An image ``(h, w, 3)`` uint8: the score of each recipe, with its deviation, against its training time.

    Points of one name are joined by a line. :class:`UsageError` where there are none.
    """
    if not points:
        raise UsageError("There is nothing to compare: give at least one recipe's score.")
    names = list(dict.fromkeys(point.name for point in points))
    rows = len(names)
    with paper_figure(8.2, max(4.2, 0.9 + 0.24 * rows), **{"axes.grid": True}) as figure:
        axes = figure.add_subplot()
        for index, (name, colour) in enumerate(zip(names, distinct(rows).tolist(), strict=True)):
            mine = sorted((point for point in points if point.name == name), key=lambda point: point.minutes)
            axes.errorbar(
                [point.minutes for point in mine],
                [100 * point.mean for point in mine],
                yerr=[100 * point.std for point in mine],
                color=colour,
                marker=MARKERS[index % len(MARKERS)],
                markersize=7,
                capsize=4,
                linewidth=1.4,
                label=line(name),
            )
        minutes = [point.minutes for point in points]
        if min(minutes) > 0 and max(minutes) > WIDE * min(minutes):
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:g}")
        else:
            axes.set_xlim(0, 1.08 * max(minutes) or 1)
        axes.yaxis.set_major_formatter("{x:g} %")
        axes.margins(y=0.12)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlabel("training time in minutes")
        axes.set_ylabel(line(score))
        # Named in the order of their scores, as they stand beside them.
        best = {name: max(point.mean for point in points if point.name == name) for name in names}
        handles, labels = axes.get_legend_handles_labels()
        order = sorted(range(rows), key=lambda i: -best[names[i]])
        figure.legend(
            [handles[i] for i in order],
            [labels[i] for i in order],
            loc="outside right upper",
            frameon=False,
            fontsize=9,
        )
        return pixels(figure)
