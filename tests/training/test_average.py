import pytest
import torch

from i2pmae.common.errors import TrainingInterrupted
from i2pmae.training.engine import fit
from i2pmae.training.hooks.base import Hook
from tests.training.small import SmallTask, same, settings, small_clouds, weights

DECAY = 0.9
AVERAGED = settings(optimiser={"average": DECAY})


class Noting(Hook):
    """Notes the weights after each step, and those that a score at the end of an epoch would see."""

    def __init__(self, task, until: int = 0) -> None:
        self.task, self.until = task, until
        self.steps, self.epochs = [], []

    def after_step(self, record) -> None:
        self.steps.append(record.step)

    def after_epoch(self, epoch, task) -> None:
        self.epochs.append(weights(task))
        if epoch == self.until:
            raise TrainingInterrupted("stop")


class Following(SmallTask):
    """Keeps its weights at the beginning of each step."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = []

    def losses(self, batch, rng):
        self.seen.append(weights(self))
        return super().losses(batch, rng)


def test_the_average_is_that_of_the_weights_of_all_steps(tmp_path):
    raw, averaged = Following(), SmallTask()
    plain = fit(raw, small_clouds(), settings(), tmp_path / "raw", shown=False)
    last = weights(plain.task)
    hook = Noting(averaged)
    found = fit(averaged, small_clouds(), AVERAGED, tmp_path / "averaged", hooks=[hook], shown=False)
    after = [*raw.seen[1:], last]  # BatchNorm's statistics move within a step, the parameters at its end
    expected = {name: value.double() for name, value in raw.seen[0].items()}
    for step, state in enumerate(after, start=1):
        share = max(1 - DECAY, 9 / (10 + step))
        for name, value in state.items():
            expected[name] += share * (value.double() - expected[name])
    for name, value in found.task.model.named_parameters():
        torch.testing.assert_close(value.double(), expected[name], rtol=1e-5, atol=1e-7)
    assert same(hook.epochs[-1], weights(found.task)), "what is scored is what is stored"
    assert not same(weights(found.task), last)
    assert found.history["near"].tolist() == plain.history["near"].tolist(), "steps are those without an average"


def test_a_stopped_run_ends_in_the_same_average(tmp_path):
    whole = fit(SmallTask(), small_clouds(), AVERAGED, tmp_path / "whole", shown=False)
    task = SmallTask()
    with pytest.raises(TrainingInterrupted):
        fit(task, small_clouds(), AVERAGED, tmp_path / "parts", hooks=[Noting(task, until=2)], shown=False)
    resumed = fit(SmallTask(), small_clouds(), AVERAGED, tmp_path / "parts", resume=True, shown=False)
    assert 0 < resumed.first_step < resumed.steps
    assert same(weights(resumed.task), weights(whole.task))
    again = fit(SmallTask(), small_clouds(), AVERAGED, tmp_path / "parts", resume=True, shown=False)
    assert again.first_step == again.steps
    assert same(weights(again.task), weights(whole.task))
