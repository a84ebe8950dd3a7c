"""A run is published with a card of what it measured."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

import i2pmae
from i2pmae.cli import main
from i2pmae.common.errors import CheckpointError, I2PError, UsageError
from i2pmae.runs.record import RunRecord, Score
from tests.hub import StandIn, offline, served

Weights = Callable[..., Path]


@pytest.fixture
def run(weights: Weights) -> Path:
    """A run of pre-training that was probed, on data whose name would break a table."""
    folder = weights()
    found = RunRecord(
        kind="pretrain",
        primary="accuracy",
        scores={"accuracy": Score.of([0.83])},
        data="/home/someone/sec|ret/so|lids",
        protocol="linear SVM, C by cross-validation",
        seeds=(3,),
        chance=0.25,
        train_clouds=120,
        test_clouds=40,
        machine="a machine",
        versions={"torch": "2"},
    )
    found.with_twin(found.changed(scores={"accuracy": Score.of([0.6])})).save(folder / "results.json")
    return folder


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[type[StandIn]]:
    offline(monkeypatch, tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_TOKEN", "t")
    with served(monkeypatch, {}) as handler:
        yield handler


def test_a_run_becomes_a_repository_with_its_record_as_card(hub: type[StandIn], run: Path) -> None:
    done = i2pmae.push(run, "lab/solids", licence="mit", private=True)
    assert done.url is not None and done.folder == Path("hub/lab/solids")
    stored = hub.repositories["lab/solids"]
    assert {name: (done.folder / name).read_bytes() for name in stored} == stored
    assert set(stored) == {"README.md", "config.json", "features.png", "model.safetensors", "model.yaml"}
    assert stored["features.png"].startswith(b"\x89PNG")
    card = stored["README.md"].decode()
    fields = yaml.safe_load(card.split("---\n")[1])
    assert fields["license"] == "mit" and "point-cloud" in fields["tags"] and fields["library_name"] == "i2pmae"
    for said in (
        "| accuracy | 83.00 % | 60.00 % |",
        "without pre-training",
        "linear SVM, C by cross-validation",
        r"so\|lids",
        "25.0%",
        "a machine",
        "(features.png)",
        'i2pmae.load("hf-hub:lab/solids")',
        'up="z"',
    ):
        assert said in card, said
    assert "someone" not in card, "paths of the machine are nobody's business"
    assert i2pmae.load("hf-hub:lab/solids", "cpu").record.files_up == "z"


def test_without_a_network_the_folder_is_written(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offline(monkeypatch, tmp_path / "cache")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    place = tmp_path / "place"
    with pytest.raises(I2PError, match=rf"(?s)Not uploaded: .*HF_HUB_OFFLINE.*hf upload lab/solids {place} \.$"):
        i2pmae.push(run, "lab/solids", folder=place, pictures=False, shown=False)
    assert i2pmae.load(place, "cpu").record.task == "encoder"
    assert not (place / "features.png").exists()


def test_the_command_says_what_uploads_it(
    run: Path, weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["push", str(run), "lab/solids", "--no-upload", "--no-pictures"]) == 0
    printed = capsys.readouterr()
    assert printed.out == "hub/lab/solids is written. Upload it with\n    hf upload lab/solids hub/lab/solids .\n"
    assert "No licence was named" in printed.err
    assert "has not said under which terms" in Path("hub/lab/solids/README.md").read_text()
    assert main(["push", str(run), "solids", "--no-upload"]) == 2
    assert "ORG/NAME, not 'solids'" in capsys.readouterr().err


def test_a_classifier_is_published_whole_with_its_pictures(weights: Weights, tmp_path: Path) -> None:
    folder = weights("i2p-mae classification")
    (folder / "confusion.png").write_bytes(b"\x89PNG")
    done = i2pmae.push(folder, "lab/classes", folder=tmp_path / "out", upload=False, licence="mit")
    card = (done.folder / "README.md").read_text()
    assert "(confusion.png)" in card and (done.folder / "confusion.png").is_file() and "Not measured." in card
    assert i2pmae.load_predictor(done.folder, "cpu").record.task == "classification"


def test_wrong_calls_say_why(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="checkpoint itself"):
        i2pmae.push(run, "lab/solids", folder=run, upload=False)
    with pytest.raises(UsageError, match="fp16 or fp32"):
        i2pmae.push(run, "lab/solids", precision="fp8", upload=False)  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match="no checkpoint nowhere"):
        i2pmae.push("nowhere", "lab/solids", upload=False)


def test_weights_with_a_name_bring_their_licence(ship: Callable[..., Path], tmp_path: Path) -> None:
    ship()
    done = i2pmae.push("tiny", "lab/tiny", folder=tmp_path / "out", upload=False, pictures=False)
    assert "license: apache-2.0" in (done.folder / "README.md").read_text()
