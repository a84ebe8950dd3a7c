"""Small random-weight models of every family, saved as Hugging Face folders."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers

VIT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "image_size": 64,
    "patch_size": 16,
}
SCALES = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}
TEXT = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "vocab_size": 64,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 2,
}


def clip_config() -> transformers.CLIPConfig:
    return transformers.CLIPConfig(text_config=TEXT, vision_config=VIT | {"projection_dim": 24}, projection_dim=24)


def siglip_config() -> transformers.SiglipConfig:
    return transformers.SiglipConfig(text_config=TEXT | {"hidden_size": 32}, vision_config=VIT)


def dinov3_config() -> transformers.DINOv3ViTConfig:
    return transformers.DINOv3ViTConfig(**VIT, num_register_tokens=3)


BUILDERS: dict[str, Callable[[], torch.nn.Module]] = {
    "vit": lambda: transformers.ViTModel(transformers.ViTConfig(**VIT)),
    "vit_classifier": lambda: transformers.ViTForImageClassification(transformers.ViTConfig(**VIT)),
    "deit": lambda: transformers.DeiTModel(transformers.DeiTConfig(**VIT)),
    "clip": lambda: transformers.CLIPModel(clip_config()),
    "clip_vision_model": lambda: transformers.CLIPVisionModelWithProjection(clip_config().vision_config),
    "siglip": lambda: transformers.SiglipModel(siglip_config()),
    "siglip_vision_model": lambda: transformers.SiglipVisionModel(siglip_config().vision_config),
    "dinov2": lambda: transformers.Dinov2Model(transformers.Dinov2Config(**VIT)),
    "dinov2_with_registers": lambda: transformers.Dinov2WithRegistersModel(
        transformers.Dinov2WithRegistersConfig(**VIT, num_register_tokens=4)
    ),
    "dinov3_vit": lambda: transformers.DINOv3ViTModel(dinov3_config()),
    "resnet": lambda: transformers.ResNetModel(transformers.ResNetConfig(embedding_size=8, **SCALES)),
    "convnext": lambda: transformers.ConvNextModel(transformers.ConvNextConfig(**SCALES)),
    "convnextv2": lambda: transformers.ConvNextV2Model(transformers.ConvNextV2Config(**SCALES)),
    "dinov3_convnext": lambda: transformers.DINOv3ConvNextModel(transformers.DINOv3ConvNextConfig(**SCALES)),
}


def save(kind: str, folder: Path, seed: int = 0) -> Path:
    """A random model of that kind in ``folder``, with weights large enough that tokens and attention differ."""
    torch.manual_seed(seed)
    model = BUILDERS[kind]()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.25], "size": {"height": 64, "width": 64}})
    )
    return folder


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A function that gives the folder of a random model of a kind, made once."""
    folders: dict[str, Path] = {}

    def get(kind: str) -> Path:
        if kind not in folders:
            folders[kind] = save(kind, tmp_path_factory.mktemp(kind))
        return folders[kind]

    return get
