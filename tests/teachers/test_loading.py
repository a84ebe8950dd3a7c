"""Names, folders and everything that can be wrong with them."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from i2pmae.common.errors import TeacherError, UsageError
from i2pmae.teachers.catalogue import TEACHERS, TeacherSpec
from i2pmae.teachers.loading import load_teacher

from .conftest import save


@pytest.fixture
def copy(model_folder: Callable[[str], Path], tmp_path: Path) -> Path:
    """A folder with a good ViT, to be damaged."""
    return Path(shutil.copytree(model_folder("vit"), tmp_path / "copy"))


def test_unknown_short_names_get_the_near_ones() -> None:
    with pytest.raises(UsageError, match="dinov2-s14"):
        load_teacher("dinov2-s16")


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "a/b/c", Path("nowhere")])
def test_a_folder_that_is_not_there(name: str | Path) -> None:
    with pytest.raises(TeacherError, match="no folder"):
        load_teacher(name)


def test_short_names_lead_to_the_hub(monkeypatch: pytest.MonkeyPatch, model_folder: Callable[[str], Path]) -> None:
    monkeypatch.setitem(TEACHERS, "mine", TeacherSpec("someone/vit", 32, "", ""))
    asked: list[str] = []
    monkeypatch.setattr(
        "i2pmae.teachers.loading.fetch", lambda name, weights: asked.append(name) or model_folder("vit")
    )
    assert load_teacher("mine").name == "mine"
    assert load_teacher("other/model").name == "other/model"
    assert asked == ["someone/vit", "other/model"]


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(TeacherError, match=r"config\.json"):
        load_teacher(tmp_path)


def test_a_configuration_that_is_not_json(copy: Path) -> None:
    (copy / "config.json").write_text("{")
    with pytest.raises(TeacherError, match=r"config\.json"):
        load_teacher(copy)


def test_an_unknown_family_lists_the_known_ones(copy: Path) -> None:
    (copy / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(TeacherError, match=r"'bert'.*clip.*dinov2.*vit"):
        load_teacher(copy)


def test_missing_weights(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    with pytest.raises(TeacherError, match=r"model\.safetensors"):
        load_teacher(copy)


def test_truncated_weights(copy: Path) -> None:
    whole = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TeacherError, match="Cannot read the teacher"):
        load_teacher(copy)


def test_weights_of_other_shapes(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"intermediate_size": 64}))
    with pytest.raises(TeacherError, match=r"Cannot read|of another shape"):
        load_teacher(copy)


def test_weights_of_fewer_layers(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(TeacherError, match="missing or of another shape"):
        load_teacher(copy)


def test_a_siglip_without_pooling_head_has_no_saliency(tmp_path: Path) -> None:
    folder = save("siglip_vision_model", tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"vision_use_head": False}))
    with pytest.raises(TeacherError, match="pooling head"):
        load_teacher(folder)


@pytest.mark.parametrize("size", [100, 8, -16])
def test_image_sizes_that_the_patches_do_not_divide(model_folder: Callable[[str], Path], size: int) -> None:
    with pytest.raises(UsageError, match="multiple"):
        load_teacher(model_folder("vit"), image_size=size)


@pytest.mark.parametrize(
    ("processing", "size"),
    [
        ({"size": 224}, 224),
        ({"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}}, 224),
        ({"size": {"height": 100, "width": 100}}, 96),
        ({}, 64),
    ],
)
def test_the_image_size_is_what_the_model_is_fed_with(copy: Path, processing: dict, size: int) -> None:
    (copy / "preprocessor_config.json").write_text(json.dumps(processing))
    assert load_teacher(copy).image_size == size


def test_without_a_preprocessor_file_the_family_decides(copy: Path) -> None:
    (copy / "preprocessor_config.json").unlink()
    assert load_teacher(copy)._mean == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("values", [{"image_mean": [0.5]}, {"image_std": [1, 0, 1]}])
def test_a_normalisation_that_makes_no_sense(copy: Path, values: dict) -> None:
    (copy / "preprocessor_config.json").write_text(json.dumps(values))
    with pytest.raises(TeacherError, match="three"):
        load_teacher(copy)


def test_loading_says_nothing(copy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load_teacher(copy, precision="fp32")
    assert capfd.readouterr() == ("", "")


def test_importing_teachers_does_not_import_transformers() -> None:
    code = "import sys, i2pmae.teachers; sys.exit('transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_embedded_teacher_is_in_the_package() -> None:
    teacher = load_teacher()
    assert teacher.name == "embedded"
    assert (teacher.feature_dim, teacher.grid_size, teacher.image_size) == (192, 14, 224)
    assert sum(parameter.numel() for parameter in teacher._model.parameters()) <= 3_000_000
    maps = teacher(torch.rand(2, 1, 224, 224))
    assert maps.features.isfinite().all() and maps.saliency.isfinite().all()


def test_the_catalogue_states_licences_and_dimensions() -> None:
    for name, spec in TEACHERS.items():
        assert spec.licence and spec.description and spec.feature_dim > 0, name
        assert spec.repository is None or spec.repository.count("/") == 1
