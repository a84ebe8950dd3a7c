"""Named configurations of I2P-MAE and Point-M2AE: each docstring states data, hardware, time and what to expect."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from i2pmae.data.config import DataConfig
from i2pmae.methods.base import Recipes
from i2pmae.methods.config import PretrainConfig, PretrainOutput
from i2pmae.methods.i2p_mae.config import (
    GuidanceConfig,
    I2PMAEConfig,
    I2PMAEMethodConfig,
    LossConfig,
    PointM2AEMethodConfig,
    WholeConfig,
)
from i2pmae.methods.tiny import TINY_TRAINING, named
from i2pmae.training.config import OptimiserConfig, TrainingConfig
from i2pmae.weights.named import DEFAULT

__all__ = ["I2P_MAE_RECIPES", "POINT_M2AE_RECIPES", "SIZES"]

TINY = I2PMAEConfig(
    group_counts=(256, 128, 32),
    embed_widths=(32, 64, 128),
    encoder_dims=(48, 96, 192),
    encoder_depths=(1, 1, 2),
    decoder_dims=(192, 96),
    drop_path=0.0,
    embed_visible_only=True,
)
SIZES: Mapping[str, I2PMAEConfig] = {
    "paper": I2PMAEConfig(),
    "small": TINY.changed(encoder_dims=(96, 192, 384), decoder_dims=(384, 192)),
    "tiny": TINY,
}
"""Model sizes: the paper's, and two for smaller machines."""


def default() -> PretrainConfig:
    """`best` on built-in shapes, taught by the model in the package: 2 to 4 minutes on 2 CPU cores."""
    return best().changed(recipe="default", output=Path("runs/pretrain"), epochs=6, probe_clouds=880, clouds=2000)


def tiny() -> PretrainConfig:
    """The tiny model for own data on a CPU: 1024 points, teacher maps computed once per cloud."""
    return PretrainConfig(
        recipe="tiny",
        method=I2PMAEMethodConfig(model=SIZES["tiny"], cache_teacher=True),
        data=DataConfig(points=1024),
        training=TINY_TRAINING,
        output=PretrainOutput(folder=Path("runs/tiny")),
    )


def best() -> PretrainConfig:
    """`tiny` with the targets, the batches and the read-out of all levels that docs/results.md chose: standardised 2D
    features of points that are seen, and vectors of whole views."""
    loss = LossConfig(targets="standardised", hidden="left out")
    whole = WholeConfig(regression=1.0, contrast=0.1, others=512)
    return named(tiny(), "best").changed(loss=loss, whole=whole, pooling="levels:mean|max", batch_size=16)


def adapt() -> PretrainConfig:
    """`best` that goes on from the weights in the package at a tenth of the rate: for a set of one's own."""
    return named(best(), "adapt").changed({"start": DEFAULT, "optimiser.learning_rate": 1e-4})


def small() -> PretrainConfig:
    """`best` with the paper's widths on tiny's tokens, for a workstation: twice the time of a step, 50 epochs."""
    return named(best(), "small").changed(epochs=50, model=SIZES["small"])


def paper() -> PretrainConfig:
    """As in the paper: ShapeNet, CLIP ViT-B/16, 300 epochs at 1e-4, on a GPU. Published: 93.4 % (ModelNet40, SVM)."""
    method = I2PMAEMethodConfig(
        teacher="clip-vit-b16", guidance=GuidanceConfig(kind="paper"), loss=LossConfig(targets="raw")
    )
    return PretrainConfig(recipe="paper", method=method, output=PretrainOutput(folder=Path("runs/paper")))


def public_code() -> PretrainConfig:
    """As in the authors' code: `paper` with a learning rate of 1e-3 and a cosine of 400 epochs, stopped at 300."""
    optimiser = OptimiserConfig(learning_rate=1e-3, schedule_epochs=400)
    return paper().changed(recipe="public-code", output=Path("runs/public-code"), optimiser=optimiser)


def point_m2ae() -> PretrainConfig:
    """Point-M2AE as published: ShapeNet, 300 epochs at 1e-4, on a GPU. Published: 92.9 % (ModelNet40, SVM)."""
    return PretrainConfig(
        recipe="point-m2ae",
        method=PointM2AEMethodConfig(model=I2PMAEConfig(predicted_points=16)),
        training=TrainingConfig(batch_size=128),
        output=PretrainOutput(folder=Path("runs/point-m2ae")),
    )


def point_m2ae_tiny() -> PretrainConfig:
    """Point-M2AE at the size and with the training of `tiny`, on a CPU: the same model without its 2D side."""
    return tiny().changed(
        recipe="point-m2ae-tiny",
        method=PointM2AEMethodConfig(model=SIZES["tiny"]),
        output=Path("runs/point-m2ae-tiny"),
    )


def _without(base: PretrainConfig, recipe: str, *, guidance: bool = False, semantics: bool = False) -> PretrainConfig:
    """A recipe of I2P-MAE without its guided masks, its semantic targets, or both."""
    changes: dict[str, Any] = {"guidance": GuidanceConfig(kind="random")} if guidance else {}
    changes |= {"loss.semantics": 0.0} if semantics else {}
    return named(base.changed(changes), recipe)


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


I2P_MAE_RECIPES: Recipes = {
    "default": default,
    "best": best,
    "adapt": adapt,
    "tiny": tiny,
    "small": small,
    "paper": paper,
    "public-code": public_code,
    "no-guidance": no_guidance,
    "no-semantics": no_semantics,
    "neither": neither,
    "paper-no-guidance": paper_no_guidance,
    "paper-no-semantics": paper_no_semantics,
    "paper-neither": paper_neither,
}
"""Recipes of I2P-MAE by name."""
POINT_M2AE_RECIPES: Recipes = {"point-m2ae": point_m2ae, "point-m2ae-tiny": point_m2ae_tiny}
"""Recipes of Point-M2AE by name."""
