"""Steps as a GPU takes them, on the CPU: no shape follows from a value, nothing waits, and the figures are the same."""

import contextlib
import sys

import numpy as np
import pytest
import torch

from i2pmae.common.seeds import torch_generator
from tests.steps import TASKS, Painter, batch, i2p_mae
from tests.waiting import NoWaiting

IDLE = ("lift.bias", "inner.bias", "join.bias", "fuse.bias", "residual1.bias", "residual2.bias")
"""What a norm takes away again: its gradient is nothing but rounding."""


def step(task, given):
    """Losses, gradients and buffers of a step."""
    task.model.train().zero_grad()
    losses = task.losses(given, torch_generator(0, "step"))
    sum(loss.weighted for loss in losses.values() if loss.weight is not None).backward()
    values = {name: loss.value.detach() for name, loss in losses.items()}
    values |= {name: p.grad.clone() for name, p in task.model.named_parameters() if p.grad is not None}
    return values | {name: value.clone() for name, value in task.model.named_buffers()}


def fix_shapes(monkeypatch):
    """Let no shape follow from a value, though on the CPU it could."""
    for module in [module for name, module in sys.modules.items() if name.startswith("i2pmae.")]:
        if hasattr(module, "fixed_shapes"):
            monkeypatch.setattr(module, "fixed_shapes", lambda _: True)


@pytest.mark.parametrize("name", TASKS)
def test_the_figures_are_the_same(name, monkeypatch):
    torch.manual_seed(2)
    task = TASKS[name]()
    start = {name: value.clone() for name, value in task.model.state_dict().items()}
    given = batch(6)
    expected = step(task, given)
    task.model.load_state_dict(start)
    fix_shapes(monkeypatch)
    found = step(task, given)
    assert found.keys() == expected.keys()
    nothing = 1e-6 * max(p.grad.norm() for p in task.model.parameters() if p.grad is not None)
    for key, value in expected.items():
        if (key.endswith(IDLE) and "norm" not in key) or key == "explained":  # the share of another sample of targets
            continue
        # Rounding moves a few values over the kinks of what follows: see tests/parity/test_precision.py. The encoder
        # stands before the most of them: on one processor it is off by 0.3 %, on another by 1.9 %.
        allowed = 0.05 if key.startswith("encoder.") else 0.01
        error, size = (found[key].float() - value.float()).norm(), value.float().norm()
        assert error <= allowed * size + nothing, f"{key}: off by {error} of {size}"


@pytest.mark.parametrize("name", TASKS)
def test_nothing_waits_on_a_device_whose_values_nobody_knows(name, monkeypatch):
    """Operations of GPUs take the place of the CPU's loops, and a copy to the device is noticed."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())  # which this device has not
    device = torch.device("meta")
    task = TASKS[name]().to(device)
    given = batch(3, device)
    step(task, given)  # puts what stays the same on the device
    with NoWaiting():
        found = step(task, given)
    assert all(value.device == device for value in found.values())


@pytest.mark.parametrize("name", ["i2p-mae", "point-m2ae", "point-mae", "point-bert"])
def test_pictures_show_no_padding(name, monkeypatch):
    torch.manual_seed(0)
    task = i2p_mae(teacher=Painter()) if name == "i2p-mae" else TASKS[name]()
    task.model.eval()
    points = batch(1)["points"]
    expected = task.explain(points, torch_generator(0, "picture"))
    fix_shapes(monkeypatch)
    found = task.explain(points, torch_generator(0, "picture"))
    assert len(found["reconstruction"]) > 0 and found.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, atol=1e-4)
