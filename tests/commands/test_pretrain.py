"""Pre-training as a function: changes by name, a teacher of one's own, what comes back."""

from pathlib import Path

import numpy as np
import pytest
import torch

import i2pmae
from i2pmae.commands import pretrain as module
from i2pmae.methods.config import PretrainConfig
from i2pmae.teachers.base import TeacherMaps
from tests.small import SMALL


class Patches:
    """A teacher of one's own: means of patches, and which are brightest."""

    name, feature_dim, image_size, grid_size = "patches", 5, 32, 4

    def __init__(self) -> None:
        self.images = 0
        self.device = torch.device("cpu")

    def __call__(self, images: torch.Tensor) -> TeacherMaps:
        self.images += len(images)
        means = torch.nn.functional.adaptive_avg_pool2d(images[:, :1], self.grid_size)
        return TeacherMaps(means * torch.arange(1.0, 6.0)[:, None, None], means[:, 0])

    def to(self, device: torch.device | str) -> "Patches":
        self.device = torch.device(device)
        return self

    def fingerprint(self) -> str:
        return "patches 1"


@pytest.fixture
def clouds(tmp_path: Path) -> str:
    labels = np.arange(36) % 3
    scale = np.array([[1, 0.1, 0.1], [1, 0.1, 1], [1, 1, 1]])[labels]
    points = np.random.default_rng(0).normal(size=(36, 40, 3)) * scale[:, None]
    split = np.where(np.arange(36) < 24, "train", "test")
    path = tmp_path / "solids.npz"
    np.savez(path, points=points.astype(np.float32), labels=labels, split=split)
    return str(path)


@pytest.fixture
def config(clouds: str, tmp_path: Path) -> PretrainConfig:
    changes = {"data": clouds, "points": 32, "epochs": 2, "batch_size": 8, "device": "cpu", "model": SMALL}
    return i2pmae.recipe("tiny").changed(changes | {"projection.image_size": 32, "output": tmp_path / "run"})


@pytest.mark.parametrize("cached", [False, True])
def test_a_teacher_of_ones_own(
    config: PretrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cached: bool
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the teacher of the configuration was loaded")

    monkeypatch.setattr("i2pmae.methods.i2p_mae.build.load_teacher", refuse)
    teacher = Patches()
    record = i2pmae.pretrain(config, teacher=teacher, cache_teacher=cached, shown=False)
    assert teacher.images >= 3 * 24, "it has seen three views of every cloud"
    assert record.losses.keys() == {"coordinates", "semantics"} and record.losses["semantics"] > 0
    encoder = i2pmae.load(tmp_path / "run", device="cpu")
    assert encoder.record.teacher == "patches"
    assert encoder.model.config.semantic_dim == 3 * 5, "views times its channels"
    assert "patches" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_the_record_says_what_was_found_and_where(config: PretrainConfig, tmp_path: Path) -> None:
    record = i2pmae.pretrain(config, shown=False, seed=3, output=tmp_path / "other")
    assert record == i2pmae.RunRecord.load(tmp_path / "other")
    assert (record.kind, record.method, record.recipe, record.seeds) == ("pretrain", "i2p-mae", "tiny", (3,))
    assert (record.output, record.encoder) == (tmp_path / "other", str(tmp_path / "other"))
    assert (record.train_clouds, record.test_clouds, record.points) == (24, 12, 32)
    assert record.twin is not None and record.twin.protocol == record.protocol
    assert (record.figures["epochs"], record.figures["clouds"], record.figures["steps"]) == (2, 24, 6)
    again = i2pmae.pretrain(config, shown=False, seed=3, output=tmp_path / "other", resume=True)
    assert again == record, "a finished run is told again"


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[PretrainConfig]:
    """The configurations of runs that end before they are opened."""
    found: list[PretrainConfig] = []

    def stop(config: PretrainConfig, *_: object) -> None:
        found.append(config)
        raise i2pmae.UsageError("far enough")

    monkeypatch.setattr(module, "open_run", stop)
    return found


def test_without_a_configuration_it_is_the_default_one(seen: list[PretrainConfig], tmp_path: Path) -> None:
    with pytest.raises(i2pmae.UsageError, match="far enough"):
        i2pmae.pretrain(clouds=40, epochs=3, output=tmp_path / "run", shown=False)
    assert seen == [i2pmae.recipe("default").changed(clouds=40, epochs=3, output=tmp_path / "run")]
    assert not (tmp_path / "run").exists()
    with pytest.raises(i2pmae.UsageError, match="Did you mean"):
        i2pmae.pretrain(epoch=3)


def test_clouds_of_ones_own_go_on_from_the_weights_in_the_package(
    seen: list[PretrainConfig], clouds: str, tmp_path: Path
) -> None:
    for sizes in ({}, {"model.group_counts": (64, 32, 16)}):
        with pytest.raises(i2pmae.UsageError, match="far enough"):
            i2pmae.pretrain(data=clouds, output=tmp_path / "run", shown=False, **sizes)
    assert [config.recipe for config in seen] == ["adapt", "best"]
    assert [config.start for config in seen] == ["tiny", None]
    assert seen[0].method.model == i2pmae.recipe("best").method.model


def test_there_must_be_a_run_to_resume(config: PretrainConfig, tmp_path: Path) -> None:
    with pytest.raises(i2pmae.UsageError, match=r"no run in .*run to resume"):
        i2pmae.pretrain(config, resume=True, shown=False)
    assert not (tmp_path / "run").exists()


def test_the_read_out_can_be_chosen_by_cross_validation(config: PretrainConfig, tmp_path: Path) -> None:
    record = i2pmae.pretrain(config, choose_pooling=True, report=False, shown=False)
    encoder = i2pmae.load(tmp_path / "run")
    named = "cross-validated "
    scores = {
        note.removeprefix(named): value for note, value in encoder.info["notes"].items() if note.startswith(named)
    }
    assert scores.keys() == {
        "max",
        "mean+max",
        "mean|max",
        "levels:max",
        "levels:mean|max",
        "levels:mean|max|deviation",
        "standardised:levels:mean|max",
    }
    assert scores[encoder.pooling] == max(scores.values())
    assert record.selected["features"] == encoder.embedding_dim == encoder.model.embedding_dim()
    with np.load(config.data.source) as data:
        rows, labels = data["split"] == "train", data["labels"]
        wanted = i2pmae.embed(encoder, config.data.source, points=32, shown=False)
    from i2pmae.evaluation.classifiers import CLASSIFIERS, choose

    features = wanted.embeddings[rows]
    again = choose(
        CLASSIFIERS["svm"], features, labels[rows], values=None, folds=5, names=["0", "1", "2"], seed=0, shown=False
    )
    assert max(again.scores.values()) == pytest.approx(scores[encoder.pooling], abs=1e-6)


def test_without_labels_the_read_out_stays(
    config: PretrainConfig, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    with np.load(config.data.source) as data:
        np.savez(tmp_path / "plain.npz", points=data["points"])
    i2pmae.pretrain(config, data=str(tmp_path / "plain.npz"), choose_pooling=True, report=False)
    assert i2pmae.load(tmp_path / "run").pooling == config.method.pooling
    assert "The read-out stays max" in capfd.readouterr().err
