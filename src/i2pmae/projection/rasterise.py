"""Points to depth maps."""

from typing import Literal, NamedTuple

import torch
from torch.nn import functional

from i2pmae.ops.arrays import array, has_kernels
from i2pmae.projection.views import AXIS_VIEWS
from i2pmae.typing import Bool, Float, Int, Tensor

__all__ = ["Projection", "ViewFrame", "depth_maps", "project", "seen_points", "view_frame"]

_REACH = 2
"""A point paints a block of 5×5 pixels: offsets -2 to 2."""
LOWEST, HIGHEST = 0.3, 1.0
"""What the farthest and the nearest point are painted with where the nearest is kept."""


class ViewFrame(NamedTuple):
    """How the pixels of each view follow from points; it belongs to the whole cloud that was projected."""

    views: Float[Tensor, "v 3 3"]
    """Rows: image row, image column, depth."""
    lowest: Float[Tensor, "b v 2"]
    """Smallest row and column coordinate of the cloud."""
    cell: Float[Tensor, "b v"]
    """Side of a pixel, in units of the cloud."""
    shift: Int[Tensor, "b v 2"]
    """Pixels by which the object is moved to the centre of the image."""
    image_size: int

    def indices(self, points: Float[Tensor, "b m 3"]) -> Int[Tensor, "b v m 2"]:
        """Row and column of each point in each view; those of other clouds' points may lie outside the image."""
        plane = _in_view(points, self.views[:, :2])
        cells = ((plane - self.lowest[:, :, None]) / self.cell[..., None, None]).floor().long()
        return cells + 1 + self.shift[:, :, None]

    def pixels(self, points: Float[Tensor, "b m 3"]) -> Int[Tensor, "b v m 2"]:
        """Row and column of each point in each view, moved to the border where outside the image."""
        return self.indices(points).clamp(0, self.image_size - 1)


class Projection(NamedTuple):
    """Depth maps of a batch of clouds."""

    images: Float[Tensor, "b v h w"]
    """Pixel values in [0, 1]."""
    frame: ViewFrame
    """For looking up the pixels of points in the same maps."""


def _in_view(points: Float[Tensor, "b n 3"], views: Float[Tensor, "v r 3"]) -> Float[Tensor, "b v n r"]:
    # Where a model computes with fewer digits, pixels don't: autocast would take them for a layer.
    with torch.autocast(points.device.type, enabled=False):
        return torch.einsum("bnc,vrc->bvnr", points, views)


