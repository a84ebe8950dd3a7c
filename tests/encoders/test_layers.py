"""Attention, in every arithmetic: what the tokens say to each other, and what the gradient says back."""

import pytest
import torch

from i2pmae.encoders.layers import Block


def naive(block: Block, x: torch.Tensor, allowed: torch.Tensor | None) -> torch.Tensor:
    """The block one token and one head at a time, in double precision."""
    block = block.double()
    x = x.double()
    normed = block.norm1(x)
    qkv = block.attention.qkv(normed)
    heads, width = block.attention.heads, x.shape[-1]
    size = width // heads
    attended = torch.zeros_like(x)
    for cloud in range(len(x)):
        for head in range(heads):
            query, key, value = (
                qkv[cloud, :, part * width + head * size : part * width + (head + 1) * size] for part in range(3)
            )
            for token in range(x.shape[1]):
                others = [
                    other
                    for other in range(x.shape[1])
                    if allowed is None or allowed[cloud % len(allowed), token, other]
                ]
                scores = torch.stack([query[token] @ key[other] / size**0.5 for other in others])
                weights = torch.exp(scores - scores.max())
                weights = weights / weights.sum()
                attended[cloud, token, head * size : (head + 1) * size] = sum(
                    weight * value[other] for weight, other in zip(weights, others, strict=True)
                )
    x = x + block.attention.proj(attended)
    return x + block.mlp(block.norm2(x))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("dtype", "near"), [(None, 1e-5), (torch.bfloat16, 0.03)])
def test_a_block_is_what_its_formula_says(dtype: torch.dtype | None, near: float, masked: bool) -> None:
    torch.manual_seed(0)
    block, x = Block(24, 3), torch.randn(2, 7, 24)
    allowed = (torch.rand(2, 7, 7) > 0.5) | torch.eye(7, dtype=torch.bool) if masked else None
    x.requires_grad_()
    with torch.autocast("cpu", dtype, enabled=dtype is not None):
        found = block(x, allowed)
    weights = torch.randn(found.shape)
    (found.float() * weights).sum().backward()
    gradient, x.grad = x.grad, None
    expected = naive(block, x, allowed)
    (expected * weights).sum().backward()
    assert (found - expected).abs().max() < near * expected.abs().max()
    assert (gradient - x.grad).abs().max() < near * x.grad.abs().max()
