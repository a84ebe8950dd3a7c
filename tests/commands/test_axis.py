"""Which axis points up in files that don't say it: that of the files that the model was trained on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import i2pmae
from i2pmae.cli import main
from tests.commands.conftest import Weights

SAID = "Files are read as z up, like those that the model was trained on; --up says otherwise."


def opened(data: Path, **options: Any) -> np.ndarray:
    return np.asarray(i2pmae.open_clouds(data, points=64, shown=False, **options).points)


def test_a_folder_is_read_as_in_training_and_that_is_said(
    weights: Weights, scans: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    encoder = weights()
    found = i2pmae.embed(encoder, scans)
    np.testing.assert_array_equal(found.clouds.points, opened(scans, up="z"))
    assert capfd.readouterr().err.count(SAID) == 1
    i2pmae.probe(encoder, scans, folds=2)
    assert SAID in capfd.readouterr().err
    labels = i2pmae.predict(weights("i2p-mae classification"), scans)
    assert SAID in capfd.readouterr().err
    assert labels == i2pmae.predict(weights("i2p-mae classification"), scans, up="z")
    assert "Files are read" not in capfd.readouterr().err, "as asked for, and as in training: nothing to say"


def test_another_axis_is_obeyed_and_said(weights: Weights, scans: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = i2pmae.embed(weights(), scans, up="x")
    np.testing.assert_array_equal(found.clouds.points, opened(scans, up="x"))
    assert not np.array_equal(found.clouds.points, opened(scans, up="z"))
    said = "Files are read as x up, as asked for; those that the model was trained on were z up."
    assert said in capfd.readouterr().err
    found = i2pmae.embed(weights(), scans, up="y", shown=False)
    np.testing.assert_array_equal(found.clouds.points, opened(scans))
    assert capfd.readouterr().err == ""


def test_what_is_usual_is_not_said(weights: Weights, scans: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = i2pmae.embed(weights(up="y"), scans)
    np.testing.assert_array_equal(found.clouds.points, opened(scans))
    assert "Files are read" not in capfd.readouterr().err


def test_data_that_knows_its_own_axis_is_left_alone(
    weights: Weights, scans: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    prepared = tmp_path / "prepared"
    i2pmae.prepare(scans, prepared, points=64, up="x", form="float32", shown=False)
    found = i2pmae.embed(weights(), prepared)
    np.testing.assert_array_equal(found.clouds.points, opened(scans, up="x"))
    shapes = i2pmae.embed(weights(), "shapes", clouds=6)
    np.testing.assert_array_equal(shapes.clouds.points, i2pmae.embed(weights(up="y"), "shapes", clouds=6).clouds.points)
    given = i2pmae.embed(weights(), i2pmae.open_clouds(scans, points=64, shown=False))
    np.testing.assert_array_equal(given.clouds.points, opened(scans))
    assert "Files are read" not in capfd.readouterr().err


def test_the_command_line_and_training_on_do_the_same(
    weights: Weights, scans: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["embed", str(weights()), str(scans), "--output", str(tmp_path / "a.npz")]) == 0
    assert SAID in capfd.readouterr().err
    assert main(["embed", str(weights()), str(scans), "--up", "z", "--output", str(tmp_path / "b.npz")]) == 0
    with np.load(tmp_path / "a.npz") as first, np.load(tmp_path / "b.npz") as second:
        np.testing.assert_array_equal(first["embedding"], second["embedding"])
    changes = {"checkpoint": weights(), "data": scans, "points": 64, "epochs": 1, "device": "cpu", "report": False}
    i2pmae.finetune(None, **changes, output=tmp_path / "run")
    assert SAID in capfd.readouterr().err
    record = i2pmae.load(tmp_path / "run", device="cpu").record
    assert record.files_up == "z", "what is trained on hands it down"
    i2pmae.predict(tmp_path / "run", scans)
    assert SAID in capfd.readouterr().err


def test_pretraining_writes_down_the_axis(scans: Path, tmp_path: Path) -> None:
    sizes = {"model.group_count": 16, "model.group_size": 8, "model.width": 24, "model.depth": 1, "model.heads": 2}
    config = i2pmae.recipe("point-mae-tiny").changed(sizes | {"model.decoder_depth": 1, "model.decoder_heads": 2})
    quick = {"data": scans, "points": 64, "epochs": 1, "probe": False, "report": False, "device": "cpu", "shown": False}
    for up in ("z", "y"):
        i2pmae.pretrain(config, **quick, up=up, output=tmp_path / up)
        assert i2pmae.load(tmp_path / up, device="cpu").record.files_up == up