@torch.no_grad()
def view_frame(points: Float[Tensor, "b n 3"], views: Float[Tensor, "v 3 3"], image_size: int = 224) -> ViewFrame:
    """The frame of each view of each cloud: scaled by the view's own larger extent, and centred."""
    views = views.to(points.device, points.dtype)
    plane = _in_view(points, views[:, :2])
    lowest = plane.amin(2)
    extent = (plane.amax(2) - lowest).amax(-1)
    cell = (extent / (image_size - 3)).where(extent > 0, torch.ones_like(extent))
    highest = ((plane.amax(2) - lowest) / cell[..., None]).floor().long()
    # Painting a block adds 1 - 2 to the smallest index, which is 0, and 1 + 2 to the largest; their middle is centred.
    middle = (highest + 2).div(2, rounding_mode="floor")
    return ViewFrame(views, lowest, cell, image_size // 2 - middle - 1, image_size)


@torch.no_grad()
def project(
    points: Float[Tensor, "b n 3"],
    views: Float[Tensor, "v 3 3"] = AXIS_VIEWS,
    image_size: int = 224,
    depth: Literal["sum", "nearest"] = "sum",
) -> Projection:
    """Depth maps of clouds, and the frame to look up pixels with (I2P-MAE §3.2, after PointCLIP).

    Every point paints a block of 5×5 pixels. ``sum`` adds the depths painted on a pixel and takes the sigmoid, so the
    background is 0.5, as in the paper. ``nearest`` keeps the depth nearest to the viewer (z-buffer), from 0.3
    (farthest) to 1 on a background of 0. A cloud without extent in a view (all its points on one line of sight) fills
    one block.
    """
    frame = view_frame(points, views, image_size)
    return Projection(depth_maps(points, frame, depth), frame)


@torch.no_grad()
def depth_maps(
    points: Float[Tensor, "b n 3"], frame: ViewFrame, depth: Literal["sum", "nearest"], reach: int = _REACH
) -> Float[Tensor, "b v h w"]:
    """The images of :func:`project` in a frame that is known already; a block goes ``reach`` pixels to each side."""
    far = _in_view(points, frame.views[:, 2:])[..., 0]
    rows = frame.indices(points)
    if has_kernels(far):
        return _painted(rows, far, frame.image_size, depth, reach)
    return (_sum if depth == "sum" else _nearest)(rows, far, frame.image_size, reach)


@torch.no_grad()
def seen_points(
    cloud: Float[Tensor, "b n 3"],
    at: Float[Tensor, "b m 3"],
    frame: ViewFrame,
    reach: int = 6,
    tolerance: float = 0.1,
) -> Bool[Tensor, "b m v"]:
    """Whether no point of the ``cloud`` hides each of the points ``at`` in each view of its ``frame`` (z-buffer).

    A point hides what lies behind it within ``reach`` pixels to each side, since sparse points have gaps between them
    and a 2D model sees by patches. What lies behind by less than ``tolerance``, a share of the cloud's depth in the
    view, is not hidden: over so many pixels a surface that is seen at an angle has some depth.
    """
    front = depth_maps(cloud, frame, "nearest", reach).flatten(2)
    pixel = frame.pixels(at)
    nearest = front.gather(2, pixel[..., 0] * frame.image_size + pixel[..., 1])
    depths = _in_view(cloud, frame.views[:, 2:])[..., 0]
    own = _heights(_in_view(at, frame.views[:, 2:])[..., 0], depths)
    return (own >= nearest - (HIGHEST - LOWEST) * tolerance).transpose(1, 2)


def _painted(
    rows: Int[Tensor, "b v n 2"], far: Float[Tensor, "b v n"], size: int, depth: Literal["sum", "nearest"], reach: int
) -> Float[Tensor, "b v h w"]:
    """What :func:`_sum` and :func:`_nearest` give, block by block in a compiled loop."""
    from i2pmae.kernels.painting import paint

    nearest = depth == "nearest"
    value = _heights(far) if nearest else far
    blocks = array(rows.flatten(0, 1)), array(value.flatten(0, 1))
    images = torch.from_numpy(paint(*blocks, reach, size, nearest, torch.get_num_threads()))
    return (images if nearest else images.sigmoid_()).view(*far.shape[:2], size, size)


def _heights(far: Float[Tensor, "b v m"], cloud: Float[Tensor, "b v n"] | None = None) -> Float[Tensor, "b v m"]:
    """Depths on the scale on which those of a ``cloud``, their own where absent, go from 0.3, the farthest, to 1."""
    cloud = far if cloud is None else cloud
    low, high = cloud.amin(2, keepdim=True), cloud.amax(2, keepdim=True)
    return LOWEST + (HIGHEST - LOWEST) * (far - low) / (high - low).where(high > low, torch.ones_like(high))


def _canvas(rows: Int[Tensor, "b v n 2"], image_size: int, reach: int) -> tuple[Int[Tensor, "b v n"], int]:
    """Flat indices of points in a canvas with a margin that holds whole blocks, and the side of that canvas."""
    margin = reach + 1
    side = image_size + 2 * margin
    padded = (rows + margin).clamp(reach, side - 1 - reach)
    return padded[..., 0] * side + padded[..., 1], side


def _sum(rows: Int[Tensor, "b v n 2"], far: Float[Tensor, "b v n"], size: int, reach: int) -> Float[Tensor, "b v h w"]:
    """Sigmoid of the summed depths. Painting blocks equals summing a window of their size over points."""
    index, side = _canvas(rows, size, reach)
    canvas = far.new_zeros(*far.shape[:2], side * side).scatter_add_(2, index, far).view(*far.shape[:2], side, side)
    width = 2 * reach + 1
    inner = side - 2 * reach
    canvas = sum((canvas[..., i : i + inner, :] for i in range(1, width)), canvas[..., :inner, :])
    canvas = sum((canvas[..., j : j + inner] for j in range(1, width)), canvas[..., :inner])
    # One ring remains around the image: what falls on it moves in by one pixel.
    canvas[..., 1, :] += canvas[..., 0, :]
    canvas[..., -2, :] += canvas[..., -1, :]
    canvas[..., 1] += canvas[..., 0]
    canvas[..., -2] += canvas[..., -1]
    return canvas[..., 1:-1, 1:-1].sigmoid()


def _nearest(
    rows: Int[Tensor, "b v n 2"], far: Float[Tensor, "b v n"], size: int, reach: int
) -> Float[Tensor, "b v h w"]:
    """Front-most depth per pixel in [0.3, 1], background 0. Painting blocks equals the maximum over a window."""
    index, side = _canvas(rows, size, reach)
    canvas = far.new_zeros(*far.shape[:2], side * side).scatter_reduce_(2, index, _heights(far), "amax")
    canvas = functional.max_pool2d(canvas.view(*far.shape[:2], side, side), 2 * reach + 1, stride=1)
    # The ring around the image moves in by one pixel, corners by way of rows and columns.
    for axis in (-2, -1):
        first, inner, last = canvas.split([2, size - 2, 2], dim=axis)
        canvas = torch.cat([first.amax(axis, True), inner, last.amax(axis, True)], axis)
    return canvas
