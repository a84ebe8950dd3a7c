"""The objectives of Point-BERT: its discrete VAE, its masked tokens and its contrast of clouds."""

import math

import torch

from i2pmae.ops import chamfer_l1
from i2pmae.typing import Float, Int, Tensor

__all__ = ["contrast", "mixed_contrast", "uniform_divergence", "vae_reconstruction_loss"]


def vae_reconstruction_loss(
    coarse: Float[Tensor, "b m k4 3"], fine: Float[Tensor, "b m k 3"], target: Float[Tensor, "b m k 3"]
) -> Float[Tensor, ""]:
    """Chamfer-L1 of the coarse and of the fine points to the true ones (Point-BERT §3.1)."""
    truth = target.flatten(0, 1).float()
    return sum(
        (chamfer_l1(points.flatten(0, 1).float(), truth) for points in (coarse, fine)), start=truth.new_zeros(())
    )


def uniform_divergence(logits: Float[Tensor, "b m v"]) -> Float[Tensor, ""]:
    """KL divergence of the words of each cloud, on average over its groups, from the uniform distribution; mean.

    The divergence is that of the uniform distribution from theirs, as in the released code.
    """
    share = logits.float().softmax(-1).mean(1)
    return -(share.clamp_min(torch.finfo(share.dtype).tiny).log().mean(-1) + math.log(share.shape[-1])).mean()


def contrast(
    query: Float[Tensor, "b d"],
    keys: Float[Tensor, "b d"],
    queue: Float[Tensor, "q d"],
    temperature: float,
) -> Float[Tensor, ""]:
    """Cross-entropy of finding a cloud's own key among those of the queue (MoCo, arXiv 1911.05722); all of length 1."""
    own = (query * keys).sum(1, keepdim=True)
    logits = torch.cat([own, query @ queue.T], dim=1).float() / temperature
    return -logits.log_softmax(1)[:, 0].mean()


def mixed_contrast(
    query: Float[Tensor, "b d"],
    keys: Float[Tensor, "whole d"],
    queue: Float[Tensor, "q d"],
    temperature: float,
    share: Float[Tensor, "b"],
    partner: Int[Tensor, "b"],
    first: int = 0,
) -> Float[Tensor, ""]:
    """The same for mixtures of two clouds, among the keys of the batch and of the queue (Point-BERT §3.3).

    Mixture i holds ``share[i]`` of cloud i, whose key is as much of its label; the rest is that of its ``partner``. The
    mixtures may be a part of the batch: the first is that of its cloud ``first``.
    """
    likeness = (query @ torch.cat([keys, queue]).T).float() / temperature
    surprise = -likeness.log_softmax(1)
    row = torch.arange(len(query), device=query.device)
    return (share * surprise[row, first + row] + (1 - share) * surprise[row, partner]).mean()
