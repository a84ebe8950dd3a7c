"""The semantic objective in pieces against itself written down, in double precision."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from i2pmae.methods import losses
from i2pmae.methods.losses import semantic_loss


@pytest.mark.parametrize("tokens", [1, 7, 300])
@pytest.mark.parametrize("piece", [1, 200, 2**18])
def test_squared_error_and_its_gradients(tokens, piece, monkeypatch):
    monkeypatch.setattr(losses, "PIECE", piece)
    torch.manual_seed(0)
    head = nn.Linear(5, 4 * 6).double()
    features, rows = torch.randn(20, 6).double(), torch.randint(20, (tokens, 4))
    given = torch.randn(tokens, 5, dtype=torch.float64, requires_grad=True)
    inputs = (given, head.weight, head.bias)
    found = semantic_loss(head, given, features, rows)
    expected = functional.mse_loss(head(given).view(tokens, 4, 6), features[rows])
    torch.testing.assert_close(found, expected)
    for ours, plain in zip(
        torch.autograd.grad(3 * found, inputs), torch.autograd.grad(3 * expected, inputs), strict=True
    ):
        torch.testing.assert_close(ours, plain)


def test_without_gradients():
    head = nn.Linear(5, 4 * 6)
    with torch.no_grad():
        found = semantic_loss(head, torch.randn(9, 5), torch.randn(20, 6), torch.randint(20, (9, 4)))
    assert not found.requires_grad
    assert found > 0


def test_arithmetic_of_autocast_is_respected():
    head, given = nn.Linear(5, 4 * 6), torch.randn(9, 5)
    features, rows = torch.randn(20, 6), torch.randint(20, (9, 4))
    with torch.autocast("cpu", torch.bfloat16):
        found = semantic_loss(head, given, features, rows)
        predicted = head(given)
    assert predicted.dtype == torch.bfloat16
    torch.testing.assert_close(found, functional.mse_loss(predicted.float().view(9, 4, 6), features[rows]))
