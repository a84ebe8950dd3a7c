"""Building blocks: position embedding, transformer blocks."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from i2pmae.common.ranks import Part
from i2pmae.typing import Bool, Float, Shaped, Tensor

__all__ = ["Block", "DropPath", "Dropout", "learnt_token", "position_embedding", "radius_mask"]

Heads = Float[Tensor, "b h t d"]
"""Queries, keys or values, head by head."""


def position_embedding(width: int, hidden: int | None = None) -> nn.Sequential:
    """Coordinates to a vector of ``width``: Linear, GELU, Linear; ``hidden`` in between, or ``width`` where absent."""
    hidden = hidden or width
    return nn.Sequential(nn.Linear(3, hidden), nn.GELU(), nn.Linear(hidden, width))


def learnt_token(width: int) -> nn.Parameter:
    """A token, or the position of one, that is a parameter: from a normal distribution of deviation 0.02, cut at 2."""
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(width), std=0.02))


class Dropout(nn.Dropout):
    """Dropout that, in a run of several processes, draws for the whole batch and takes the part of its own rows."""

    part: Part | None = None
    """Which clouds of the batch are this process's; all where absent."""

    def forward(self, input: Shaped[Tensor, "r ..."]) -> Shaped[Tensor, "r ..."]:
        """The input, in training with zeros in random places. Its rows are clouds, or as many of each cloud."""
        if self.part is None or not self.training or self.p == 0:
            return super().forward(input)
        return input * _kept(input, input.shape[1:], 1 - self.p, self.part).div_(1 - self.p)


class DropPath(nn.Module):
    """Stochastic depth (arXiv 1603.09382): a branch is left out for a whole cloud with probability ``rate``."""

    part: Part | None = None
    """Which clouds of the batch are this process's; all where absent."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, branch: Float[Tensor, "b t c"]) -> Float[Tensor, "b t c"]:
        """The branch, in training with zeros for random clouds."""
        if not self.training or self.rate == 0:
            return branch
        return branch * _kept(branch, (1, 1), 1 - self.rate, self.part) / (1 - self.rate)


def _kept(
    rows: Shaped[Tensor, "r ..."], rest: Sequence[int], share: float, part: Part | None
) -> Shaped[Tensor, "r ..."]:
    """1 with probability ``share`` and else 0, for each of the rows; of the draw for a whole batch, where they are a
    part of one."""
    if part is None:
        return rows.new_empty(len(rows), *rest).bernoulli_(share)
    unit = len(rows) // part.count
    return rows.new_empty(unit * part.total, *rest).bernoulli_(share).narrow(0, unit * part.first, len(rows))


def _attend(query: Heads, key: Heads, value: Heads, mask: Bool[Tensor, "b 1 #t t"] | None) -> Heads:
    return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)


def _attend_plainly(query: Heads, key: Heads, value: Heads, mask: Bool[Tensor, "b 1 #t t"] | None) -> Heads:
    """The same as three operations: in bf16 on a CPU, the backward pass of the fused one takes up to 80 ms where these
    take 2 (32 clouds of 51 tokens)."""
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    if mask is not None:
        scores = scores + scores.new_zeros(()).where(mask, float("-inf"))
    return scores.softmax(-1) @ value


class _Attention(nn.Module):
    """Multi-head self-attention without bias in the projections to query, key and value."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "b t c"], allowed: Bool[Tensor, "b #t t"] | None) -> Float[Tensor, "b t c"]:
        b, t, c = x.shape
        query, key, value = self.qkv(x).view(b, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        mask = None if allowed is None else allowed[:, None]
        attend = _attend_plainly if x.is_cpu and query.dtype == torch.bfloat16 else _attend
        return self.proj(attend(query, key, value, mask).transpose(1, 2).reshape(b, t, c))


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, width: int, heads: int, mlp_ratio: float = 4.0, drop_path: float = 0.0) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = _Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        hidden = int(width * mlp_ratio)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.drop_path = DropPath(drop_path)

    def forward(
        self, x: Float[Tensor, "b t c"], allowed: Bool[Tensor, "b #t t"] | None = None
    ) -> Float[Tensor, "b t c"]:
        """Tokens after attention and MLP. ``allowed[i, q, k]``: query q of cloud i sees key k; all where absent."""
        x = x + self.drop_path(self.attention(self.norm1(x), allowed))
        return x + self.drop_path(self.mlp(self.norm2(x)))


def radius_mask(centres: Float[Tensor, "b t 3"], radius: float) -> Bool[Tensor, "b t t"]:
    """Which tokens see which: those whose centres are closer than ``radius`` (Point-M2AE §3.2)."""
    return torch.cdist(centres, centres, compute_mode="donot_use_mm_for_euclid_dist") < radius
