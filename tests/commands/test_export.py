"""The encoder of a run alone, and the list of what has a name."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import i2pmae
from i2pmae.cli import main
from i2pmae.common.errors import CheckpointError, UsageError
from i2pmae.runs.record import RunRecord, Score
from i2pmae.weights import named
from tests.weights.small_models import POINTS, save_model

Weights = Callable[..., Path]


def probed(folder: Path) -> None:
    """A result as a run of pre-training leaves it."""
    found = RunRecord(kind="pretrain", primary="accuracy", scores={"accuracy": Score.of([0.83])}, data="solids")
    found.with_twin(found.changed(scores={"accuracy": Score.of([0.6])})).save(folder / "results.json")


def test_an_exported_encoder_is_small_and_embeds_the_same(weights: Weights, tmp_path: Path) -> None:
    run, output = weights(), tmp_path / "out"
    assert i2pmae.export(run, output) == output
    whole, alone = i2pmae.load(run, "cpu"), i2pmae.load(output, "cpu")
    points = np.random.default_rng(0).normal(size=(3, POINTS, 3)).astype(np.float32)
    np.testing.assert_allclose(alone.embed(points), whole.embed(points), atol=1e-2)
    assert (alone.record.task, alone.record.files_up, alone.pooling) == ("encoder", "z", whole.pooling)
    assert alone.record.notes == whole.record.notes, "nobody has probed it"
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (output, run)]
    assert sizes[0] < 0.6 * sizes[1]
    exact = i2pmae.load(i2pmae.export(run, tmp_path / "exact", precision="fp32"), "cpu")
    assert np.array_equal(exact.embed(points), whole.embed(points))


def test_what_cannot_be_exported_says_why(weights: Weights, tmp_path: Path) -> None:
    run = weights()
    with pytest.raises(UsageError, match="already holds weights"):
        i2pmae.export(run, run)
    with pytest.raises(CheckpointError, match=r"holds a classifier.* not an encoder alone"):
        i2pmae.export(weights("i2p-mae classification"), tmp_path / "out")
    with pytest.raises(UsageError, match="expected fp16 or fp32"):
        i2pmae.export(run, tmp_path / "out", precision="fp8")
    assert not (tmp_path / "out").exists()


def test_a_list_of_models_says_how_good_they_are(
    weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(named, "SHIPPED", tmp_path / "shipped")
    assert i2pmae.list_models() == []
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("No weights with a name are here.\ntiny (") and out.count("is not here") == 2
    run = weights()
    probed(run)
    assert main(["export", str(run), "--output", str(tmp_path / "shipped" / "tiny")]) == 0
    assert "the encoder alone, fp16" in capsys.readouterr().out
    [model] = i2pmae.list_models()
    encoder = i2pmae.load("tiny", "cpu")
    assert (model.name, model.licence, model.channels) == ("tiny", "Apache-2.0", encoder.embedding_dim)
    assert model.parameters == sum(value.numel() for value in encoder.model.parameters())
    assert model.probe == "83.0% (untrained 60.0%), solids"
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    assert "83.0% (untrained 60.0%), solids" in out and "in this package" in out and "small (" in out
    assert main(["models"]) == 0 and capsys.readouterr().out == out, "in the same order"


def test_a_damaged_model_is_named(ship: Callable[..., Path]) -> None:
    torch.save({}, ship() / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"shipped/tiny/model.safetensors is damaged"):
        i2pmae.list_models()


def test_exported_weights_are_exported_again(tmp_path: Path) -> None:
    first = i2pmae.export(save_model(tmp_path / "a", "point-mae pretraining"), tmp_path / "b")
    second = i2pmae.export(first, tmp_path / "c")
    assert all(
        (first / name).read_bytes() == (second / name).read_bytes() for name in ("model.safetensors", "model.yaml")
    )
