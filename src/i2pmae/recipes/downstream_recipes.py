"""Named full configurations of downstream tasks, after I2P-MAE §4.2 and its released settings."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from i2pmae.hub.released.settings import HIERARCHICAL_SETTINGS, PLAIN_SETTINGS
from i2pmae.training.config import DataConfig, OptimiserConfig
from i2pmae.training.finetune_config import (
    AugmentConfig,
    DownstreamConfig,
    EncoderChanges,
    FewShotConfig,
    FinetuneConfig,
    SegmentConfig,
)

__all__ = ["FEWSHOT_RECIPES", "FINETUNE_RECIPES", "SEGMENT_RECIPES"]

C = TypeVar("C", bound=DownstreamConfig)
PUBLISHED = OptimiserConfig(learning_rate=5e-4, warmup_epochs=10, clip_norm=10)


def neighbourhoods(settings: str) -> EncoderChanges:
    """The published neighbourhoods of a hierarchical encoder on a benchmark; it keeps its own number of tokens."""
    found = HIERARCHICAL_SETTINGS[settings]
    return EncoderChanges(group_sizes=found.group_sizes, attention_radii=found.attention_radii)


def plain(config: C, settings: str) -> C:
    """The same training of an encoder of one level, with the published tokens and the read-out of that encoder."""
    found = PLAIN_SETTINGS[settings]
    update: dict[str, object] = {
        "recipe": f"{config.recipe}-plain",
        "output": Path(f"{config.output}-plain"),
        "encoder": EncoderChanges(group_counts=found.group_counts, group_sizes=found.group_sizes),
    }
    return config.model_copy(update=update | ({"pooling": None} if "pooling" in type(config).model_fields else {}))


def own() -> FinetuneConfig:
    """Own data: epochs, batch size and neighbourhoods are chosen from the set and the checkpoint."""
    return FinetuneConfig(recipe="own", validation_share=0.2)


def modelnet40() -> FinetuneConfig:
    """ModelNet40, 1024 points, for a hierarchical encoder of the paper's size on a GPU. Published: 93.7 %."""
    return FinetuneConfig(
        recipe="modelnet40",
        data="modelnet40=data/modelnet40",
        output=Path("runs/modelnet40"),
        epochs=300,
        batch_size=32,
        input_points=1024,
        candidates=1200,
        clouds=DataConfig(points=2048, labels="folder"),
        encoder=neighbourhoods("modelnet40"),
        pooling="mean+max",
        smoothing=0.2,
        augment=AugmentConfig(kind="scale-shift"),
        optimiser=PUBLISHED,
    )


def modelnet40_tiny() -> FinetuneConfig:
    """ModelNet40 for the tiny encoder on a CPU: 1024 points, 20 epochs. It has half the tokens of the paper's encoder,
    so groups are smaller by a third and radii larger by √2, for as many neighbours to attend to."""
    return modelnet40().model_copy(
        update={
            "recipe": "modelnet40-tiny",
            "output": Path("runs/modelnet40-tiny"),
            "epochs": 20,
            "candidates": None,
            "clouds": DataConfig(points=1024, labels="folder"),
            "encoder": EncoderChanges(group_sizes=(32, 16, 16), attention_radii=(0.34, 0.68, 1.36)),
            "optimiser": PUBLISHED.model_copy(update={"warmup_epochs": 1.0}),
        }
    )


def modelnet40_plain() -> FinetuneConfig:
    """ModelNet40, 1024 points, for an encoder of one level on a GPU. Published: Point-BERT 93.2 %."""
    return plain(modelnet40(), "modelnet40")


def modelnet40_tiny_plain() -> FinetuneConfig:
    """ModelNet40 for a small encoder of one level on a CPU: 1024 points, 20 epochs."""
    return plain(modelnet40_tiny(), "modelnet40")


