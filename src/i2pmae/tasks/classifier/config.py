"""What describes a classifier, and what a task says about its head."""

from typing import Literal, Self

from pydantic import Field, model_validator

from i2pmae.common.config import Config
from i2pmae.data.config import DataConfig
from i2pmae.encoders.config import ENCODERS, EncoderConfig
from i2pmae.encoders.pooling import Pooling
from i2pmae.tasks.config import TaskConfig
from i2pmae.training.config import TrainingConfig

__all__ = ["ClassifierConfig", "ClassifierHead"]


class ClassifierConfig(Config):
    """An encoder and its classification head."""

    encoder: ENCODERS.of(EncoderConfig)  # type: ignore[valid-type]
    """Sizes of the encoder, with the neighbourhoods and attention radii of fine-tuning."""
    classes: tuple[str, ...] = Field(min_length=2)
    """Names of the classes."""
    pooling: Pooling = "mean+max"
    """How the tokens become the vector that is classified."""
    head_widths: tuple[int, ...] = (256, 256)
    """Hidden widths of the head."""
    head_norm: bool = True
    """Whether the hidden layers of the head have BatchNorm (Point-BERT's has not)."""
    dropout: float = Field(0.5, ge=0, lt=1)
    """Dropout after each hidden layer of the head."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.pooling == "class|max" and not getattr(self.encoder, "class_token", False):
            raise ValueError("the pooling 'class|max' needs an encoder with class_token set")
        return self


class ClassifierHead(TaskConfig):
    """A task whose model has the head of a classifier."""

    pooling: Pooling | None = None
    """How tokens become the vector that is classified; ``mean+max`` (several levels) or ``class|max`` where absent."""
    head_widths: tuple[int, ...] | None = None
    """Hidden widths of the head; 256 256 (Point-BERT: 256) where absent."""
    head_norm: bool | None = None
    """BatchNorm in the head; where absent, unless it is Point-BERT's or a batch has one cloud."""
    head_start: Literal["random", "fitted"] = "random"
    """``random`` weights; or ``fitted``: one linear layer that is, before the first step, a logistic regression on the
    embeddings of the training clouds, pooled as in pre-training where nobody says how. With few labels, training then
    begins where a linear probe ends (Kumar et al., ICLR 2022); the encoder's BatchNorm keeps its statistics."""
    dropout: float = Field(0.5, ge=0, lt=1)
    """Dropout in the head."""
    smoothing: float = Field(0.0, ge=0, lt=1)
    """Label smoothing: the share of the target that the other classes get."""

    @model_validator(mode="after")
    def _check_head(self) -> Self:
        if self.head_start == "fitted" and self.head_widths:
            raise ValueError("a head that is fitted is one linear layer: leave head_widths out, or head_start")
        return self

    def check(self, data: DataConfig, training: TrainingConfig) -> None:
        """As for every task; BatchNorm has nothing to do with a single cloud."""
        super().check(data, training)
        if training.batch_size == 1 and self.head_norm:
            raise ValueError(
                "BatchNorm in the head needs batches of 2 clouds or more: raise --batch-size, or turn it off"
            )
