"""Point clouds as pictures: shaded balls, nearest in front, with soft occlusion and a shadow on the floor."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from i2pmae.common.errors import UsageError
from i2pmae.viz.arrays import checked
from i2pmae.viz.colours import height_colours

__all__ = ["Camera", "ball_radius", "render_points"]

OVERSAMPLING = 2
"""Rendered pixels per picture pixel and axis; their mean smooths the edges."""
LIGHT = np.array([-0.42, 0.66, 0.62], np.float32) / np.float32(np.linalg.norm([-0.42, 0.66, 0.62]))
"""Direction to the light in camera axes (right, up, towards the viewer)."""
DISTANCE = 5.0
"""Distance of the eye from the middle, in half extents: a mild perspective."""
MARGIN = 1.12
"""Half of a picture's width over the farthest point's distance from its middle."""
STAMPS = 2_000_000
"""Pixels of balls that are painted at a time, which bounds the memory."""


@dataclass(frozen=True)
class Camera:
    """Where a cloud is looked at from; y is up. Share one between pictures that are to be compared."""

    centre: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """What is in the middle of the picture."""
    extent: float = 1.0
    """Half of the width that is seen at the centre."""
    azimuth: float = 35.0
    """Degrees around the vertical axis; 0 looks along −z."""
    elevation: float = 22.0
    """Degrees above the horizon."""
    floor: float | None = None
    """Height (y) of the floor that takes the shadow; none where absent."""

    @classmethod
    def fitting(cls, points: np.ndarray, azimuth: float = 35.0, elevation: float = 22.0) -> "Camera":
        """The camera that sees all of ``points (n, 3)`` and their shadow, with a margin."""
        low, high = points.min(0), points.max(0)
        middle = cls(centre=tuple(((low + high) / 2).tolist()), azimuth=azimuth, elevation=elevation)
        flat = points.copy()
        flat[:, 1] = low[1]
        seen = np.concatenate([points, flat]) @ middle.axes().T
        centre = (seen.min(0) + seen.max(0)) / 2
        # A point stays inside where MARGIN · |place| · DISTANCE ≤ DISTANCE · extent - nearness, as projected below.
        seen = seen - centre
        extent = float((MARGIN * np.abs(seen[:, :2]).max(1) + seen[:, 2] / DISTANCE).max()) or 1.0
        return cls(tuple((centre @ middle.axes()).tolist()), extent, azimuth, elevation, float(low[1]))

    def axes(self) -> np.ndarray:
        """Right, up and towards-the-viewer as the rows of a rotation ``(3, 3)``."""
        a, e = np.deg2rad([self.azimuth, self.elevation])
        right = [np.cos(a), 0, -np.sin(a)]
        up = [-np.sin(e) * np.sin(a), np.cos(e), -np.sin(e) * np.cos(a)]
        back = [np.cos(e) * np.sin(a), np.sin(e), np.cos(e) * np.cos(a)]
        return np.array([right, up, back], np.float32)

    def project(self, points: np.ndarray, side: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Columns, rows and nearness (1 at the centre, larger when nearer) of ``points``, in a square of ``side``."""
        seen = (points - np.array(self.centre, np.float32)) @ self.axes().T / np.float32(self.extent)
        near = DISTANCE / np.maximum(DISTANCE - seen[:, 2], 0.4 * DISTANCE)  # wild points stay of a sensible size
        half = side / 2
        return half + half * near * seen[:, 0], half - half * near * seen[:, 1], near


def render_points(
    points: np.ndarray,
    colours: np.ndarray | None = None,
    *,
    camera: Camera | None = None,
    size: int = 400,
    radius: float | np.ndarray | None = None,
) -> np.ndarray:
    """An image ``(size, size, 4)`` uint8, RGBA with a transparent background, of ``points (n, 3)``, y up.

    ``colours (n, 3)`` in [0, 1], one colour ``(3,)``, or shades of height where absent; ``radius`` of the balls, one
    or ``(n,)``, in units of the camera's extent, follows from the number of points where absent.
    Raises :class:`UsageError` for wrong shapes, NaN or infinity.
    """
    points = checked("points", points, (None, 3))
    if size < 8:
        raise UsageError(f"A picture needs a size of at least 8 pixels, got {size}.")
    if camera is None:
        camera = Camera.fitting(points) if len(points) else Camera()
    if colours is None:
        colours = height_colours(points)
    colours = checked("colours", np.broadcast_to(colours, points.shape), (len(points), 3))
    if radius is None:
        radius = float(np.clip(1.05 / np.sqrt(max(len(points), 1)), 0.008, 0.06))
    radii = checked("radius", np.broadcast_to(np.float32(radius), (len(points),)), (len(points),))

    side = size * OVERSAMPLING
    seen, ball, normal, nearness = _paint(points, radii, camera, side)
    shade = 0.58 + 0.46 * np.clip(normal @ LIGHT, 0, 1)
    shade *= 1 - 0.5 * _occlusion(seen, nearness, side)
    layers = np.zeros((side * side, 4), np.float32)  # red, green, blue, cover
    layers[seen, :3] = colours[ball] * shade[:, None]
    layers[seen, 3] = 1
    return _compose(layers.reshape(side, side, 4), _shadow(points, camera, size))


