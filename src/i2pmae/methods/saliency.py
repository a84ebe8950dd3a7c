"""How salient a 2D model finds the points of clouds."""

import torch

from i2pmae.methods.config import SaliencyKind
from i2pmae.projection.lift import lift
from i2pmae.projection.rasterise import ViewFrame
from i2pmae.teachers.maps import ViewMaps
from i2pmae.typing import Float, Tensor

__all__ = ["point_saliency"]

POINTS = 1024
"""Points of each cloud that are looked up at a time, for the memory that their features take."""


def point_saliency(
    maps: ViewMaps, points: Float[Tensor, "b n 3"], frame: ViewFrame, kind: SaliencyKind = "attention"
) -> Float[Tensor, "b n"]:
    """Saliency of each point: the mean over views of what the teacher gives its pixel (I2P-MAE §3.3), or of the length
    of the features that it gives it."""

    def of_views(some: Float[Tensor, "b p 3"]) -> Float[Tensor, "b p v 1"]:
        if kind == "attention":
            return lift(maps.saliency[:, :, None], some, frame)
        return lift(maps.features, some, frame).norm(dim=-1, keepdim=True)

    return torch.cat([of_views(some).mean((2, 3)) for some in points.split(POINTS, dim=1)], dim=1)
