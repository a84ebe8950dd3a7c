"""What weights can be for: an open list, to which methods and tasks add theirs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from i2pmae.common.config import Config
from i2pmae.encoders.config import ENCODERS

if TYPE_CHECKING:
    from torch import nn

    from i2pmae.weights.applied import Predictor

__all__ = ["ENCODER", "KINDS", "PRETRAINING", "ModelKind", "add_kind"]

PRETRAINING = "pretraining"
"""The task of weights that hold all that a method trains; which kind of model they are for, the method says."""
ENCODER = "encoder"
"""The task of weights that hold an encoder alone."""


@dataclass(frozen=True)
class ModelKind:
    """A kind of model whose weights are stored."""

    name: str
    """The method, for what pre-training stores; else the task."""
    holds: str
    """What a folder with such weights holds, in words."""
    command: str
    """What makes one."""
    read: Callable[[Any], Config]
    """The configuration that plain values describe."""
    build: Callable[[Any], "nn.Module"]
    """The module that a configuration describes, with initial weights."""
    applied: "Callable[..., Predictor] | None" = None
    """Called with module, record and device: what predicts with such a model, where it is no encoder alone."""
    embeds: bool = True
    """Whether it has an encoder, which embeds clouds."""


KINDS: dict[str, ModelKind] = {}
"""Every kind by name."""


def add_kind(kind: ModelKind) -> None:
    """Make a kind known; another one of the same name is a mistake of the program."""
    if kind.name in KINDS and KINDS[kind.name] != kind:
        raise ValueError(f"two kinds of model are called {kind.name!r}")
    KINDS[kind.name] = kind


def _encoder(values: Any) -> Config:
    return ENCODERS.read(values) if not isinstance(values, Config) else values


def _encoder_model(config: Any) -> "nn.Module":
    from i2pmae.encoders.base import EncoderModel

    return EncoderModel(config)


add_kind(ModelKind(ENCODER, "an encoder alone", "`i2pmae pretrain`", _encoder, _encoder_model))
