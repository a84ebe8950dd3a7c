import pytest
import torch

from i2pmae.common.errors import CheckpointError
from i2pmae.training.engine import fit
from i2pmae.training.hooks.base import Hook
from i2pmae.training.hooks.best_epoch import BestEpoch, Validation
from tests.training.small import Acting, SmallTask, same, settings, small_clouds, weights


def best(folder, task, scores, **options) -> BestEpoch:
    """Measures the given scores in turn; the weights of an epoch are known by their first bias."""
    values = iter(scores)
    return BestEpoch(folder, "accuracy", lambda: next(values), **{"epochs": 99, "shown": False} | options)


def mark(task, value: float) -> None:
    with torch.no_grad():
        task.model[0].bias.fill_(value)


def test_the_best_epoch_is_restored(tmp_path):
    task = SmallTask()
    choose = best(tmp_path, task, [(0.5, 1.0), (0.75, 0.8), (0.75, 0.6), (0.75, 0.6), (0.25, 0.1)])
    for epoch in range(1, 6):
        mark(task, epoch)
        choose.after_epoch(epoch, task)
    assert choose.restore(task.model) == Validation(3, 0.75, 0.6)  # of equal scores the smaller loss, then the first
    assert task.model[0].bias.unique().tolist() == [3.0]
    assert [row.epoch for row in choose.rows()] == [1, 2, 3, 4, 5]
    choose.clear()
    assert [path.name for path in tmp_path.iterdir()] == ["validation.csv"]


def test_only_the_best_and_the_one_before_it_stay_on_disk(tmp_path):
    task = SmallTask()
    choose = best(tmp_path, task, [(score / 10, 0.0) for score in range(6)])
    for epoch in range(1, 7):
        choose.after_epoch(epoch, task)
    assert [path.name for path in sorted((tmp_path / "best").iterdir())] == [
        "epoch-0005.safetensors",
        "epoch-0006.safetensors",
    ]


def test_an_epoch_that_is_repeated_after_a_kill_counts_once(tmp_path):
    task = SmallTask()
    choose = best(tmp_path, task, [(0.5, 0.0), (0.9, 0.0), (0.4, 0.0)])
    for epoch in (1, 2, 2):  # the repeated epoch is worse than the one before it
        mark(task, epoch)
        choose.after_epoch(epoch, task)
    assert choose.rows() == [Validation(1, 0.5, 0.0), Validation(2, 0.4, 0.0)]
    assert choose.restore(task.model).epoch == 1
    assert task.model[0].bias.unique().tolist() == [1.0]


def test_every_second_epoch_and_the_last_are_measured(tmp_path):
    task = SmallTask()
    choose = best(tmp_path, task, [(0.1, 0.0)] * 3, epochs=5, every=2)
    for epoch in range(1, 6):
        choose.after_epoch(epoch, task)
    assert [row.epoch for row in choose.rows()] == [2, 4, 5]


def crash(_):
    raise MemoryError


class Crash(Hook):
    def after_epoch(self, epoch, task):
        raise MemoryError


def test_a_resumed_run_chooses_the_same_weights(tmp_path):
    def chooser(folder, task) -> BestEpoch:
        def measure() -> tuple[float, float]:
            return 0.5, abs(float(task.model[0].weight.detach().std()) - 0.37)

        return BestEpoch(folder, "accuracy", measure, epochs=3, shown=False)

    ends = []
    for name in ("whole", "parts"):
        folder = tmp_path / name
        if name == "parts":  # stopped in the midst of an epoch, then between a measurement and its checkpoint
            for task, after in ((Acting(7, crash), []), (SmallTask(), [Crash()])):
                with pytest.raises(MemoryError):
                    hooks = [chooser(folder, task), *after]
                    fit(task, small_clouds(), settings(), folder, resume=True, hooks=hooks, shown=False)
            assert len(hooks[0].rows()) == 2
        task = SmallTask()
        choose = chooser(folder, task)
        fit(task, small_clouds(), settings(), folder, resume=True, hooks=[choose], shown=False)
        ends.append((choose.restore(task.model), choose.rows(), weights(task)))
    assert ends[0][:2] == ends[1][:2]
    assert same(ends[0][2], ends[1][2])


def test_missing_and_damaged_files_are_named(tmp_path):
    task = SmallTask()
    choose = best(tmp_path, task, [(0.5, 0.0)])
    with pytest.raises(CheckpointError, match=r"has no validation.csv"):
        choose.restore(task.model)
    choose.after_epoch(1, task)
    (tmp_path / "best" / "epoch-0001.safetensors").write_bytes(b"cut off")
    with pytest.raises(CheckpointError, match=r"epoch-0001.safetensors, are missing or damaged"):
        choose.restore(task.model)
    (tmp_path / "validation.csv").write_text("epoch,accuracy,loss\n1,half,0\n")
    with pytest.raises(CheckpointError, match=r"validation.csv is damaged"):
        choose.rows()
