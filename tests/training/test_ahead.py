"""Steps as a GPU takes them, on the CPU: begun one after the other, and looked at later."""

import copy
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision

from i2pmae.common.errors import TrainingError, TrainingInterrupted
from i2pmae.training import engine
from i2pmae.training.batches import BatchPlan, StepBatches
from i2pmae.training.checkpoint import checkpoint_path, load_checkpoint
from i2pmae.training.device import make_fabric
from i2pmae.training.engine import fit
from i2pmae.training.history import History
from i2pmae.training.hooks.base import Hook
from i2pmae.training.learner import Learner
from tests.training.small import Acting, Linear, SmallTask, same, settings, small_clouds, weights
from tests.waiting import NoWaiting, Waited


@pytest.fixture
def _ahead(monkeypatch):
    monkeypatch.setattr(engine, "runs_ahead", lambda device: True)


def learner(task, precision="fp32", ahead=True, scale=64.0, **changes) -> Learner:
    if precision == "fp16":  # which the command line has on GPUs alone
        half = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=scale))
        fabric = Fabric(accelerator="cpu", devices=1, plugins=[half])
    else:
        fabric = make_fabric(torch.device("cpu"), precision)
    chosen = settings(**changes)
    return Learner(task, small_clouds(), plan(chosen), chosen, fabric, ahead)


def plan(chosen) -> BatchPlan:
    return BatchPlan(44, 8, chosen.optimiser.accumulate, 3, 0)


def steps(made: Learner) -> StepBatches:
    return StepBatches(made.clouds, made.plan)


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_nothing_in_a_step_waits_for_the_device(precision, accumulate):
    made = learner(SmallTask(), precision, optimiser={"accumulate": accumulate})
    batches = steps(made)
    with NoWaiting():
        begun = [made.begin(batches[step]) for step in range(3)]
    for step in begun:
        figures = made.figures(step)
        assert np.isfinite([*figures.losses.values(), figures.gradient_norm]).all()


def test_what_waits_is_noticed():
    made = learner(SmallTask(), ahead=False)
    with NoWaiting(), pytest.raises(Waited, match="tolist"):
        made.begin(steps(made)[0])
    values = torch.rand(5)
    for ask in (lambda: values[values > 0.5], lambda: values.tolist(), lambda: bool(values.sum() > 0)):
        with NoWaiting(), pytest.raises(Waited):
            ask()
    there = torch.rand(5, device="meta")
    for give in (lambda: values.to(there), lambda: there.new_tensor(1.0)):
        with NoWaiting(), pytest.raises(Waited):
            give()


@pytest.mark.usefixtures("_ahead")
def test_a_run_comes_to_nearly_the_same_and_to_the_same_when_stopped(tmp_path, monkeypatch):
    seen = []

    class Watch(Hook):
        def after_step(self, record):
            seen.append((record.step, record.latest))

    whole, plain = SmallTask(), SmallTask()
    ran = fit(whole, small_clouds(), settings(), tmp_path / "whole", hooks=[Watch()], shown=False)
    assert seen == [(step, step % 5 == 0) for step in range(1, 16)]
    stopped = Acting(7, lambda _: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(TrainingInterrupted, match="step 7 of"):
        fit(stopped, small_clouds(), settings(), tmp_path / "parts", shown=False)
    assert len(History.read(tmp_path / "parts" / "metrics.csv")) == 7
    resumed = SmallTask()
    went_on = fit(resumed, small_clouds(), settings(), tmp_path / "parts", resume=True, shown=False)
    assert same(weights(resumed), weights(whole))
    monkeypatch.undo()
    expected = fit(plain, small_clouds(), settings(), tmp_path / "plain", shown=False)
    for name in ("step", "epoch", "near", "small", "metric/spread", "total", "learning_rate", "gradient_norm"):
        assert np.array_equal(went_on.history[name], ran.history[name])
        np.testing.assert_allclose(ran.history[name], expected.history[name], rtol=1e-3)


@pytest.mark.usefixtures("_ahead")
def test_checkpoints_between_epochs_are_those_of_their_step(tmp_path):
    def crash(_):
        raise MemoryError

    chosen = settings(checkpoint_minutes=1e-9)
    with pytest.raises(MemoryError):
        fit(Acting(4, crash), small_clouds(), chosen, tmp_path / "parts", shown=False)
    assert load_checkpoint(checkpoint_path(tmp_path / "parts"))["step"] == 3
    whole, resumed = SmallTask(), SmallTask()
    fit(whole, small_clouds(), chosen, tmp_path / "whole", shown=False)
    fit(resumed, small_clouds(), chosen, tmp_path / "parts", resume=True, shown=False)
    assert same(weights(resumed), weights(whole))


@pytest.mark.usefixtures("_ahead")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda small: small * float("inf"), "the loss 'small' is inf"),
        (lambda small: (small * 0).sqrt(), "the gradient norm is nan"),
    ],
)
def test_what_is_not_finite_changes_no_weight_though_later_steps_have_begun(tmp_path, change, said):
    before: list = []

    def broken(losses):
        before.append(weights(task))
        return {**losses, "small": replace(losses["small"], value=change(losses["small"].value))}

    task = Acting(8, broken)
    with pytest.raises(TrainingError, match=rf"Step 8 \(epoch 2\): {said}.*cloud-\d+ \(row") as caught:
        fit(task, small_clouds(), settings(), tmp_path, shown=False)
    assert task.calls == 9
    assert str(caught.value).count("cloud-") == 8
    assert all(torch.equal(value, before[0][name]) for name, value in task.model.named_parameters())
    assert load_checkpoint(checkpoint_path(tmp_path))["step"] == 5
    assert len(History.read(tmp_path / "metrics.csv")) == 7


