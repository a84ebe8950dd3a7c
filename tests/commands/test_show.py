"""What is said of weights and runs: what they are, were trained on, reached, and may be used for."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import i2pmae
from i2pmae.cli import main
from i2pmae.commands.compare_config import CompareConfig
from i2pmae.common.errors import CheckpointError, TrainingInterrupted, UsageError
from i2pmae.runs.record import RunRecord, Score
from i2pmae.training.engine import fit
from i2pmae.training.hooks.base import Hook, StepRecord
from tests.training.small import SmallTask, settings, small_clouds

Weights = Callable[..., Path]


class StopsAt(Hook):
    def __init__(self, step: int) -> None:
        self.step = step

    def after_step(self, record: StepRecord) -> None:
        if record.step == self.step:
            raise TrainingInterrupted("enough")


def scored(kind: str, **more: object) -> RunRecord:
    """A record with a score beside that of its twin."""
    fields = {"primary": "accuracy", "protocol": "as it was measured", "data": "solids", "seeds": (3,), **more}
    found = RunRecord(kind=kind, scores={"accuracy": Score.of([0.83])}, **fields)
    return found.with_twin(found.changed(scores={"accuracy": Score.of([0.6])}))


def test_weights_with_a_name(ship: Callable[..., Path]) -> None:
    ship()
    found, info = i2pmae.show("tiny"), i2pmae.load("tiny", "cpu").info
    assert found.what["method"] == info["method"] == "i2p-mae" and found.what["weights"] == "an encoder alone"
    assert found.use["licence"] == info["licence"] == "Apache-2.0"
    assert info["reached"] is None and not found.reached and not found.state
    assert f"{info['channels']} channels" in found.what["embedding"] and found.what["read-out"] == info["pooling"]


def test_a_finished_run_says_what_it_reached_and_so_does_its_encoder(weights: Weights) -> None:
    folder = weights()
    i2pmae.recipe("tiny").changed(output=folder, data="solids").save(folder / "config.yaml")
    scored("pretrain", train_clouds=120, test_clouds=40, figures={"epochs": 2, "steps": 30}).save(
        folder / "results.json"
    )
    found = i2pmae.show(folder)
    assert found.reached["accuracy"] == "83.00 % (untrained 60.00 %)"
    assert found.reached["measured"] == "as it was measured" and found.state["run"] == "finished"
    assert (found.trained["clouds"], found.trained["epochs"]) == ("120", "2 epochs, 30 steps")
    assert found.what["run"] == "of pretrain" and found.use["licence"] == "not stated"
    reached = {"accuracy": 0.83, "untrained": 0.6, "data": "solids"}
    info = i2pmae.load(folder, "cpu").info
    assert info["reached"] == reached and not {"probe", "probe_data", "probe_untrained"} & info["notes"].keys()
    (folder / "results.json").write_text("{")
    assert i2pmae.load(folder, "cpu").info["reached"] is None, "the weights are as good without the record"
    with pytest.raises(CheckpointError, match=r"results\.json"):
        i2pmae.show(folder)


def test_a_run_of_a_task_names_its_classes(weights: Weights, capfd: pytest.CaptureFixture[str]) -> None:
    folder = weights("i2p-mae classification")
    scored("finetune").save(folder / "results.json")
    assert main(["show", str(folder), "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["what"]["weights"] == "a classifier" and found["what"]["names"] == "stick, plate, ball"
    assert found["reached"]["accuracy"] == "83.00 % (untrained 60.00 %)" and "linear probe" not in found["reached"]


def test_a_run_that_is_not_finished_says_how_far_it_is(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    i2pmae.recipe("tiny").changed(output=folder, data="solids").save(folder / "config.yaml")
    assert i2pmae.show(folder).state["training"] == "not begun"
    for stop, told in [
        (2, "step 2, epoch 1; no checkpoint yet"),
        (8, "step 8 of 15, epoch 2 of 3; checkpoint at step 5"),
    ]:
        with pytest.raises(TrainingInterrupted):
            fit(SmallTask(), small_clouds(), settings(), folder, hooks=[StopsAt(stop)], resume=True, shown=False)
        assert i2pmae.show(folder).state["training"] == told
    assert main(["show", str(folder)]) == 0
    page = capfd.readouterr().out
    assert "not finished" in page and f"i2pmae pretrain --output {folder} --resume" in page
    (folder / "checkpoints" / "last.ckpt").write_bytes(b"half")
    assert main(["show", str(folder)]) == 1
    assert "damaged" in capfd.readouterr().err


def test_a_comparison_has_a_row_for_each_recipe(tmp_path: Path) -> None:
    CompareConfig(recipes=("tiny", "best"), output=tmp_path).save(tmp_path / "config.yaml")
    children = {"tiny": scored("pretrain"), "best": scored("pretrain")}
    RunRecord(kind="compare", protocol="two seeds", children=children).save(tmp_path / "results.json")
    found = i2pmae.show(tmp_path)
    assert found.reached == {"tiny": "83.00 %", "best": "83.00 %", "measured": "two seeds"}
    assert found.trained["recipes"] == "tiny, best" and found.what == {"run": "of compare"}


def test_what_is_neither_a_run_nor_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="There is no checkpoint"):
        i2pmae.show(tmp_path / "nothing")
    with pytest.raises(CheckpointError):
        i2pmae.show(tmp_path)
    (tmp_path / "config.yaml").write_text("stage: {}\nmodel: {}\n")
    with pytest.raises(UsageError, match="first stage of a run"):
        i2pmae.show(tmp_path)
    (tmp_path / "config.yaml").write_text("epochs: [")
    with pytest.raises(UsageError, match=r"config\.yaml"):
        i2pmae.show(tmp_path)


def test_names_whose_weights_are_not_here_are_listed_when_asked_for(ship: Callable[..., Path]) -> None:
    ship()
    assert [model.name for model in i2pmae.list_models()] == ["tiny"]
    every = i2pmae.list_models(pretrained=False)
    assert [(model.name, model.here) for model in every] == [("tiny", True), ("small", False)]
    assert every[1].folder.name == "small" and (every[1].size, every[1].probe) == (0, "")
