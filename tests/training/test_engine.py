import math
import multiprocessing
import os
import signal
import tempfile
import warnings

import numpy as np
import pytest
import torch

from i2pmae.common.errors import TrainingError, TrainingInterrupted
from i2pmae.training import engine
from i2pmae.training.checkpoint import checkpoint_path, load_checkpoint
from i2pmae.training.engine import fit
from i2pmae.training.history import History
from i2pmae.training.hooks import display
from i2pmae.training.hooks.base import Hook
from tests.training.small import Acting, Linear, SmallTask, same, settings, small_clouds, weights

STEPS = 15  # 3 epochs of 5 batches of 8 of 44 clouds


def test_a_run_leaves_history_metrics_and_checkpoint(tmp_path):
    task = SmallTask()
    before = weights(task)
    result = fit(task, small_clouds(), settings(), tmp_path, shown=False)
    assert result.task is task
    assert not same(weights(task), before)
    assert (result.steps, result.first_step, result.precision) == (STEPS, 0, "fp32")
    history = result.history
    assert tuple(history.columns) == (
        *("step", "epoch", "near", "small", "metric/spread", "total"),
        *("learning_rate", "gradient_norm", "clouds_per_second", "seconds"),
    )
    assert history["step"].tolist() == list(range(1, STEPS + 1))
    assert history["epoch"].tolist() == [1] * 5 + [2] * 5 + [3] * 5
    np.testing.assert_allclose(history["total"], history["near"] + history["small"], rtol=1e-6)
    assert history["learning_rate"][[0, 5]].tolist() == [1e-6, 1e-2]
    assert history["near"][-5:].mean() < history["near"][:5].mean()
    stored = History.read(tmp_path / "metrics.csv")
    assert all(np.array_equal(stored[name], history[name]) for name in history.columns)
    saved = load_checkpoint(checkpoint_path(tmp_path))
    assert saved["step"] == STEPS
    assert same(saved["model"], weights(task))


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path):
    ends = []
    for name, seed, workers in (("a", 0, 0), ("b", 0, 2), ("c", 1, 0)):
        torch.manual_seed(len(ends))  # what came before the run does not matter
        task = SmallTask()
        fit(task, small_clouds(), settings(seed=seed, loaders=workers), tmp_path / name, shown=False)
        ends.append(weights(task))
    assert same(ends[0], ends[1])
    assert not same(ends[0], ends[2])


