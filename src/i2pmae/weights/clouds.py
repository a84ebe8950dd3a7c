"""Clouds as people hold them, checked and brought into the form that a model takes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from i2pmae.common.errors import UsageError
from i2pmae.common.seeds import numpy_generator, torch_generator
from i2pmae.data.clouds import CloudSet, normalise
from i2pmae.data.read.sampling import draw_points, three_distinct, to_y_up
from i2pmae.data.views import Lazy
from i2pmae.typing import Float, Int, Tensor

__all__ = ["as_clouds", "copy_of", "filled_up", "given_points", "prepare", "thin"]

STRETCH = 0.1
"""By how much, at most, each axis of a copy is longer or shorter."""


def given_points(points: Any, up: str) -> Any:
    """The points of a set of clouds, which are y up; anything else as it is."""
    if not isinstance(points, CloudSet):
        return points
    if up != "y":
        raise UsageError(f"The clouds of a CloudSet are y up already, whatever their files were: leave up={up!r} out.")
    return points.points


def as_clouds(points: Any) -> Sequence[np.ndarray | Tensor] | Lazy:
    """The clouds one by one, each ``(n, 3)``, from ``(b, n, 3)`` or from a list of ``(n_i, 3)``; their values unread.

    :class:`UsageError` says what was expected and what came for any other form, shape or type.
    """
    if isinstance(points, (list, tuple)):
        if not points:
            raise UsageError("Expected at least one cloud, got an empty list.")
        if not all(isinstance(cloud, (np.ndarray, Tensor)) for cloud in points):
            raise UsageError(
                f"Expected an array or tensor of shape (clouds, points, 3), or a list of arrays of shape (points, 3), "
                f"got a list of {type(points[0]).__name__}: convert it with np.asarray(points, dtype='float32')."
            )
        clouds: Sequence[np.ndarray | Tensor] | Lazy = points
    elif isinstance(points, (np.ndarray, Tensor, Lazy)):
        if points.ndim != 3:
            raise UsageError(f"Expected points of shape (clouds, points, 3) or (points, 3), got {tuple(points.shape)}.")
        clouds = points  # type: ignore[assignment]
        if len(points) == 0:
            return clouds
    else:
        raise UsageError(
            f"Expected a NumPy array or a PyTorch tensor of shape (clouds, points, 3), got {type(points).__name__}."
        )
    for index in range(len(clouds)) if isinstance(points, (list, tuple)) else [0]:
        name = f"cloud {index}: " if isinstance(points, (list, tuple)) else ""
        _check_form(clouds[index], name, tuple(points.shape) if name == "" else tuple(clouds[index].shape))
    return clouds


def _check_form(cloud: np.ndarray | Tensor, name: str, shape: tuple[int, ...]) -> None:
    floating = cloud.is_floating_point() if isinstance(cloud, Tensor) else np.issubdtype(cloud.dtype, np.floating)
    if cloud.ndim != 2 or cloud.shape[-1] != 3:
        extra = cloud.ndim == 2 and cloud.shape[-1] > 3
        hint = " Leave further columns (normals, colours) out: points[..., :3]." if extra else ""
        if cloud.ndim == 2 and cloud.shape[0] == 3:
            hint = " The coordinates must be the last axis: transpose the two."
        raise UsageError(f"{name}Expected points with 3 coordinates each, as the last axis, got shape {shape}.{hint}")
    if not floating:
        what = "points.float()" if isinstance(cloud, Tensor) else "points.astype('float32')"
        raise UsageError(f"{name}Expected floating-point coordinates, got {cloud.dtype}: convert them with {what}.")


def prepare(cloud: np.ndarray | Tensor, index: int, least: int, up: str, scale: bool) -> Float[np.ndarray, "n 3"]:
    """One cloud as float32, y up, in the unit sphere where ``scale`` is set.

    One with fewer than ``least`` points gets some of them again, as :func:`filled_up` says. :class:`UsageError` names
    the cloud by its ``index`` where it has no points, coordinates that are not finite, or no extent.
    """
    values = cloud.detach().to("cpu", torch.float64).numpy() if isinstance(cloud, Tensor) else np.asarray(cloud)
    if len(values) == 0:
        raise UsageError(f"Cloud {index} has no points. Leave it out.")
    # Float64 until the cloud is in the unit sphere: survey coordinates differ only in their last float32 digits.
    values = values.astype(np.float64)
    finite = np.isfinite(values).all(-1)
    if not finite.all():
        bad = np.flatnonzero(~finite)
        raise UsageError(
            f"Cloud {index} has NaN or infinite coordinates in {len(bad)} of its {len(values)} points, the first at "
            f"point {bad[0]}: remove these points."
        )
    if not three_distinct(values):
        equal = (values == values[:1]).all()
        what = "all its points are equal" if equal else "it has only 2 different points"
        raise UsageError(f"Cloud {index} has no shape: {what}. Leave it out.")
    if len(values) < least:
        values = values[filled_up(len(values), least)]
    if scale:
        extent = np.abs(values).max()  # squares of very large or very small numbers leave the range of floats
        centred = values / extent
        centred = centred - centred.mean(0)
        values = normalise(centred / np.abs(centred).max())
    values = to_y_up(values, up).astype(np.float32)
    if not np.isfinite(values).all():
        raise UsageError(f"Cloud {index} has coordinates that are too large for float32: leave the scaling on.")
    return values


def filled_up(count: int, least: int) -> Int[np.ndarray, "{least}"]:
    """Which points a cloud of fewer than ``least`` points is made of: all, and the rest drawn again, in random order.

    That is how files with too few points are read; here the choice follows from ``count`` and ``least`` alone.
    """
    return draw_points(count, least, numpy_generator(0, "fill up", count, least))


def thin(points: Float[Tensor, "b n 3"], most: int | None) -> Float[Tensor, "b m 3"]:
    """At most ``most`` points of each cloud, in random order; the choice follows from n alone, never from the batch."""
    if most is None or points.shape[1] <= most:
        return points
    chosen = torch.randperm(points.shape[1], generator=torch_generator(0, "thin", points.shape[1]))
    return points[:, chosen[:most].to(points.device)]


def copy_of(points: Float[Tensor, "b n 3"], number: int) -> Float[Tensor, "b n 3"]:
    """A copy of clouds that is a little different: points in another order, each axis 0.9 to 1.1 times as long.

    Copy 0 is the clouds themselves. The changes follow from the number and from n, never from the batch.
    """
    if number == 0:
        return points
    rng = torch_generator(0, "copy", number, points.shape[1])
    order = torch.randperm(points.shape[1], generator=rng)
    scale = 1 + STRETCH * (2 * torch.rand(3, generator=rng) - 1)
    return points[:, order.to(points.device)] * scale.to(points)
