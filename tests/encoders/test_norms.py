"""Batch normalisation: as exact as in float64 at any number of rows, and otherwise PyTorch's."""

import copy
import threading
from collections.abc import Callable

import pytest
import torch
from torch import nn

from i2pmae.common.errors import UsageError
from i2pmae.encoders.norms import LONG_CHAIN as CHAIN
from i2pmae.encoders.norms import BatchNorm, batch_moments
from i2pmae.methods.i2p_mae.config import I2PMAEConfig
from i2pmae.methods.i2p_mae.model import I2PMAE
from i2pmae.methods.point_bert.config import DiscreteVAEConfig
from i2pmae.methods.point_bert.dvae import DiscreteVAE
from i2pmae.tasks.classifier.config import ClassifierConfig
from i2pmae.tasks.classifier.model import Classifier
from i2pmae.tasks.segmentation.config import SegmenterConfig
from i2pmae.tasks.segmentation.model import Segmenter

MANY = 96 * 1024
SIZES = [
    (MANY, 32),
    (MANY + 1, 8),
    (MANY - 3, 48),
    (8 * CHAIN + 8, 128),
    (CHAIN + 1, 1100),
    (CHAIN, 4),
    (2, 16),
    (3, 1),
]


def layer(channels: int, kind: type[nn.BatchNorm1d] = BatchNorm) -> nn.BatchNorm1d:
    generator = torch.Generator().manual_seed(1)
    made = kind(channels)
    with torch.no_grad():
        made.weight.copy_(1 + 0.3 * torch.randn(channels, generator=generator))
        made.bias.copy_(torch.randn(channels, generator=generator))
    return made


