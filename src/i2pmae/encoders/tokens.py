"""What encoders return, and how the tokens of a cloud become one vector."""

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import NamedTuple

import torch
from torch.nn import functional

from i2pmae.common.errors import UsageError
from i2pmae.encoders.pooling import POOLINGS, Pooling, of_levels, standardises
from i2pmae.ops import Packing, fixed_shapes
from i2pmae.typing import Bool, Float, Tensor

__all__ = ["EncodedLevel", "TokenFeatures", "pool", "pooled_width"]

KINDS = frozenset(of_levels(kind)[0] for kind in POOLINGS)
"""What may be done with the tokens of a level."""
LEAST = 1e-12
"""What is added to a variance, so that its root has a gradient where all tokens are the same."""


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


def pool(levels: Sequence[EncodedLevel], kind: Pooling) -> Float[Tensor, "b c"]:
    """One vector per cloud from the tokens of its levels, finest first; padding takes no part.

    :class:`UsageError` for a pooling that there is not, or that needs a [CLS] token where there is none.
    """
    part, every = of_levels(kind)
    parts = [vector for level in (levels if every else levels[-1:]) for vector in _pool(level, part)]
    if standardises(kind):
        parts = [functional.layer_norm(vector, vector.shape[-1:]) for vector in parts]
    return torch.cat(parts, dim=-1)


def _pool(level: EncodedLevel, kind: str) -> list[Float[Tensor, "b c"]]:
    """What stands side by side of the tokens of one level."""
    if kind not in KINDS:
        raise UsageError(f"Unknown pooling {kind!r}: expected {', '.join(POOLINGS)}.")
    return [reduce(operator.add, [PARTS[name](level) for name in part.split("+")]) for part in kind.split("|")]


def _padded(level: EncodedLevel) -> Bool[Tensor, "b t"] | None:
    """Which tokens are padding; None where none is, as far as that can be known without waiting for a GPU."""
    valid = level.packing.valid
    return None if not fixed_shapes(valid) and bool(valid.all()) else ~valid


def _average(level: EncodedLevel, values: Float[Tensor, "b t c"]) -> Float[Tensor, "b c"]:
    """The mean over tokens of what there is for each of them."""
    if _padded(level) is None:
        return values.mean(1)
    counted = level.packing.valid[..., None].to(values.dtype)
    return (values * counted).sum(1) / counted.sum(1)


def _mean(level: EncodedLevel) -> Float[Tensor, "b c"]:
    return _average(level, level.tokens)


def _largest(level: EncodedLevel) -> Float[Tensor, "b c"]:
    padded = _padded(level)
    if padded is None:
        return level.tokens.amax(1)
    return level.tokens.masked_fill(padded[..., None], -torch.inf).amax(1)


def _deviation(level: EncodedLevel) -> Float[Tensor, "b c"]:
    return (_average(level, (level.tokens - _mean(level)[:, None]).square()) + LEAST).sqrt()


def _class(level: EncodedLevel) -> Float[Tensor, "b c"]:
    if level.class_token is None:
        raise UsageError("The pooling 'class|max' needs an encoder with a [CLS] token, which this one lacks.")
    return level.class_token


PARTS: Mapping[str, Callable[[EncodedLevel], Float[Tensor, "b c"]]] = {
    "max": _largest,
    "mean": _mean,
    "deviation": _deviation,
    "class": _class,
}
"""What the names of poolings are made of."""


def pooled_width(widths: Sequence[int], kind: Pooling) -> int:
    """Channels of a pooled vector of levels of ``widths`` channels, finest first."""
    part, every = of_levels(kind)
    return (part.count("|") + 1) * (sum(widths) if every else widths[-1])
