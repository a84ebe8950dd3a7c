"""Confusion matrices as pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from i2pmae.common.errors import UsageError
from i2pmae.viz.arrays import checked
from i2pmae.viz.drawing import paper_figure, pixels, write_png
from i2pmae.viz.text import line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["confusion_figure", "write_confusion"]

LONGEST_NAME = 26
"""Letters of a class name that are shown."""
LEGIBLE = 0.2
"""Inches of a cell below which counts are left out."""


def write_confusion(
    path: Path | str, confusion: Sequence[Sequence[int]] | np.ndarray, classes: Sequence[str], title: str = ""
) -> Path:
    """Write :func:`confusion_figure` as PNG and return the path."""
    return write_png(path, confusion_figure(confusion, classes, title))


def confusion_figure(
    confusion: Sequence[Sequence[int]] | np.ndarray, classes: Sequence[str], title: str = ""
) -> np.ndarray:
    """An image ``(h, w, 3)`` uint8 of a confusion matrix: rows are true classes, columns predicted ones.

    A cell's colour is its share of its row, its number the count. :class:`UsageError` where the matrix is not square,
    is empty, holds negative numbers or does not fit the class names.
    """
    count = len(classes)
    if not count:
        raise UsageError("A confusion matrix needs at least one class.")
    counts = checked("confusion matrix", np.asarray(confusion), (count, count))
    if counts.min() < 0:
        raise UsageError(f"A confusion matrix holds counts, got {counts.min():g}.")
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    cell = float(np.clip((4.5 + 0.15 * count) / count, 0.12, 0.85))
    size = float(np.clip(cell * 25, 5, 11))
    margin = 0.09 * size * max(map(len, _names(classes))) / 10
    side = cell * count
    with paper_figure(side + margin + 1.8, side + margin + 1.2) as figure:
        _draw(figure.add_subplot(), counts, shares, _names(classes), cell, size)
        right, total = int(np.trace(counts)), int(counts.sum())
        told = f"{right} of {total} right ({right / total:.1%})" if total else "no clouds"
        figure.suptitle(f"{line(title)}: {told}" if title else told, fontsize=11, fontweight="bold")
        return pixels(figure)


def _names(classes: Sequence[str]) -> list[str]:
    shown = [line(name) for name in classes]
    return [name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…" for name in shown]


def _draw(axes: "Axes", counts: np.ndarray, shares: np.ndarray, names: list[str], cell: float, size: float) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("share", ["#ffffff", "#c5d6f5", "#5b8be0", "#173f8a"])
    image = axes.imshow(shares, cmap=colours, vmin=0, vmax=1, aspect="equal", interpolation="nearest")
    places = np.arange(len(names))
    level = len(names) <= 8 and max(map(len, names)) * size * 0.011 < cell
    axes.set_xticks(places, names, rotation=0 if level else 90, fontsize=size)
    axes.set_yticks(places, names, fontsize=size)
    axes.set_xticks(places[1:] - 0.5, minor=True)
    axes.set_yticks(places[1:] - 0.5, minor=True)
    axes.grid(which="minor", linewidth=0.5)
    axes.tick_params(which="both", length=0)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    if cell >= LEGIBLE:
        for row, column in np.argwhere(counts > 0):
            colour = "white" if shares[row, column] > 0.55 else "#1b2029"
            text = f"{counts[row, column]:.0f}"
            fit = min(size, 72 * cell * 0.9 / (0.65 * len(text)))
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=fit)
    bar = axes.figure.colorbar(image, ax=axes, shrink=min(0.82, 2.6 / (cell * len(names))), aspect=16, pad=0.02)
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    bar.set_label("share of the true class")
    bar.outline.set_visible(False)
