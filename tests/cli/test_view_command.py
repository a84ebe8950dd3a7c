from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from i2pmae.commands import explaining
from i2pmae.commands import view as module
from i2pmae.common.errors import TeacherError
from i2pmae.methods import recipes
from i2pmae.methods.point_mae.model import PointMAE
from i2pmae.teachers.base import Teacher
from i2pmae.viz import CloudPictures
from i2pmae.weights.record import ModelRecord
from i2pmae.weights.store import save_weights
from tests.cli.conftest import Call
from tests.small import POINT_MAE, SMALL
from tests.weights.small_models import save_model


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[list[CloudPictures]]:
    """Notes what is drawn, which is drawn all the same."""
    calls: list[list[CloudPictures]] = []
    real = module.write_view

    def write_view(path: Path, clouds: Sequence[CloudPictures], title: str) -> None:
        calls.append(list(clouds))
        real(path, clouds, title=title)

    monkeypatch.setattr(module, "write_view", write_view)
    return calls


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes which teachers are loaded; others than the embedded one are not there."""
    names: list[str] = []
    real = explaining.load_teacher

    def load_teacher(name: str, **options: Any) -> Teacher:
        names.append(name)
        if name != "embedded":
            raise TeacherError(f"no teacher {name} here")
        return real(name, **options)

    monkeypatch.setattr(explaining, "load_teacher", load_teacher)
    return names


def ids(pictures: Sequence[CloudPictures]) -> list[str]:
    return [picture.id for picture in pictures]


def test_a_page_and_a_sheet_show_what_the_teacher_sees(
    call: Call, folder: Path, tmp_path: Path, drawn: list[list[CloudPictures]], asked: list[str]
) -> None:
    page, sheet = tmp_path / "view.html", tmp_path / "view.png"
    for output in (page, sheet):
        status, out, err = call("view", folder, "--output", output, "--count", 2, "--points", 40)
        assert status == 0, err
        assert out == f"Drawn: {output}\n"
    assert asked == ["embedded", "embedded"]
    text = page.read_text(encoding="utf-8")
    assert all(picture.id in text for picture in drawn[0]) and "files: 2 of 24 clouds" in text
    with Image.open(sheet) as image:
        assert np.asarray(image).std() > 10, "something is drawn"
    for picture in drawn[0]:
        assert picture.points.shape == (40, 3)
        assert picture.views is not None and picture.saliency_maps is not None and picture.point_saliency is not None
        assert picture.point_features is None and picture.reconstruction is None


def test_classes_take_turns(call: Call, folder: Path, tmp_path: Path, drawn: list[list[CloudPictures]]) -> None:
    line = ("view", folder, "--output", tmp_path / "v.png", "--points", 40, "--count", 3, "--labels", "folder")
    assert call(*line)[0] == 0
    assert {name.split("/")[0] for name in ids(drawn[0])} == {"ball", "plate", "stick"}
    assert {picture.label for picture in drawn[0]} == {"ball", "plate", "stick"}


def test_clouds_are_chosen_by_name(call: Call, folder: Path, tmp_path: Path, drawn: list[list[CloudPictures]]) -> None:
    line = ("view", folder, "--output", tmp_path / "v.html", "--points", 40, "--select")
    status, _, err = call(*line, "ball/*", "stick/00.xyz", "--count", 100)
    assert status == 0, err
    names = ids(drawn[0])
    assert len(names) == 9 and sum(name.startswith("ball/") for name in names) == 8 and "stick/00.xyz" in names
    status, _, err = call(*line, "cube/*")
    assert status == 2
    assert "is called 'cube/*'" in err


def test_a_checkpoint_brings_its_teacher_its_masks_and_its_features(
    call: Call, folder: Path, weights: Path, tmp_path: Path, drawn: list[list[CloudPictures]], asked: list[str]
) -> None:
    line = ("view", weights, folder, "--output", tmp_path / "v.html", "--count", 1)
    status, _, err = call(*line)
    assert status == 0, err
    assert asked == ["embedded"]
    [picture] = drawn[0]
    assert picture.points.shape == (32, 3), "as many as the encoder was trained on"
    for name in ("views", "point_saliency", "point_visible", "reconstruction", "masked_truth", "point_features"):
        assert getattr(picture, name) is not None, name
    assert picture.views.shape[-1] == 224
    # The run folder knows more: how the clouds were shown to the teacher.
    config = recipes()["tiny"]().changed({"model": SMALL, "projection.image_size": 64, "points": 32})
    config.save(weights / "config.yaml")
    assert call(*line)[0] == 0
    assert drawn[1][0].views.shape[-1] == 64
    status, _, err = call(*line, "--teacher", "other")
    assert (status, asked[-1]) == (1, "other") and "no teacher other here" in err


def test_checkpoint_and_data_are_two_words_or_named(
    call: Call, folder: Path, weights: Path, tmp_path: Path, drawn: list[list[CloudPictures]]
) -> None:
    output = ("--output", tmp_path / "v.png", "--count", 1)
    for words in ((weights, folder), (folder, "--checkpoint", weights), ("--data", folder, "--checkpoint", weights)):
        status, _, err = call("view", *words, *output)
        assert status == 0, err
    first, second, third = (pictures[0] for pictures in drawn)
    np.testing.assert_array_equal(first.point_features, second.point_features)
    np.testing.assert_array_equal(first.point_features, third.point_features)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--output", "v.jpg"), ".html or .png"),
        (("--count", "0"), "at least 1"),
        (("--teacher", "embeded"), "embedded"),
        (("--points", "2"), "points: must be at least 3 (got 2)"),
    ],
)
def test_wrong_calls_are_refused(call: Call, folder: Path, options: tuple[str, ...], said: str) -> None:
    status, out, err = call("view", folder, *options)
    assert (status, out) == (2, "")
    assert said in err


def test_a_method_without_a_teacher_is_drawn_without_one(
    call: Call, folder: Path, tmp_path: Path, drawn: list[list[CloudPictures]], asked: list[str]
) -> None:
    weights = tmp_path / "point-mae"
    record = ModelRecord(method="point-mae", points=32, pooling="mean+max", model=POINT_MAE)
    save_weights(weights, PointMAE(POINT_MAE), record)
    line = ("view", weights, folder, "--output", tmp_path / "v.png", "--count", 1)
    assert call(*line)[0] == 0
    assert asked == [] and drawn[0][0].views is None and drawn[0][0].reconstruction is not None
    assert call(*line, "--teacher", "embedded")[0] == 0
    assert asked == ["embedded"] and drawn[1][0].views is not None


@pytest.mark.parametrize("kind", ["point-mae classification", "i2p-mae segmentation", "point-bert pretraining"])
def test_models_of_every_kind_are_drawn(
    call: Call, folder: Path, tmp_path: Path, drawn: list[list[CloudPictures]], kind: str
) -> None:
    line = ("view", save_model(tmp_path / "model", kind), folder, "--output", tmp_path / "v.png", "--count", 1)
    status, _, err = call(*line)
    assert status == 0, err
    assert drawn[0][0].point_features.shape[0] == 64


def test_weights_whose_teacher_is_not_here_are_drawn_with_the_embedded_one(
    call: Call, folder: Path, weights: Path, tmp_path: Path, drawn: list[list[CloudPictures]], asked: list[str]
) -> None:
    record = weights / "model.yaml"
    record.write_text(record.read_text().replace("embedded", "far-away"))
    status, _, err = call("view", weights, folder, "--output", tmp_path / "v.html", "--count", 1)
    assert status == 0, err
    assert asked == ["far-away", "embedded"]
    assert "Saliency is that of the embedded 2D model: far-away, which taught this encoder, is not here." in err
    [picture] = drawn[0]
    assert picture.point_saliency is not None and picture.point_features is not None
    assert picture.reconstruction is None, "its masks would not be those of the run"
