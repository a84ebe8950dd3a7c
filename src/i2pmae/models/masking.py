"""Which tokens stay visible: at random, or guided by what a 2D model finds salient (I2P-MAE §3.3)."""

from collections.abc import Sequence
from typing import Literal

import torch

from i2pmae.models.tokenizer import Hierarchy
from i2pmae.typing import Bool, Float, Tensor

__all__ = ["guidance_logits", "propagate", "sample_visible", "visible_count"]


def visible_count(tokens: int, mask_ratio: float) -> int:
    """How many of ``tokens`` stay visible: all but ``int(mask_ratio · tokens)``, at least one."""
    return max(1, tokens - int(mask_ratio * tokens))


def guidance_logits(
    saliency: Float[Tensor, "b m"], kind: Literal["standardised", "paper", "random"], temperature: float = 1.0
) -> Float[Tensor, "b m"]:
    """Logits whose softmax is the probability that a token is the first to be kept visible.

    ``paper``: the saliency itself. Attention of [CLS] sums to at most 1 over a whole image, so its softmax over the
    tokens is almost uniform. ``standardised``: zero mean and unit deviation within each cloud, which prefers salient
    tokens to the same degree whatever the scale of the 2D model's saliency; a cloud of equal saliency stays uniform.
    ``random``: zeros. All are divided by ``temperature``.
    """
    if kind == "random":
        return torch.zeros_like(saliency)
    if kind == "standardised":
        saliency = saliency - saliency.mean(1, keepdim=True)
        saliency = saliency / saliency.square().mean(1, keepdim=True).sqrt().clamp_min(1e-12)
    return saliency / temperature


@torch.no_grad()
def sample_visible(logits: Float[Tensor, "b m"], count: int, generator: torch.Generator) -> Bool[Tensor, "b m"]:
    """``count`` tokens per cloud, drawn without replacement with probabilities softmax(logits): the Gumbel top-k."""
    uniform = torch.rand(logits.shape, generator=generator, device=logits.device, dtype=torch.float64)
    gumbel = -(-uniform.clamp_min(1e-300).log()).clamp_min(1e-300).log()
    chosen = (logits.double() + gumbel).topk(count, dim=1).indices
    return torch.zeros_like(logits, dtype=torch.bool).scatter_(1, chosen, True)


def propagate(visible: Bool[Tensor, "b m"], hierarchy: Hierarchy) -> Sequence[Bool[Tensor, "b _"]]:
    """Visible tokens of every level, finest first, from those of the coarsest.

    A finer token is visible exactly when a visible coarser token has it among its neighbours
    (multi-scale back-propagation, Point-M2AE §3.1).
    """
    masks = [visible]
    for coarse, fine in zip(hierarchy[:0:-1], hierarchy[-2::-1], strict=True):
        reached = coarse.neighbours.where(masks[0][:, :, None], fine.centres.shape[1]).flatten(1)
        width = fine.centres.shape[1] + 1
        grid = torch.zeros(len(reached), width, dtype=torch.bool, device=reached.device)
        masks.insert(0, grid.scatter_(1, reached, True)[:, :-1])
    return masks
