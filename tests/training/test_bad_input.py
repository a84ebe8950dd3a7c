from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from i2pmae.common.errors import CheckpointError, I2PError, TrainingError, UsageError
from i2pmae.data.clouds import CloudSet
from i2pmae.training.checkpoint import checkpoint_path, load_checkpoint
from i2pmae.training.engine import fit
from i2pmae.training.history import History
from i2pmae.training.hooks import checkpoints
from i2pmae.training.task import Loss, Losses
from tests.training.small import Acting, Linear, SmallTask, same, settings, small_clouds, weights


def changed_small(losses: Losses, change: Callable[[torch.Tensor], torch.Tensor]) -> Losses:
    """The losses with another value of the one that is called small."""
    return {**losses, "small": replace(losses["small"], value=change(losses["small"].value))}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_before_the_step(tmp_path, value):
    at_seven: list = []

    def remember(losses: Losses) -> Losses:
        at_seven.append(weights(task))
        return changed_small(losses, lambda small: small * value)

    task = Acting(8, remember)
    with pytest.raises(
        TrainingError, match=r"Step 8 \(epoch 2\): the loss 'small' is (nan|inf).*cloud-\d+ \(row"
    ) as caught:
        fit(task, small_clouds(), settings(), tmp_path, shown=False)
    assert str(caught.value).count("cloud-") == 8
    parameters = dict(task.model.named_parameters())
    assert all(torch.equal(parameters[name], at_seven[0][name]) for name in parameters)
    assert load_checkpoint(checkpoint_path(tmp_path))["step"] == 5
    assert len(History.read(tmp_path / "metrics.csv")) == 7


def test_a_gradient_that_is_not_finite_stops_before_the_step(tmp_path):
    def infinite_slope(losses):
        return changed_small(losses, lambda small: (small * 0).sqrt())

    task = Acting(8, infinite_slope)
    with pytest.raises(TrainingError, match=r"Step 8 \(epoch 2\): the gradient norm is nan"):
        fit(task, small_clouds(), settings(), tmp_path, shown=False)
    assert all(parameter.isfinite().all() for parameter in task.model.parameters())
    assert load_checkpoint(checkpoint_path(tmp_path))["step"] == 5


def test_the_guilty_cloud_is_named_where_its_points_are_not_finite(tmp_path):
    clouds = small_clouds()
    points = clouds.points.copy()
    points[17, 3, 1] = np.nan
    with pytest.raises(TrainingError, match=r"Not finite themselves are the points of: cloud-17 \(row 17\)\."):
        fit(SmallTask(), CloudSet(points, clouds.ids), settings(), tmp_path, shown=False)


def test_a_metric_may_be_anything_and_losses_must_be_scalars(tmp_path):
    task = Acting(2, lambda losses: {**losses, "spread": Loss(torch.tensor(float("nan")), "Deviation", None)})
    history = fit(task, small_clouds(), settings(epochs=1), tmp_path / "a", shown=False).history
    assert np.isnan(history["metric/spread"][1])
    vector = Acting(1, lambda losses: {"near": replace(losses["near"], value=losses["near"].value[None])})
    with pytest.raises(UsageError, match=r"near \(1,\)"):
        fit(vector, small_clouds(), settings(), tmp_path / "b", shown=False)


def test_a_folder_with_a_checkpoint_is_not_overwritten(tmp_path):
    fit(SmallTask(), small_clouds(), settings(epochs=1), tmp_path, shown=False)
    with pytest.raises(UsageError, match="--resume"):
        fit(SmallTask(), small_clouds(), settings(epochs=1), tmp_path, shown=False)


@pytest.mark.parametrize(
    ("clouds", "changes", "named"),
    [(44, {"batch_size": 4}, "batch_size"), (43, {}, "clouds: '43 of"), (44, {"seed": 1}, "seed")],
)
def test_another_runs_checkpoint_is_refused(tmp_path, clouds, changes, named):
    fit(SmallTask(), small_clouds(44), settings(epochs=1), tmp_path, shown=False)
    with pytest.raises(CheckpointError, match=named.replace("clouds: '43 of", "clouds: '44 of")):
        fit(SmallTask(), small_clouds(clouds), settings(epochs=1, **changes), tmp_path, resume=True, shown=False)


def test_a_checkpoint_of_another_model_or_a_damaged_one_is_refused(tmp_path):
    fit(SmallTask(), small_clouds(), settings(epochs=1), tmp_path, shown=False)
    with pytest.raises(CheckpointError, match=r"another model:\n(.|\n)*6.weight: \(3, 16\) in the checkpoint, absent"):
        fit(Linear(), small_clouds(), settings(epochs=1), tmp_path, resume=True, shown=False)
    path = checkpoint_path(tmp_path)
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"not a checkpoint"):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="damaged"):
            fit(SmallTask(), small_clouds(), settings(epochs=1), tmp_path, resume=True, shown=False)
    torch.save({"weights": 1}, path)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        load_checkpoint(path)


def test_a_full_disk_keeps_the_last_checkpoint_and_a_resume_goes_on(tmp_path, monkeypatch):
    whole = SmallTask()
    fit(whole, small_clouds(), settings(), tmp_path / "whole", shown=False)
    original, calls = checkpoints.save_checkpoint, []

    def full_from_the_second_on(path, checkpoint):
        calls.append(path)
        if len(calls) > 1:
            monkeypatch.setattr(
                "pathlib.Path.write_bytes",
                lambda self, data: (_ for _ in ()).throw(OSError(28, "No space left on device")),
            )
        original(path, checkpoint)

    monkeypatch.setattr(checkpoints, "save_checkpoint", full_from_the_second_on)
    with pytest.raises(I2PError, match="No space left"):
        fit(SmallTask(), small_clouds(), settings(), tmp_path / "full", shown=False)
    monkeypatch.undo()
    assert load_checkpoint(checkpoint_path(tmp_path / "full"))["step"] == 5
    assert [path.name for path in (tmp_path / "full" / "checkpoints").iterdir()] == ["last.ckpt"]
    task = SmallTask()
    fit(task, small_clouds(), settings(), tmp_path / "full", resume=True, shown=False)
    assert same(weights(task), weights(whole))
