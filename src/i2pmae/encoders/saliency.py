"""Saliency in units that mean the same whatever the 2D model it comes from."""

import torch

from i2pmae.typing import Float, Tensor

__all__ = ["logarithm", "ranks", "sampling_weight", "standardised"]

LEAST = 0.01
"""Where its logarithm is taken, saliency counts as at least this share of the cloud's mean: enlarged bicubically, it
goes below 0 beside high values."""
FARTHEST = 3.0
"""Deviations from the mean up to which saliency decides how densely points are sampled."""


def standardised(values: Float[Tensor, "b m"]) -> Float[Tensor, "b m"]:
    """The values with zero mean and unit deviation within each cloud; equal ones stay equal."""
    values = values - values.mean(1, keepdim=True)
    return values / values.square().mean(1, keepdim=True).sqrt().clamp_min(1e-12)


def logarithm(saliency: Float[Tensor, "b m"]) -> Float[Tensor, "b m"]:
    """The logarithm of each saliency, which counts as at least a hundredth of what a cloud's positive ones are on
    average."""
    least = LEAST * saliency.clamp_min(0).mean(1, keepdim=True)
    return saliency.maximum(least).clamp_min(torch.finfo(saliency.dtype).tiny).log()


def ranks(saliency: Float[Tensor, "b m"]) -> Float[Tensor, "b m"]:
    """The place of each saliency in the order of its cloud, from 0 for the least; equal ones share their mean place."""
    lower = (saliency[:, None] < saliency[:, :, None]).sum(2)
    equal = (saliency[:, None] == saliency[:, :, None]).sum(2)  # itself among them
    return (lower + (equal - 1) / 2).to(saliency.dtype)


def sampling_weight(saliency: Float[Tensor, "b n"], alpha: float) -> Float[Tensor, "b n"]:
    """What the distance of a point is multiplied with in farthest point sampling: saliency to the power of ``alpha``.

    Saliency is made positive and scaled by its :func:`logarithm`, standardised within each cloud and cut off at
    3 deviations: a typical point has weight 1, one that is more salient by a deviation ``exp(alpha)``, and centres lie
    that much closer to each other there, whatever the scale and spread of the 2D model's saliency. With ``alpha`` 0 all
    weights are 1.
    """
    return (alpha * standardised(logarithm(saliency)).clamp(-FARTHEST, FARTHEST)).exp()