def batch(rows: int, channels: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    values = 2 * torch.randn(rows, channels, generator=generator) + torch.randn(channels, generator=generator)
    return values, torch.randn(rows, channels, generator=generator)


def apply(norm: nn.BatchNorm1d, rows: torch.Tensor, gradient: torch.Tensor) -> list[torch.Tensor]:
    """Output, and the gradients of rows, weight and bias."""
    rows = rows.detach().requires_grad_()
    out = norm(rows)
    return [out.detach(), *torch.autograd.grad(out, [rows, norm.weight, norm.bias], gradient.to(out.dtype))]


def error(found: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest error, relative to the largest value."""
    return ((found.double() - expected.double()).abs().max() / expected.abs().max()).item()


@pytest.mark.parametrize("size", SIZES)
def test_it_is_exact_at_any_number_of_rows(size: tuple[int, int]) -> None:
    rows, gradient = batch(*size)
    expected = apply(layer(size[1], nn.BatchNorm1d).double(), rows.double(), gradient.double())
    found = apply(layer(size[1]), rows, gradient)
    # Of two or three rows the deviation itself may be a rounding error of their values.
    tolerance = 1e-6 if size[0] > 3 else 1e-4
    assert (
        max(error(*pair) for pair in zip(found[:1] + found[2:], expected[:1] + expected[2:], strict=True)) < tolerance
    )
    assert (found[1].double() - expected[1]).abs().max() < tolerance * gradient.abs().max()


def test_the_layer_it_replaces_is_not_as_exact() -> None:
    rows, gradient = batch(MANY, 32)
    expected = apply(layer(32, nn.BatchNorm1d).double(), rows.double(), gradient.double())
    theirs, ours = (apply(layer(32, kind), rows, gradient) for kind in (nn.BatchNorm1d, BatchNorm))
    for index in (2, 3):
        assert error(theirs[index], expected[index]) > 5 * error(ours[index], expected[index])


def test_moments_keep_their_digits_far_from_zero() -> None:
    rows = batch(MANY, 8)[0] + 1000
    count, mean, square = batch_moments(rows)
    assert count == MANY
    torch.testing.assert_close(mean, rows.double().mean(0), rtol=1e-7, atol=0)
    torch.testing.assert_close(square / count, rows.double().var(0, correction=0), rtol=1e-5, atol=0)


@pytest.mark.parametrize("size", [(5 * CHAIN, 12), (40, 12)])
def test_running_statistics_evaluation_and_state_are_those_of_the_layer_it_replaces(size: tuple[int, int]) -> None:
    ours, theirs = layer(12), layer(12, nn.BatchNorm1d)
    for step in range(3):
        rows = batch(*size)[0] + step
        torch.testing.assert_close(ours(rows), theirs(rows), rtol=1e-4, atol=1e-5)
    assert ours.num_batches_tracked == theirs.num_batches_tracked == 3
    assert [(k, v.shape, v.dtype) for k, v in ours.state_dict().items()] == [
        (k, v.shape, v.dtype) for k, v in theirs.state_dict().items()
    ]
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=1e-5, atol=1e-5)
    theirs.load_state_dict(ours.state_dict())
    ours.load_state_dict(theirs.state_dict())
    ours.eval(), theirs.eval()
    assert all(
        torch.equal(*pair) for pair in zip(apply(ours, *batch(*size)), apply(theirs, *batch(*size)), strict=True)
    )


def test_gradients_are_those_of_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    norm = layer(3).double()
    rows = torch.randn(CHAIN + 5, 3, dtype=torch.float64, generator=generator)[:: CHAIN // 4]
    norm.share = lambda value: value  # so that few rows take the same way as many
    rows.requires_grad_()
    weight, bias = norm.weight.detach().requires_grad_(), norm.bias.detach().requires_grad_()

    def normalised(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(norm, {"weight": weight, "bias": bias}, rows)

    assert torch.autograd.gradcheck(normalised, (rows, weight, bias))


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("size", [(20 * CHAIN, 16), (24, 16)])
def test_half_precision_has_the_statistics_of_single(half: torch.dtype, size: tuple[int, int]) -> None:
    rows, gradient = (values.to(half) for values in batch(*size))
    norm, exact = layer(16), layer(16)
    found, expected = apply(norm, rows, gradient), apply(exact, rows.float(), gradient.float())
    assert [part.dtype for part in found] == [half, half, torch.float32, torch.float32]
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours.float(), theirs, rtol=2**-7, atol=2**-7 * theirs.abs().max().item())
    torch.testing.assert_close(norm.running_var, exact.running_var, rtol=1e-5, atol=1e-6)


def test_autocast_trains_and_large_half_values_do_not_overflow() -> None:
    model = nn.Sequential(nn.Linear(4, 8), BatchNorm(8))
    with torch.autocast("cpu", torch.bfloat16):
        out = model(torch.randn(4 * CHAIN, 4))
    out.float().square().sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())
    assert torch.isfinite(BatchNorm(4)(torch.full((4 * CHAIN, 4), 6e4, dtype=torch.float16))).all()


def test_rows_of_any_layout_and_frozen_ones_are_taken() -> None:
    rows, gradient = batch(3 * CHAIN, 6)
    expected = apply(layer(6), rows, gradient)
    turned = apply(layer(6), rows.T.contiguous().T, gradient.T.contiguous().T)
    for ours, theirs in zip(turned, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    norm = layer(6)
    norm(rows).backward(gradient)
    torch.testing.assert_close(norm.weight.grad, expected[2])


def test_a_single_row_is_refused_in_training_alone() -> None:
    norm = BatchNorm(4)
    with pytest.raises(UsageError, match=r"at least 2 rows.*got 1: use a larger batch"):
        norm(torch.zeros(1, 4))
    assert norm.num_batches_tracked == 0
    assert norm.eval()(torch.zeros(1, 4)).shape == (1, 4)


def test_rows_shared_between_processes_are_one_batch() -> None:
    rows, gradient = batch(3 * CHAIN, 5)
    whole, norms = layer(5), [layer(5), layer(5)]
    expected, found, parts = apply(whole, rows, gradient), [[], []], [slice(0, CHAIN // 2), slice(CHAIN // 2, None)]
    given: list[torch.Tensor | None] = [None, None]
    barrier = threading.Barrier(2, timeout=60)

    def adder(place: int) -> Callable[[torch.Tensor], torch.Tensor]:
        def add(value: torch.Tensor) -> torch.Tensor:
            given[place] = value
            barrier.wait()
            total = given[0] + given[1]
            barrier.wait()
            return total

        return add

    def work(place: int) -> None:
        norms[place].share = adder(place)
        found[place] = apply(norms[place], rows[parts[place]], gradient[parts[place]])

    threads = [threading.Thread(target=work, args=(place,)) for place in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index in (0, 1):
        torch.testing.assert_close(torch.cat([part[index] for part in found]), expected[index], rtol=1e-5, atol=1e-6)
    for index in (2, 3):
        torch.testing.assert_close(found[0][index] + found[1][index], expected[index], rtol=1e-5, atol=1e-4)
    for norm in norms:
        torch.testing.assert_close(norm.state_dict(), whole.state_dict(), rtol=1e-5, atol=1e-6)


def test_every_batch_norm_of_the_models_is_this_one() -> None:
    sizes = I2PMAEConfig()
    names = ("a", "b")
    models = [
        I2PMAE(sizes.changed(semantic_dim=6)),
        Classifier(ClassifierConfig(encoder=sizes.alone(), classes=names)),
        Segmenter(SegmenterConfig(encoder=sizes.alone(), parts=names, categories=names)),
        DiscreteVAE(DiscreteVAEConfig(codes=64)),
    ]
    norms = [module for model in models for module in model.modules() if isinstance(module, nn.BatchNorm1d)]
    assert norms and all(type(norm) is BatchNorm for norm in norms)
    assert type(copy.deepcopy(norms[0])) is BatchNorm


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("shared", [False, True])
def test_the_gpu_is_as_exact(shared: bool) -> None:
    rows, gradient = batch(MANY, 32)
    expected = apply(layer(32, nn.BatchNorm1d).double(), rows.double(), gradient.double())
    norm = layer(32).cuda()
    norm.share = (lambda value: value) if shared else None
    for found, wanted in zip(apply(norm, rows.cuda(), gradient.cuda()), expected, strict=True):
        assert error(found.cpu(), wanted) < 2e-6
