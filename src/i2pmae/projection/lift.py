"""Maps of a 2D model back onto points."""

import functools

import torch

from i2pmae.projection.rasterise import ViewFrame
from i2pmae.typing import Float, Tensor

__all__ = ["lift"]

_SHARPNESS = -0.75
"""The free parameter of the cubic convolution kernel, as in the common image libraries."""


def lift(
    maps: Float[Tensor, "b v c h w"], points: Float[Tensor, "b m 3"], frame: ViewFrame
) -> Float[Tensor, "b m v c"]:
    """The value of each view's map at each point's pixel, as if the map had been enlarged bicubically to the image.

    Equal to enlarging the map to ``image_size`` (bicubic, half-pixel centres, border repeated) and reading the point's
    pixel (I2P-MAE §3.2), without building it: each point is a row of h·w weights, 16 of them not zero, and all
    channels follow from one matrix product. Points need not belong to the projected cloud, the frame does.
    """
    h, w = maps.shape[-2:]
    pixel = frame.pixels(points)
    vertical, horizontal = (_cubic_weights(frame.image_size, cells, maps.device, maps.dtype) for cells in (h, w))
    vertical, horizontal = vertical[pixel[..., 0]], horizontal[pixel[..., 1]]
    weight = (vertical[..., :, None] * horizontal[..., None, :]).flatten(3)
    lifted = torch.matmul(weight, maps.flatten(3).transpose(2, 3))
    return lifted.transpose(1, 2)


@functools.lru_cache(maxsize=32)  # a copy to a GPU waits for all that it has to do: one for all steps
def _cubic_weights(pixels: int, cells: int, device: torch.device, dtype: torch.dtype) -> Float[Tensor, "pixels cells"]:
    """What each of ``cells`` samples contributes to each of ``pixels`` (Keys 1981, border repeated)."""
    centre = (torch.arange(pixels, dtype=torch.float64) + 0.5) * cells / pixels - 0.5
    first = centre.floor()
    matrix = torch.zeros(pixels, cells, dtype=torch.float64)
    for offset in range(-1, 3):
        tap = (first + offset).clamp(0, cells - 1).long()
        matrix.scatter_add_(1, tap[:, None], _kernel((centre - first - offset).abs())[:, None])
    return matrix.to(device, dtype)


def _kernel(x: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    a = _SHARPNESS
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return near.where(x <= 1, far)
