"""The attention of the first token in the last layer, while every layer runs fused attention.

transformers returns attention maps only from its "eager" implementation, which builds the (tokens × tokens) matrix of
every layer. The teachers need one row of the last layer. A registered attention implementation sees each layer's
queries and keys as they enter the product, after rotary positions and whatever else a family does; it keeps the last
ones, and the row is computed from them once.
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

    query: Tensor | None = None
    key: Tensor | None = None
    scaling: float | None = None

    def row(self) -> Float[Tensor, "b tokens"]:
        """Attention from the first token to every token, mean over heads, in float32; rows sum to 1."""
        if self.query is None or self.key is None:
            raise RuntimeError("no attention layer ran")
        scaling = self.query.shape[-1] ** -0.5 if self.scaling is None else self.scaling
        scores = torch.matmul(self.query.float(), self.key.float().transpose(-1, -2)) * scaling
        return scores.softmax(-1).mean(1).squeeze(1)


_listener: ContextVar[LastAttention | None] = ContextVar("_listener", default=None)


@contextmanager
def listening() -> Iterator[LastAttention]:
    """A record that holds, when the block ends, what the last attention layer inside the block saw."""
    heard = LastAttention()
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
        heard.query, heard.key, heard.scaling = query[:, :, :1], key, options.get("scaling")
    return ALL_ATTENTION_FUNCTIONS["sdpa"](module, query, key, value, attention_mask, **options)


def register() -> str:
    """The name to pass to transformers as ``attn_implementation``; makes it known there first."""
    from transformers import AttentionInterface

    AttentionInterface.register(IMPLEMENTATION, _attend)
    return IMPLEMENTATION
