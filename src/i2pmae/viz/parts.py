"""True parts beside predicted ones: a row of pictures for each cloud."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from i2pmae.common.errors import UsageError
from i2pmae.viz.arrays import checked
from i2pmae.viz.colours import MASKED, distinct
from i2pmae.viz.drawing import INK, MUTED, fitted, font, write_png
from i2pmae.viz.figures import Panel
from i2pmae.viz.render import Camera, render_points

__all__ = ["PartPicture", "part_colours", "part_panels", "parts_figure", "write_parts"]

WRONG = np.array([0.86, 0.15, 0.18], np.float32)
"""Red of points whose part is not predicted."""
TILE, GAP, HEADING, LINE, LEGEND = 240, 16, 34, 22, 230
"""Pixels of a picture, between pictures, of a heading, of a line of the legend, and its width."""


@dataclass(frozen=True)
class PartPicture:
    """A cloud with the true and the predicted part of every point."""

    id: str
    """Name of the cloud."""
    points: np.ndarray
    """``(n, 3)``, y up."""
    truth: np.ndarray
    """``(n,)`` part indices."""
    predicted: np.ndarray
    """``(n,)`` part indices."""
    parts: Mapping[int, str]
    """Names of the parts that the cloud may have, by index."""
    ious: Mapping[int, float] = field(default_factory=dict)
    """Intersection over union of each part, where it is to be told."""
    label: str | None = None
    """Category."""

    def __post_init__(self) -> None:
        """Check that the arrays fit together and all parts have a name."""
        points = checked(f"{self.id}: points", self.points, (None, 3))
        object.__setattr__(self, "points", points)
        if not len(points):
            raise UsageError(f"{self.id}: the cloud has no points; there is nothing to draw.")
        for name in ("truth", "predicted"):
            values = checked(f"{self.id}: {name}", getattr(self, name), (len(points),)).astype(np.int64)
            unknown = np.setdiff1d(values, list(self.parts)).tolist()
            if unknown:
                raise UsageError(f"{self.id}: {name} holds part {unknown[0]}, but the parts are {sorted(self.parts)}.")
            object.__setattr__(self, name, values)

        for part, iou in self.ious.items():
            if part not in self.parts or not 0 <= iou <= 1:
                raise UsageError(f"{self.id}: expected an IoU between 0 and 1 for known parts, got {part}: {iou}.")

    @property
    def wrong(self) -> np.ndarray:
        """``(n,)`` bool: the points whose part is not predicted."""
        return self.truth != self.predicted


def part_colours(cloud: PartPicture) -> dict[int, np.ndarray]:
    """A colour ``(3,)`` for each part of the cloud's category, the same for all clouds of it."""
    return dict(zip(sorted(cloud.parts), distinct(len(cloud.parts)), strict=True))


def part_panels(cloud: PartPicture, size: int = TILE) -> list[Panel]:
    """Three pictures from one camera: true parts, predicted parts, and the points where they differ."""
    colours, camera = part_colours(cloud), Camera.fitting(cloud.points)

    def draw(values: np.ndarray) -> np.ndarray:
        return render_points(cloud.points, values, camera=camera, size=size)

    truth, predicted = (np.stack([colours[int(part)] for part in values]) for values in (cloud.truth, cloud.predicted))
    errors = np.where(cloud.wrong[:, None], WRONG, MASKED)
    share = f"{cloud.wrong.mean():.1%} of the points are wrong"
    return [
        Panel("True parts", f"{cloud.id} in the colours of its true parts.", draw(truth)),
        Panel("Predicted parts", f"{cloud.id} in the colours of the predicted parts.", draw(predicted)),
        Panel(f"Errors: {cloud.wrong.mean():.1%}", f"Wrong points of {cloud.id} in red: {share}.", draw(errors)),
    ]


def parts_figure(clouds: Sequence[PartPicture]) -> np.ndarray:
    """An image ``(h, w, 3)`` uint8 on white: for each cloud its true and predicted parts, the errors, and a legend."""
    if not clouds:
        raise UsageError("There are no clouds to show. Choose at least one.")
    rows = [_row(cloud) for cloud in clouds]
    sheet = Image.new("RGB", (rows[0].width, sum(row.height for row in rows) + GAP), "white")
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height
    return np.asarray(sheet)


def write_parts(path: Path | str, clouds: Sequence[PartPicture]) -> Path:
    """Write :func:`parts_figure` as PNG and return the path."""
    return write_png(path, parts_figure(clouds))


def _row(cloud: PartPicture) -> Image.Image:
    panels = part_panels(cloud)
    legend = GAP + LINE * len(cloud.parts)
    height = HEADING + GAP + max(TILE + LINE, legend)
    row = Image.new("RGB", (GAP + (TILE + GAP) * len(panels) + LEGEND + GAP, height), "white")
    draw = ImageDraw.Draw(row)
    name = cloud.id if cloud.label is None else f"{cloud.id}  ·  {cloud.label}"
    draw.text((GAP, GAP), fitted(draw, name, font(16), row.width - 2 * GAP), INK, font(16))
    for index, panel in enumerate(panels):
        left, top = GAP + index * (TILE + GAP), HEADING + GAP
        image = Image.fromarray(panel.image)
        row.paste(image, (left, top), image)
        draw.text((left + TILE // 2, top + TILE), panel.title, MUTED, font(13), anchor="ma")
    left = GAP + len(panels) * (TILE + GAP)
    for line, (part, colour) in enumerate(part_colours(cloud).items()):
        top = HEADING + 2 * GAP + line * LINE
        fill = tuple((255 * colour).round().astype(int).tolist())
        draw.rounded_rectangle((left, top, left + 13, top + 13), 3, fill)
        iou = f"{cloud.ious[part]:.2f}" if part in cloud.ious else ""
        if iou:
            draw.text((left + LEGEND, top - 1), iou, MUTED, font(13), anchor="ra")
        draw.text((left + 21, top - 1), fitted(draw, cloud.parts[part], font(13), LEGEND - 64), INK, font(13))
    if cloud.ious:
        draw.text((left + LEGEND, HEADING + GAP - 8), "IoU", MUTED, font(12), anchor="ra")
    return row
