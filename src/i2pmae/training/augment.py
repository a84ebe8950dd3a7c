"""Random points and random changes of clouds, a batch at a time."""

import math

import torch

from i2pmae.common.exchange import uniform
from i2pmae.ops import fps, gather
from i2pmae.typing import Float, Int, Tensor

__all__ = ["augment", "choose_points", "draw_points", "fixed_points", "turn"]


def draw_points(points: Float[Tensor, "b n 3"], count: int, rng: torch.Generator) -> Float[Tensor, "b m 3"]:
    """``count`` random points of each cloud in random order; all of them, shuffled, where there are fewer."""
    return gather(points, choose_points(points, count, rng))


def choose_points(
    points: Float[Tensor, "b n 3"], count: int, rng: torch.Generator, candidates: int | None = None
) -> Int[Tensor, "b m"]:
    """Indices of ``count`` random points of each cloud in random order: of its ``candidates`` FPS points, or of all."""
    among = None if candidates is None else fps(points, candidates)
    shape = points.shape[:2] if among is None else among.shape
    order = uniform(shape, rng, points.device).argsort(1)[:, :count]
    return order if among is None else among.gather(1, order)


def fixed_points(points: Float[Tensor, "b n 3"], count: int, spread: bool) -> Int[Tensor, "b m"]:
    """Indices of ``count`` points of each cloud without chance: by FPS where ``spread``, else the first ones.

    Clouds are stored in random order, so the first points are as dense as random ones.
    """
    if spread and count < points.shape[1]:
        return fps(points, count)
    return torch.arange(count, device=points.device).expand(len(points), -1)


def augment(
    points: Float[Tensor, "b n 3"],
    rng: torch.Generator,
    scale: tuple[float, float] = (2 / 3, 3 / 2),
    shift: tuple[float, float] = (-0.2, 0.2),
) -> Float[Tensor, "b n 3"]:
    """Clouds with each axis scaled and shifted by uniform random amounts, one draw per cloud (I2P-MAE §4.1)."""
    drawn = uniform((2, len(points), 1, 3), rng, points.device, points.dtype, clouds=1)
    return points * (scale[0] + drawn[0] * (scale[1] - scale[0])) + (shift[0] + drawn[1] * (shift[1] - shift[0]))


def turn(points: Float[Tensor, "b n 3"], rng: torch.Generator, degrees: float) -> Float[Tensor, "b n 3"]:
    """Clouds turned about the vertical axis y by U(-degrees, degrees), one draw per cloud."""
    drawn = uniform((len(points),), rng, points.device, points.dtype)
    angle = (2 * drawn - 1) * math.radians(degrees)
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]
    x, y, z = points.unbind(-1)
    return torch.stack([cos * x + sin * z, y, cos * z - sin * x], dim=-1)
