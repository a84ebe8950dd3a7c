"""Teachers of timm and open_clip: by models that have their interface, and by their own where they are installed."""

import importlib
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from i2pmae.common.errors import TeacherError, UsageError
from i2pmae.teachers.catalogue import check_teacher, members
from i2pmae.teachers.loading import load_teacher

WIDTH, HEADS, PATCH, SIDE = 12, 3, 8, 32


class Attention(nn.Module):
    """As timm has it; its weights of the last call are kept, to compare with."""

    def __init__(self) -> None:
        super().__init__()
        self.num_heads, self.scale = HEADS, (WIDTH // HEADS) ** -0.5
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.q_norm, self.k_norm = nn.LayerNorm(WIDTH // HEADS), nn.LayerNorm(WIDTH // HEADS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, t, c = x.shape
        q, k, v = self.qkv(x).reshape(b, t, 3, HEADS, c // HEADS).permute(2, 0, 3, 1, 4)
        self.weights = (self.q_norm(q) * self.scale @ self.k_norm(k).transpose(-2, -1)).softmax(-1)
        return self.proj((self.weights @ v).transpose(1, 2).reshape(b, t, c))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.attn = nn.LayerNorm(WIDTH), Attention()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.attn(self.norm(x))


class ViT(nn.Module):
    """A vision transformer with [CLS] and a register."""

    num_prefix_tokens = 2

    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(3, WIDTH, PATCH, PATCH)
        self.patch_embed.patch_size = (PATCH, PATCH)  # type: ignore[assignment]
        self.first = nn.Parameter(torch.randn(1, 2, WIDTH))
        self.blocks, self.norm = nn.ModuleList([Block(), Block()]), nn.LayerNorm(WIDTH)
        self.pretrained_cfg = {"input_size": (3, SIDE, SIDE), "mean": (0.1, 0.2, 0.3), "std": (0.5, 0.6, 0.7)}

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        self.seen = images
        x = self.patch_embed(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.first.expand(len(x), -1, -1), x], dim=1)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


class CNN(nn.Module):
    """A map before pooling, with the channels last."""

    output_fmt = "NHWC"

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 4, 4)
        self.pretrained_cfg: dict[str, Any] = {"input_size": (3, SIDE, SIDE)}

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        return self.conv(images).movedim(1, -1)


class Pooled(CNN):
    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        return self.conv(images).mean((2, 3))


MODELS: dict[str, Callable[[], nn.Module]] = {"vit_small": ViT, "resnet9": CNN, "pooled": Pooled}


@pytest.fixture
def timm(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What timm's factory was asked for; it stands in at the outer seam alone, its models are real."""
    asked: list[dict[str, Any]] = []
    module: Any = types.ModuleType("timm")
    module.is_model = lambda name: name.partition(".")[0] in MODELS
    module.list_models = lambda filter="", module="": [
        n for n in MODELS if filter in ("", n) and (not module or "vit" in n)
    ]

    def create_model(name: str, **options: Any) -> nn.Module:
        asked.append(options)
        if name.endswith(".gone"):
            raise RuntimeError("no such weights")
        return MODELS[name.partition(".")[0]]()

    module.create_model = create_model
    monkeypatch.setitem(sys.modules, "timm", module)
    return asked


def test_a_vision_transformer_is_read_by_its_class_token(timm: list[dict[str, Any]]) -> None:
    teacher = load_teacher("timm:vit_small.some_weights", precision="fp32")
    assert timm == [{"pretrained": True, "num_classes": 0, "dynamic_img_size": True}]
    assert (teacher.name, teacher.feature_dim, teacher.grid_size, teacher.image_size) == (
        *("timm:vit_small.some_weights", WIDTH, SIDE // PATCH, SIDE),
    )
    images = torch.rand(2, 3, SIDE, SIDE)
    maps = teacher(images)
    model: Any = teacher._model  # type: ignore[union-attr]
    mean, std = (torch.tensor(model.pretrained_cfg[name]).view(3, 1, 1) for name in ("mean", "std"))
    torch.testing.assert_close(model.seen, (images - mean) / std)
    tokens = model.forward_features(model.seen)
    torch.testing.assert_close(maps.features[:, :, 1, 2], tokens[:, 2 + 1 * 4 + 2])
    torch.testing.assert_close(maps.saliency.flatten(1), model.blocks[-1].attn.weights[:, :, 0, 2:].mean(1))
    assert maps.pooled is not None
    torch.testing.assert_close(maps.pooled, torch.cat([tokens[:, 0], tokens[:, 2:].mean(1)], dim=1))
    assert load_teacher("timm:vit_small", image_size=64).grid_size == 8
    with pytest.raises(UsageError, match="patches of 8 × 8"):
        load_teacher("timm:vit_small", image_size=60)


def test_a_convolutional_model_is_read_by_its_map(timm: list[dict[str, Any]]) -> None:
    teacher = load_teacher("timm:resnet9", precision="fp32")
    assert timm == [{"pretrained": True, "num_classes": 0}] and (teacher.feature_dim, teacher.grid_size) == (5, 8)
    maps = teacher(torch.rand(1, 1, SIDE, SIDE))
    torch.testing.assert_close(maps.saliency, maps.features.amax(1))


def test_the_control_and_several_side_by_side(timm: list[dict[str, Any]]) -> None:
    first, second = (load_teacher("random:timm:vit_small", precision="fp32") for _ in range(2))
    assert timm[0]["pretrained"] is False and first.fingerprint() == second.fingerprint()
    both = load_teacher("random:timm:vit_small+timm:resnet9", precision="fp32")
    assert both.feature_dim == WIDTH + 5
    assert members(check_teacher("timm:a+open_clip:b/c")) == ("timm:a", "open_clip:b/c")


def test_what_cannot_be_had_of_a_package_says_why(timm: list[dict[str, Any]]) -> None:
    with pytest.raises(UsageError, match=r"timm has no model 'vit_smal'. Did you mean 'vit_small'"):
        load_teacher("timm:vit_smal")
    with pytest.raises(TeacherError, match=r"Cannot load .*no such weights.*embedded"):
        load_teacher("timm:vit_small.gone")
    with pytest.raises(TeacherError, match="no square map"):
        load_teacher("timm:pooled")
    with pytest.raises(UsageError, match="needs the name of a model"):
        check_teacher("random:timm:")


@pytest.mark.parametrize(
    ("name", "module", "extra"), [("timm:a", "timm", "timm"), ("open_clip:a/b", "open_clip", "open-clip")]
)
def test_a_package_that_is_missing_is_named(name: str, module: str, extra: str, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(TeacherError, match=rf"{module} is not installed.*(?s:.)*pip install 'i2pmae\[{extra}\]'"):
        load_teacher(name)
    monkeypatch.delitem(sys.modules, module)
    (tmp_path / f"{module}.py").write_text("import torchvision\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(TeacherError, match=rf"{module} cannot be imported without torchvision"):
        load_teacher(name)
    (tmp_path / f"{module}.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')\n")
    importlib.invalidate_caches()
    (tmp_path / "__pycache__").is_dir() and [file.unlink() for file in (tmp_path / "__pycache__").iterdir()]
    with pytest.raises(TeacherError, match=r"nms does not exist.*another PyTorch"):
        load_teacher(name)


def installed(module: str) -> Any:
    """The package, where it and torchvision are there; else the test is skipped."""
    try:
        return importlib.import_module(module)
    except Exception as error:
        pytest.skip(f"{module} cannot be imported: {error}")


@pytest.mark.parametrize(
    ("name", "channels", "grid"),
    [
        ("vit_tiny_patch16_224", 192, 14),
        ("resnet18", 512, 7),
        ("swin_tiny_patch4_window7_224", 768, 7),
        ("vit_small_patch14_dinov2", 384, 37),
    ],
)
def test_models_of_timm_itself(name: str, channels: int, grid: int) -> None:
    installed("timm")
    teacher = load_teacher(f"random:timm:{name}", precision="fp32")
    assert (teacher.feature_dim, teacher.grid_size) == (channels, grid)
    maps = teacher(torch.rand(1, 1, 224, 224))
    if name.startswith("vit"):
        assert 0 < float(maps.saliency.sum()) < 1, "attention, less what goes to the first token"
    assert maps.features.isfinite().all()


def test_models_of_open_clip_itself() -> None:
    package = installed("open_clip")
    teacher = load_teacher("random:open_clip:ViT-B-32", precision="fp32")
    assert (teacher.feature_dim, teacher.grid_size) == (512, 7)
    image = torch.rand(1, 3, 224, 224)
    maps = teacher(image)
    model: Any = teacher._model  # type: ignore[union-attr]
    assert maps.pooled is not None and 0 < float(maps.saliency.sum()) < 1
    torch.testing.assert_close(maps.pooled[:, :512], model(teacher._prepare(image)))  # type: ignore[union-attr]
    with pytest.raises(UsageError, match="Did you mean 'ViT-B-32"):
        load_teacher("open_clip:ViT-B-33/openai")
    with pytest.raises(UsageError, match="needs the name of its weights"):
        load_teacher("open_clip:ViT-B-32")
    assert "openai" in package.list_pretrained_tags_by_model("ViT-B-32")