def test_a_broken_step_leaves_the_optimiser_as_it_was_and_so_do_those_after_it():
    task = Acting(2, lambda losses: {**losses, "near": replace(losses["near"], value=losses["near"].value / 0)})
    made = learner(task)
    batches = steps(made)
    made.figures(made.begin(batches[0]))
    before = [{name: value.clone() for name, value in state.items()} for state in made.optimiser.state.values()]
    begun = [made.begin(batches[step]) for step in (1, 2, 3)]
    for state, expected in zip(made.optimiser.state.values(), before, strict=True):
        assert all(torch.equal(state[name], expected[name]) for name in expected)
    with pytest.raises(TrainingError, match="Step 2"):
        made.figures(begun[0])


def test_an_overflow_of_fp16_is_skipped_and_halves_the_scale():
    task = Linear()
    made = learner(task, "fp16", scale=2.0**40, optimiser={"clip_norm": None})
    batches, before = steps(made), weights(task)
    figures = made.figures(made.begin(batches[0]))
    assert not np.isfinite(figures.gradient_norm)
    assert same(weights(task), before)
    assert made.state()["scaler"]["scale"] == 2.0**39
    for step in range(1, 40):
        made.figures(made.begin(batches[step % 15]))
    assert made.state()["scaler"]["scale"] < 2.0**30
    assert not same(weights(task), before)


def test_an_overflow_at_the_smallest_scale_is_an_error():
    task = Acting(
        1, lambda losses: {**losses, "small": replace(losses["small"], value=(losses["small"].value * 0).sqrt())}
    )
    made = learner(task, "fp16", scale=0.5)
    before = weights(task)
    begun = made.begin(steps(made)[0])
    with pytest.raises(TrainingError, match="the gradient norm is nan"):
        made.figures(begun)
    assert all(torch.equal(value, before[name]) for name, value in task.model.named_parameters())


def test_the_scaler_goes_on_as_it_was_saved(tmp_path):
    first, second = learner(Linear(), "fp16"), learner(Linear(), "fp16", scale=8.0)
    batches = steps(first)
    first.figures(first.begin(batches[0]))
    saved = first.state()
    assert saved["scaler"].keys() == {"scale", "growth_factor", "backoff_factor", "growth_interval", "_growth_tracker"}
    second.task.model.load_state_dict(saved["model"])
    second.load(tmp_path, copy.deepcopy(saved))
    assert (second.step, second.state()["scaler"]) == (1, saved["scaler"])
    ends = [made.figures(made.begin(batches[1])) for made in (first, second)]
    assert ends[0] == ends[1]
    assert same(weights(first.task), weights(second.task))


@pytest.mark.parametrize("ahead", [False, True])
def test_a_checkpoint_of_another_device_is_gone_on_with_in_the_form_of_this_one(tmp_path, ahead):
    first, second = learner(Linear(), ahead=not ahead), learner(Linear(), ahead=ahead)
    batches = steps(first)
    for step in range(3):
        first.figures(first.begin(batches[step]))
    second.task.model.load_state_dict(first.task.model.state_dict())
    second.load(tmp_path, copy.deepcopy(first.state()))
    assert all(group["fused"] == (ahead or None) for group in second.optimiser.param_groups)
    for made in (first, second):
        made.figures(made.begin(batches[3]))
    torch.testing.assert_close(first.task.model.weight, second.task.model.weight)
    assert {float(state["step"]) for state in second.optimiser.state.values()} == {4.0}
