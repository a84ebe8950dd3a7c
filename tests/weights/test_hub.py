"""Weights on the hub, which is a server on this machine: fetched, published, refused."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import i2pmae
from i2pmae.common.errors import CheckpointError, I2PError, UsageError
from i2pmae.weights.store import load_model
from tests.hub import StandIn, offline, served
from tests.weights.small_models import POINTS, save_model

PLACE = "lab/shapes"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_model(tmp_path / "weights", "i2p-mae encoder")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path) -> Iterator[type[StandIn]]:
    offline(monkeypatch, tmp_path / "cache")
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    with served(monkeypatch, {PLACE: files}) as handler:
        yield handler


@pytest.fixture
def points() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, POINTS, 3)).astype(np.float32)


def test_weights_are_fetched_once(hub: type[StandIn], folder: Path, points: np.ndarray, monkeypatch) -> None:
    from huggingface_hub import constants

    expected = i2pmae.load(folder, "cpu").embed(points)
    assert np.array_equal(i2pmae.load(f"hf-hub:{PLACE}", "cpu").embed(points), expected)
    asked = len(hub.asked)
    assert np.array_equal(i2pmae.Encoder.from_pretrained(PLACE, device="cpu").embed(points), expected)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert i2pmae.load(f"hf-hub:{PLACE}", "cpu").record.method == "i2p-mae"
    assert len(hub.asked) == asked, "a cached copy needs no network"
    assert i2pmae.Encoder.from_pretrained(folder, device="cpu").record.task == "encoder"


def test_a_revision_can_be_named(hub: type[StandIn], points: np.ndarray) -> None:
    commit = hub.commit(hub, PLACE)  # type: ignore[arg-type]
    assert i2pmae.load(f"hf-hub:{PLACE}@{commit}", "cpu").record.points == POINTS
    with pytest.raises(CheckpointError, match=r"has no revision 'v9'"):
        i2pmae.load(f"hf-hub:{PLACE}@v9")


def test_a_new_version_is_fetched_on_request(hub: type[StandIn], tmp_path: Path) -> None:
    assert i2pmae.load(f"hf-hub:{PLACE}", "cpu").record.method == "i2p-mae"
    other = save_model(tmp_path / "other", "point-mae encoder")
    hub.repositories[PLACE] = {file.name: file.read_bytes() for file in other.iterdir()}
    assert i2pmae.Encoder.from_pretrained(PLACE, device="cpu").record.method == "i2p-mae"
    assert i2pmae.Encoder.from_pretrained(PLACE, device="cpu", force_download=True).record.method == "point-mae"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("lab/nothing", r"no model 'lab/nothing' that you may read.*hf auth login"),
        ("lab/gated", "accept their terms"),
        ("lab/vit", r"holds no weights of i2pmae.*found config\.json.*--teacher lab/vit"),
        ("shapes", r"called ORG/NAME, not 'shapes'"),
        ("lab/shapes/more", "called ORG/NAME"),
        ("", "called ORG/NAME"),
        ("../shapes", "called ORG/NAME"),
    ],
)
def test_what_is_not_there_says_so(hub: type[StandIn], name: str, said: str) -> None:
    hub.gated.add("lab/gated")
    hub.repositories["lab/vit"] = {"config.json": b"{}"}
    with pytest.raises(CheckpointError, match=f"(?s){said}"):
        i2pmae.load(f"hf-hub:{name}")


@pytest.mark.parametrize("file", ["model.safetensors", "model.yaml"])
def test_a_damaged_repository_is_named(hub: type[StandIn], file: str) -> None:
    hub.repositories[PLACE][file] = hub.repositories[PLACE][file][:-40] + b"\x00" * 40
    with pytest.raises(CheckpointError, match=rf"(?s)hf-hub:{PLACE} cannot be used.*{file}.*force_download"):
        i2pmae.load(f"hf-hub:{PLACE}")


def test_without_a_network_it_is_said_how_to_get_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    offline(monkeypatch, tmp_path / "cache")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError, match=r"(?s)HF_HUB_OFFLINE.*hf download lab/shapes"):
        i2pmae.load("hf-hub:lab/shapes")
    with pytest.raises(CheckpointError, match="only local files"):
        i2pmae.Encoder.from_pretrained("lab/shapes", local_files_only=True)


def test_what_is_pushed_is_had_by_others(hub: type[StandIn], tmp_path: Path, points: np.ndarray) -> None:
    run = save_model(tmp_path / "run", "i2p-mae pretraining")
    encoder = i2pmae.load(run, "cpu")
    url = encoder.push_to_hub("lab/new", token="t", commit_message="First", licence="mit")
    assert url.endswith("/lab/new/commit/1") and hub.messages == ["First"]
    assert sorted(hub.repositories["lab/new"]) == ["README.md", "config.json", "model.safetensors", "model.yaml"]
    found = i2pmae.Encoder.from_pretrained("lab/new", device="cpu")
    assert found.record.task == "encoder" and np.array_equal(found.embed(points), encoder.embed(points))
    assert json.loads(hub.repositories["lab/new"]["config.json"])["method"] == "i2p-mae"
    card = hub.repositories["lab/new"]["README.md"].decode()
    assert card.startswith("---\nlibrary_name: i2pmae\nlicense: mit\n") and "hf-hub:lab/new" in card


def test_what_the_hub_refuses_is_said(hub: type[StandIn], folder: Path) -> None:
    encoder = i2pmae.load(folder, "cpu")
    with pytest.raises(I2PError, match="hf auth login"):
        encoder.push_to_hub("lab/new")
    hub.denied.add("lab/denied")
    with pytest.raises(I2PError, match="token may not write there"):
        encoder.push_to_hub("lab/denied", token="t")
    with pytest.raises(UsageError, match="ORG/NAME"):
        encoder.push_to_hub("new", token="t")


def test_a_folder_is_saved_for_later(folder: Path, tmp_path: Path, points: np.ndarray) -> None:
    encoder = i2pmae.load(folder, "cpu")
    place = encoder.save_pretrained(tmp_path / "mine", repo_id="lab/mine")
    assert np.array_equal(i2pmae.Encoder.from_pretrained(place, device="cpu").embed(points), encoder.embed(points))
    assert "# mine" in (place / "README.md").read_text()


def test_all_of_a_classifier_is_saved(tmp_path: Path, points: np.ndarray) -> None:
    run = save_model(tmp_path / "run", "i2p-mae classification")
    place = i2pmae.load(run, "cpu").save_pretrained(tmp_path / "mine")
    assert load_model(place)[1].task == "classification"
    assert (
        i2pmae.load_predictor(place, "cpu").predict(points).labels
        == i2pmae.load_predictor(run, "cpu").predict(points).labels
    )  # type: ignore[attr-defined]
    assert "i2pmae.load_predictor" in (place / "README.md").read_text()


def test_a_name_beats_the_hub_and_a_folder_beats_both(ship: Callable[..., Path], hub: type[StandIn]) -> None:
    ship()
    assert i2pmae.Encoder.from_pretrained("tiny", device="cpu").record.task == "encoder"
    assert not hub.asked
