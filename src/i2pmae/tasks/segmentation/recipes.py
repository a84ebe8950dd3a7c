"""Named configurations of part segmentation, after Point-M2AE §4.2 and the released settings of I2P-MAE."""

from pathlib import Path

from i2pmae.runs.config import OutputConfig
from i2pmae.tasks.base import Recipes
from i2pmae.tasks.config import TaskRunConfig, task_training
from i2pmae.tasks.published import neighbourhoods, plain, published_data, published_training
from i2pmae.tasks.segmentation.config import SegmentationConfig

__all__ = ["RECIPES"]


def own_parts() -> TaskRunConfig:
    """Own data with a label per point: epochs and batch size are chosen from the set."""
    return TaskRunConfig(
        recipe="own",
        task=SegmentationConfig(validation_share=0.2),
        training=task_training(2e-4),
        output=OutputConfig(folder=Path("runs/segment")),
    )


def tiny_parts() -> TaskRunConfig:
    """Own data with a label per point, on a CPU: a narrow head."""
    return own_parts().changed(
        recipe="tiny",
        output=Path("runs/segment-tiny"),
        propagation_widths=(256, 128),
        head_widths=(256, 128),
        training=task_training(1e-3),
    )


def shapenetpart() -> TaskRunConfig:
    """ShapeNetPart, 2048 points, for a hierarchical encoder of the paper's size on a GPU. Published: 85.15 (classes),
    86.76 (instances)."""
    return TaskRunConfig(
        recipe="shapenetpart",
        task=SegmentationConfig(input_points=2048, encoder=neighbourhoods("shapenetpart")),
        data=published_data("shapenetpart=data/shapenetpart", 2048),
        training=published_training(300, 16, 2e-4),
        output=OutputConfig(folder=Path("runs/shapenetpart")),
    )


def shapenetpart_plain() -> TaskRunConfig:
    """ShapeNetPart, 2048 points, for an encoder of one level on a GPU. Published: Point-MAE 86.1 (instances),
    Point-BERT 84.1 (classes), 85.6 (instances)."""
    return plain(shapenetpart(), "shapenetpart")


RECIPES: Recipes = {
    "own": own_parts,
    "tiny": tiny_parts,
    "shapenetpart": shapenetpart,
    "shapenetpart-plain": shapenetpart_plain,
}
"""Every recipe of part segmentation by name."""
