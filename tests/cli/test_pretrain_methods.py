"""Every method from one command: a run in miniature, with probe and report, and no teacher where none is needed."""

from pathlib import Path
from typing import Any

import pytest
import torch

import i2pmae
from i2pmae.common.errors import CheckpointError, TrainingInterrupted
from i2pmae.encoders.base import EncoderModel
from i2pmae.methods import recipes
from i2pmae.methods.config import PretrainConfig
from i2pmae.methods.i2p_mae.config import I2PMAEConfig
from i2pmae.methods.point_bert import stage_one as stage_one_module
from i2pmae.methods.point_bert.config import StageOneConfig
from i2pmae.methods.point_bert.dvae import DiscreteVAE
from i2pmae.runs.record import RunRecord
from i2pmae.training.hooks.base import Hook
from i2pmae.training.task import Task
from i2pmae.weights.record import ModelRecord
from i2pmae.weights.store import save_weights
from tests.cli.conftest import Call
from tests.small import POINT_BERT, POINT_MAE, SMALL

MODELS = {"point-m2ae-tiny": SMALL, "point-mae-tiny": POINT_MAE, "point-bert-tiny": POINT_BERT, "neither": SMALL}
LOSSES = {"point-bert-tiny": {"words", "contrast", "mixed_words", "mixed_contrast"}}
RECIPES = recipes()
DIMENSIONS = {"point-m2ae-tiny": 24, "point-mae-tiny": 24, "point-bert-tiny": 48, "neither": 24}


@pytest.fixture(autouse=True)
def _no_teacher(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a teacher was loaded")

    monkeypatch.setattr("i2pmae.methods.i2p_mae.build.load_teacher", refuse)


def miniature(recipe: str, data: Path, output: Path, **changes: Any) -> Path:
    """A configuration file of a recipe with a small model."""
    common = {"data": str(data), "points": 32, "output": output, "epochs": 2, "batch_size": 8, "device": "cpu"}
    path = output.with_suffix(".yaml")
    RECIPES[recipe]().changed(common | changes, model=MODELS[recipe]).save(path)
    return path


@pytest.mark.parametrize("recipe", MODELS)
def test_a_method_in_miniature(call: Call, archive: Path, tmp_path: Path, recipe: str) -> None:
    run = tmp_path / "run"
    status, out, err = call("pretrain", "--config", miniature(recipe, archive, run))
    assert status == 0, err
    assert "linear probe  untrained" in out
    result = RunRecord.load(run)
    assert result.losses.keys() == LOSSES.get(recipe, {"coordinates"})
    assert result.primary == "accuracy" and result.twin is not None
    assert result.method == RECIPES[recipe]().method.name
    encoder = i2pmae.load(run, device="cpu")
    assert encoder.record.teacher == ""
    assert encoder.record.method == RECIPES[recipe]().method.name
    assert encoder.embed(torch.randn(2, 40, 3)).shape == (2, DIMENSIONS[recipe])
    report = (run / "report.html").read_text()
    assert "Masked" in report or "masked" in report
    assert "aliency" not in report.split("<summary>Configuration")[0]
    assert (run / "dvae" / "results.json").is_file() == (recipe == "point-bert-tiny")


def test_stage_one_can_stop_and_go_on_and_be_given(
    call: Call, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts, given = (tmp_path / name for name in ("whole", "parts", "given"))
    quick = {"probe": False, "report": False}
    assert call("pretrain", "--config", miniature("point-bert-tiny", archive, whole, **quick))[0] == 0

    def stopped(*arguments: Any, **options: Any) -> None:
        real(*arguments, **options, hooks=[Interrupt()])

    class Interrupt(Hook):
        def after_epoch(self, epoch: int, task: Task) -> None:
            if epoch == 2:  # before its checkpoint: the one of epoch 1 is there
                raise TrainingInterrupted("stopped")

    real = stage_one_module.fit
    monkeypatch.setattr(stage_one_module, "fit", stopped)
    path = miniature("point-bert-tiny", archive, parts, **quick)
    assert call("pretrain", "--config", path)[0] == 1
    monkeypatch.setattr(stage_one_module, "fit", real)
    assert (parts / "dvae" / "checkpoints" / "last.ckpt").is_file() and not (parts / "checkpoints").exists()
    status, _, err = call("pretrain", "--config", path)
    assert status == 2 and "--resume" in err
    status, _, err = call("pretrain", "--config", path, "--resume", "--bert.vae.batch-size", "4")
    assert status == 2 and "method.bert.vae.batch_size: 32 in the folder, 4 now" in err
    assert call("pretrain", "--output", parts, "--resume")[0] == 0
    path = miniature("point-bert-tiny", archive, given, **quick)
    assert call("pretrain", "--config", path, "--bert.vae-run", whole)[0] == 0
    assert not (given / "dvae").exists()
    weights = [i2pmae.load(run, device="cpu").model.state_dict() for run in (whole, parts, given)]
    assert all(torch.equal(weights[0][name], other[name]) for other in weights[1:] for name in weights[0])


def test_a_stage_one_that_cannot_be_used_is_explained(call: Call, archive: Path, tmp_path: Path) -> None:
    path = miniature("point-bert-tiny", archive, tmp_path / "run", probe=False, report=False)
    status, _, err = call("pretrain", "--config", path, "--bert.vae-run", tmp_path / "nowhere")
    assert status == 1 and "There is no checkpoint" in err
    other = tmp_path / "other" / "dvae"
    config = PretrainConfig.load(path)
    sizes = config.method.model.vae
    stage = StageOneConfig(
        model=sizes, stage=config.method.bert.vae, data=config.data, training=config.training, output=other
    )
    stage.save(other / "config.yaml")
    (other / "checkpoints").mkdir()
    (other / "checkpoints" / "last.ckpt").touch()
    status, _, err = call("pretrain", "--config", path, "--bert.vae-run", other.parent)
    assert status == 1 and "has no weights yet: it is not finished" in err
    sizes = sizes.changed(codes=16)
    record = ModelRecord(method="point-bert", task="vocabulary", points=32, model=sizes)
    save_weights(other, DiscreteVAE(sizes), record)
    with pytest.raises(CheckpointError, match=r"holds the discrete VAE of stage one .point-bert., not a pre-trained"):
        i2pmae.load(other)
    status, _, err = call("pretrain", "--config", path, "--bert.vae-run", other)
    assert status == 2 and "codes: 16, here 12" in err
    model = EncoderModel(SMALL.alone())
    save_weights(
        tmp_path / "encoder",
        model,
        ModelRecord(method="i2p-mae", task="encoder", points=32, pooling="max", model=model.config),
    )
    status, _, err = call("pretrain", "--config", path, "--bert.vae-run", tmp_path / "encoder")
    assert status == 1 and "not the discrete VAE of stage one: make one with `i2pmae pretrain point-bert`" in err


def test_a_configuration_of_before_the_methods_is_one_of_i2p_mae(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("recipe: tiny\nmodel:\n  mask_ratio: 0.7\nguidance:\n  kind: random\n")
    method = PretrainConfig.load(path).method
    assert (method.name, method.model) == ("i2p-mae", I2PMAEConfig(mask_ratio=0.7))
    assert method.needs_teacher


@pytest.mark.parametrize("option", ["--teacher x", "--guidance.kind paper", "--bert.words 2", "--method i2p-mae"])
def test_options_that_a_method_has_no_use_for_are_refused(call: Call, option: str) -> None:
    status, _, err = call("pretrain", "point-mae", *option.split())
    assert status == 2 and option.split()[0] in err
