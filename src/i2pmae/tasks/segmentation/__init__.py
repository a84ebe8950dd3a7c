"""Part segmentation: an encoder and clouds with a label per point become a segmenter (Point-M2AE §4.2)."""

from pathlib import Path
from typing import TYPE_CHECKING

from i2pmae.tasks.base import Material, Recipes, Trained, ValidatedSpec, made_by
from i2pmae.tasks.config import TaskRunConfig
from i2pmae.tasks.segmentation.config import SegmentationConfig, SegmenterConfig
from i2pmae.weights.kinds import ModelKind

if TYPE_CHECKING:
    from i2pmae.tasks.start import Say
    from i2pmae.weights.released.spec import ReleasedHead

__all__ = ["SEGMENTATION"]


class _Segmentation(ValidatedSpec):
    title = "Part segmentation"
    Config = SegmentationConfig
    kind = ModelKind(
        name="segmentation",
        holds="a part segmenter",
        command="`i2pmae segment`",
        read=SegmenterConfig.model_validate,
        build=made_by("i2pmae.tasks.segmentation.model", "Segmenter"),
        applied=made_by("i2pmae.tasks.segmentation.predict", "CloudSegmenter"),
    )
    predicts = "The part of every point of new clouds"
    work = "i2pmae.tasks.segmentation.task"
    primary = "instance_miou"

    @property
    def recipes(self) -> Recipes:
        """Own data and ShapeNetPart."""
        from i2pmae.tasks.segmentation.recipes import RECIPES

        return RECIPES

    @property
    def released(self) -> "ReleasedHead":
        """What released files of part segmenters look like, whatever the method."""
        from i2pmae.tasks.segmentation.released import RELEASED

        return RELEASED

    def open(self, config: TaskRunConfig, say: "Say", shown: bool) -> Material:
        """As for every task that chooses its epoch; says which clouds are left out."""
        material = super().open(config, say, shown)
        if material.parts.left_note:
            say(material.parts.left_note)
        return material

    def draw(self, folder: Path, trained: Trained) -> None:
        """Write true and predicted parts of some test clouds as parts.png."""
        from i2pmae.viz.parts import write_parts

        write_parts(folder / "parts.png", trained.pictures)


SEGMENTATION = _Segmentation()
