"""Teachers with random weights: their sizes, their names, and the same weights each time."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from i2pmae.common.errors import TeacherError, UsageError
from i2pmae.teachers import untrained
from i2pmae.teachers.catalogue import TEACHERS
from i2pmae.teachers.loading import load_teacher
from i2pmae.teachers.untrained import ARCHITECTURES, PUBLISHED, Architecture, untrained_clip

SMALL = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 4}


def images(side: int = 64) -> torch.Tensor:
    return torch.rand(2, 1, side, side, generator=torch.Generator().manual_seed(0))


def test_the_stand_in_has_the_shapes_of_the_published_one() -> None:
    teacher = untrained_clip(precision="fp32", **SMALL)
    assert (teacher.feature_dim, teacher.grid_size, teacher.image_size) == (TEACHERS[PUBLISHED].feature_dim, 14, 224)
    maps = teacher(images(224))
    assert maps.features.shape == (2, 512, 14, 14) and maps.saliency.shape == (2, 14, 14)
    assert maps.features.isfinite().all() and 0 < maps.saliency.sum(dim=(1, 2)).max() <= 1


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_its_weights_are_always_the_same(precision: str) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, second = (untrained_clip(precision=precision, **SMALL) for _ in range(2))  # type: ignore[arg-type]
    assert first.precision == precision and first.fingerprint() == second.fingerprint()
    assert torch.equal(torch.get_rng_state(), before), "and nobody else's randomness is touched"


@pytest.mark.parametrize(
    "kind", ["vit", "vit_classifier", "deit", "clip", "siglip", "dinov2_with_registers", "dinov3_vit", "resnet"]
)
def test_a_control_is_the_same_model_without_what_was_learnt(
    model_folder: Callable[[str], Path], tmp_path: Path, kind: str
) -> None:
    folder = model_folder(kind)
    learnt = load_teacher(folder, precision="fp32")
    for name in ("config.json", "preprocessor_config.json"):
        shutil.copy(folder / name, tmp_path)
    control = load_teacher(f"random:{tmp_path}", precision="fp32")  # there are no weights in that folder
    assert control.name == f"random:{tmp_path}"
    shapes = [{name: value.shape for name, value in each._model.state_dict().items()} for each in (learnt, control)]
    assert shapes[0] == shapes[1]
    assert control._model.config.to_dict().keys() == learnt._model.config.to_dict().keys()
    assert (control._mean, control.image_size, control.grid_size, control.feature_dim) == (
        learnt._mean,
        learnt.image_size,
        learnt.grid_size,
        learnt.feature_dim,
    )
    again = load_teacher(f"random:{tmp_path}", precision="fp32")
    assert control.fingerprint() == again.fingerprint() != learnt.fingerprint()
    maps = control(images())
    assert all(part.isfinite().all() for part in maps) and maps.saliency.std() > 0


def test_the_control_of_the_embedded_teacher() -> None:
    control = load_teacher("random:embedded", precision="fp32")
    assert control.name == "random:embedded" and (control.feature_dim, control.grid_size) == (192, 14)


def test_batch_normalisation_keeps_numbers_within_half_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = {"model_type": "resnet", "embedding_size": 8, "hidden_sizes": [16, 32, 64, 128], "depths": [2, 2, 23, 2]}
    monkeypatch.setitem(ARCHITECTURES, "resnet101", Architecture(deep, {}))
    kept = load_teacher("random:resnet101", precision="fp32")(images()).features.abs().max()
    monkeypatch.setattr(untrained, "_settle", lambda model: None)
    assert kept < 1000 < load_teacher("random:resnet101", precision="fp32")(images()).features.abs().max()


def test_a_control_of_the_hub_needs_its_configuration_alone(
    monkeypatch: pytest.MonkeyPatch, model_folder: Callable[[str], Path]
) -> None:
    asked: list[tuple[str, bool]] = []
    monkeypatch.setattr("i2pmae.teachers.loading.fetch", lambda *called: asked.append(called) or model_folder("dinov2"))
    assert load_teacher("random:someone/dinov2").name == "random:someone/dinov2"
    assert asked == [("someone/dinov2", False)]


def test_the_whole_catalogue_has_controls_without_a_network() -> None:
    assert set(ARCHITECTURES) == set(TEACHERS) - {"embedded"}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_controls_of_the_catalogue_have_its_channels(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    config, processing = ARCHITECTURES[name]
    shallow = {"depths": [1, 1, 1, 1]} if "depths" in config else {"num_hidden_layers": 1}
    monkeypatch.setitem(ARCHITECTURES, name, Architecture(config | shallow, processing))
    teacher = load_teacher(f"random:{name}", precision="fp32")
    assert (teacher.feature_dim, teacher.image_size) == (TEACHERS[name].feature_dim, 224)


def test_sizes_that_make_no_model(model_folder: Callable[[str], Path], tmp_path: Path) -> None:
    config = json.loads((model_folder("vit") / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"hidden_size": -3}))
    with pytest.raises(TeacherError, match="describes no ViTModel"):
        load_teacher(f"random:{tmp_path}")


@pytest.mark.parametrize("name", ["random:", "random:embeded", "random:random:embedded"])
def test_names_of_no_teacher(name: str) -> None:
    with pytest.raises(UsageError, match="teacher"):
        load_teacher(name)
