"""The mini-PointNet in pieces against itself layer by layer, in double precision, where rounding crosses no kink."""

import copy

import pytest
import torch
from torch import nn

from i2pmae.common.errors import UsageError
from i2pmae.encoders import pointnet
from i2pmae.encoders.pointnet import MiniPointNet

SIZES = [
    # groups, members, inputs, widths, outputs
    (300, 16, 3, (8, 12, 20), 6),
    (37, 8, 12, (12, 12, 24), 24),
    (5, 1, 3, (4, 2, 4), 3),
    (1, 7, 3, (4, 8, 4), 3),
]


def made(inputs: int, widths: tuple[int, int, int], outputs: int) -> MiniPointNet:
    torch.manual_seed(0)
    module = MiniPointNet(inputs, widths, outputs).double()
    with torch.no_grad():
        for norm in (module.lift_norm, module.join_norm):
            nn.init.uniform_(norm.weight, -1, 2)
            nn.init.normal_(norm.bias)
            nn.init.normal_(norm.running_mean)
            nn.init.uniform_(norm.running_var, 0.5, 2)
    return module


@pytest.fixture(params=[64, 2**18], ids=["many pieces", "one piece"], autouse=True)
def pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pointnet, "PIECE", request.param)


@pytest.mark.parametrize(("groups", "members", "inputs", "widths", "outputs"), SIZES)
def test_training(groups, members, inputs, widths, outputs):
    module = made(inputs, widths, outputs)
    twin = copy.deepcopy(module)
    given = torch.randn(groups, members, inputs, dtype=torch.float64)
    given[:, members // 2] = given[:, 0]  # equal members share the gradient of a maximum
    x, y = given.clone().requires_grad_(), given.clone().requires_grad_()
    found, expected = module(x), twin.plain(y)
    slope = torch.randn_like(expected)
    found.backward(slope)
    expected.backward(slope)
    torch.testing.assert_close(found, expected)
    sums = [value.sum(1) for value in (x.grad, y.grad)]
    torch.testing.assert_close(*sums)
    for (name, value), other in zip(module.named_parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(value.grad, other.grad, atol=1e-9, rtol=1e-7, msg=name)
    for value, other in zip(module.buffers(), twin.buffers(), strict=True):
        torch.testing.assert_close(value, other)


@pytest.mark.parametrize(("groups", "members", "inputs", "widths", "outputs"), SIZES)
@pytest.mark.parametrize("order", ["usual", "transposed"])
def test_evaluation(groups, members, inputs, widths, outputs, order):
    module = made(inputs, widths, outputs).eval()
    given = torch.randn(groups, members, inputs, dtype=torch.float64)
    given = given if order == "usual" else given.transpose(1, 2).contiguous().transpose(1, 2)
    with torch.no_grad():
        torch.testing.assert_close(module(given), module.plain(given))
    assert module(given).grad_fn is not None


def test_norms_may_keep_their_statistics_while_the_rest_trains():
    module = made(*SIZES[0][2:])
    before = copy.deepcopy(module.state_dict())
    module.train()
    for norm in (module.lift_norm, module.join_norm):
        norm.eval()
    found = module(torch.randn(9, 16, 3, dtype=torch.float64).requires_grad_())
    found.sum().backward()
    assert module.lift.weight.grad is not None and module.lift_norm.weight.grad is not None
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_no_groups():
    module = made(3, (4, 4, 4), 5).eval()
    with torch.no_grad():
        assert module(torch.zeros(0, 4, 3, dtype=torch.float64)).shape == (0, 5)


def test_a_single_row_cannot_be_normalised():
    with pytest.raises(UsageError, match="at least 2 rows"):
        made(3, (4, 4, 4), 5)(torch.zeros(1, 1, 3, dtype=torch.float64))


def test_weights_that_are_frozen_get_no_gradient():
    module = made(3, (4, 6, 4), 5)
    module.lift.requires_grad_(False)
    module(torch.randn(9, 4, 3, dtype=torch.float64)).sum().backward()
    assert module.lift.weight.grad is None
    assert module.inner.weight.grad is not None


def test_normalising_together():
    """With sums shared with a process of the same rows, each row counts twice and nothing else changes."""
    module = made(3, (4, 6, 4), 5)
    twin = copy.deepcopy(module)
    for norm in (twin.lift_norm, twin.join_norm):
        norm.share = lambda value: 2 * value
    given = torch.randn(9, 4, 3, dtype=torch.float64)
    torch.testing.assert_close(module(given), twin(given))
    slope = torch.randn(9, 5, dtype=torch.float64)
    for each in (module, twin):
        each(given).backward(slope)
    for value, other in zip(module.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(value.grad, other.grad, atol=1e-9, rtol=1e-7)
