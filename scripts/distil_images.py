"""Images to distil a 2D teacher on, all made here: nobody's photographs are needed.

Two kinds, as ``(b, 3, 224, 224)`` float32 in [0, 1]:

- depth maps of generated shapes, as the student's teacher will see them: random assemblies of superquadrics and the
  package's built-in categories, from axis-aligned and random views, summed and front-most;
- formula-driven images after FractalDB (arXiv 2101.08515) and RCDB (arXiv 2206.09132): fractals of iterated function
  systems, and layers of closed curves with radial harmonics, filled with colours, gradients and noise.

Every image follows from the generator that is passed in.
"""

import math

import torch
import torch.nn.functional as F

from i2pmae.data.shapes import make_shapes
from i2pmae.projection.rasterise import project
from i2pmae.projection.views import AXIS_VIEWS
from i2pmae.typing import Float, Tensor

__all__ = ["SIZE", "built_in_clouds", "contours", "depth_maps", "fractals", "make_images", "superquadrics"]

SIZE = 224
"""Side of every image in pixels."""


def uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    """Uniform numbers in [low, high)."""
    return torch.rand(shape, generator=generator) * (high - low) + low


def chance(shape: tuple[int, ...], probability: float, generator: torch.Generator) -> Tensor:
    """True with that probability."""
    return torch.rand(shape, generator=generator) < probability


def rotations(count: int, generator: torch.Generator) -> Float[Tensor, "b 3 3"]:
    """Rotation matrices, uniform over all rotations (from random unit quaternions)."""
    w, x, y, z = F.normalize(torch.randn(count, 4, generator=generator), dim=1).unbind(1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(row, 1) for row in rows], 1)


def superquadrics(count: int, points: int, generator: torch.Generator) -> Float[Tensor, "b n 3"]:
    """Clouds of one to six superquadrics each (boxes, cylinders, ellipsoids, octahedra and what lies between), half of
    them mirror-symmetric, in the unit sphere."""
    parts = 6
    used = torch.randint(1, parts + 1, (count, 1), generator=generator)
    part = (torch.rand(count, points, generator=generator) * used).long()
    flat = part + torch.arange(count)[:, None] * parts
    turns = rotations(count * parts, generator)
    upright = chance((count * parts,), 0.6, generator)
    turns[upright] = torch.eye(3)
    power = uniform((count * parts, 2), 0.05, 1.4, generator)
    radii = torch.exp(uniform((count * parts, 3), math.log(0.05), 0.0, generator))
    centre = uniform((count * parts, 3), -0.7, 0.7, generator)

    def bent(wave: Tensor, exponent: Tensor) -> Tensor:
        return wave.sign() * wave.abs().clamp_min(1e-6) ** exponent

    polar = torch.asin(uniform((count, points), -1, 1, generator))
    around = uniform((count, points), -math.pi, math.pi, generator)
    first, second = power[flat].unbind(-1)
    ring = bent(polar.cos(), first)
    cloud = torch.stack(
        [ring * bent(around.cos(), second), bent(polar.sin(), first), ring * bent(around.sin(), second)], -1
    )
    cloud = torch.einsum("bnij,bnj->bni", turns[flat], cloud * radii[flat]) + centre[flat]
    mirrored = chance((count, points), 0.5, generator) & chance((count, 1), 0.5, generator)
    cloud[..., 0] = torch.where(mirrored, -cloud[..., 0], cloud[..., 0])
    return unit_sphere(cloud)


