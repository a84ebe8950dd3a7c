"""Saliency in other units, against loops over tokens."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from i2pmae.encoders.masking import guidance_logits, sample_visible
from i2pmae.encoders.saliency import logarithm, ranks, sampling_weight, standardised


def attention(clouds: int, tokens: int, seed: int = 0) -> torch.Tensor:
    """Like attention, spread over two orders of magnitude."""
    normal = torch.randn(clouds, tokens, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (0.8 * normal - 5).exp()


def unit(values: list[float]) -> list[float]:
    mean = sum(values) / len(values)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
    return [(value - mean) / deviation for value in values]


def naive_logarithm(values: list[float]) -> list[float]:
    least = 0.01 * sum(max(value, 0.0) for value in values) / len(values)
    return [math.log(max(value, least)) for value in values]


def naive_ranks(values: list[float]) -> list[float]:
    return [sum(1.0 if other < value else 0.5 * (other == value) for other in values) - 0.5 for value in values]


def test_units_are_those_of_the_loops() -> None:
    saliency = attention(3, 40)
    saliency[1, :5] = -saliency[1, 5:10]  # as beside high values of a map that is enlarged
    saliency[2, :9] = saliency[2, 9]
    units = [guidance_logits(saliency, kind, 2.0) for kind in ("standardised", "log", "rank")]
    for of_cloud, *found in zip(saliency.tolist(), *units, strict=True):
        for values, logits in zip((of_cloud, naive_logarithm(of_cloud), naive_ranks(of_cloud)), found, strict=True):
            assert logits.tolist() == pytest.approx([value / 2 for value in unit(values)], abs=1e-9)
    assert torch.equal(guidance_logits(saliency, "paper", 2.0), saliency / 2)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=12))
def test_equal_saliency_shares_its_mean_rank(values: list[int]) -> None:
    assert ranks(torch.tensor([values], dtype=torch.float32))[0].tolist() == naive_ranks(values)


def test_a_few_tokens_of_extreme_saliency_move_ranks_and_logarithms_less() -> None:
    """With a corner of the image in three of 64 tokens, the others are still told from each other."""
    saliency = attention(1, 64).repeat(500, 1)
    order = saliency[0].argsort()
    saliency[:, order[-3:]] *= 100
    preferred = {}
    for kind in ("standardised", "log", "rank"):
        rng = torch.Generator().manual_seed(0)
        chance = sample_visible(guidance_logits(saliency, kind), 13, rng).float().mean(0)[order]  # type: ignore[arg-type]
        preferred[kind] = (chance[-20:-3].mean() / chance[:20].mean()).item()
    assert preferred["standardised"] < 1.5 < 2.5 < min(preferred["log"], preferred["rank"])


def test_the_weight_of_a_point_is_its_saliency_to_a_power() -> None:
    saliency, alpha = attention(2, 50), 0.7
    for of_cloud, found in zip(saliency.tolist(), sampling_weight(saliency, alpha), strict=True):
        scaled = [math.exp(min(max(z, -3.0), 3.0)) for z in unit(naive_logarithm(of_cloud))]
        assert found.tolist() == pytest.approx([value**alpha for value in scaled])
    assert torch.equal(sampling_weight(saliency, 0.0), torch.ones_like(saliency))


def test_alpha_means_the_same_for_all_teachers() -> None:
    saliency = attention(2, 50)
    for other in (1000 * saliency, saliency.sqrt()):  # another scale, another spread
        torch.testing.assert_close(sampling_weight(other, 1.0), sampling_weight(saliency, 1.0))


def test_weights_are_positive_and_bounded_whatever_the_saliency() -> None:
    saliency = attention(3, 2000).float()
    saliency[0, 0], saliency[1, :10] = 1e6, -5.0
    saliency[2] = 0
    weight = sampling_weight(saliency, 4.0)
    assert torch.isfinite(weight.square()).all()
    assert weight.min() >= math.exp(-12.01) and weight.max() <= math.exp(12.01)
    assert weight[2].unique().numel() == 1


def test_standardised_logarithms_keep_the_order() -> None:
    saliency = attention(1, 30)
    assert torch.equal(standardised(logarithm(saliency)).argsort(), saliency.argsort())
