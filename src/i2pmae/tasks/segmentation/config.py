"""What part segmentation has for itself, and what describes a segmenter."""

from typing import ClassVar, Literal, Self

import tyro
from pydantic import Field, model_validator

from i2pmae.common.config import Config
from i2pmae.data.config import DataConfig
from i2pmae.encoders.config import ENCODERS, EncoderConfig
from i2pmae.tasks.config import TASK_CONFIGS, ValidatedTask
from i2pmae.training.config import TrainingConfig

__all__ = ["SegmentationConfig", "SegmenterConfig"]


class SegmenterConfig(Config):
    """An encoder and its part segmentation head."""

    encoder: ENCODERS.of(EncoderConfig)  # type: ignore[valid-type]
    """Sizes of the encoder."""
    parts: tuple[str, ...] = Field(min_length=2)
    """Names of the parts of all categories."""
    categories: tuple[str, ...] = ()
    """Names of the categories of clouds, which the head is told; none where there is one kind of cloud."""
    category_parts: tuple[tuple[int, ...], ...] = ()
    """The parts that clouds of each category have; all where absent."""
    propagation_widths: tuple[int, ...] = (1536, 1024)
    """Widths of the shared MLP that joins interpolated features and coordinates."""
    context: Literal["points", "tokens"] = "points"
    """What the global context is pooled from: the ``points`` after the MLP, maximum plus mean (Point-M2AE), or the
    ``tokens`` before it, maximum beside mean (Point-MAE)."""
    category_width: int = Field(64, ge=1)
    """Channels of the embedding of a category."""
    head_widths: tuple[int, ...] = (1024, 512, 256)
    """Hidden widths of the head (Point-MAE: 512, 256)."""
    dropout: float = Field(0.5, ge=0, lt=1)
    """Dropout after the head's first layer."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.category_parts and len(self.category_parts) != len(self.categories):
            raise ValueError(f"{len(self.categories)} categories, but parts of {len(self.category_parts)}")
        wrong = [part for parts in self.category_parts for part in parts if not 0 <= part < len(self.parts)]
        if wrong or not all(self.category_parts):
            raise ValueError(f"category_parts must name some of the {len(self.parts)} parts for every category")
        if not self.propagation_widths or not self.head_widths:
            raise ValueError("propagation_widths and head_widths must have at least one entry")
        return self


@TASK_CONFIGS.add
class SegmentationConfig(ValidatedTask):
    """Training of an encoder for part segmentation."""

    needs_labels: ClassVar[bool] = False
    largest_batch: ClassVar[int] = 16
    """As published."""

    name: tyro.conf.Suppress[Literal["segment"]] = "segment"
    """The task."""
    unseen_parts: Literal["refuse", "leave-out"] = "refuse"
    """What becomes of test clouds with a part that no training cloud of their category has, which nobody can predict:
    ``refuse`` the data, or ``leave-out`` these clouds and count them."""
    propagation_widths: tuple[int, ...] = Field((1536, 1024), min_length=1)
    """Widths of the MLP that joins interpolated tokens and coordinates at every point."""
    context: Literal["points", "tokens"] | None = None
    """What the global context is pooled from; ``points`` (several levels) or ``tokens`` (one) where absent."""
    category_width: int = Field(64, ge=1)
    """Channels of the embedding of a category."""
    head_widths: tuple[int, ...] | None = Field(None, min_length=1)
    """Hidden widths of the head; 1024 512 256 (one level: 512 256) where absent."""
    dropout: float = Field(0.5, ge=0, lt=1)
    """Dropout after the head's first layer."""

    def check(self, data: DataConfig, training: TrainingConfig) -> None:
        """As for every task; the head's BatchNorm has nothing to do with a single cloud."""
        super().check(data, training)
        if training.batch_size == 1:
            raise ValueError("part segmentation needs batches of 2 clouds or more: raise --batch-size")
