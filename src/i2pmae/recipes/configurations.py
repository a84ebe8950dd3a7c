"""Named full configurations. Each docstring states data, hardware, time and the number to expect."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from i2pmae.models.config import I2PMAEConfig
from i2pmae.models.discrete_vae import DiscreteVAEConfig
from i2pmae.models.point_bert import PointBERTConfig
from i2pmae.models.point_mae import PointMAEConfig
from i2pmae.training.config import (
    AnnealConfig,
    BERTConfig,
    DataConfig,
    DiscreteVAETraining,
    GuidanceConfig,
    LossConfig,
    OptimiserConfig,
    PretrainConfig,
)

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


def point_m2ae() -> PretrainConfig:
    """Point-M2AE as published: ShapeNet, 300 epochs at 1e-4, on a GPU. Published: 92.9 % (ModelNet40, SVM)."""
    return PretrainConfig(
        recipe="point-m2ae",
        method="point-m2ae",
        output=Path("runs/point-m2ae"),
        batch_size=128,
        model=SIZES["paper"].model_copy(update={"predicted_points": 16}),
    )


def point_mae() -> PretrainConfig:
    """Point-MAE as published: ShapeNet, 300 epochs at 1e-3, on a GPU. Published: 91.0 % (ModelNet40, SVM)."""
    return PretrainConfig(
        recipe="point-mae",
        method="point-mae",
        output=Path("runs/point-mae"),
        batch_size=128,
        clouds=DataConfig(points=1024),
        optimiser=OptimiserConfig(learning_rate=1e-3),
    )


def point_bert() -> PretrainConfig:
    """Point-BERT as published, both stages: ShapeNet, 300 epochs each at 5e-4, on a GPU. Published: 87.4 % (SVM)."""
    return PretrainConfig(
        recipe="point-bert",
        method="point-bert",
        output=Path("runs/point-bert"),
        batch_size=128,
        clouds=DataConfig(points=1024),
        optimiser=OptimiserConfig(learning_rate=5e-4, warmup_epochs=3),
    )


def point_m2ae_tiny() -> PretrainConfig:
    """Point-M2AE at the size and with the training of `tiny`, on a CPU: the same model without its 2D side."""
    return PretrainConfig(**_like_tiny("point-m2ae-tiny", "point-m2ae"), model=SIZES["tiny"])


def point_mae_tiny() -> PretrainConfig:
    """Point-MAE for a CPU: as wide as the coarsest level of `tiny`, trained alike."""
    return PretrainConfig(
        **_like_tiny("point-mae-tiny", "point-mae"), model=PointMAEConfig(**TINY_PLAIN, decoder_depth=1)
    )


def point_bert_tiny() -> PretrainConfig:
    """Point-BERT for a CPU: as wide as the coarsest level of `tiny`, both stages trained alike."""
    words = DiscreteVAEConfig(
        embed_widths=TINY_EMBEDDING,
        embed_dim=TINY_TOKEN,
        codes=512,
        code_dim=TINY_TOKEN,
        decoder_dim=TINY_TOKEN,
        graph_input=32,
        graph_widths=(64, 64, 64, 128),
        fold_widths=(128, 64),
    )
    model = PointBERTConfig(**TINY_PLAIN, token_width=TINY_TOKEN, class_width=128, queue=2048, vae=words)
    stage_one = DiscreteVAETraining(
        batch_size=32,
        # As fast as short runs need: words that stay soft for longer collapse to a few.
        temperature=AnnealConfig(start=1.0, end=0.0625, steps=100),
        divergence=AnnealConfig(start=0.0, end=0.1, steps=50),
        optimiser=OptimiserConfig(learning_rate=1e-3, weight_decay=5e-4, warmup_epochs=0.5, clip_norm=10),
    )
    return PretrainConfig(**_like_tiny("point-bert-tiny", "point-bert"), model=model, bert=BERTConfig(vae=stage_one))


TINY_EMBEDDING = (32, 64, 128)
"""Widths of the embedding of groups, as in the size ``tiny``."""
TINY_TOKEN = 96
"""Channels of an embedded group and of a word in the small Point-BERT."""
TINY_PLAIN: Mapping[str, Any] = {
    "embed_widths": TINY_EMBEDDING,
    "width": 192,
    "depth": 3,
    "drop_path": 0.0,
}
"""An encoder of one level with about as many parameters as that of the size ``tiny``."""


def _like_tiny(recipe: str, method: str) -> dict[str, Any]:
    """What a recipe of another method shares with `tiny`."""
    base = tiny()
    shared = {name: getattr(base, name) for name in ("epochs", "batch_size", "clouds", "optimiser")}
    return {"recipe": recipe, "method": method, "output": Path("runs") / recipe, **shared}


def _without(base: PretrainConfig, recipe: str, *, guidance: bool = False, semantics: bool = False) -> PretrainConfig:
    """A recipe of I2P-MAE without its guided masks, its semantic targets, or both."""
    changes: dict[str, Any] = {"recipe": recipe, "output": Path("runs") / recipe}
    changes |= {"guidance": GuidanceConfig(kind="random")} if guidance else {}
    changes |= {"loss": base.loss.model_copy(update={"semantics": 0.0})} if semantics else {}
    return base.model_copy(update=changes)


def no_guidance() -> PretrainConfig:
    """`tiny` with random masks instead of guided ones."""
    return _without(tiny(), "no-guidance", guidance=True)


def no_semantics() -> PretrainConfig:
    """`tiny` with guided masks, but without 2D features to predict."""
    return _without(tiny(), "no-semantics", semantics=True)


def neither() -> PretrainConfig:
    """`tiny` with random masks and without 2D features: no teacher at all."""
    return _without(tiny(), "neither", guidance=True, semantics=True)


def paper_no_guidance() -> PretrainConfig:
    """`paper` with random masks instead of guided ones."""
    return _without(paper(), "paper-no-guidance", guidance=True)


def paper_no_semantics() -> PretrainConfig:
    """`paper` with guided masks, but without 2D features to predict."""
    return _without(paper(), "paper-no-semantics", semantics=True)


def paper_neither() -> PretrainConfig:
    """`paper` with random masks and without 2D features: no teacher at all."""
    return _without(paper(), "paper-neither", guidance=True, semantics=True)


RECIPES: Mapping[str, Callable[[], PretrainConfig]] = {
    "default": default,
    "tiny": tiny,
    "small": small,
    "paper": paper,
    "public-code": public_code,
    "point-m2ae": point_m2ae,
    "point-mae": point_mae,
    "point-bert": point_bert,
    "point-m2ae-tiny": point_m2ae_tiny,
    "point-mae-tiny": point_mae_tiny,
    "point-bert-tiny": point_bert_tiny,
    "no-guidance": no_guidance,
    "no-semantics": no_semantics,
    "neither": neither,
    "paper-no-guidance": paper_no_guidance,
    "paper-no-semantics": paper_no_semantics,
    "paper-neither": paper_neither,
}
"""Every recipe by name."""
