"""A run of pre-training in one record: the method with all that is its own, data, training, output."""

from typing import Annotated, Any, ClassVar, Literal, Self

import tyro
from pydantic import Field, model_validator

from i2pmae.common.choices import Choices
from i2pmae.common.config import Config
from i2pmae.common.neutral import NEUTRAL
from i2pmae.data.config import DataConfig
from i2pmae.encoders.config import EncoderConfig
from i2pmae.encoders.pooling import Pooling
from i2pmae.methods.format1 import FLAT, is_flat, upgrade
from i2pmae.runs.config import OutputConfig
from i2pmae.training.config import TrainingConfig
from i2pmae.weights.named import Checkpoint

__all__ = ["METHOD_CONFIGS", "Distance", "MethodConfig", "PretrainConfig", "PretrainOutput", "SaliencyKind"]


class MethodConfig(Config):
    """What a method of pre-training has for itself: the sizes of its model, its objectives."""

    name: str
    """The method."""
    pooling: Pooling
    """How the tokens of the encoder become the embedding that is probed; by default as the method's authors do."""
    augment: bool = True
    """Scale each axis by U(2/3, 3/2) and shift by U(-0.2, 0.2)."""
    turn: float = Field(0.0, ge=0, le=180)
    """Then turn clouds about the vertical axis by U(-turn, turn), in degrees: 0 for not at all, 180 for any direction.
    (Point-BERT's stage one has an augmentation of its own, without it.)"""
    model: EncoderConfig
    """Sizes of the model."""

    @model_validator(mode="after")
    def _check_pooling(self) -> Self:
        if self.pooling == "class|max" and not getattr(self.model, "class_token", False):
            raise ValueError("the pooling 'class|max' needs a [CLS] token: set model.class_token")
        return self


Distance = Literal["squared", "smooth-l1", "cosine"]
"""Between predictions and targets: means over the channels, or 1 less the cosine."""
SaliencyKind = Literal["attention", "rollout", "feature-norm"]
"""What of a 2D model's maps says which points are salient: see :func:`~i2pmae.methods.saliency.point_saliency`."""
METHOD_CONFIGS: Choices[MethodConfig] = Choices("method")
"""The configuration of every method, by its name."""


class PretrainOutput(OutputConfig):
    """Where a run of pre-training goes, and what is made of it. Nothing here changes its weights."""

    probe: bool = True
    """Linear-probe the untrained and the trained encoder where the data has labels."""
    probe_clouds: int | None = Field(None, ge=10)
    """Most clouds of each split that the probe of a run takes; all where absent."""
    probe_on: Literal["test", "held-out"] = "test"
    """What the probe scores: the test clouds, once everything is chosen; or training clouds that are held out from the
    probe's fit, a quarter of them, for whatever is still to be chosen."""
    choose_pooling: bool = False
    """Choose how tokens become an embedding by cross-validation on labelled training clouds, when training is over, in
    the place of ``pooling``. What each way reached is noted with the weights."""
    watch_epochs: int | None = Field(None, ge=1)
    """Probe every so many epochs, on training clouds held out for it: the test set is read once, at the end."""


class PretrainConfig(Config):
    """A pre-training run. It can be repeated from this."""

    sections: ClassVar[tuple[str, ...]] = ("method", "data", "training", "output")

    format: tyro.conf.Suppress[Literal[2]] = 2
    """Version of this record."""
    recipe: tyro.conf.Suppress[str] = "custom"
    """Name of the recipe this configuration started from."""
    method: Annotated[METHOD_CONFIGS.of(MethodConfig), tyro.conf.arg(name="")]  # type: ignore[valid-type]
    """What is pre-trained, and how."""
    start: Checkpoint | None = None
    """Pre-trained weights to go on from, a run folder, weights folder or name (`i2pmae models`); initial ones where
    absent. The encoder must be of the same sizes; a decoder and heads are taken over where they fit."""
    data: Annotated[DataConfig, tyro.conf.arg(name="")] = DataConfig()
    """Which clouds, and how they are read."""
    shapes_beside: int = Field(0, ge=0)
    """Built-in shapes, as the options of ``shapes`` say, that are learnt from beside the training clouds, so that
    these are not learnt by heart. Probes and pictures take none of them."""
    training: Annotated[TrainingConfig, tyro.conf.arg(name="")] = TrainingConfig()
    """Length, optimisation, arithmetic."""
    output: Annotated[PretrainOutput, tyro.conf.arg(name=""), NEUTRAL] = PretrainOutput()
    """Where it goes."""

    @model_validator(mode="before")
    @classmethod
    def _read_format1(cls, values: Any) -> Any:
        return upgrade(values) if is_flat(values) and values.keys() & FLAT else values

    @model_validator(mode="after")
    def _check_points(self) -> Self:
        needed = self.method.model.min_points
        if self.data.points < needed:
            raise ValueError(
                f"clouds of {self.data.points} points are too small for the {needed} tokens of the model's finest "
                "level: use more points, or fewer tokens (model.group_count or model.group_counts)"
            )
        return self
