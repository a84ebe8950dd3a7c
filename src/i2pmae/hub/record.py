"""What is known about weights: which method and task they belong to, and the model they are for."""

from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from i2pmae.common.config import Config
from i2pmae.common.errors import CheckpointError
from i2pmae.models.base import EncoderModel, PointModel
from i2pmae.models.classifier import Classifier, ClassifierConfig
from i2pmae.models.config import I2PMAEConfig, PlainConfig
from i2pmae.models.discrete_vae import DiscreteVAE, DiscreteVAEConfig
from i2pmae.models.i2p_mae import I2PMAE
from i2pmae.models.methods import POOLINGS, PRETRAINED, Method
from i2pmae.models.point_bert import PointBERT, PointBERTConfig
from i2pmae.models.point_mae import PointMAE, PointMAEConfig
from i2pmae.models.segmenter import Segmenter, SegmenterConfig
from i2pmae.models.tokens import Pooling

__all__ = [
    "HIERARCHICAL",
    "Method",
    "ModelConfig",
    "ModelRecord",
    "ModelTask",
    "encoder_kind",
    "wrong_task",
]

HIERARCHICAL: tuple[Method, ...] = ("i2p-mae", "point-m2ae")
"""Methods whose encoder has several levels."""
ModelTask = Literal["pretraining", "classification", "segmentation", "encoder", "vocabulary"]
ModelConfig = (
    I2PMAEConfig
    | PointMAEConfig
    | PointBERTConfig
    | PlainConfig
    | ClassifierConfig
    | SegmenterConfig
    | DiscreteVAEConfig
)
HOLDS: Mapping[ModelTask, str] = {
    "pretraining": "a pre-trained encoder",
    "encoder": "an encoder alone",
    "classification": "a classifier",
    "segmentation": "a part segmenter",
    "vocabulary": "the discrete VAE of stage one",
}
"""What a folder of each task holds, in words."""
COMMANDS: Mapping[ModelTask, str] = {
    "pretraining": "`i2pmae pretrain`",
    "encoder": "`i2pmae pretrain`",
    "classification": "`i2pmae finetune`",
    "segmentation": "`i2pmae segment`",
    "vocabulary": "`i2pmae pretrain point-bert`",
}
"""What makes a model for each task."""


class ModelRecord(Config):
    """What stands beside the weights: enough to rebuild the model and to prepare clouds as it was trained."""

    method: Method
    """Which method the weights belong to."""
    task: ModelTask = "pretraining"
    """What the model was trained for last; ``encoder`` for an encoder alone, without what it was trained with,
    ``vocabulary`` for the discrete VAE of Point-BERT's stage one."""
    format: Literal[1] = 1
    """Version of this record."""
    i2pmae_version: str = Field(default_factory=lambda: version("i2pmae"))
    """Version of the package that wrote the weights."""
    semantic_dim: int = Field(0, ge=0)
    """Channels of the 2D features that a token predicts per neighbour in I2P-MAE's pre-training: views times the
    teacher's channels; 0 for a model without semantic head."""
    points: int = Field(ge=1)
    """Points per cloud in training."""
    up: Literal["y"] = "y"
    """The axis that points up in the clouds the encoder was trained on."""
    teacher: str = ""
    """Name of the 2D teacher."""
    notes: dict[str, str | int | float | bool | None] = Field(default_factory=dict)
    """Whatever else the writer wants to be known: recipe, epochs, data."""
    pooling: Pooling | None = None
    """How tokens become an embedding; where absent, as a classifier's head reads them, else as the method's authors
    do."""
    model: ModelConfig
    """Sizes of the model."""

    @field_validator("model", mode="before")
    @classmethod
    def _read_model(cls, value: Any, info: ValidationInfo) -> Any:
        """Plain values as what method and task say they describe, so that errors name one kind of field."""
        if not isinstance(value, dict) or not {"method", "task"} <= info.data.keys():
            return value
        kind = model_kind(info.data["method"], info.data["task"])
        if "encoder" in kind.model_fields and isinstance(value.get("encoder"), dict):
            value = value | {"encoder": encoder_kind(info.data["method"]).model_validate(value["encoder"])}
        return kind.model_validate(value)

    @model_validator(mode="after")
    def _check(self) -> "ModelRecord":
        kind = model_kind(self.method, self.task)
        if self.task == "vocabulary" and self.method != "point-bert":
            raise ValueError(f"{self.method} has no vocabulary: only point-bert has one")
        if type(self.model) is not kind:
            raise ValueError(f"{self.task} of {self.method} needs a {kind.__name__}, not {type(self.model).__name__}")
        encoder = getattr(self.model, "encoder", self.model)
        if self.task != "vocabulary" and not isinstance(encoder, encoder_kind(self.method)):
            raise ValueError(f"{self.method} has no encoder that a {type(encoder).__name__} describes")
        if self.semantic_dim and (self.method, self.task) != ("i2p-mae", "pretraining"):
            raise ValueError("only the pre-training model of i2p-mae has a semantic_dim")
        return self

    @property
    def embedding_pooling(self) -> Pooling:
        """How tokens become an embedding."""
        if self.pooling is not None:
            return self.pooling
        return self.model.pooling if isinstance(self.model, ClassifierConfig) else POOLINGS[self.method]

    def build(self) -> PointModel | DiscreteVAE:
        """The model that the record describes, with initial weights."""
        if isinstance(self.model, I2PMAEConfig) and self.task == "pretraining":
            return I2PMAE(self.model, self.semantic_dim)
        return BUILDERS[type(self.model)](self.model)


BUILDERS: Mapping[type[ModelConfig], Callable[[Any], PointModel | DiscreteVAE]] = {
    I2PMAEConfig: EncoderModel,
    PlainConfig: EncoderModel,
    PointMAEConfig: PointMAE,
    PointBERTConfig: PointBERT,
    ClassifierConfig: Classifier,
    SegmenterConfig: Segmenter,
    DiscreteVAEConfig: DiscreteVAE,
}
"""Which model each configuration describes."""


def encoder_kind(method: Method) -> type[I2PMAEConfig] | type[PlainConfig]:
    """What describes the encoder of a method."""
    return I2PMAEConfig if method in HIERARCHICAL else PlainConfig


def model_kind(method: Method, task: ModelTask) -> type[ModelConfig]:
    """What describes the model of a method and task."""
    if task == "classification":
        return ClassifierConfig
    if task == "segmentation":
        return SegmenterConfig
    if task == "vocabulary":
        return DiscreteVAEConfig
    return encoder_kind(method) if task == "encoder" else PRETRAINED[method]


def wrong_task(path: Path | str, record: ModelRecord, *wanted: ModelTask) -> CheckpointError:
    """The error for weights of another task than the ``wanted`` ones: what they hold, and how to get what is wanted."""
    expected = " or ".join(HOLDS[task] for task in wanted)
    command = " or ".join(dict.fromkeys(COMMANDS[task] for task in wanted))
    return CheckpointError(
        f"{path} holds {HOLDS[record.task]} ({record.method}), not {expected}: train one with {command}."
    )
