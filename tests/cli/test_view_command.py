from pathlib import Path

import numpy as np
import pytest

from i2pmae.hub import ModelRecord, save_weights
from i2pmae.models import PointMAE
from i2pmae.training.config import PretrainConfig
from i2pmae.viz import CloudPictures
from tests.cli.conftest import Call
from tests.small import POINT_MAE


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """Stands in for the teacher and the drawing, which are tested where they are; notes what it was asked for."""
    calls: list[dict] = []

    def load_teacher(name: str, **options: object) -> str:
        return name

    def cloud_pictures(
        clouds: object, rows: list[int], config: PretrainConfig, teacher: str, model: object
    ) -> list[CloudPictures]:
        calls.append({"ids": [clouds.ids[row] for row in rows], "config": config, "teacher": teacher, "model": model})
        return [CloudPictures(id=clouds.ids[row], points=np.asarray(clouds.points[row])) for row in rows]

    monkeypatch.setattr("i2pmae.teachers.load_teacher", load_teacher)
    monkeypatch.setattr("i2pmae.recipes.pretrain_pictures.cloud_pictures", cloud_pictures)
    return calls


@pytest.mark.parametrize("name", ["view.html", "view.png"])
def test_clouds_are_drawn_to_a_file(call: Call, folder: Path, tmp_path: Path, drawn: list[dict], name: str) -> None:
    output = tmp_path / name
    status, out, err = call("view", folder, "--output", output, "--count", 2, "--points", 40)
    assert status == 0, err
    assert out == f"{output}: 2 clouds\n"
    assert output.stat().st_size > 1000
    assert (drawn[0]["teacher"], drawn[0]["model"]) == ("embedded", None)


def test_classes_take_turns(call: Call, folder: Path, tmp_path: Path, drawn: list[dict]) -> None:
    assert call("view", folder, "--output", tmp_path / "v.png", "--count", 3, "--labels", "folder")[0] == 0
    assert {name.split("/")[0] for name in drawn[0]["ids"]} == {"ball", "plate", "stick"}


def test_clouds_are_chosen_by_name(call: Call, folder: Path, tmp_path: Path, drawn: list[dict]) -> None:
    line = ("view", folder, "--output", tmp_path / "v.png", "--select")
    assert call(*line, "ball/*", "stick/00.xyz", "--count", 100)[0] == 0
    names = drawn[0]["ids"]
    assert len(names) == 9 and sum(name.startswith("ball/") for name in names) == 8 and "stick/00.xyz" in names
    status, _, err = call(*line, "cube/*")
    assert status == 2
    assert "is called 'cube/*'" in err


def test_a_checkpoint_brings_its_teacher_and_its_views(
    call: Call, folder: Path, weights: Path, tmp_path: Path, drawn: list[dict]
) -> None:
    line = ("view", folder, "--checkpoint", weights, "--output", tmp_path / "v.png", "--count", 1)
    assert call(*line)[0] == 0
    assert drawn[0]["teacher"] == "embedded" and drawn[0]["model"] is not None
    config = PretrainConfig(teacher="vit-ti16", seed=9)
    config.save(weights / "config.yaml")
    assert call(*line)[0] == 0
    assert (drawn[1]["teacher"], drawn[1]["config"]) == ("vit-ti16", config)
    assert call(*line, "--teacher", "other")[0] == 0
    assert (drawn[2]["teacher"], drawn[2]["config"].seed) == ("other", 9)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--output", "v.jpg"), ".html or .png"),
        (("--count", "0"), "at least 1"),
        (("--teacher", "embeded"), "embedded"),
    ],
)
def test_wrong_calls_are_refused(call: Call, folder: Path, options: tuple[str, ...], said: str) -> None:
    status, out, err = call("view", folder, *options)
    assert (status, out) == (2, "")
    assert said in err


def test_a_method_without_a_teacher_is_drawn_without_one(
    call: Call, folder: Path, tmp_path: Path, drawn: list[dict]
) -> None:
    weights = tmp_path / "point-mae"
    save_weights(weights, PointMAE(POINT_MAE), ModelRecord(method="point-mae", points=32, model=POINT_MAE))
    line = ("view", folder, "--checkpoint", weights, "--output", tmp_path / "v.png", "--count", 1)
    assert call(*line)[0] == 0
    assert call(*line, "--teacher", "embedded")[0] == 0
    assert [one["teacher"] for one in drawn] == [None, "embedded"]
