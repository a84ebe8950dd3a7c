"""Named configurations of fine-tuning for classification, after I2P-MAE §4.2 and its released settings."""

from pathlib import Path

from i2pmae.runs.config import OutputConfig
from i2pmae.tasks.base import Recipes
from i2pmae.tasks.classification.config import ClassificationConfig
from i2pmae.tasks.config import AugmentConfig, EncoderChanges, TaskRunConfig
from i2pmae.tasks.published import neighbourhoods, plain, published_data, published_training

__all__ = ["RECIPES"]


def own() -> TaskRunConfig:
    """Own data: epochs, batch size and neighbourhoods are chosen from the set and the checkpoint."""
    task = ClassificationConfig(validation_share=0.2)
    return TaskRunConfig(recipe="own", task=task, output=OutputConfig(folder=Path("runs/finetune")))


def modelnet40() -> TaskRunConfig:
    """ModelNet40, 1024 points, for a hierarchical encoder of the paper's size on a GPU. Published: 93.7 %."""
    return TaskRunConfig(
        recipe="modelnet40",
        task=ClassificationConfig(
            input_points=1024,
            candidates=1200,
            encoder=neighbourhoods("modelnet40"),
            pooling="mean+max",
            smoothing=0.2,
            augment=AugmentConfig(kind="scale-shift"),
        ),
        data=published_data("modelnet40=data/modelnet40", 2048),
        training=published_training(300),
        output=OutputConfig(folder=Path("runs/modelnet40")),
    )


def modelnet40_tiny() -> TaskRunConfig:
    """ModelNet40 for the tiny encoder on a CPU: 1024 points, 20 epochs. It has half the tokens of the paper's encoder,
    so groups are smaller by a third and radii larger by √2, for as many neighbours to attend to."""
    return modelnet40().changed(
        {"data.points": 1024, "optimiser.warmup_epochs": 1.0},
        recipe="modelnet40-tiny",
        output=Path("runs/modelnet40-tiny"),
        epochs=20,
        candidates=None,
        encoder=EncoderChanges(group_sizes=(32, 16, 16), attention_radii=(0.34, 0.68, 1.36)),
    )


def modelnet40_plain() -> TaskRunConfig:
    """ModelNet40, 1024 points, for an encoder of one level on a GPU. Published: Point-BERT 93.2 %."""
    return plain(modelnet40(), "modelnet40")


def modelnet40_tiny_plain() -> TaskRunConfig:
    """ModelNet40 for a small encoder of one level on a CPU: 1024 points, 20 epochs."""
    return plain(modelnet40_tiny(), "modelnet40")


def scanobjectnn(variant: str, settings: str) -> TaskRunConfig:
    """ScanObjectNN, 2048 points, which are all that its files hold."""
    return TaskRunConfig(
        recipe=f"scanobjectnn-{variant}",
        task=ClassificationConfig(
            input_points=2048,
            encoder=neighbourhoods(settings),
            pooling="mean|max",
            augment=AugmentConfig(kind="scale-rotate"),
        ),
        data=published_data(f"scanobjectnn-{variant}=data/scanobjectnn", 2048),
        training=published_training(300),
        output=OutputConfig(folder=Path(f"runs/scanobjectnn-{variant}")),
    )


def scanobjectnn_bg() -> TaskRunConfig:
    """ScanObjectNN OBJ-BG, for a hierarchical encoder of the paper's size on a GPU. Published: 94.15 %."""
    return scanobjectnn("bg", "scanobjectnn")


def scanobjectnn_only() -> TaskRunConfig:
    """ScanObjectNN OBJ-ONLY, for a hierarchical encoder of the paper's size on a GPU. Published: 91.57 %."""
    return scanobjectnn("only", "scanobjectnn")


def scanobjectnn_pb() -> TaskRunConfig:
    """ScanObjectNN PB-T50-RS, for a hierarchical encoder of the paper's size on a GPU. Published: 90.11 %."""
    return scanobjectnn("pb", "scanobjectnn-pb")


def scanobjectnn_bg_plain() -> TaskRunConfig:
    """ScanObjectNN OBJ-BG, for an encoder of one level on a GPU. Published: Point-MAE 90.02 %, Point-BERT 87.43 %."""
    return plain(scanobjectnn_bg(), "scanobjectnn")


def scanobjectnn_only_plain() -> TaskRunConfig:
    """ScanObjectNN OBJ-ONLY, for an encoder of one level on a GPU. Published: Point-MAE 88.29 %, Point-BERT 88.12 %."""
    return plain(scanobjectnn_only(), "scanobjectnn")


def scanobjectnn_pb_plain() -> TaskRunConfig:
    """ScanObjectNN PB-T50-RS, for an encoder of one level, on a GPU. Published: Point-MAE 85.18, Point-BERT 83.07 %."""
    return plain(scanobjectnn_pb(), "scanobjectnn-pb")


RECIPES: Recipes = {
    "own": own,
    "modelnet40": modelnet40,
    "modelnet40-tiny": modelnet40_tiny,
    "modelnet40-plain": modelnet40_plain,
    "modelnet40-tiny-plain": modelnet40_tiny_plain,
    "scanobjectnn-bg": scanobjectnn_bg,
    "scanobjectnn-only": scanobjectnn_only,
    "scanobjectnn-pb": scanobjectnn_pb,
    "scanobjectnn-bg-plain": scanobjectnn_bg_plain,
    "scanobjectnn-only-plain": scanobjectnn_only_plain,
    "scanobjectnn-pb-plain": scanobjectnn_pb_plain,
}
"""Every recipe of fine-tuning by name."""