def scanobjectnn(variant: str, settings: str) -> FinetuneConfig:
    """ScanObjectNN, 2048 points, which are all that its files hold."""
    return FinetuneConfig(
        recipe=f"scanobjectnn-{variant}",
        data=f"scanobjectnn-{variant}=data/scanobjectnn",
        output=Path(f"runs/scanobjectnn-{variant}"),
        epochs=300,
        batch_size=32,
        input_points=2048,
        clouds=DataConfig(points=2048, labels="folder"),
        encoder=neighbourhoods(settings),
        pooling="mean|max",
        augment=AugmentConfig(kind="scale-rotate"),
        optimiser=PUBLISHED,
    )


def scanobjectnn_bg() -> FinetuneConfig:
    """ScanObjectNN OBJ-BG, for a hierarchical encoder of the paper's size on a GPU. Published: 94.15 %."""
    return scanobjectnn("bg", "scanobjectnn")


def scanobjectnn_only() -> FinetuneConfig:
    """ScanObjectNN OBJ-ONLY, for a hierarchical encoder of the paper's size on a GPU. Published: 91.57 %."""
    return scanobjectnn("only", "scanobjectnn")


def scanobjectnn_pb() -> FinetuneConfig:
    """ScanObjectNN PB-T50-RS, for a hierarchical encoder of the paper's size on a GPU. Published: 90.11 %."""
    return scanobjectnn("pb", "scanobjectnn-pb")


def scanobjectnn_bg_plain() -> FinetuneConfig:
    """ScanObjectNN OBJ-BG, for an encoder of one level on a GPU. Published: Point-MAE 90.02 %, Point-BERT 87.43 %."""
    return plain(scanobjectnn_bg(), "scanobjectnn")


def scanobjectnn_only_plain() -> FinetuneConfig:
    """ScanObjectNN OBJ-ONLY, for an encoder of one level on a GPU. Published: Point-MAE 88.29 %, Point-BERT 88.12 %."""
    return plain(scanobjectnn_only(), "scanobjectnn")


def scanobjectnn_pb_plain() -> FinetuneConfig:
    """ScanObjectNN PB-T50-RS, for an encoder of one level, on a GPU. Published: Point-MAE 85.18, Point-BERT 83.07 %."""
    return plain(scanobjectnn_pb(), "scanobjectnn-pb")


