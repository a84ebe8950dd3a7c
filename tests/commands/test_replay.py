"""Steps of runs of every command are taken again."""

import json
from pathlib import Path

import pytest

import i2pmae
from i2pmae.cli import main
from i2pmae.commands.compare_config import CompareConfig
from i2pmae.common.errors import TrainingError, UsageError
from i2pmae.training.history import History
from tests.small import POINT_MAE
from tests.weights.small_models import save_model

FAST = {"epochs": 2, "batch_size": 8, "device": "cpu", "report": False, "points": 64, "labels": "folder"}


def test_a_run_of_pretraining_that_broke(tmp_path: Path, scans: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = i2pmae.recipe("point-mae-tiny").changed(FAST | {"data": str(scans), "model": POINT_MAE, "probe": False})
    steep = {"optimiser.learning_rate": 1e30, "optimiser.start_rate": 1e30, "optimiser.warmup_epochs": 0}
    run = tmp_path / "run"
    with pytest.raises(TrainingError, match="i2pmae replay"):
        i2pmae.pretrain(config.changed(steep), output=run, shown=False)
    held = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert main(["replay", str(run), "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["step"] == 2 and found["finite"] is False and None in found["run"]["losses"].values()
    assert found["run"]["module"] and found["run"]["parameters"] and not found["double"]["failure"]
    assert len(found["alone"]) == len(found["clouds"]) == 8
    assert main(["replay", str(run), "--step", "1"]) == 0
    assert "from the initial weights" in capfd.readouterr().out
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == held, "the run stays as it is"
    assert main(["replay", str(run), "--step", "99"]) == 2


def test_a_run_of_a_task_and_its_twin(tmp_path: Path, scans: Path) -> None:
    encoder, run = save_model(tmp_path / "encoder", "point-mae encoder"), tmp_path / "run"
    i2pmae.finetune(checkpoint=encoder, data=scans, output=run, twin=True, shown=False, **FAST | {"epochs": 1})
    for folder in (run, run / "scratch"):
        found = i2pmae.replay(folder, step=1, shown=False)
        loss = History.read(folder / "metrics.csv")["classification"][0]
        assert found.finite and found.run.losses["classification"] == pytest.approx(loss, rel=1e-6)
        assert found.double.finite and found.double.losses["classification"] == pytest.approx(loss, rel=1e-3)


def test_what_cannot_be_replayed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no run in"):
        i2pmae.replay(tmp_path / "nothing")
    CompareConfig(recipes=("tiny",), output=tmp_path).save(tmp_path / "config.yaml")
    with pytest.raises(UsageError, match="runs of a comparison"):
        i2pmae.replay(tmp_path)
    (tmp_path / "few").mkdir()
    i2pmae.commands.recipes.recipe("own", "fewshot").save(tmp_path / "few" / "config.yaml")
    with pytest.raises(UsageError, match="a model for every fold"):
        i2pmae.replay(tmp_path / "few")
