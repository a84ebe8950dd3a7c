"""From a recipe to clouds: objects in blocks, points on their surfaces, and what a sensor does to them."""

import math

import numpy as np

from i2pmae.common.seeds import numpy_generator
from i2pmae.data.clouds import lengths, normalise
from i2pmae.data.shapes.config import ShapesConfig
from i2pmae.data.shapes.grammar import Family
from i2pmae.data.shapes.primitives import cross, unit
from i2pmae.data.shapes.scan import SURPLUS, hidden, repeats
from i2pmae.data.shapes.sketch import Category, Mesh, rotations, warped

__all__ = ["BLOCK", "Kind", "make_block", "sample_surface"]

Kind = Category | Family
"""What draws objects of one class."""
BLOCK = 16
"""Clouds of one category that are always made together: large enough to amortise NumPy's overhead per call."""


def make_block(
    category: Kind, number: int, points: int, *, split: str, seed: int, config: ShapesConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Block ``number`` of a category: clouds ``(BLOCK, points, 3)`` in the unit sphere, parts ``(BLOCK, points)``.

    The objects depend on seed, split, category and number alone; the points on their count and on ``config`` too.
    """
    names = ("shapes", split, category.name, number)
    mesh = category.draw(numpy_generator(seed, *names, "objects"), BLOCK)
    # What was added later has generators of its own: the clouds of before stay as they were.
    generator, warps, scans = (numpy_generator(seed, *names, purpose) for purpose in ("points", "warp", "scan"))
    drawn = points if config.occlusion == config.density == 0 else math.ceil(1.25 * points / (1 - config.occlusion))
    drawn = math.ceil(SURPLUS * drawn) if config.partial else drawn
    cloud, part = sample_surface(mesh, drawn, generator)
    if config.warp:
        cloud = warped(cloud, warps.uniform(-config.warp, config.warp, (3, BLOCK)).astype(np.float32))
    if config.stretch:
        cloud = cloud * generator.uniform(1 - config.stretch, 1 + config.stretch, (BLOCK, 1, 3)).astype(np.float32)
    cloud = normalise(cloud)
    gone = hidden(cloud, scans, config) if config.partial else np.zeros((BLOCK, drawn), bool)
    if drawn > points:
        kept = thin(cloud, points, generator, config, gone)
        gone = np.take_along_axis(gone, kept, 1)
        cloud, part = np.take_along_axis(cloud, kept[..., None], 1), np.take_along_axis(part, kept, 1)
    disturb(cloud, generator, config)
    if config.fewest is not None or gone.any():
        again = repeats(gone, scans, config)
        cloud, part = np.take_along_axis(cloud, again[..., None], 1), np.take_along_axis(part, again, 1)
    return normalise(cloud @ np.swapaxes(poses(generator, config), 1, 2)), part


def sample_surface(mesh: Mesh, points: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points ``(b, points, 3)`` spread over the surface in proportion to area, and the part ``(b, points)`` of each."""
    clouds = len(mesh.vertices)
    triangles = mesh.vertices[:, mesh.faces]
    first = triangles[:, :, 0]
    along, across = triangles[:, :, 1] - first, triangles[:, :, 2] - first
    area = lengths(cross(along, across)) * mesh.present
    reached = np.cumsum(area, 1, dtype=np.float64)
    # Cloud i owns the interval [i, i + 1), so that one search serves all clouds; 24-bit draws stay below i + 1.
    reached = reached / reached[:, -1:] + np.arange(clouds)[:, None]
    draws = generator.random((3, clouds, points), np.float32)
    face = np.searchsorted(reached.ravel(), (draws[0].astype(np.float64) + np.arange(clouds)[:, None]).ravel(), "right")
    # A point of the unit square beyond the diagonal is folded back into the triangle.
    u, v = draws[1], draws[2]
    beyond = u + v > 1
    u, v = np.where(beyond, 1 - u, u).ravel()[:, None], np.where(beyond, 1 - v, v).ravel()[:, None]
    cloud = first.reshape(-1, 3)[face] + u * along.reshape(-1, 3)[face] + v * across.reshape(-1, 3)[face]
    cloud, part = cloud.reshape(clouds, points, 3), mesh.part[face % len(mesh.faces)].reshape(clouds, points)
    return (cloud if mesh.instances is None else mesh.instances.placed(cloud, part, generator)), part


def thin(
    cloud: np.ndarray, points: int, generator: np.random.Generator, config: ShapesConfig, gone: np.ndarray
) -> np.ndarray:
    """Indices ``(b, points)``, ascending, of points that stay: none from the hidden region, with uneven density.

    The smallest of exponential draws with rate w are a sample without replacement with weights w; hidden points come
    last, and points that are ``gone`` ``(b, n)`` after them.
    """
    clouds, drawn = cloud.shape[:2]
    directions = unit(generator.standard_normal((2, clouds, 3, 1), np.float32))
    strength = generator.uniform(0, config.density, (clouds, 1)).astype(np.float32)
    keys = generator.standard_exponential((clouds, drawn), np.float32) * np.exp(
        strength * (cloud @ directions[0])[..., 0]
    )
    depth = (cloud @ directions[1])[..., 0]
    # A ball instead of a half-space: nearness to a point of the cloud.
    distance = lengths(cloud - cloud[:, :1])
    depth = np.where(generator.random((clouds, 1)) < 0.5, depth, -distance)
    share = generator.uniform(0, config.occlusion, (clouds, 1)) * (generator.random((clouds, 1)) < 0.5)
    probe = np.sort(depth[:, :128], 1)
    limit = np.take_along_axis(probe, (probe.shape[1] - 1 - share * probe.shape[1]).astype(np.int64).clip(0), 1)
    keys += np.where((depth > limit) & (share > 0), np.float32(1e6), np.float32(0))
    keys += np.where(gone, np.float32(1e7), np.float32(0))
    # A partition has no order of its own: it differs between versions of NumPy, and between processors.
    return np.sort(np.argpartition(keys, points - 1, axis=1)[:, :points], axis=1)


def disturb(cloud: np.ndarray, generator: np.random.Generator, config: ShapesConfig) -> None:
    """Add noise and outliers in place; an outlier keeps the part of the point that it displaces."""
    clouds = len(cloud)
    if config.noise:
        deviation = generator.uniform(0, config.noise, (clouds, 1, 1)).astype(np.float32)
        cloud += deviation * generator.standard_normal(cloud.shape, np.float32)
    if config.outliers:
        share = generator.uniform(0, config.outliers, (clouds, 1))
        hit = generator.random(cloud.shape[:2], np.float32) < share
        stray = unit(generator.standard_normal((int(hit.sum()), 3), np.float32))
        cloud[hit] = stray * np.cbrt(generator.random((len(stray), 1), np.float32))


def poses(generator: np.random.Generator, config: ShapesConfig) -> np.ndarray:
    """Rotations ``(BLOCK, 3, 3)``: a heading about y, then a tilt about a random horizontal axis."""
    heading, axis = generator.uniform(-config.rotation, config.rotation, BLOCK), generator.uniform(-180, 180, BLOCK)
    tilt = generator.uniform(0, config.tilt, BLOCK)
    level = np.zeros(BLOCK)
    around, over, back = (level, axis, level), (tilt, level, level), (level, heading - axis, level)
    return (rotations(around) @ rotations(over) @ rotations(back))[0]
