"""What is known about weights: which method and task they belong to, and the model they are for."""

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SerializeAsAny, ValidationError, ValidationInfo, field_validator, model_validator
from torch import nn

from i2pmae.common.config import Config
from i2pmae.common.errors import CheckpointError, near_names
from i2pmae.encoders.pooling import Pooling
from i2pmae.weights.kinds import KINDS, PRETRAINING, ModelKind

__all__ = ["ModelRecord", "wrong_task"]


class ModelRecord(Config):
    """What stands beside the weights: enough to rebuild the model and to prepare clouds as it was trained."""

    method: str
    """Which method of pre-training the encoder belongs to."""
    task: str = PRETRAINING
    """What the model was trained for last: ``pretraining``, a downstream task, ``encoder`` for an encoder alone."""
    format: Literal[2] = 2
    """Version of this record; :mod:`i2pmae.weights.format1` reads what came before."""
    i2pmae_version: str = Field(default_factory=lambda: version("i2pmae"))
    """Version of the package that wrote the weights."""
    points: int = Field(ge=1)
    """Points per cloud in training."""
    up: Literal["y"] = "y"
    """The axis that points up in the clouds as the model sees them."""
    files_up: Literal["x", "y", "z"] = "y"
    """The axis that pointed up in the files it was trained on: what is taken for other files where nobody says."""
    teacher: str = ""
    """Name of the 2D teacher."""
    notes: dict[str, str | int | float | bool | None] = Field(default_factory=dict)
    """Whatever else the writer wants to be known: recipe, epochs, data."""
    pooling: Pooling | None = None
    """How tokens become an embedding; absent for a model that has no encoder."""
    model: SerializeAsAny[Config]
    """Sizes of the model."""

    @field_validator("model", mode="before")
    @classmethod
    def _read_model(cls, value: Any, info: ValidationInfo) -> Any:
        """Plain values as what method and task say they describe, so that errors name one kind of field."""
        if not isinstance(value, dict) or not {"method", "task"} <= info.data.keys():
            return value
        return cls._kind(info.data["method"], info.data["task"]).read(value)

    @model_validator(mode="after")
    def _check(self) -> Self:
        kind = self.kind
        try:
            described = type(kind.read(self.model.model_dump())) is type(self.model)
        except ValidationError:
            described = False
        if not described:
            raise ValueError(f"{self.task} of {self.method} is not described by a {type(self.model).__name__}")
        if kind.embeds and self.pooling is None:
            raise ValueError(f"{self.task} of {self.method} embeds clouds: say how its tokens are pooled")
        return self

    @staticmethod
    def _kind(method: str, task: str) -> ModelKind:
        name = method if task == PRETRAINING else task
        if name not in KINDS:
            what = "method" if task == PRETRAINING else "task"
            raise ValueError(f"weights of the {what} {name!r} are not known here. {near_names(name, KINDS)}")
        return KINDS[name]

    @classmethod
    def _fields_at(cls, location: tuple[int | str, ...]) -> list[str]:
        """Names of the fields at a place of the record; within a model, of whatever has been loaded as one."""
        known = super()._fields_at(location)
        return known or sorted({name for kind in _descendants(Config) for name in kind.model_fields})

    @property
    def kind(self) -> ModelKind:
        """What the weights are for."""
        return self._kind(self.method, self.task)

    def build(self) -> nn.Module:
        """The model that the record describes, with initial weights."""
        model = self.kind.build(self.model)
        if self.pooling is not None:
            model.pooling = self.pooling  # type: ignore[assignment]
        return model


def _descendants(kind: type[Config]) -> Iterator[type[Config]]:
    for below in kind.__subclasses__():
        yield below
        yield from _descendants(below)


def wrong_task(path: Path | str, record: ModelRecord, *wanted: ModelKind) -> CheckpointError:
    """The error for weights of another kind than the ``wanted`` ones: what they hold, and how to get what is wanted."""
    expected = " or ".join(dict.fromkeys(kind.holds for kind in wanted))
    command = " or ".join(dict.fromkeys(kind.command for kind in wanted))
    return CheckpointError(
        f"{path} holds {record.kind.holds} ({record.method}), not {expected}: make one with {command}."
    )
