"""What holds for every teacher, whatever its family."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from i2pmae.common.errors import UsageError
from i2pmae.teachers import vision
from i2pmae.teachers.loading import load_teacher
from i2pmae.teachers.vision import VisionTeacher, bf16_gain, choose_precision

from .conftest import save


@pytest.fixture
def teacher(model_folder: Callable[[str], Path]) -> VisionTeacher:
    return load_teacher(model_folder("vit"), precision="fp32")


def images(side: int = 64, channels: int = 3) -> torch.Tensor:
    return torch.rand(2, channels, side, side, generator=torch.Generator().manual_seed(1))


def test_grey_images_equal_the_same_image_thrice(teacher: VisionTeacher) -> None:
    grey = images(channels=1)
    torch.testing.assert_close(teacher(grey), teacher(grey.repeat(1, 3, 1, 1)), rtol=0, atol=0)


def test_images_of_another_size_are_resized_with_antialiasing(teacher: VisionTeacher) -> None:
    large = images(side=200)
    small = torch.nn.functional.interpolate(large, (64, 64), mode="bilinear", antialias=True)
    torch.testing.assert_close(teacher(large), teacher(small))


def test_each_image_is_on_its_own(teacher: VisionTeacher) -> None:
    batch = images()
    torch.testing.assert_close(teacher(batch).features[1:], teacher(batch[1:]).features, rtol=1e-4, atol=1e-5)


def test_it_uses_its_own_mean_and_deviation(model_folder: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(model_folder("vit"), folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0, 0, 0], "image_std": [1, 1, 1]}))
    own = load_teacher(model_folder("vit"), precision="fp32")
    plain = load_teacher(folder, precision="fp32")
    mean, std = torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1), torch.tensor([0.2, 0.3, 0.25]).view(3, 1, 1)
    torch.testing.assert_close(plain((images() - mean) / std), own(images()), rtol=1e-4, atol=1e-5)
    assert own.fingerprint() != plain.fingerprint()


def test_no_gradient_reaches_it_but_its_maps_can_be_used_in_one(teacher: VisionTeacher) -> None:
    batch = images().requires_grad_()
    maps = teacher(batch)
    assert not maps.features.requires_grad and not maps.saliency.requires_grad
    weight = torch.ones((), requires_grad=True)
    (weight * maps.features).square().sum().backward()
    assert weight.grad is not None
    assert not any(parameter.requires_grad for parameter in teacher._model.parameters())


def test_it_stays_in_eval_mode(tmp_path: Path) -> None:
    folder = save("vit", tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_dropout_prob": 0.5}))
    teacher = load_teacher(folder, precision="fp32")
    before = teacher(images())
    teacher._model.train()
    torch.testing.assert_close(teacher(images()), before, rtol=0, atol=0)


def test_it_is_no_part_of_a_module_that_holds_it(teacher: VisionTeacher) -> None:
    class Student(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.teacher = teacher

    assert not list(Student().parameters()) and not Student().state_dict()


def test_a_surrounding_autocast_changes_nothing(teacher: VisionTeacher) -> None:
    expected = teacher(images())
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(teacher(images()), expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (torch.rand(3, 64, 64), "shape"),
        (torch.rand(1, 2, 64, 64), "1 or 3 channels"),
        (torch.rand(1, 3, 64, 32), "square"),
        (torch.zeros(1, 3, 64, 64, dtype=torch.uint8), "255"),
    ],
)
def test_other_shapes_and_types_are_refused(teacher: VisionTeacher, bad: torch.Tensor, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        teacher(bad)


def test_the_fingerprint_follows_weights_precision_and_size(
    model_folder: Callable[[str], Path], teacher: VisionTeacher, tmp_path: Path
) -> None:
    folder = model_folder("vit")
    assert teacher.fingerprint() == load_teacher(folder, precision="fp32").fingerprint()
    others = [
        load_teacher(folder, precision="bf16"),
        load_teacher(folder, precision="fp32", image_size=96),
        load_teacher(save("vit", tmp_path, seed=1), precision="fp32"),
    ]
    assert len({teacher.fingerprint(), *(other.fingerprint() for other in others)}) == 4


def test_auto_precision_asks_the_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    for gain, chosen in ((4.5, "bf16"), (0.5, "fp32")):
        monkeypatch.setattr(vision, "bf16_gain", lambda gain=gain: gain)
        assert choose_precision("auto", torch.device("cpu")) == chosen
    monkeypatch.setattr(vision, "bf16_gain", lambda: 4.5)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    assert choose_precision("auto", torch.device("cpu")) == "fp32"
    assert choose_precision("bf16", torch.device("cpu")) == "bf16"
    with pytest.raises(UsageError, match="precision"):
        choose_precision("int8", torch.device("cpu"))  # type: ignore[arg-type]


def test_the_gain_of_bf16_is_measured_once() -> None:
    assert 0 < bf16_gain() < 100
    assert bf16_gain() == bf16_gain()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_it_follows_the_images_to_the_gpu(teacher: VisionTeacher) -> None:
    expected = teacher(images())
    maps = teacher(images().cuda())
    assert maps.features.is_cuda
    torch.testing.assert_close(maps.features.cpu(), expected.features, rtol=1e-3, atol=1e-3)


@pytest.mark.skipif("I2PMAE_DATA_DIR" not in os.environ, reason="set I2PMAE_DATA_DIR to a folder with the real ViT")
def test_the_real_vit() -> None:
    folder = Path(os.environ["I2PMAE_DATA_DIR"]) / "vit_tiny_patch16_224"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    teacher = load_teacher(folder, precision="fp32")
    assert (teacher.feature_dim, teacher.grid_size, teacher.image_size) == (192, 14, 224)
    # A bright disc on a dark ground: a real model looks at the disc.
    ticks = torch.linspace(-1, 1, 224)
    disc = ((ticks[:, None] - 0.3) ** 2 + (ticks[None] + 0.2) ** 2 < 0.15).float()[None, None]
    saliency = teacher(disc).saliency
    cells = torch.nn.functional.avg_pool2d(disc, 16)[:, 0]
    assert saliency[cells > 0.5].mean() > 1.5 * saliency[cells == 0].mean()
