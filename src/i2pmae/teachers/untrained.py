"""Teachers with random weights: the control of every teacher, and what depends on sizes alone, such as time."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import torch

from i2pmae.teachers.attention import register
from i2pmae.teachers.catalogue import RANDOM
from i2pmae.teachers.families import FAMILIES, IMAGENET, Family
from i2pmae.teachers.vision import DTYPES, Precision, VisionTeacher, choose_precision

__all__ = ["ARCHITECTURES", "PUBLISHED", "Architecture", "seeded", "untrained_clip", "untrained_model"]

Made = TypeVar("Made")

PUBLISHED = "clip-vit-b16"
"""The catalogue's name of the paper's teacher: CLIP ViT-B/16."""
SEED = 0
"""What random weights follow from, so that they are the same each time."""


class Architecture(NamedTuple):
    """What decides a model but its weights, as the files of its Hugging Face folder state it."""

    config: dict[str, Any]
    """``config.json``; what is absent is as transformers has it by default for the ``model_type``."""
    processing: dict[str, Any]
    """``preprocessor_config.json``."""


def _vit(kind: str, width: int, depth: int, heads: int, patch: int, **more: Any) -> dict[str, Any]:
    """The configuration of a vision transformer whose hidden layers are four times as wide."""
    return {
        "model_type": kind,
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": depth,
        "num_attention_heads": heads,
        "patch_size": patch,
        "image_size": 224,
        **more,
    }


def _cnn(kind: str, **sizes: Any) -> dict[str, Any]:
    return {"model_type": kind, **sizes}


_IMAGENET = {"image_mean": IMAGENET[0], "image_std": IMAGENET[1]}
_DINOV2 = {"crop_size": 224}  # their position embeddings are made for 518 pixels, but they are fed with 224
_REGISTERS = {"image_size": 518, "num_register_tokens": 4}

ARCHITECTURES: dict[str, Architecture] = {
    name: Architecture(config, processing)
    for name, config, processing in (
        ("clip-vit-b16", _vit("clip_vision_model", 768, 12, 12, 16, projection_dim=512), {}),
        ("clip-vit-b32", _vit("clip_vision_model", 768, 12, 12, 32, projection_dim=512), {}),
        ("clip-vit-l14", _vit("clip_vision_model", 1024, 24, 16, 14, projection_dim=768), {}),
        ("siglip-b16", _vit("siglip_vision_model", 768, 12, 12, 16), {}),
        ("siglip2-b16", _vit("siglip_vision_model", 768, 12, 12, 16), {}),
        ("dinov2-s14", _vit("dinov2", 384, 12, 6, 14, image_size=518), _DINOV2),
        ("dinov2-b14", _vit("dinov2", 768, 12, 12, 14, image_size=518), _DINOV2),
        ("dinov2-s14-registers", _vit("dinov2_with_registers", 384, 12, 6, 14, **_REGISTERS), _DINOV2),
        ("dinov2-b14-registers", _vit("dinov2_with_registers", 768, 12, 12, 14, **_REGISTERS), _DINOV2),
        ("dinov3-s16", _vit("dinov3_vit", 384, 12, 6, 16, num_register_tokens=4), {}),
        ("dinov3-b16", _vit("dinov3_vit", 768, 12, 12, 16, num_register_tokens=4), {}),
        ("vit-ti16", _vit("vit", 192, 12, 3, 16), {}),
        ("vit-b16", _vit("vit", 768, 12, 12, 16), {}),
        ("deit-s16", _vit("vit", 384, 12, 6, 16), _IMAGENET),
        ("deit-s16-distilled", _vit("deit", 384, 12, 6, 16), {}),
        ("resnet50", _cnn("resnet", hidden_sizes=[256, 512, 1024, 2048], depths=[3, 4, 6, 3]), {}),
        ("resnet101", _cnn("resnet", hidden_sizes=[256, 512, 1024, 2048], depths=[3, 4, 23, 3]), {}),
        ("convnext-t", _cnn("convnext", hidden_sizes=[96, 192, 384, 768], depths=[3, 3, 9, 3]), {}),
    )
}
"""The models of the catalogue that are not in the package: sizes as their authors state them, so that their controls
need no download and are the same everywhere."""


def untrained_model(config: dict[str, Any], family: Family) -> torch.nn.Module:
    """The model that a ``config.json`` describes with the weights that training would start from, in fp32.

    They are the same each time, and nobody else's randomness is touched.
    """
    import transformers

    kind = getattr(transformers, family.class_name)
    described = dict(config.get("vision_config") or config)
    implementation = {"attn_implementation": register()} if family.attends else {}
    sizes = kind.config_class.from_dict(described, **implementation)

    def build() -> torch.nn.Module:
        model: torch.nn.Module = kind(sizes, **dict(family.arguments)).float()
        _settle(model)
        return model

    return seeded(build)


def seeded(build: Callable[[], Made]) -> Made:
    """What is built with random numbers that are the same each time; nobody else's randomness is touched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return build()


@torch.no_grad()
def _settle(model: torch.nn.Module) -> None:
    """Give batch normalisation the statistics of some noise: with none at all, numbers grow from block to block beyond
    what half precision holds."""
    norms = [part for part in model.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    if norms:
        for norm in norms:
            norm.momentum = 1.0
        model.train()(pixel_values=torch.randn(8, 3, 64, 64))


def untrained_clip(*, precision: Precision = "auto", device: torch.device | str = "cpu", **sizes: int) -> VisionTeacher:
    """``random:clip-vit-b16``: a teacher as large and as fast as the paper's; what it says means nothing.

    ``sizes`` change those of the model, under the names of Hugging Face's ``CLIPVisionConfig``. ``precision`` is that
    of :func:`~i2pmae.teachers.loading.load_teacher`.
    """
    device = torch.device(device)
    config = ARCHITECTURES[PUBLISHED].config | sizes
    family = FAMILIES[config["model_type"]]
    model = untrained_model(config, family).to(device, DTYPES[choose_precision(precision, device)])
    mean, std = family.mean_std
    return VisionTeacher(model, family, name=RANDOM + PUBLISHED, mean=mean, std=std, image_size=config["image_size"])