def _paint(
    points: np.ndarray, radii: np.ndarray, camera: Camera, side: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The covered pixels ``(p,)`` as flat places, the ball seen at each, its normal ``(p, 3)`` and its nearness."""
    owner = np.full(side * side, -1, np.int32)
    column, row, near = camera.project(points, side)
    pixels = np.maximum(radii * near * side / 2, 0.8).astype(np.float32)
    reach = int(np.ceil(pixels.max(initial=0))) + 1
    order = np.argsort(near, kind="stable")  # far to near: of several values for a pixel, the last one stays
    framed = (np.minimum(column, row) > -reach) & (np.maximum(column, row) < side + reach)
    order = order[framed[order]]
    grid = np.arange(-reach, reach + 1, dtype=np.int32)
    step_i, step_j = np.repeat(grid, len(grid)), np.tile(grid, len(grid))
    disc = step_i**2 + step_j**2 <= (reach + 0.5) ** 2
    step_i, step_j = step_i[disc], step_j[disc]
    for block in np.array_split(order, 1 + len(order) * len(step_j) // STAMPS):
        i = np.floor(row[block]).astype(np.int32)
        j = np.floor(column[block]).astype(np.int32)
        # Distances of the pixels' middles from the balls' centres.
        right = step_j.astype(np.float32) + (j + np.float32(0.5) - column[block])[:, None]
        down = step_i.astype(np.float32) + (i + np.float32(0.5) - row[block])[:, None]
        inside = right * right + down * down <= (pixels[block] ** 2)[:, None]
        rows, columns = i[:, None] + step_i, j[:, None] + step_j
        inside &= (rows >= 0) & (rows < side) & (columns >= 0) & (columns < side)
        owner[(rows * side + columns)[inside]] = np.repeat(block.astype(np.int32), inside.sum(1))
    seen = np.flatnonzero(owner >= 0)
    ball = owner[seen]
    right = (seen % side + 0.5 - column[ball]) / pixels[ball]
    down = (seen // side + 0.5 - row[ball]) / pixels[ball]
    normal = np.stack([right, -down, np.sqrt(np.clip(1 - right**2 - down**2, 0, 1))], -1).astype(np.float32)
    return seen, ball, normal, near[ball]


def _occlusion(seen: np.ndarray, nearness: np.ndarray, side: int) -> np.ndarray:
    """How far, in [0, 1], each seen pixel lies behind its surroundings: depth minus its blur (Luft et al. 2006)."""
    from scipy import ndimage

    step = 4
    depth, cover = np.zeros((2, side * side), np.float32)
    depth[seen], cover[seen] = nearness, 1
    depth, cover = (image.reshape(side, side)[::step, ::step] for image in (depth, cover))
    total = np.zeros_like(cover)
    for width in (0.012, 0.045):
        sigma = width * side / step
        weight = ndimage.gaussian_filter(cover, sigma, truncate=2.5)
        mean = ndimage.gaussian_filter(depth, sigma, truncate=2.5) / np.maximum(weight, 1e-4)
        total += np.clip((mean - depth) / 0.10, 0, 1)
    smooth = ndimage.gaussian_filter(np.clip(total, 0, 1) * cover, 0.8)
    return np.asarray(Image.fromarray(smooth).resize((side, side), Image.Resampling.BILINEAR)).ravel()[seen]


def _shadow(points: np.ndarray, camera: Camera, size: int) -> np.ndarray:
    """Opacity ``(size, size)`` of the soft shadow of ``points`` on the camera's floor."""
    if camera.floor is None or not len(points):
        return np.zeros((size, size), np.float32)
    from scipy import ndimage

    small = max(size // 4, 8)
    flat = points.copy()
    flat[:, 1] = camera.floor
    column, row, _ = camera.project(flat, small)
    inside = (column >= 0) & (column < small) & (row >= 0) & (row < small)
    place = row[inside].astype(np.int64) * small + column[inside].astype(np.int64)
    height = (points[inside, 1] - camera.floor) / (2 * camera.extent)
    weight = np.exp(-2.5 * np.maximum(height, 0)) / len(points)
    count = np.bincount(place, weight, minlength=small * small).reshape(small, small)
    soft = ndimage.gaussian_filter(count.astype(np.float32), 0.022 * small) * small**2
    opacity = 0.34 * (1 - np.exp(-0.22 * soft))
    return np.asarray(Image.fromarray(opacity.astype(np.float32)).resize((size, size), Image.Resampling.BICUBIC))


def _compose(layers: np.ndarray, shadow: np.ndarray) -> np.ndarray:
    """The over-sampled balls (red, green, blue, cover), averaged, over the black shadow, as RGBA uint8."""
    steps = range(OVERSAMPLING)
    blocks = [layers[i::OVERSAMPLING, j::OVERSAMPLING] for i in steps for j in steps]
    mean = sum(blocks[1:], blocks[0]) / np.float32(len(blocks))
    cover = mean[..., 3]
    alpha = cover + (1 - cover) * np.clip(shadow, 0, 1)
    mean[..., :3] /= np.maximum(alpha, 1e-6)[..., None]
    mean[..., 3] = alpha
    return np.rint(np.clip(mean, 0, 1) * 255).astype(np.uint8)


def ball_radius(count: int) -> float:
    """How large each of ``count`` points of a cloud is drawn, in radii of the cloud."""
    return float(np.clip(1.05 / np.sqrt(max(count, 1)), 0.009, 0.04))
