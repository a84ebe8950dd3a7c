"""The attention of the first token in the last layer, while every layer runs fused attention; or its rollout.

transformers returns attention maps only from its "eager" implementation, which builds the (tokens × tokens) matrix of
every layer. The teachers need one row of the last layer. A registered attention implementation sees each layer's
queries and keys as they enter the product, after rotary positions and whatever else a family does; it keeps the last
ones, and the row is computed from them once. Attention rollout needs the matrix of every layer, and multiplies them as
the layers run.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch

from i2pmae.typing import Float, Tensor

__all__ = ["IMPLEMENTATION", "LastAttention", "listening", "register"]

IMPLEMENTATION = "i2pmae_first_token"
"""Name of the attention implementation in transformers' table."""


@dataclass
class LastAttention:
    """The first token's query and all keys of the attention layer that ran last."""

    rollout: bool = False
    """Whether the row is that of the attention rollout over all layers (Abnar and Zuidema, arXiv 2005.00928): each
    layer's attention, mean over heads, half of it replaced by the token itself for the residual connection, times that
    of the layers before."""
    query: Tensor | None = None
    key: Tensor | None = None
    scaling: float | None = None
    product: Float[Tensor, "b tokens tokens"] | None = None
    """The rollout so far."""

    def hear(self, query: Tensor, key: Tensor, scaling: float | None) -> None:
        """Take note of a layer."""
        self.query, self.key, self.scaling = query[:, :, :1], key, scaling
        if self.rollout:
            attention = _attention(query, key, scaling)
            own = torch.eye(attention.shape[-1], device=attention.device, dtype=attention.dtype)
            mixed = (attention + own) / 2
            self.product = mixed if self.product is None else mixed @ self.product

    def row(self) -> Float[Tensor, "b tokens"]:
        """Attention from the first token to every token, mean over heads, in float32; rows sum to 1."""
        if self.query is None or self.key is None:
            raise RuntimeError("no attention layer ran")
        if self.product is not None:
            return self.product[:, 0]
        return _attention(self.query, self.key, self.scaling).squeeze(1)


def _attention(query: Tensor, key: Tensor, scaling: float | None) -> Float[Tensor, "b queries tokens"]:
    """Attention weights, mean over heads, in float32."""
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    scores = torch.matmul(query.float(), key.float().transpose(-1, -2)) * scaling
    return scores.softmax(-1).mean(1)


_listener: ContextVar[LastAttention | None] = ContextVar("_listener", default=None)


@contextmanager
def listening(rollout: bool = False) -> Iterator[LastAttention]:
    """A record that holds, when the block ends, what the last attention layer inside the block saw, or all of them."""
    heard = LastAttention(rollout)
    token = _listener.set(heard)
    try:
        yield heard
    finally:
        _listener.reset(token)


def _attend(
    module: torch.nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
) -> tuple[Tensor, Tensor | None]:
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    heard = _listener.get()
    if heard is not None:
        heard.hear(query, key, options.get("scaling"))
    return ALL_ATTENTION_FUNCTIONS["sdpa"](module, query, key, value, attention_mask, **options)


def register() -> str:
    """The name to pass to transformers as ``attn_implementation``; makes it known there first."""
    from transformers import AttentionInterface

    AttentionInterface.register(IMPLEMENTATION, _attend)
    return IMPLEMENTATION
