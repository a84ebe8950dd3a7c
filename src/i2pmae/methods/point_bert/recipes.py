"""Named configurations of Point-BERT. Each docstring states data, hardware, time and the number to expect."""

from pathlib import Path

from i2pmae.data.config import DataConfig
from i2pmae.methods.base import Recipes
from i2pmae.methods.config import PretrainConfig, PretrainOutput
from i2pmae.methods.point_bert.config import (
    AnnealConfig,
    DiscreteVAEConfig,
    ObjectivesConfig,
    PointBERTConfig,
    PointBERTMethodConfig,
    StageOneTraining,
)
from i2pmae.methods.tiny import TINY_PLAIN, TINY_TRAINING
from i2pmae.training.config import OptimiserConfig, TrainingConfig

__all__ = ["RECIPES"]

TINY_TOKEN = 96
"""Channels of an embedded group and of a word in the small Point-BERT."""


def point_bert() -> PretrainConfig:
    """Point-BERT as published, both stages: ShapeNet, 300 epochs each at 5e-4, on a GPU. Published: 87.4 % (SVM)."""
    return PretrainConfig(
        recipe="point-bert",
        method=PointBERTMethodConfig(),
        data=DataConfig(points=1024),
        training=TrainingConfig(batch_size=128, optimiser=OptimiserConfig(learning_rate=5e-4, warmup_epochs=3)),
        output=PretrainOutput(folder=Path("runs/point-bert")),
    )


def point_bert_tiny() -> PretrainConfig:
    """Point-BERT for a CPU: as wide as the coarsest level of `tiny`, both stages trained alike."""
    words = DiscreteVAEConfig(
        embed_widths=TINY_PLAIN["embed_widths"],
        embed_dim=TINY_TOKEN,
        codes=512,
        code_dim=TINY_TOKEN,
        decoder_dim=TINY_TOKEN,
        graph_input=32,
        graph_widths=(64, 64, 64, 128),
        fold_widths=(128, 64),
    )
    model = PointBERTConfig(**TINY_PLAIN, token_width=TINY_TOKEN, class_width=128, queue=2048, vae=words)
    stage_one = StageOneTraining(
        batch_size=32,
        # As fast as short runs need: words that stay soft for longer collapse to a few.
        temperature=AnnealConfig(start=1.0, end=0.0625, steps=100),
        divergence=AnnealConfig(start=0.0, end=0.1, steps=50),
        optimiser=OptimiserConfig(learning_rate=1e-3, weight_decay=5e-4, warmup_epochs=0.5, clip_norm=10),
    )
    return PretrainConfig(
        recipe="point-bert-tiny",
        method=PointBERTMethodConfig(model=model, bert=ObjectivesConfig(vae=stage_one)),
        data=DataConfig(points=1024),
        training=TINY_TRAINING,
        output=PretrainOutput(folder=Path("runs/point-bert-tiny")),
    )


RECIPES: Recipes = {"point-bert": point_bert, "point-bert-tiny": point_bert_tiny}
"""Recipes of Point-BERT by name."""
