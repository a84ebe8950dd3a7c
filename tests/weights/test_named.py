"""Names of weights: what they stand for, where they are looked for, and what is said where they are not there."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import i2pmae
from i2pmae.common.errors import CheckpointError
from i2pmae.weights import named
from i2pmae.weights.named import NAMED, as_text, default_weights, introduced, is_name, locate
from i2pmae.weights.store import load_model, read_record
from tests.weights.small_models import save_model

Ship = Callable[..., Path]
IN_PACKAGE = Path(named.__file__).with_name("shipped")
MOST = 6_000_000
"""Bytes that the package may hold of one model."""


def test_a_name_is_the_folder_in_the_package(ship: Ship) -> None:
    folder = ship()
    assert locate("tiny") == folder and default_weights() == "tiny"
    expected = load_model(folder)[0].state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in load_model("tiny")[0].state_dict().items())
    stored, loaded = read_record(folder), i2pmae.load("tiny", "cpu").record
    assert loaded == stored.changed(notes={**stored.notes, "licence": "Apache-2.0"})


def test_others_are_put_into_a_folder_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("I2PMAE_WEIGHTS", str(tmp_path / "mine"))
    folder = save_model(tmp_path / "mine" / "small", "i2p-mae encoder")
    assert locate("small") == folder and str(folder) in introduced("small")
    assert default_weights() is None, "what is used where nobody says is tiny"
    monkeypatch.delenv("I2PMAE_WEIGHTS")
    monkeypatch.setenv("I2PMAE_CACHE", str(tmp_path / "kept"))
    shutil.move(tmp_path / "mine", tmp_path / "kept" / "weights")
    assert locate("small") == tmp_path / "kept" / "weights" / "small"


@pytest.mark.parametrize("name", NAMED)
def test_weights_that_are_not_here_say_where_they_are_looked_for(name: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("I2PMAE_WEIGHTS", str(tmp_path / "mine"))
    why = rf"(?s){name}.*mine/{name}.*I2PMAE_WEIGHTS: nothing is downloaded\..*pretrain best"
    with pytest.raises(CheckpointError, match=why):
        i2pmae.load(name)
    if not NAMED[name].in_package:
        with pytest.raises(CheckpointError, match=f"weights/{name} of the project's repository"):
            i2pmae.load(name)


def test_half_a_folder_is_not_there(ship: Ship) -> None:
    (ship() / "model.yaml").unlink()
    assert default_weights() is None
    with pytest.raises(CheckpointError, match="without the weights 'tiny'"):
        locate("tiny")


def test_a_folder_of_the_same_name_is_meant_by_its_path(ship: Ship, tmp_path: Path, monkeypatch) -> None:
    ship()
    monkeypatch.chdir(tmp_path)
    save_model(Path("tiny"), "point-mae encoder")
    assert read_record("tiny").method == "i2p-mae"
    assert read_record("./tiny").method == read_record(Path("tiny")).method == "point-mae"
    assert as_text(Path("tiny")) == "./tiny" and as_text("tiny") == "tiny" and as_text(Path("a/tiny")) == "a/tiny"
    assert as_text(Path("scratch")) == "./scratch"
    assert introduced("tiny").endswith("The folder of that name is meant by ./tiny.")


def test_a_folder_of_the_same_name_is_no_answer_to_absent_weights(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_model(Path("tiny"), "point-mae encoder")
    with pytest.raises(CheckpointError, match=r"meant by \./tiny\.$"):
        i2pmae.load("tiny")
    assert i2pmae.load("./tiny", "cpu").record.method == "point-mae"


def test_an_unknown_name_gives_the_near_ones(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=r"no checkpoint tny.*Did you mean 'tiny'\?"):
        i2pmae.load("tny")
    save_model(Path("tinny"), "i2p-mae encoder")
    with pytest.raises(CheckpointError, match=r"'tinny'.*'tiny'|'tiny'.*'tinny'"):
        i2pmae.load("tinyy")
    with pytest.raises(CheckpointError) as error:
        i2pmae.load("runs/tny")
    assert "tiny" not in str(error.value), "a path is no name"
    assert not is_name(Path("tiny")) and not is_name("./tiny")


@pytest.mark.parametrize("folder", [path for path in IN_PACKAGE.iterdir() if path.is_dir()], ids=lambda path: path.name)
def test_what_the_package_holds_is_small_half_and_loads(folder: Path) -> None:
    assert folder.name in NAMED and sorted(path.name for path in folder.iterdir()) == [
        "model.safetensors",
        "model.yaml",
    ]
    assert sum(path.stat().st_size for path in folder.iterdir()) <= MOST
    encoder = i2pmae.load(folder, "cpu")
    assert encoder.record.task == "encoder"
    assert {value.dtype for value in encoder.model.parameters()} == {torch.float32}
    points = torch.randn(2, encoder.min_points, 3)
    assert encoder.embed(points).isfinite().all()
