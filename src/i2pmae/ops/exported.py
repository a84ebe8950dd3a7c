"""Sampling and neighbours in programs that are exported: as operations of PyTorch alone, or under names of their own.

A format that has loops of its own (ONNX) gets each as one operator, ``i2pmae::fps`` and ``i2pmae::knn``, which it
translates; in others FPS is a step for each point.
"""

import contextlib
from collections.abc import Iterator

import torch

from i2pmae.typing import Float, Int, Tensor

__all__ = ["exported_fps", "exported_knn", "named_operators"]

_named = False


@contextlib.contextmanager
def named_operators() -> Iterator[None]:
    """A block in which exported programs have the two as operators of their own."""
    global _named
    before, _named = _named, True
    try:
        yield
    finally:
        _named = before


def exported_fps(points: Float[Tensor, "b n 3"], count: int) -> Int[Tensor, "b {count}"]:
    """What :func:`~i2pmae.ops.fps` gives: under its own name, or step by step, with nothing written in place."""
    if _named:
        return _fps(points, count)
    x, y, z = points.unbind(-1)
    nearest = torch.full_like(x, torch.inf)
    chosen = [torch.zeros_like(x[:, :1], dtype=torch.long)]
    for _ in range(1, count):
        dx, dy, dz = (values - values.gather(1, chosen[-1]) for values in (x, y, z))
        nearest = torch.minimum(nearest, dx * dx + dy * dy + dz * dz)
        chosen.append(nearest.argmax(1, keepdim=True))
    return torch.cat(chosen, dim=1)


def exported_knn(query: Float[Tensor, "b m 3"], points: Float[Tensor, "b n 3"], k: int) -> Int[Tensor, "b m {k}"]:
    """What :func:`~i2pmae.ops.knn` gives: under its own name, or as the first of all points by distance and index."""
    if _named:
        return _knn(query, points, k)
    from i2pmae.ops.knn import by_key, squared_distances

    # A stable sort would do, but cutting its first k would rule out clouds of exactly k points.
    return by_key(squared_distances(query.float(), points.float())).topk(k, largest=False, sorted=True).indices


@torch.library.custom_op("i2pmae::fps", mutates_args=())
def _fps(points: Tensor, count: int) -> Tensor:
    from i2pmae.ops.fps import fps

    return fps(points, count)


@_fps.register_fake
def _(points: Tensor, count: int) -> Tensor:
    return points.new_empty(points.shape[0], count, dtype=torch.long)


@torch.library.custom_op("i2pmae::knn", mutates_args=())
def _knn(query: Tensor, points: Tensor, k: int) -> Tensor:
    from i2pmae.ops.knn import knn

    return knn(query, points, k)


@_knn.register_fake
def _(query: Tensor, points: Tensor, k: int) -> Tensor:
    del points
    return query.new_empty(query.shape[0], query.shape[1], k, dtype=torch.long)
