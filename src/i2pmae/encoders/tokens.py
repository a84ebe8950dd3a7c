"""What encoders return, and how the tokens of a cloud become one vector."""

from typing import NamedTuple

import torch

from i2pmae.common.errors import UsageError
from i2pmae.encoders.pooling import POOLINGS, Pooling
from i2pmae.ops import Packing
from i2pmae.typing import Float, Tensor

__all__ = ["EncodedLevel", "TokenFeatures", "pool", "pooled_width"]


class EncodedLevel(NamedTuple):
    """An encoder's output at one level, visible tokens only."""

    tokens: Float[Tensor, "b t c"]
    """Normalised tokens, padded to the longest cloud."""
    packing: Packing
    """Which tokens they are, and which entries are padding."""
    class_token: Float[Tensor, "b c"] | None = None
    """The normalised [CLS] token of an encoder that has one."""


class TokenFeatures(NamedTuple):
    """Features at the centres of tokens, for tasks that want them at points."""

    centres: Float[Tensor, "b m 3"]
    """Where the tokens are."""
    tokens: Float[Tensor, "b m c"]
    """Their features."""


def pool(level: EncodedLevel, kind: Pooling) -> Float[Tensor, "b c"]:
    """One vector per cloud from the tokens of a level of which all are visible (so that none is padding)."""
    tokens = level.tokens
    if kind == "max":
        return tokens.amax(1)
    if kind == "mean+max":
        return tokens.mean(1) + tokens.amax(1)
    if kind == "mean|max":
        return torch.cat([tokens.mean(1), tokens.amax(1)], dim=-1)
    if kind == "class|max":
        if level.class_token is None:
            raise UsageError("The pooling 'class|max' needs an encoder with a [CLS] token, which this one lacks.")
        return torch.cat([level.class_token, tokens.amax(1)], dim=-1)
    raise UsageError(f"Unknown pooling {kind!r}: expected {', '.join(POOLINGS)}.")


def pooled_width(width: int, kind: Pooling) -> int:
    """Channels of a pooled vector of tokens with ``width`` channels."""
    return 2 * width if "|" in kind else width
