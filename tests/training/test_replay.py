"""A step that was not finite leaves the state before it, and is taken again from there."""

from dataclasses import replace

import pytest
import torch

from i2pmae.common.errors import CheckpointError, TrainingError, UsageError
from i2pmae.training.batches import BatchPlan
from i2pmae.training.checkpoint import load_checkpoint, not_finite_path
from i2pmae.training.double import InDouble
from i2pmae.training.engine import fit
from i2pmae.training.hooks.base import Hook
from i2pmae.training.replay import replay_step
from tests.training.small import SmallTask, same, settings, small_clouds, weights


class Breaks(SmallTask):
    """Does something to a loss of the eighth step."""

    def __init__(self, harm=None) -> None:
        super().__init__()
        self.harm, self.step = harm, 0

    def begin(self, step):
        self.step = step

    def losses(self, batch, rng):
        losses = super().losses(batch, rng)
        if self.step == 7 and self.harm is not None:
            small = losses["small"]
            losses["small"] = replace(small, value=self.harm(small.value, batch))
        return losses


def no_number(small, batch):
    return small * float("nan")


PLAN = BatchPlan(44, 8, 1, 3, 0)
GUILTY = int(PLAN.rows(7, PLAN.order(1))[0][2])
"""A cloud of the eighth step."""


def steep_for_one_cloud(small, batch):
    """An infinite slope where the batch has that cloud."""
    return small + (small * 0).sqrt() if GUILTY in batch["index"].tolist() else small


def too_large(small, batch):
    return (small * 0 + 1e25) ** 2


class Remembers(Hook):
    """The weights after the seventh step."""

    def after_step(self, record):
        if record.step == 7:
            self.weights = weights(self.task)


def broken(folder, harm):
    task, hook = Breaks(harm), Remembers()
    hook.task = task
    with pytest.raises(TrainingError, match=rf"Step 8 (.|\n)*`i2pmae replay {folder}`"):
        fit(task, small_clouds(), settings(), folder, hooks=[hook], shown=False)
    return hook.weights


def test_the_state_before_the_step_is_kept_with_the_statistics_of_norms(tmp_path):
    before = broken(tmp_path, no_number)
    saved = load_checkpoint(not_finite_path(tmp_path))
    assert saved["step"] == 7 and same(saved["model"], before)


def test_the_loss_is_named_and_every_cloud_gives_it(tmp_path):
    broken(tmp_path, no_number)
    found = replay_step(Breaks(no_number), small_clouds(), settings(), tmp_path, shown=False)
    assert (found.step, found.epoch, found.origin) == (8, 2, "from the state after step 7 in not-finite.ckpt")
    assert found.run.bad == ("small",) and not found.run.module and not found.double.finite
    assert found.run.parameters[0] == "6.bias" and "returned nan" in found.run.operation
    assert set(found.alone) == set(found.clouds) and len(found.clouds) == 8
    assert "lower learning rate" in str(found) and "first gradient not finite: 6.bias" in str(found)


def test_the_cloud_is_named_and_the_operation_of_the_backward_pass(tmp_path):
    broken(tmp_path, steep_for_one_cloud)
    found = replay_step(Breaks(steep_for_one_cloud), small_clouds(), settings(), tmp_path, shown=False)
    assert found.run.bad == () and not found.run.finite and "MulBackward" in found.run.operation
    assert found.alone == (f"cloud-{GUILTY}",) and f"clouds alone: cloud-{GUILTY}." in str(found)


def test_what_is_finite_in_double_precision_is_said(tmp_path):
    broken(tmp_path, too_large)
    found = replay_step(Breaks(too_large), small_clouds(), settings(), tmp_path, shown=False)
    assert found.run.bad == ("small",) and found.double.finite
    assert found.double.losses["small"] == pytest.approx(1e49)
    assert found.double.losses["near"] == pytest.approx(found.run.losses["near"], rel=1e-4), "the same noise"
    assert "finite in double precision" in str(found)


def test_any_step_is_reached_from_the_checkpoint_before_it_or_from_the_start(tmp_path):
    history = fit(Breaks(), small_clouds(), settings(epochs=2), tmp_path, shown=False).history
    chosen = settings(epochs=2)
    for step in (1, 4, 10):
        found = replay_step(Breaks(), small_clouds(), chosen, tmp_path, step, shown=False)
        assert found.finite and found.double.finite and found.alone == ()
        for name in ("near", "small", "metric/spread"):
            assert found.run.losses[name] == history[name][step - 1]
        assert found.run.gradient_norm == pytest.approx(history["gradient_norm"][step - 1], rel=1e-6)
        assert found.origin == "from the initial weights" + (f" and {step - 1} steps" if step > 1 else "")
    with pytest.raises(UsageError, match=r"No step of the run in .* was not finite: say which"):
        replay_step(Breaks(), small_clouds(), chosen, tmp_path, shown=False)
    with pytest.raises(UsageError, match="has the steps 1 to 10, not 11"):
        replay_step(Breaks(), small_clouds(), chosen, tmp_path, 11, shown=False)
    with pytest.raises(CheckpointError, match="another run"):
        replay_step(Breaks(), small_clouds(43), chosen, tmp_path, 3, shown=False)


def test_a_run_that_goes_on_and_ends_well_leaves_nothing(tmp_path):
    broken(tmp_path, no_number)
    found = replay_step(Breaks(no_number), small_clouds(), settings(), tmp_path, step=7, shown=False)
    assert found.finite and found.origin == "from the state after step 5 in last.ckpt and 1 steps"
    fit(Breaks(), small_clouds(), settings(), tmp_path, resume=True, shown=False)
    assert not not_finite_path(tmp_path).exists()


def test_in_double_all_is_double_but_random_numbers_are_those_of_single_precision():
    layer, points = torch.nn.Linear(3, 2).double(), torch.rand(4, 3)
    drawn = torch.rand(4, 2, generator=torch.Generator().manual_seed(1))
    with InDouble():
        found = layer(points) * 1e300
        assert found.dtype is torch.float32, "as it says"
        again = torch.rand(found.shape, generator=torch.Generator().manual_seed(1), dtype=found.dtype)
        narrow = found.float().to(torch.float32)
    assert found.dtype is narrow.dtype is again.dtype is torch.float64
    assert found.isfinite().all() and torch.equal(narrow, found) and torch.equal(again, drawn.double())
