"""Sampling, neighbours, distances, depth maps and back-projection, one obvious step after the other."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

SIZE = 224
"""Side of a depth map."""
VIEWS = ((0, 1, 2), (2, 0, 1), (1, 2, 0))
"""Which coordinates are row, column and depth of each view."""


class Group(NamedTuple):
    """The groups of a level."""

    centres: Tensor
    chosen: Tensor
    """Which of the level below (or of the points) the centres are."""
    neighbours: Tensor
    offsets: Tensor
    """Coordinates of the neighbours relative to the centre."""


def fps(points: Tensor, count: int) -> Tensor:
    """Indices of farthest points (b, count), from the first point on."""
    clouds, number, _ = points.shape
    rows = torch.arange(clouds, device=points.device)
    chosen = torch.zeros(clouds, count, dtype=torch.long, device=points.device)
    nearest = torch.full((clouds, number), torch.inf, device=points.device)
    farthest = chosen[:, 0]
    for step in range(count):
        chosen[:, step] = farthest
        distance = ((points - points[rows, farthest][:, None]) ** 2).sum(-1)
        nearest = torch.minimum(nearest, distance)
        farthest = nearest.argmax(-1)
    return chosen


def pick(values: Tensor, index: Tensor) -> Tensor:
    """``values[i, index[i]]`` for every cloud."""
    clouds = torch.arange(len(values), device=values.device).view(-1, *[1] * (index.dim() - 1))
    return values[clouds, index]


def knn(query: Tensor, points: Tensor, count: int) -> Tensor:
    """Nearest points (b, m, count) by the whole matrix of distances, which is expanded into products."""
    distance = -2 * query @ points.transpose(1, 2)
    distance = distance + (query**2).sum(-1)[:, :, None] + (points**2).sum(-1)[:, None]
    return distance.topk(count, dim=-1, largest=False, sorted=True).indices


def groups(points: Tensor, counts: tuple[int, ...], sizes: tuple[int, ...]) -> list[Group]:
    """The groups of every level, finest first; each level is sampled anew."""
    levels = []
    for count, size in zip(counts, sizes, strict=True):
        chosen = fps(points, count)
        centres = pick(points, chosen)
        neighbours = knn(centres, points, size)
        levels.append(Group(centres, chosen, neighbours, pick(points, neighbours) - centres[:, :, None]))
        points = centres
    return levels


def interpolate(target: Tensor, source: Tensor, features: Tensor) -> Tensor:
    """Features at ``target`` from the three nearest sources."""
    distance = ((target[:, :, None] - source[:, None]) ** 2).sum(-1)
    near, index = distance.topk(min(3, source.shape[1]), dim=-1, largest=False)
    weight = 1 / (near + 1e-8)
    weight = weight / weight.sum(-1, keepdim=True)
    return (pick(features, index) * weight[..., None]).sum(2)


def chamfer(a: Tensor, b: Tensor) -> Tensor:
    """Chamfer-L2 by the whole matrix of distances."""
    distance = ((a[:, :, None] - b[:, None]) ** 2).sum(-1)
    return distance.min(2).values.mean() + distance.min(1).values.mean()


def pixels_of(points: Tensor, view: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Row and column (b, n, 2) of each point in a view, and its depth (b, n)."""
    seen = points[..., list(view)]
    plane, depth = seen[..., :2], seen[..., 2]
    lowest = plane.min(1, keepdim=True).values
    cell = (plane - lowest).amax((1, 2), keepdim=True) / (SIZE - 3)
    index = ((plane - lowest) / cell).floor().long() + 1
    middle = (index.max(1, keepdim=True).values + 2 + index.min(1, keepdim=True).values - 2).div(
        2, rounding_mode="floor"
    )
    return index + SIZE // 2 - middle - 1, depth


def depth_map(points: Tensor, view: tuple[int, ...]) -> Tensor:
    """The image (b, 3, 224, 224) of a view: every point adds its depth to 5×5 pixels."""
    index, depth = pixels_of(points, view)
    offset = torch.cartesian_prod(torch.arange(-2, 3), torch.arange(-2, 3)).to(points.device)
    painted = (index[:, :, None] + offset).clamp(0, SIZE - 1).flatten(1, 2)
    image = points.new_zeros(len(points), SIZE * SIZE)
    image = image.scatter_add(1, painted[..., 0] * SIZE + painted[..., 1], depth.repeat_interleave(25, dim=1))
    return image.sigmoid().view(-1, 1, SIZE, SIZE).repeat(1, 3, 1, 1)


def back_projected(maps: Tensor, points: Tensor, chosen: Tensor, view: tuple[int, ...]) -> Tensor:
    """A view's map (b, c, h, w), enlarged as a whole, at chosen points (b, m): (b, m, c)."""
    large = functional.interpolate(maps, size=(SIZE, SIZE), mode="bicubic", align_corners=False).flatten(2)
    index = pick(pixels_of(points, view)[0], chosen).clamp(0, SIZE - 1)
    flat = (index[..., 0] * SIZE + index[..., 1])[:, None].expand(-1, maps.shape[1], -1)
    return large.gather(2, flat).transpose(1, 2)
