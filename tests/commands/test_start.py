"""What commands start from: weights by name, those in the package where nobody says, and pre-training that goes on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import i2pmae
from i2pmae.cli import main
from i2pmae.cli.pretrain import COMMAND as PRETRAIN
from i2pmae.commands.pretrain_start import with_sizes
from i2pmae.common.errors import CheckpointError, UsageError
from i2pmae.methods.config import PretrainConfig
from i2pmae.weights.store import load_model
from tests.small import SMALL
from tests.weights.small_models import TINY_BERT, make_model, save_model

Ship = Callable[..., Path]
FAST = {"epochs": 1, "batch_size": 8, "device": "cpu", "report": False}


@pytest.fixture
def config(tmp_path: Path, scans: Path) -> PretrainConfig:
    """One epoch of Point-M2AE, whose default sizes are not those of the weights in tests."""
    base = i2pmae.recipe("point-m2ae-tiny").changed(FAST | {"data": str(scans), "points": 256, "labels": "folder"})
    return base.changed(output=tmp_path / "run", probe=False)


def still(config: PretrainConfig) -> PretrainConfig:
    """The same with steps that change nothing."""
    return config.changed({"optimiser.learning_rate": 1e-12, "optimiser.weight_decay": 0})


def test_pretraining_goes_on_from_given_weights(config: PretrainConfig, tmp_path: Path) -> None:
    start = save_model(tmp_path / "start", "point-m2ae pretraining")
    i2pmae.pretrain(still(config), start=start, shown=False)
    model, record = load_model(tmp_path / "run")
    stored = PretrainConfig.load(tmp_path / "run" / "config.yaml")
    assert stored.start == record.notes["start"] == str(start)
    assert stored.method.model == model.config == SMALL
    expected = dict(load_model(start)[0].named_parameters())
    for name, value in model.named_parameters():
        torch.testing.assert_close(value, expected[name], atol=1e-4, rtol=0)


def test_sizes_are_those_of_the_weights_unless_said_otherwise(config: PretrainConfig, tmp_path: Path) -> None:
    start = str(save_model(tmp_path / "start", "i2p-mae pretraining"))
    assert with_sizes(config, start).method.model == SMALL, "of the same kind of model all sizes"
    masked = config.changed({"model.mask_ratio": 0.5})
    assert with_sizes(masked, start).method.model == SMALL.changed(mask_ratio=0.5), "what is masked is no size"
    alone = str(save_model(tmp_path / "alone", "i2p-mae encoder"))
    small = config.changed(model=SMALL.changed(mask_ratio=0.5, group_sizes=(9, 4, 4)))
    assert with_sizes(small, alone).method.model == SMALL.changed(mask_ratio=0.5), "else those of the encoder"
    line = f"point-m2ae-tiny --start {start} --model.mask-ratio 0.6 --model.group-sizes 9 4 4"
    given = PRETRAIN.read(line.split())
    assert given is not None and given.config.start == start
    assert given.config.method.model == SMALL.changed(mask_ratio=0.6, group_sizes=(9, 4, 4))


def test_sizes_that_differ_are_listed(config: PretrainConfig, tmp_path: Path) -> None:
    start = save_model(tmp_path / "start", "i2p-mae pretraining")
    other = config.changed(start=start, model=SMALL.changed(encoder_depths=(1, 1, 3)))
    depths = SMALL.encoder_depths
    with pytest.raises(CheckpointError) as error:
        i2pmae.pretrain(other, shown=False)
    assert f"  model.encoder_depths: {depths} in the weights, (1, 1, 3) here" in str(error.value)
    assert "--start" in str(error.value) and "start=" in str(error.value)
    assert not (tmp_path / "run").exists(), "no run was begun"


def test_weights_of_another_kind_of_encoder_name_a_method(config: PretrainConfig, tmp_path: Path) -> None:
    start = save_model(tmp_path / "start", "point-mae pretraining")
    with pytest.raises(UsageError, match=r"another kind.*name a recipe of point-mae"):
        i2pmae.pretrain(config, start=start, shown=False)
    with pytest.raises(CheckpointError, match="holds a classifier"):
        i2pmae.pretrain(config, start=save_model(tmp_path / "head", "i2p-mae classification"), shown=False)
    alone = save_model(tmp_path / "alone", "i2p-mae encoder")
    with pytest.raises(UsageError, match=r"(?s)don't fit: name a recipe of its size.*decoder_dims"):
        i2pmae.pretrain(config, start=alone, shown=False)


def test_the_probe_shows_initial_first_and_final_weights(config: PretrainConfig, tmp_path: Path) -> None:
    start = save_model(tmp_path / "start", "point-m2ae pretraining")
    record = i2pmae.pretrain(still(config), start=start, probe=True, output=tmp_path / "probed", shown=False)
    assert list(record.children) == ["twin", "start"] and record.children["start"].accuracy == record.accuracy
    plain = with_sizes(still(config), str(start)).changed({"start": None, "probe": True, "output": tmp_path / "plain"})
    other = i2pmae.pretrain(plain, shown=False)
    assert list(other.children) == ["twin"]
    assert other.twin is not None and record.twin is not None
    assert other.twin.scores == record.twin.scores, "the twin has the initial weights in both"


def test_a_resumed_run_goes_on_from_the_same(config: PretrainConfig, tmp_path: Path) -> None:
    start = save_model(tmp_path / "start", "point-m2ae pretraining")
    i2pmae.pretrain(config, start=start, shown=False)
    once = (tmp_path / "run" / "model.safetensors").read_bytes()
    (tmp_path / "run" / "results.json").unlink()
    i2pmae.pretrain(config, start=start, resume=True, shown=False)
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == once
    with pytest.raises(UsageError, match=r"start: .* in the folder, None now"):
        i2pmae.pretrain(PretrainConfig.load(tmp_path / "run" / "config.yaml").changed(start=None), resume=True)


def test_files_are_read_with_the_axis_of_the_weights(
    config: PretrainConfig, weights: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    i2pmae.pretrain(config, start=weights("point-m2ae pretraining", up="z"))
    assert "Files are read as z up" in capsys.readouterr().err
    assert load_model(config.output.folder)[1].files_up == "z"


def test_few_clouds_of_ones_own_are_advised_to_start_from_weights(
    config: PretrainConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = make_model("point-m2ae pretraining")[0].config
    i2pmae.pretrain(config.changed({"method.model": model}))
    assert "goes on from it" in " ".join(capsys.readouterr().err.split())
    start = save_model(tmp_path / "start", "point-m2ae pretraining")
    i2pmae.pretrain(config, start=start, output=tmp_path / "further")
    assert "So few clouds" not in capsys.readouterr().err


def test_the_follower_of_point_bert_begins_where_the_student_does() -> None:
    from i2pmae.methods.point_bert.config import PointBERTMethodConfig
    from i2pmae.methods.point_bert.task import PointBERTTask

    source, record = make_model("point-bert pretraining")
    task = PointBERTTask(record.build(), PointBERTMethodConfig(model=TINY_BERT))
    assert task.go_on_from(source).initial == ()
    ours, theirs = task.model.follower.state_dict(), source.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_embed_and_probe_use_the_encoder_in_the_package(
    ship: Ship, scans: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = ship()
    found = i2pmae.embed(data=scans, shown=False, device="cpu")
    expected = i2pmae.embed(folder, scans, shown=False, device="cpu")
    assert np.array_equal(found.embeddings, expected.embeddings)
    assert main(["embed", str(scans), "--output", str(tmp_path / "v.npz"), "--device", "cpu"]) == 0
    assert "Weights tiny: " in capfd.readouterr().err
    with np.load(tmp_path / "v.npz") as arrays:
        assert np.array_equal(arrays["embedding"], expected.embeddings)
    assert i2pmae.probe(data=scans, shown=False, device="cpu", folds=2).encoder == "tiny"
    assert i2pmae.probe("tiny", scans, shown=False, device="cpu", folds=2).encoder == "tiny"


def test_without_weights_in_the_package_a_checkpoint_is_asked_for(
    scans: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["embed", str(scans), "--output", str(tmp_path / "v.npz")]) == 2
    assert "Say which checkpoint" in capfd.readouterr().err
    with pytest.raises(UsageError, match="Say which data"):
        i2pmae.embed("tiny")
    folder = save_model(tmp_path / "weights", "i2p-mae encoder")
    assert main(["embed", str(folder), "--output", str(tmp_path / "v.npz")]) == 2
    assert "holds weights, not clouds" in capfd.readouterr().err


def test_view_and_predict_take_names(ship: Ship, scans: Path, tmp_path: Path, capfd) -> None:
    ship()
    line = ["view", "tiny", str(scans), "--output", str(tmp_path / "v.png"), "--count", "1", "--device", "cpu"]
    assert main(line) == 0
    assert main(["predict", "tiny", str(scans)]) == 1
    assert "tiny holds an encoder alone" in capfd.readouterr().err


LINE = "--points 64 --epochs 1 --batch-size 8 --device cpu --no-report"


@pytest.mark.parametrize(
    ("words", "start"),
    [
        ("", "tiny"),
        ("--twin", "tiny"),
        ("--checkpoint tiny", "tiny"),
        ("--checkpoint scratch", None),
        ("--model tiny", None),
        ("--checkpoint {other}", "{other}"),
    ],
)
def test_tasks_start_from_the_weights_in_the_package(
    ship: Ship, scans: Path, tmp_path: Path, words: str, start: str | None
) -> None:
    ship()
    other = str(save_model(tmp_path / "other", "i2p-mae encoder"))
    line = f"finetune {scans} {words} --output {tmp_path / 'run'} {LINE}".replace("{other}", other)
    if start is None:
        line += " --input-points 64 --encoder.group-counts 16 8 4 --encoder.group-sizes 8 4 4"
    assert main(line.split()) == 0
    stored = i2pmae.TaskRunConfig.load(tmp_path / "run" / "config.yaml")
    expected = None if start is None else start.replace("{other}", other)
    assert stored.task.checkpoint == expected
    record = i2pmae.RunRecord.load(tmp_path / "run")
    assert record.encoder == (expected or "from scratch") and (record.twin is not None) == ("--twin" in words)


def test_functions_start_from_the_weights_in_the_package_too(ship: Ship, scans: Path, tmp_path: Path) -> None:
    ship()
    options = {"data": str(scans), "points": 64, "shown": False, "mode": "linear", "ways": 2, "shots": 3, "folds": 2}
    options |= {"queries": 2, "device": "cpu", "report": False}
    assert i2pmae.fewshot(**options, output=tmp_path / "a").encoder == "tiny"
    scratch = options | {"encoder.group_counts": (16, 8, 4), "encoder.group_sizes": (8, 4, 4)}
    recipe = i2pmae.recipe("own", "fewshot").changed({k: v for k, v in scratch.items() if k != "shown"})
    assert i2pmae.fewshot(recipe, output=tmp_path / "b", shown=False).encoder == "from scratch", "as it says"
    scratch |= {"checkpoint": None, "output": tmp_path / "c"}
    assert i2pmae.fewshot(**scratch).encoder == "from scratch"


def test_without_weights_in_the_package_tasks_train_from_scratch(
    scans: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    line = f"fewshot {scans} --output {tmp_path / 'run'} --points 256 --mode linear --ways 2 --shots 3 --queries 2"
    assert main([*line.split(), "--folds", "1", "--device", "cpu", "--no-report"]) == 0
    assert "the weights 'tiny' are not in this package" in capfd.readouterr().err
    assert i2pmae.RunRecord.load(tmp_path / "run").encoder == "from scratch"
