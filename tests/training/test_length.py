"""How long a run is where nobody says, and that it stays so long when it is resumed."""

from pathlib import Path

import numpy as np
import pytest

import i2pmae
from i2pmae.cli import main
from i2pmae.common.errors import TrainingInterrupted, UsageError
from i2pmae.training import length
from i2pmae.training.config import TrainingConfig
from i2pmae.training.hooks.base import Hook
from tests.small import POINT_MAE


@pytest.mark.parametrize(
    ("clouds", "batch", "epochs"), [(1, 4, 200), (30, 4, 200), (200, 16, 167), (1000, 32, 65), (1_000_000, 32, 20)]
)
def test_about_two_thousand_steps_within_limits(clouds: int, batch: int, epochs: int) -> None:
    chosen = length.choose_length(TrainingConfig(epochs="auto", batch_size="auto"), clouds)
    assert chosen == {"batch_size": batch, "epochs": epochs}


def test_what_is_said_is_not_chosen_and_absent_means_auto() -> None:
    assert length.choose_length(TrainingConfig(epochs=3, batch_size=8), 100) == {}
    several = TrainingConfig(batch_size=10, epochs="auto", optimiser={"accumulate": 5})
    assert length.choose_length(several, 1000) == {"epochs": 100}, "a step takes several batches"
    assert TrainingConfig(epochs=None, batch_size=None) == TrainingConfig(epochs="auto", batch_size="auto")
    both = r"training\.epochs: must be a whole number.*\n  training\.epochs: .*'auto'"
    with pytest.raises(UsageError, match=both):
        i2pmae.recipe("tiny").changed(epochs="atuo")


class Notes(Hook):
    """What it was told, and a stop."""

    def __init__(self, stop: int = 0) -> None:
        self.stop, self.told = stop, []

    def after_step(self, record: i2pmae.StepRecord) -> None:
        if record.step == self.stop:
            raise TrainingInterrupted("enough")
        self.told.append(record.step)

    def after_epoch(self, epoch: int, task: object) -> None:
        self.told.append(f"epoch {epoch}")

    def at_end(self, task: object) -> None:
        self.told.append("end")


@pytest.fixture
def solids(tmp_path: Path) -> Path:
    path = tmp_path / "solids.npy"
    np.save(path, np.asarray(i2pmae.make_shapes(20, 64).points))
    return path


def test_a_run_of_chosen_length_tells_callbacks_and_keeps_its_length(
    solids: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(length, "STEPS", 6)
    monkeypatch.setattr(length, "FEWEST_EPOCHS", 1)
    config = i2pmae.recipe("point-mae-tiny").changed(
        {"data": str(solids), "points": 64, "model": POINT_MAE, "device": "cpu", "report": False, "probe": False},
        epochs="auto",
        batch_size=8,
        output=tmp_path / "run",
    )
    stopped, whole = Notes(5), Notes()
    with pytest.raises(TrainingInterrupted):
        i2pmae.pretrain(config, callbacks=[stopped], shown=False)
    assert stopped.told == [1, 2, "epoch 1", 3, 4, "epoch 2"]
    record = i2pmae.pretrain(config, callbacks=[whole], resume=True, shown=False)
    assert whole.told == [5, 6, "epoch 3", "end"]
    assert record.selected["settings"] == {"epochs": 3} and record.figures["epochs"] == 3
    assert "epochs: auto" in (tmp_path / "run" / "config.yaml").read_text()
    assert i2pmae.load(tmp_path / "run", "cpu").info["notes"]["epochs"] == 3
    again = Notes()
    i2pmae.pretrain(config, callbacks=[again], resume=True, shown=False)
    assert again.told == [], "it was finished"


def test_callbacks_are_objects_of_hooks(tmp_path: Path) -> None:
    for wrong in ([print], [Notes], Notes):
        with pytest.raises(UsageError, match=r"Callbacks are a list of objects of classes made from i2pmae\.Hook, got"):
            i2pmae.pretrain(callbacks=wrong, output=tmp_path / "run", shown=False)
        with pytest.raises(UsageError, match="Callbacks are"):
            i2pmae.finetune(callbacks=wrong, data=tmp_path, output=tmp_path / "run", shown=False)
    assert not (tmp_path / "run").exists()


def test_the_command_line_takes_auto_and_refuses_what_is_no_number(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["pretrain", "--epochs", "atuo", "--output", str(tmp_path / "run")]) == 2
    assert "epochs" in capfd.readouterr().err and not (tmp_path / "run").exists()
