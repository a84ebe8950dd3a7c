"""What a scanner makes of an object: the side that it sees, and fewer points than were asked for."""

import numpy as np

from i2pmae.data.shapes.config import ShapesConfig
from i2pmae.data.shapes.primitives import cross, unit

__all__ = ["SURPLUS", "hidden", "repeats"]

SURPLUS = 2.2
"""So many times as many points are drawn where some clouds are seen from one side: less than half of them are seen."""
ELEVATION = (-20.0, 70.0)
"""From where a camera looks at an object, in degrees above its horizon."""
DISTANCE = (3.0, 8.0)
"""How far it is from the middle of an object of radius 1."""
PER_CELL = 5
"""Points drawn for each cell of the depth buffer, which spans the object: a cell on its surface is seldom empty."""
SLOPE = 1.0
"""Depth that a surface covers within a cell, of the step to the next one. Of a ball of 2800 points, 88 % of those that
face the camera are kept, and 2 % of those that don't."""


def hidden(cloud: np.ndarray, generator: np.random.Generator, config: ShapesConfig) -> np.ndarray:
    """Which points ``(b, n)`` of clouds in the unit sphere a camera doesn't see; in a share of the clouds, none.

    Each cloud has its own camera. A point is hidden where it lies behind the nearest point of its cell of a depth
    buffer, or of one of the eight around it, by more than the slope of the surface there explains.
    """
    clouds, count = cloud.shape[:2]
    away = generator.uniform(*DISTANCE, (clouds, 1))
    heading = np.radians(generator.uniform(0, 360, clouds))
    elevation = np.radians(generator.uniform(*ELEVATION, clouds))
    towards = np.stack(
        (np.cos(elevation) * np.cos(heading), np.sin(elevation), np.cos(elevation) * np.sin(heading)), -1
    ).astype(np.float32)
    right = unit(cross(np.broadcast_to(np.array([0, 1, 0], np.float32), towards.shape), towards))
    seen = cloud @ np.stack((right, cross(towards, right), towards), -1)
    # The picture of the unit sphere fills ±1.
    depth = away - seen[..., 2]
    place = seen[..., :2] * (np.sqrt(away**2 - 1) / depth)[..., None]
    side = max(4, int(np.sqrt(count / PER_CELL)))
    cell = ((place.clip(-1, 0.9999) + 1) * (side / 2)).astype(np.int64)
    at = (np.arange(clouds)[:, None] * side + cell[..., 0]) * side + cell[..., 1]
    nearest = np.full(clouds * side * side, np.inf)
    np.minimum.at(nearest, at.ravel(), depth.ravel())
    least = allowed(nearest.reshape(clouds, side, side), 2 / side)
    return np.asarray((depth > least.ravel()[at]) & (generator.random((clouds, 1)) < config.partial))


def allowed(nearest: np.ndarray, width: float) -> np.ndarray:
    """The largest depth ``(b, s, s)`` at which something in a cell is seen, given the ``nearest`` of each cell.

    The slope is the smaller one of the two sides along each axis, so that the step at an outline is none.
    """
    with np.errstate(invalid="ignore"):  # two empty cells
        steps = [np.abs(other - nearest) for other in beside(nearest)]
    slope = sum(np.where(np.isfinite(step), step, 0) for step in (np.fmin(*steps[:2]), np.fmin(*steps[2:])))
    within = width + SLOPE * slope
    reach = nearest + 2 * within
    across = np.minimum.reduce([reach, *beside(reach)[:2]])
    return np.minimum(nearest + within, np.minimum.reduce([across, *beside(across)[2:]]))


def beside(values: np.ndarray) -> list[np.ndarray]:
    """The values ``(b, s, s)`` of the cells to the left and right, above and below; infinity outside."""
    around = np.pad(values, ((0, 0), (1, 1), (1, 1)), constant_values=np.inf)
    return [around[:, 1:-1, :-2], around[:, 1:-1, 2:], around[:, :-2, 1:-1], around[:, 2:, 1:-1]]


def repeats(gone: np.ndarray, generator: np.random.Generator, config: ShapesConfig) -> np.ndarray:
    """Indices ``(b, n)`` into clouds of ``n`` points: the distinct ones that a cloud has, then some of them again.

    Points that are ``gone`` ``(b, n)`` are not among them, unless all are. Where ``config.fewest`` is given, there are
    from so many to ``n`` distinct ones, with the logarithm of their number spread evenly.
    """
    clouds, points = gone.shape
    order = np.argsort(generator.random(gone.shape) + gone, axis=1)
    most = np.where(gone.all(1), points, (~gone).sum(1))[:, None]
    fewest = points if config.fewest is None else min(config.fewest, points)
    wanted = np.exp(generator.uniform(np.log(fewest), np.log(points + 1), (clouds, 1)))
    distinct = np.minimum(wanted.astype(np.int64).clip(1, points), most)
    place = np.broadcast_to(np.arange(points), gone.shape)
    again = (generator.random(gone.shape) * distinct).astype(np.int64)
    return np.take_along_axis(order, np.where(place < distinct, place, again), 1)
