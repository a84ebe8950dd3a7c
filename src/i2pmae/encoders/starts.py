"""Encoders that can be trained from scratch for a task: those of the recipes of pre-training, by the recipe's name."""

from collections.abc import Callable
from dataclasses import dataclass

from i2pmae.common.errors import near_names
from i2pmae.encoders.config import EncoderConfig
from i2pmae.encoders.pooling import Pooling

__all__ = ["STARTS", "Start", "known_start"]


@dataclass(frozen=True)
class Start:
    """An encoder as a recipe of pre-training has it."""

    method: str
    """The method of pre-training that it belongs to."""
    encoder: EncoderConfig
    """Its sizes, without those of what else the method trains."""
    points: int
    """Points per cloud in pre-training."""
    pooling: Pooling
    """How its tokens become an embedding."""


STARTS: dict[str, Callable[[], Start]] = {}
"""What makes each of them, by the name of the recipe; methods enter theirs when they are made known."""


def known_start(name: str) -> str:
    """The name itself; :class:`ValueError` with the near ones where no recipe has it.

    Where no method has been made known, any name passes: what opens the start will refuse it.
    """
    if STARTS and name not in STARTS:
        raise ValueError(f"unknown recipe {name!r} of pre-training. {near_names(name, STARTS)}")
    return name
