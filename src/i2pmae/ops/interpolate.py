"""Interpolation of features from points to points."""

import torch

from i2pmae.ops.gather import gather
from i2pmae.ops.knn import knn
from i2pmae.typing import Float, Tensor

__all__ = ["three_nn_interpolate"]


def three_nn_interpolate(
    target: Float[Tensor, "b n 3"], source: Float[Tensor, "b m 3"], features: Float[Tensor, "b m c"]
) -> Float[Tensor, "b n c"]:
    """Features at ``target``, from the three nearest ``source`` points with weights 1 / (d² + 1e-8), normalised.

    With fewer than three sources all of them are used. Differentiable in ``features``
    (PointNet++, arXiv 1706.02413, equation 2).
    """
    nearest = knn(target, source, min(3, source.shape[1]))
    distance = (gather(source, nearest) - target[:, :, None]).square().sum(-1)
    # The two are the same once normalised; optimisers of exported programs take 1e-8 for nothing.
    weight = 1 / (1e8 * distance + 1 if torch.compiler.is_exporting() else distance + 1e-8)
    weight = weight / weight.sum(-1, keepdim=True)
    return (gather(features, nearest) * weight[..., None].to(features.dtype)).sum(2)
