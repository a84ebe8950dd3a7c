"""Which tokens stay visible: at random, or guided by what a 2D model finds salient (I2P-MAE §3.3)."""

from collections.abc import Sequence

import torch

from i2pmae.common.exchange import integers, uniform
from i2pmae.encoders.config import GuidanceKind
from i2pmae.encoders.saliency import logarithm, ranks, standardised
from i2pmae.encoders.tokenizer import Hierarchy
from i2pmae.ops import gather, squared_distances
from i2pmae.typing import Bool, Float, Int, Tensor

__all__ = [
    "block_mask",
    "block_sizes",
    "guidance_logits",
    "gumbel_noise",
    "most_masked",
    "propagate",
    "sample_visible",
    "visible_count",
]


def visible_count(tokens: int, mask_ratio: float) -> int:
    """How many of ``tokens`` stay visible: all but ``int(mask_ratio · tokens)``, at least one."""
    return max(1, tokens - int(mask_ratio * tokens))


def guidance_logits(
    saliency: Float[Tensor, "b m"], kind: GuidanceKind, temperature: float = 1.0
) -> Float[Tensor, "b m"]:
    """Logits whose softmax is the probability that a token is the first to be kept visible.

    ``paper``: the saliency itself. Attention of [CLS] sums to at most 1 over a whole image, so its softmax over the
    tokens is almost uniform. ``standardised``: zero mean and unit deviation within each cloud, which prefers salient
    tokens to the same degree whatever the scale of the 2D model's saliency; a cloud of equal saliency stays uniform.
    ``log`` and ``rank``: the same of its logarithm and of its rank within the cloud, where a few patches of extreme
    saliency, such as corners of the image in which a 2D model keeps something else, say little about all other tokens.
    ``random``: zeros. All are divided by ``temperature``.
    """
    if kind == "random":
        return torch.zeros_like(saliency)
    if kind == "log":
        saliency = logarithm(saliency)
    elif kind == "rank":
        saliency = ranks(saliency)
    return (saliency if kind == "paper" else standardised(saliency)) / temperature


@torch.no_grad()
def sample_visible(logits: Float[Tensor, "b m"], count: int, generator: torch.Generator) -> Bool[Tensor, "b m"]:
    """``count`` tokens per cloud, drawn without replacement with probabilities softmax(logits): the Gumbel top-k."""
    exact = torch.float32 if logits.device.type == "mps" else torch.float64  # which Apple's GPUs lack
    chosen = (logits.to(exact) + gumbel_noise(logits, generator, exact)).topk(count, dim=1).indices
    return torch.zeros_like(logits, dtype=torch.bool).scatter_(1, chosen, True)


def gumbel_noise(
    like: Float[Tensor, "*shape"], generator: torch.Generator, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "*shape"]:
    """Gumbel noise in the shape of ``like``: the largest of logits plus noise is a draw from their softmax."""
    drawn = uniform(like.shape, generator, like.device, dtype)
    least = torch.finfo(dtype).tiny
    return -(-drawn.clamp_min(least).log()).clamp_min(least).log()


@torch.no_grad()
def block_mask(
    centres: Float[Tensor, "b m 3"], counts: Int[Tensor, "b"], generator: torch.Generator
) -> Bool[Tensor, "b m"]:
    """True for one block of ``counts`` tokens per cloud: a random token and those nearest to it (Point-BERT §3.2)."""
    clouds, tokens, _ = centres.shape
    seeds = integers(tokens, (clouds, 1), generator, centres.device)
    order = squared_distances(gather(centres, seeds), centres)[:, 0].argsort(dim=1, stable=True)
    chosen = torch.arange(tokens, device=centres.device) < counts[:, None]
    return torch.zeros_like(chosen).scatter_(1, order, chosen)


def block_sizes(
    centres: Float[Tensor, "b m 3"], mask_ratio: tuple[float, float], generator: torch.Generator
) -> Int[Tensor, "b"]:
    """How many tokens to mask in each cloud, for a share drawn evenly between two; at least one."""
    low, high = mask_ratio
    share = low + (high - low) * uniform((len(centres),), generator, centres.device)
    return (share * centres.shape[1]).long().clamp_min(1)


def most_masked(tokens: int, mask_ratio: tuple[float, float]) -> int:
    """More than so many of ``tokens`` no cloud has masked by :func:`block_sizes`, which rounds in float32."""
    return min(tokens, int(mask_ratio[1] * tokens) + 1)


def propagate(visible: Bool[Tensor, "b m"], hierarchy: Hierarchy) -> Sequence[Bool[Tensor, "b _"]]:
    """Visible tokens of every level, finest first, from those of the coarsest.

    A finer token is visible exactly when a visible coarser token has it among its neighbours
    (multi-scale back-propagation, Point-M2AE §3.1).
    """
    masks = [visible]
    for coarse, fine in zip(hierarchy[:0:-1], hierarchy[-2::-1], strict=True):
        reached = coarse.neighbours.where(masks[0][:, :, None], fine.centres.shape[1]).flatten(1)
        width = fine.centres.shape[1] + 1
        grid = torch.zeros(reached.shape[0], width, dtype=torch.bool, device=reached.device)
        masks.insert(0, grid.scatter_(1, reached, True)[:, :-1])
    return masks