def test_the_callers_randomness_and_settings_are_left_alone(tmp_path):
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    task = SmallTask()
    state, flags = torch.get_rng_state(), torch.are_deterministic_algorithms_enabled()
    fit(task, small_clouds(), settings(epochs=1), tmp_path, shown=False)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.are_deterministic_algorithms_enabled() == flags
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_goes_on_to_the_same_weights(tmp_path, number, accumulate):
    chosen = settings(optimiser={"accumulate": accumulate})
    whole = SmallTask()
    uninterrupted = fit(whole, small_clouds(), chosen, tmp_path / "whole", shown=False)
    # Stopped in the middle of an epoch, and once more after going on.
    for when, step in ((7, -(-7 // accumulate)), (3, None)):
        stopped = Acting(when, lambda _: os.kill(os.getpid(), number))
        with pytest.raises(TrainingInterrupted, match=r"--resume") as caught:
            fit(stopped, small_clouds(), chosen, tmp_path / "parts", resume=True, shown=False)
        if step:
            assert f"step {step} of" in str(caught.value)
            assert len(History.read(tmp_path / "parts" / "metrics.csv")) == step
    task = SmallTask()
    resumed = fit(task, small_clouds(), chosen, tmp_path / "parts", resume=True, shown=False)
    assert 0 < resumed.first_step < resumed.steps
    assert same(weights(task), weights(whole))
    for name in ("step", "epoch", "near", "small", "metric/spread", "total", "learning_rate", "gradient_norm"):
        assert np.array_equal(resumed.history[name], uninterrupted.history[name])


def test_a_crashed_run_goes_on_from_the_last_epoch_and_rewrites_the_same_rows(tmp_path):
    def crash(_):
        raise MemoryError

    whole = SmallTask()
    uninterrupted = fit(whole, small_clouds(), settings(), tmp_path / "whole", shown=False)
    with pytest.raises(MemoryError):
        fit(Acting(9, crash), small_clouds(), settings(), tmp_path / "crashed", shown=False)
    assert len(History.read(tmp_path / "crashed" / "metrics.csv")) == 8
    with (tmp_path / "crashed" / "metrics.csv").open("a") as file:
        file.write("9,2,0.1")  # a row cut off half-way
    task = SmallTask()
    resumed = fit(task, small_clouds(), settings(), tmp_path / "crashed", resume=True, shown=False)
    assert resumed.first_step == 5
    assert same(weights(task), weights(whole))
    assert resumed.history["step"].tolist() == list(range(1, STEPS + 1))
    assert np.array_equal(resumed.history["total"], uninterrupted.history["total"])


def test_what_a_killed_write_left_is_removed(tmp_path):
    left = tmp_path / "checkpoints" / ".last.ckpt.123.part"
    left.parent.mkdir()
    left.write_bytes(b"half")
    fit(SmallTask(), small_clouds(), settings(epochs=1), tmp_path, shown=False)
    assert not left.exists()


def test_a_worker_that_dies_is_explained(tmp_path):
    def kill_workers(_):
        for child in multiprocessing.active_children():
            child.kill()

    task = Acting(2, kill_workers)
    task.pause = 0.05
    with pytest.raises(TrainingError, match=r"that loads batches died.*--resume"):
        fit(task, small_clouds(), settings(loaders=2, epochs=20), tmp_path, shown=False)


def test_what_the_death_of_a_worker_interrupts_is_let_go_at_once(tmp_path):
    def interrupted(_):
        files = [tempfile.NamedTemporaryFile(dir=tmp_path) for _ in range(3)]  # noqa: SIM115
        try:
            raise EOFError(f"{len(files)} files")
        except EOFError:
            raise RuntimeError("DataLoader worker (pid 1) is killed by signal: Killed.") from None

    with pytest.raises(TrainingError, match="that loads batches died") as caught:
        fit(Acting(2, interrupted), small_clouds(), settings(), tmp_path / "run", shown=False)
    assert caught.value.__cause__ is not None
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_second_ctrl_c_stops_at_once(tmp_path):
    def twice(_):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(TrainingInterrupted, match="at once"):
        fit(Acting(7, twice), small_clouds(), settings(), tmp_path, shown=False)
    assert load_checkpoint(checkpoint_path(tmp_path))["step"] == 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_before_the_first_step_takes_none(tmp_path, monkeypatch, number):
    def stopping(*arguments, **options):
        os.kill(os.getpid(), number)
        yield from real(*arguments, **options)

    real = engine.step_loader
    monkeypatch.setattr(engine, "step_loader", stopping)
    task = SmallTask()
    with pytest.raises(TrainingInterrupted, match="before the first step"):
        fit(task, small_clouds(), settings(), tmp_path, shown=False)
    assert task.calls == 0
    assert not checkpoint_path(tmp_path).exists()


def test_a_finished_run_is_returned_without_training(tmp_path):
    first = SmallTask()
    fit(first, small_clouds(), settings(), tmp_path, shown=False)
    again = SmallTask()
    result = fit(again, small_clouds(), settings(), tmp_path, resume=True, shown=False)
    assert again.calls == 0
    assert (result.first_step, len(result.history)) == (STEPS, STEPS)
    assert same(weights(again), weights(first))


def test_checkpoints_come_with_time_too(tmp_path):
    def crash(_):
        raise MemoryError

    with pytest.raises(MemoryError):
        fit(Acting(4, crash), small_clouds(), settings(checkpoint_minutes=1e-9), tmp_path, shown=False)
    assert load_checkpoint(checkpoint_path(tmp_path))["step"] == 3


def test_hooks_see_every_step_and_epoch_and_disturb_nothing(tmp_path):
    seen = []

    class Watch(Hook):
        def after_step(self, record):
            assert record.latest
            seen.append(record.step)

        def after_epoch(self, epoch, task):
            task.model.eval()
            torch.manual_seed(99)
            seen.append(f"epoch {epoch}")

    plain, watched = SmallTask(), SmallTask()
    fit(plain, small_clouds(), settings(), tmp_path / "plain", shown=False)
    fit(watched, small_clouds(), settings(), tmp_path / "watched", hooks=[Watch()], shown=False)
    assert seen == [*range(1, 6), "epoch 1", *range(6, 11), "epoch 2", *range(11, 16), "epoch 3"]
    assert same(weights(plain), weights(watched))


def test_accumulated_steps_equal_the_big_batch(tmp_path):
    big, parts = Linear(), Linear()
    whole = fit(big, small_clouds(40), settings(batch_size=8), tmp_path / "big", shown=False)
    some = fit(
        parts, small_clouds(40), settings(batch_size=4, optimiser={"accumulate": 2}), tmp_path / "parts", shown=False
    )
    assert whole.steps == some.steps
    np.testing.assert_allclose(whole.history["total"], some.history["total"], rtol=1e-5)
    torch.testing.assert_close(big.model.weight, parts.model.weight, rtol=1e-5, atol=1e-6)


def test_what_lies_beside_the_model_is_neither_trained_nor_saved(tmp_path):
    task = Linear()
    teacher = task.teacher.weight.clone()
    fit(task, small_clouds(), settings(epochs=1), tmp_path, shown=False)
    assert torch.equal(task.teacher.weight, teacher)
    saved = load_checkpoint(checkpoint_path(tmp_path))
    assert set(saved["model"]) == {"weight", "bias"}
    assert sum(len(group["params"]) for group in saved["optimiser"]["param_groups"]) == 2


def test_gradients_are_clipped_and_their_full_norm_is_logged(tmp_path):
    task = Linear()
    chosen = settings(optimiser={"clip_norm": 1e-3, "weight_decay": 0}, epochs=1)
    result = fit(task, small_clouds(), chosen, tmp_path, shown=False)
    assert (result.history["gradient_norm"] > 0.1).all()
    state = load_checkpoint(checkpoint_path(tmp_path))["optimiser"]["state"]
    # After five clipped gradients AdamW's running mean is no larger than they were.
    assert 1e-5 < torch.cat([entry["exp_avg"].flatten() for entry in state.values()]).norm() < 1e-3


def test_bf16_trains_and_keeps_fp32_weights(tmp_path):
    kinds = []

    class Looking(SmallTask):
        def losses(self, batch, rng):
            kinds.append(self.model(batch["points"].flatten(0, 1)).dtype)
            return super().losses(batch, rng)

    task = Looking()
    result = fit(task, small_clouds(), settings(precision="bf16", epochs=1), tmp_path, shown=False)
    assert (result.precision, set(kinds)) == ("bf16", {torch.bfloat16})
    assert {parameter.dtype for parameter in task.model.parameters()} == {torch.float32}


def test_nothing_but_progress_reaches_the_user(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(display, "LINE_SECONDS", math.inf)  # the last line is always shown
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(SmallTask(), small_clouds(), settings(loaders=1), tmp_path, shown=True)
    out, err = capfd.readouterr()
    assert out == ""
    [line] = err.splitlines()
    assert line.startswith("epoch 3/3, step 15/15, near ")
    assert line.endswith("% waiting, 0:00:00 left")


def test_shown_false_is_silent_and_a_late_peak_is_said(tmp_path, capfd):
    chosen = settings(optimiser={"warmup_epochs": 3})
    fit(SmallTask(), small_clouds(), chosen, tmp_path / "a", shown=False)
    assert capfd.readouterr() == ("", "")
    fit(SmallTask(), small_clouds(), chosen, tmp_path / "b", shown=True)
    assert "never reaches its peak" in capfd.readouterr().err


@pytest.mark.slow
def test_a_compiled_model_trains_to_nearly_the_same_weights(tmp_path):
    plain, compiled = Linear(), Linear()
    fit(plain, small_clouds(), settings(epochs=1), tmp_path / "plain", shown=False)
    fit(compiled, small_clouds(), settings(epochs=1, compile=True), tmp_path / "compiled", shown=False)
    assert "forward" not in vars(compiled.model)
    assert set(weights(compiled)) == {"weight", "bias"}
    torch.testing.assert_close(plain.model.weight, compiled.model.weight, rtol=1e-4, atol=1e-6)
