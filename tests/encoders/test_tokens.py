"""Read-outs against loops over clouds."""

import pytest
import torch

from i2pmae.common.errors import UsageError
from i2pmae.encoders.pooling import POOLINGS
from i2pmae.encoders.tokens import EncodedLevel, pool, pooled_width
from i2pmae.ops import pack

WIDTHS = (4, 6, 10)
TOKENS = (16, 8, 4)


def levels(padded: bool) -> list[EncodedLevel]:
    generator = torch.Generator().manual_seed(3)
    found = []
    for width, count in zip(WIDTHS, TOKENS, strict=True):
        visible = torch.ones(3, count, dtype=torch.bool)
        if padded:
            visible = torch.rand(3, count, generator=generator) < 0.6
            visible[:, 0] = True
        packing = pack(visible)
        tokens = torch.randn(3, packing.rows.shape[1], width, generator=generator) - 5  # so that zeros would be seen
        found.append(EncodedLevel(tokens, packing, torch.randn(3, width, generator=generator)))
    return found


def naive(level: EncodedLevel, kind: str, row: int) -> torch.Tensor:
    tokens = torch.stack(
        [token for token, is_one in zip(level.tokens[row], level.packing.valid[row], strict=True) if is_one]
    )
    mean, largest, deviation = tokens.mean(0), tokens.max(0).values, tokens.std(0, correction=0)
    parts = {
        "max": [largest],
        "mean+max": [mean + largest],
        "mean|max": [mean, largest],
        "mean|max|deviation": [mean, largest, deviation],
    }
    return torch.cat(parts.get(kind) or [level.class_token[row], largest])


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("kind", POOLINGS)
def test_poolings_equal_loops(kind, padded):
    found = levels(padded)
    plain = kind.removeprefix("standardised:")
    every, part = plain.startswith("levels:"), plain.removeprefix("levels:")
    pooled = pool(found, kind)
    for row in range(3):
        parts = [naive(level, part, row) for level in (found if every else found[-1:])]
        if plain != kind:  # mean and maximum of a level, each by itself
            halves = [half for both in parts for half in both.chunk(2)]
            parts = [(half - half.mean()) / (half.var(correction=0) + 1e-5).sqrt() for half in halves]
        expected = torch.cat(parts)
        torch.testing.assert_close(pooled[row], expected)
    assert pooled.shape[1] == pooled_width(WIDTHS, kind)


def test_padding_has_no_gradient_and_no_part():
    found = levels(True)
    tokens = [level.tokens.clone().requires_grad_() for level in found]
    pool(
        [level._replace(tokens=value) for level, value in zip(found, tokens, strict=True)], "levels:mean|max"
    ).sum().backward()
    for level, value in zip(found, tokens, strict=True):
        assert level.packing.valid.logical_not().any()
        assert (value.grad[~level.packing.valid] == 0).all() and (value.grad[level.packing.valid] != 0).any()


def test_a_class_token_that_is_not_there_is_said():
    with pytest.raises(UsageError, match=r"needs an encoder with a \[CLS\] token"):
        pool([levels(False)[-1]._replace(class_token=None)], "class|max")