FINETUNE_RECIPES: Mapping[str, Callable[[], FinetuneConfig]] = {
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


def own_parts() -> SegmentConfig:
    """Own data with a label per point: epochs and batch size are chosen from the set."""
    return SegmentConfig(recipe="own", validation_share=0.2)


def tiny_parts() -> SegmentConfig:
    """Own data with a label per point, on a CPU: a narrow head."""
    return own_parts().model_copy(
        update={
            "recipe": "tiny",
            "output": Path("runs/segment-tiny"),
            "propagation_widths": (256, 128),
            "head_widths": (256, 128),
            "optimiser": OptimiserConfig(learning_rate=1e-3, warmup_epochs=2, clip_norm=10),
        }
    )


def shapenetpart() -> SegmentConfig:
    """ShapeNetPart, 2048 points, for a hierarchical encoder of the paper's size on a GPU. Published: 85.15 (classes),
    86.76 (instances)."""
    return SegmentConfig(
        recipe="shapenetpart",
        data="shapenetpart=data/shapenetpart",
        output=Path("runs/shapenetpart"),
        epochs=300,
        batch_size=16,
        input_points=2048,
        clouds=DataConfig(points=2048, labels="folder"),
        encoder=neighbourhoods("shapenetpart"),
        optimiser=OptimiserConfig(learning_rate=2e-4, warmup_epochs=10, clip_norm=10),
    )


def shapenetpart_plain() -> SegmentConfig:
    """ShapeNetPart, 2048 points, for an encoder of one level on a GPU. Published: Point-MAE 86.1 (instances),
    Point-BERT 84.1 (classes), 85.6 (instances)."""
    return plain(shapenetpart(), "shapenetpart")


SEGMENT_RECIPES: Mapping[str, Callable[[], SegmentConfig]] = {
    "own": own_parts,
    "tiny": tiny_parts,
    "shapenetpart": shapenetpart,
    "shapenetpart-plain": shapenetpart_plain,
}
"""Every recipe of part segmentation by name."""


def own_shots() -> FewShotConfig:
    """Own data: folds drawn by the seed, epochs, batch size and neighbourhoods chosen from set and checkpoint."""
    return FewShotConfig(recipe="own")


def modelnet40_shots(ways: int, shots: int) -> FewShotConfig:
    """The published folds of ModelNet40, with the neighbourhoods of fine-tuning on it."""
    name = f"modelnet40-{ways}w{shots}s"
    return FewShotConfig(
        recipe=name,
        data="modelnet-fewshot=data/modelnet-fewshot",
        output=Path(f"runs/{name}"),
        ways=ways,
        shots=shots,
        epochs=150,
        batch_size=32,
        input_points=1024,
        clouds=DataConfig(points=1024, labels="folder"),
        encoder=neighbourhoods("modelnet40"),
        pooling="mean+max",
        optimiser=PUBLISHED,
    )


def modelnet40_5w10s() -> FewShotConfig:
    """ModelNet40, 5 classes, 10 clouds each, for the paper's encoder on a GPU. Published: 97.0 ± 1.8 %."""
    return modelnet40_shots(5, 10)


def modelnet40_5w20s() -> FewShotConfig:
    """ModelNet40, 5 classes, 20 clouds each, for the paper's encoder on a GPU. Published: 98.3 ± 1.3 %."""
    return modelnet40_shots(5, 20)


def modelnet40_10w10s() -> FewShotConfig:
    """ModelNet40, 10 classes, 10 clouds each, for the paper's encoder on a GPU. Published: 92.6 ± 5.0 %."""
    return modelnet40_shots(10, 10)


def modelnet40_10w20s() -> FewShotConfig:
    """ModelNet40, 10 classes, 20 clouds each, for the paper's encoder on a GPU. Published: 95.5 ± 3.0 %."""
    return modelnet40_shots(10, 20)


def modelnet40_5w10s_plain() -> FewShotConfig:
    """ModelNet40, 5 classes, 10 clouds each, for an encoder of one level on a GPU."""
    return plain(modelnet40_5w10s(), "modelnet40")


def modelnet40_5w20s_plain() -> FewShotConfig:
    """ModelNet40, 5 classes, 20 clouds each, for an encoder of one level on a GPU."""
    return plain(modelnet40_5w20s(), "modelnet40")


def modelnet40_10w10s_plain() -> FewShotConfig:
    """ModelNet40, 10 classes, 10 clouds each, for an encoder of one level on a GPU."""
    return plain(modelnet40_10w10s(), "modelnet40")


def modelnet40_10w20s_plain() -> FewShotConfig:
    """ModelNet40, 10 classes, 20 clouds each, for an encoder of one level on a GPU."""
    return plain(modelnet40_10w20s(), "modelnet40")


FEWSHOT_RECIPES: Mapping[str, Callable[[], FewShotConfig]] = {
    "own": own_shots,
    "modelnet40-5w10s": modelnet40_5w10s,
    "modelnet40-5w20s": modelnet40_5w20s,
    "modelnet40-10w10s": modelnet40_10w10s,
    "modelnet40-10w20s": modelnet40_10w20s,
    "modelnet40-5w10s-plain": modelnet40_5w10s_plain,
    "modelnet40-5w20s-plain": modelnet40_5w20s_plain,
    "modelnet40-10w10s-plain": modelnet40_10w10s_plain,
    "modelnet40-10w20s-plain": modelnet40_10w20s_plain,
}
"""Every recipe of few-shot tasks by name."""
