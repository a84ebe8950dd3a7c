"""Named full configurations. Each docstring states data, hardware, time and the number to expect."""

from collections.abc import Callable, Mapping
from pathlib import Path

from i2pmae.models.config import I2PMAEConfig
from i2pmae.training.config import DataConfig, GuidanceConfig, LossConfig, OptimiserConfig, PretrainConfig

__all__ = ["RECIPES", "SIZES"]

SIZES: Mapping[str, I2PMAEConfig] = {
    "paper": I2PMAEConfig(),
    "small": I2PMAEConfig(
        group_counts=(512, 256, 64),
        embed_widths=(64, 128, 256),
        encoder_depths=(2, 2, 2),
        embed_visible_only=True,
    ),
    "tiny": I2PMAEConfig(
        group_counts=(256, 128, 32),
        embed_widths=(32, 64, 128),
        encoder_dims=(48, 96, 192),
        encoder_depths=(1, 1, 2),
        decoder_dims=(192, 96),
        drop_path=0.0,
        embed_visible_only=True,
    ),
}
"""Model sizes: the paper's, and two for smaller machines."""


def default() -> PretrainConfig:
    """The tiny model on built-in shapes, taught by the model in the package: under 5 minutes on 2 CPU cores."""
    return tiny().model_copy(
        update={
            "recipe": "default",
            "output": Path("runs/pretrain"),
            "epochs": 6,
            "probe_clouds": 880,
            "clouds": DataConfig(points=1024, clouds=2000),
        }
    )


def tiny() -> PretrainConfig:
    """The tiny model for own data on a CPU: 1024 points, teacher maps computed once per cloud."""
    return PretrainConfig(
        recipe="tiny",
        output=Path("runs/tiny"),
        epochs=20,
        batch_size=32,
        cache_teacher=True,
        clouds=DataConfig(points=1024),
        model=SIZES["tiny"],
        optimiser=OptimiserConfig(learning_rate=1e-3, warmup_epochs=0.5, clip_norm=10),
    )


def small() -> PretrainConfig:
    """The small model for a workstation: the paper's tokens and widths, two blocks per level, 1024 points."""
    return tiny().model_copy(
        update={"recipe": "small", "output": Path("runs/small"), "epochs": 50, "model": SIZES["small"]}
    )


def paper() -> PretrainConfig:
    """As in the paper: ShapeNet, CLIP ViT-B/16, 300 epochs at 1e-4, on a GPU. Published: 93.4 % (ModelNet40, SVM)."""
    return PretrainConfig(
        recipe="paper",
        output=Path("runs/paper"),
        teacher="clip-vit-b16",
        guidance=GuidanceConfig(kind="paper"),
        loss=LossConfig(targets="raw"),
    )


def public_code() -> PretrainConfig:
    """As in the authors' code: `paper` with a learning rate of 1e-3 and a cosine of 400 epochs, stopped at 300."""
    return paper().model_copy(
        update={
            "recipe": "public-code",
            "output": Path("runs/public-code"),
            "optimiser": OptimiserConfig(learning_rate=1e-3, schedule_epochs=400),
        }
    )


RECIPES: Mapping[str, Callable[[], PretrainConfig]] = {
    "default": default,
    "tiny": tiny,
    "small": small,
    "paper": paper,
    "public-code": public_code,
}
"""Every recipe by name."""