def unit_sphere(cloud: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n 3"]:
    """Clouds centred and scaled to the unit sphere."""
    cloud = cloud - cloud.mean(1, keepdim=True)
    return cloud / cloud.norm(dim=-1).amax(1)[:, None, None].clamp_min(1e-6)


def built_in_clouds(count: int, split: str, seed: int, points: int = 4096) -> Float[Tensor, "b n 3"]:
    """Clouds of the package's built-in categories; splits share none."""
    return torch.from_numpy(make_shapes(count, points, split=split, seed=seed).points)


def draw(pool: Float[Tensor, "p n 3"], count: int, points: int, generator: torch.Generator) -> Float[Tensor, "b m 3"]:
    """Random clouds of a pool with random ``points`` of theirs."""
    rows = torch.randint(len(pool), (count, 1), generator=generator)
    columns = torch.rand(count, pool.shape[1], generator=generator).topk(points, 1).indices
    return pool[rows, columns]


def depth_maps(clouds: Float[Tensor, "b n 3"], generator: torch.Generator) -> Float[Tensor, "b 3 h w"]:
    """One depth map per cloud: summed (two thirds) or front-most; half of them along one of the paper's three axes, the
    others from a random direction."""
    count = len(clouds)
    axis = torch.randint(len(AXIS_VIEWS), (count,), generator=generator)
    turned = chance((count, 1, 1), 0.5, generator)
    turns = torch.where(turned, rotations(count, generator), AXIS_VIEWS[axis])
    clouds = torch.einsum("bij,bnj->bni", turns, clouds)
    summed = chance((count,), 2 / 3, generator)
    images = torch.empty(count, 1, SIZE, SIZE)
    images[summed] = project(clouds[summed], AXIS_VIEWS[:1], SIZE, "sum").images
    images[~summed] = project(clouds[~summed], AXIS_VIEWS[:1], SIZE, "nearest").images
    return images.expand(-1, 3, -1, -1)


def textures(count: int, generator: torch.Generator) -> Float[Tensor, "b 3 h w"]:
    """Noise of many scales, from smooth gradients to grain, in random colours."""
    steepness = uniform((count, 1, 1, 1), 0.3, 1.5, generator)
    image = torch.zeros(count, 3, SIZE, SIZE)
    for octave in range(1, 8):
        grain = torch.randn(count, 3, 2**octave, 2**octave, generator=generator)
        image += F.interpolate(grain, (SIZE, SIZE), mode="bilinear") * 2.0 ** (-octave * steepness)
    tint = torch.randn(count, 3, 3, generator=generator)
    image = torch.einsum("bij,bjhw->bihw", tint, image)
    low, high = image.amin((1, 2, 3), keepdim=True), image.amax((1, 2, 3), keepdim=True)
    image = (image - low) / (high - low)
    # Less contrast about a random level, so that fills differ in brightness.
    contrast = uniform((count, 1, 1, 1), 0.05, 1.0, generator)
    return image * contrast + torch.rand(count, 3, 1, 1, generator=generator) * (1 - contrast)


def curve_masks(count: int, generator: torch.Generator) -> Float[Tensor, "b 1 h w"]:
    """The inside (two thirds) or the outline of a random closed curve: a circle bent by harmonics, or a superellipse
    such as a rectangle, diamond or ellipse."""
    centre = uniform((count, 2, 1, 1), -0.8, 0.8, generator)
    angle = uniform((count, 1, 1), 0, math.pi, generator)
    radii = torch.exp(uniform((count, 2, 1, 1), math.log(0.08), 0.0, generator))
    ticks = torch.linspace(-1, 1, SIZE)
    y, x = ticks[:, None] - centre[:, 0], ticks[None, :] - centre[:, 1]
    u = (x * angle.cos() + y * angle.sin()) / radii[:, 0]
    v = (y * angle.cos() - x * angle.sin()) / radii[:, 1]
    power = 2.0 ** uniform((count, 1, 1), 0, 4, generator)
    boxy = (u.abs() ** power + v.abs() ** power) ** (1 / power)

    # Harmonics are evaluated on 512 directions, then read per pixel.
    orders = torch.arange(1, 13)
    decay = orders ** -uniform((count, 1), 0.3, 2.0, generator)
    amplitude = torch.randn(count, 12, generator=generator) * decay * uniform((count, 1), 0, 0.5, generator)
    phase = uniform((count, 12, 1), 0, 2 * math.pi, generator)
    directions = torch.linspace(-math.pi, math.pi, 512)
    bend = torch.einsum("bk,bkd->bd", amplitude, torch.cos(orders[:, None] * directions + phase))
    place = ((torch.atan2(v, u) / math.pi + 1) * 255.5).long()
    wavy = torch.hypot(u, v) / (1 + bend).clamp_min(0.15).gather(1, place.flatten(1)).view_as(u)

    distance = torch.where(chance((count, 1, 1), 0.6, generator), wavy, boxy)
    sharpness = uniform((count, 1, 1), 20, 200, generator)
    inside = ((1 - distance) * sharpness).sigmoid()
    rings = (torch.cos(distance * uniform((count, 1, 1), 10, 40, generator)) * 4).sigmoid() * inside
    return torch.where(chance((count, 1, 1), 2 / 3, generator), inside, rings)[:, None]


def contours(count: int, generator: torch.Generator) -> Float[Tensor, "b 3 h w"]:
    """Two to seven closed curves, each filled with its own texture, laid over one another on a textured ground."""
    image = textures(count, generator)
    layers = torch.randint(2, 8, (count, 1, 1, 1), generator=generator)
    fills = textures(count, generator)
    for layer in range(7):
        # Each layer takes another image's fill, mirrored: as good as new noise, and cheaper.
        fill = fills.roll(layer, 0).flip(2 + layer % 2).roll(31 * layer, 1 + layer % 3)
        mask = curve_masks(count, generator) * (layer < layers)
        image = image * (1 - mask) + fill * mask
    return image


def fractals(count: int, generator: torch.Generator) -> Float[Tensor, "b 3 h w"]:
    """Fractals of random iterated function systems, drawn by the chaos game on a flat or textured ground."""
    maps, chains, steps, settle = 5, 2048, 28, 8
    used = torch.randint(2, maps + 1, (count, 1), generator=generator)
    # Rotation · scales · rotation with scales below 1: every map contracts, so the points converge to the fractal.
    first, second = uniform((2, count, maps), -math.pi, math.pi, generator)
    scales = uniform((count, maps, 2), 0.2, 0.9, generator)
    scales = scales * torch.where(chance((count, maps, 2), 0.3, generator), -1.0, 1.0)
    turn = torch.stack([first.cos(), -first.sin(), first.sin(), first.cos()], -1).unflatten(-1, (2, 2))
    back = torch.stack([second.cos(), -second.sin(), second.sin(), second.cos()], -1).unflatten(-1, (2, 2))
    linear = (turn * scales[..., None, :]) @ back
    offset = uniform((count, maps, 2), -1, 1, generator)

    points = torch.zeros(count, chains, 2)
    path = []
    rows = torch.arange(count)[:, None]
    for step in range(steps):
        choice = (torch.rand(count, chains, generator=generator) * used).long()
        points = torch.einsum("bnij,bnj->bni", linear[rows, choice], points) + offset[rows, choice]
        if step >= settle:
            path.append(points)
    cloud = torch.cat(path, 1)
    low, high = cloud.amin(1, keepdim=True), cloud.amax(1, keepdim=True)
    cell = ((cloud - low) / (high - low).amax(-1, keepdim=True).clamp_min(1e-6) * (SIZE - 1)).long()
    flat = cell[..., 0] * SIZE + cell[..., 1]
    density = torch.zeros(count, SIZE * SIZE).scatter_add_(1, flat, torch.ones_like(flat, dtype=torch.float32))
    ink = (density.view(count, 1, SIZE, SIZE) / 2).clamp(max=1)
    blurred = F.avg_pool2d(ink, 3, stride=1, padding=1)
    ink = torch.where(chance((count, 1, 1, 1), 0.5, generator), ink, (2 * blurred).clamp(max=1))
    ground, paint = textures(count, generator), textures(count, generator)
    plain = chance((count, 1, 1, 1), 0.5, generator)
    ground = torch.where(plain, torch.rand(count, 3, 1, 1, generator=generator), ground)
    return ground * (1 - ink) + paint * ink


def crop(images: Float[Tensor, "b 3 h w"], share: float, generator: torch.Generator) -> Float[Tensor, "b 3 h w"]:
    """A random ``share`` of the images mirrored, turned, scaled and moved; what comes in from outside is reflected."""
    count = len(images)
    scale = torch.exp(uniform((count, 2), math.log(0.5), math.log(1.25), generator))
    scale = scale * torch.where(chance((count, 2), 0.5, generator), -1.0, 1.0)
    angle = uniform((count,), -0.6, 0.6, generator)
    shift = uniform((count, 2), -0.3, 0.3, generator)
    cos, sin = angle.cos(), angle.sin()
    theta = torch.stack(
        [
            torch.stack([cos * scale[:, 0], -sin * scale[:, 1], shift[:, 0]], 1),
            torch.stack([sin * scale[:, 0], cos * scale[:, 1], shift[:, 1]], 1),
        ],
        1,
    )
    chosen = chance((count,), share, generator)
    images = images.clone()
    if chosen.any():
        grid = F.affine_grid(theta[chosen], [int(chosen.sum()), 3, SIZE, SIZE], align_corners=False)
        images[chosen] = F.grid_sample(images[chosen], grid, padding_mode="reflection", align_corners=False)
    return images


def recolour(images: Float[Tensor, "b 3 h w"], share: float, generator: torch.Generator) -> Float[Tensor, "b 3 h w"]:
    """A random ``share`` of the images with another contrast, brightness and gamma; some grey, inverted or noisy."""
    count = len(images)
    size = (count, 1, 1, 1)
    changed = images.clamp(1e-3, 1) ** torch.exp(uniform(size, -0.6, 0.6, generator))
    contrast = uniform(size, 0.5, 1.5, generator)
    changed = (changed - 0.5) * contrast + 0.5 + uniform(size, -0.2, 0.2, generator)
    changed = torch.where(chance(size, 0.2, generator), changed.mean(1, keepdim=True), changed)
    changed = torch.where(chance(size, 0.1, generator), 1 - changed, changed)
    noise = torch.randn(images.shape, generator=generator) * uniform(size, 0, 0.1, generator)
    changed = changed + noise * chance(size, 0.3, generator)
    return torch.where(chance(size, share, generator), changed.clamp(0, 1), images)


def make_images(count: int, pool: Float[Tensor, "p n 3"], generator: torch.Generator) -> Float[Tensor, "b 3 h w"]:
    """A mixed batch, augmented: about three fifths depth maps (half of them of clouds in ``pool``), one quarter
    contours, the rest fractals."""
    depth = max(count * 3 // 5, 1)
    closed = max(count // 4, 1)
    points = int(pool.shape[1] * 2 ** uniform((1,), -2.5, 0, generator))
    built_in = depth // 2
    clouds = torch.cat([superquadrics(depth - built_in, points, generator), draw(pool, built_in, points, generator)])
    seen = recolour(crop(depth_maps(clouds, generator), 0.25, generator), 0.4, generator)
    drawn = [contours(closed, generator)]
    if count - depth - closed > 0:
        drawn.append(fractals(count - depth - closed, generator))
    made = recolour(crop(torch.cat(drawn), 0.9, generator), 0.8, generator)
    return torch.cat([seen, made])
