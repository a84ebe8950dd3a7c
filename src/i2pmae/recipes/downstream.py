"""What fine-tuning, part segmentation and few-shot tasks share: where the encoder comes from, and what is chosen."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import torch
from pydantic import JsonValue

from i2pmae.common.errors import DataError, UsageError, pick
from i2pmae.common.progress import console
from i2pmae.data.clouds import CloudSet
from i2pmae.data.sources import open_source
from i2pmae.hub import load_model
from i2pmae.hub.record import Method, wrong_task
from i2pmae.hub.transfer import encoder_config
from i2pmae.models import I2PMAEConfig, PlainConfig, PointModel
from i2pmae.recipes.configurations import RECIPES
from i2pmae.training.finetune_config import DownstreamConfig, EncoderChanges, SegmentConfig

__all__ = [
    "Setup",
    "Source",
    "adapted_encoder",
    "open_labelled",
    "open_start",
    "settle",
    "speaker",
]

C = TypeVar("C", bound=DownstreamConfig)
STEPS, FEWEST_EPOCHS, MOST_EPOCHS = 2000, 20, 200
"""Optimiser steps to aim at where nobody says how many epochs, and the limits of what follows."""
NEIGHBOURHOODS = ("group_counts", "group_sizes", "attention_radii")
"""Changes of an encoder that have one entry per level."""
SMALLEST_BATCH, LARGEST_BATCH, LARGEST_PART_BATCH = 4, 32, 16
"""Limits of the batch size that is chosen; the last is that of part segmentation, as published."""


@dataclass(frozen=True)
class Source:
    """The encoder that a task starts from."""

    method: Method
    """Which method it belongs to."""
    encoder: I2PMAEConfig | PlainConfig
    """Its sizes."""
    points: int
    """Points per cloud in pre-training."""
    trained: PointModel | None
    """The pre-trained model; absent for a start from initial weights."""
    name: str
    """Where it came from, in words."""

    def from_scratch(self) -> "Source":
        """The same encoder with initial weights."""
        return replace(self, trained=None, name="from scratch")


@dataclass(frozen=True)
class Setup(Generic[C]):
    """A task with nothing left open."""

    config: C
    """The configuration, what was absent filled in."""
    source: Source
    """The encoder to start from."""
    device: torch.device
    """Where to compute."""
    chosen: dict[str, JsonValue]
    """What was absent in the configuration, and what was chosen."""
    say: Callable[..., object]
    """Tells the user."""
    shown: bool
    """Whether progress is shown."""

    def from_scratch(self) -> "Setup[C]":
        """The same task with initial weights."""
        return replace(self, source=self.source.from_scratch())


def speaker(shown: bool) -> Callable[..., object]:
    """What tells the user something, or nothing."""

    def silent(*_: object, **__: object) -> None:
        """Say nothing."""

    return console().print if shown else silent


def open_start(config: DownstreamConfig) -> Source:
    """The pre-trained encoder of the checkpoint, or the sizes of the one that is trained from scratch.

    :class:`CheckpointError` for a checkpoint of another task, :class:`UsageError` for an unknown recipe.
    """
    if config.checkpoint is not None:
        model, record = load_model(config.checkpoint)
        if record.task not in ("pretraining", "encoder"):
            raise wrong_task(config.checkpoint, record, "pretraining", "encoder")
        return Source(record.method, encoder_config(model), record.points, model, str(config.checkpoint))
    recipe = pick("recipe", config.model, RECIPES)()
    sizes: I2PMAEConfig | PlainConfig = recipe.model
    if isinstance(sizes, PlainConfig):
        sizes = PlainConfig(**{name: getattr(sizes, name) for name in PlainConfig.model_fields})
    return Source(recipe.method, sizes, recipe.clouds.points, None, "from scratch")


def open_labelled(config: DownstreamConfig, say: Callable[..., object], shown: bool) -> CloudSet:
    """The clouds that the configuration names; :class:`DataError` where they have no labels."""
    clouds = open_source(config.data, seed=config.seed, shown=shown, **config.clouds.model_dump(exclude={"workers"}))
    for note in clouds.notes:
        say(note, soft_wrap=True)
    if clouds.labels is None and not isinstance(config, SegmentConfig):
        raise DataError(
            f"{clouds.name} has no labels, and classification needs them: use --labels folder where sub-folders are "
            "classes, or an array file with labels."
        )
    return clouds


def settle(config: C, source: Source, training: int) -> tuple[C, dict[str, JsonValue]]:
    """The configuration for so many ``training`` clouds with nothing absent, and what was chosen by which field.

    :class:`UsageError` where the encoder needs more points than the clouds have.
    """
    stored, encoder = config.clouds.points, adapted_encoder(source, config.encoder)
    chosen: dict[str, JsonValue] = {}

    def known(name: str, given: Any, choice: Any) -> Any:
        if given is None:
            chosen[name] = choice if not isinstance(choice, tuple) else list(choice)
        return choice if given is None else given

    points = known("input_points", config.input_points, min(max(source.points, encoder.min_points), stored))
    if points < encoder.min_points:
        raise UsageError(
            f"The encoder needs at least {encoder.min_points} points per cloud, but is given {points}: raise "
            f"--input-points (of the {stored} that are read, see --points), or take an encoder with fewer tokens."
        )
    batch = known("batch_size", config.batch_size, _batch_size(config, training))
    steps = math.ceil(max(1, training // batch) / config.optimiser.accumulate)
    epochs = known("epochs", config.epochs, min(max(math.ceil(STEPS / steps), FEWEST_EPOCHS), MOST_EPOCHS))
    sizes = known("encoder.group_sizes", config.encoder.group_sizes, _group_sizes(source, points))
    settled = {
        "input_points": points,
        "batch_size": batch,
        "epochs": epochs,
        "encoder": config.encoder.model_copy(update={"group_sizes": sizes}),
    }
    # Validated again: what was chosen must fit what was given.
    return type(config).from_dict({**_fields(config), **settled}), chosen


def _fields(config: DownstreamConfig) -> dict[str, Any]:
    return {name: getattr(config, name) for name in type(config).model_fields}


def _batch_size(config: DownstreamConfig, training: int) -> int:
    largest = LARGEST_PART_BATCH if isinstance(config, SegmentConfig) else LARGEST_BATCH
    return min(max(2 ** int(math.log2(max(training / 8, 1))), SMALLEST_BATCH), largest)


def _group_sizes(source: Source, points: int) -> tuple[int, ...]:
    """Those of pre-training; of denser clouds, as many more points in the finest groups."""
    encoder = source.encoder
    first, *others = encoder.group_sizes if isinstance(encoder, I2PMAEConfig) else (encoder.group_size,)
    return round(first * max(1.0, points / source.points)), *others


def adapted_encoder(source: Source, changes: EncoderChanges, class_token: bool = False) -> I2PMAEConfig | PlainConfig:
    """The sizes of the encoder with the neighbourhoods of the task; :class:`UsageError` where they don't fit it."""
    encoder = source.encoder
    given = {name: value for name in NEIGHBOURHOODS if (value := getattr(changes, name)) is not None}
    if isinstance(encoder, I2PMAEConfig):
        levels = len(encoder.group_counts)
        if given and all(len(value) == 1 for value in given.values()):
            raise UsageError(
                f"The encoder of {source.name} has {levels} levels, but {_listed(given)} has one entry: give one per "
                "level, or take the recipe without -plain, which is for encoders of one level."
            )
        update: dict[str, Any] = given
    else:
        wrong = {name: value for name, value in given.items() if len(value) != 1 or name == "attention_radii"}
        if wrong:
            raise UsageError(
                f"The encoder of {source.name} ({source.method}) has one level and attends without limit: leave "
                "encoder.attention_radii out and give one entry in encoder.group_counts and encoder.group_sizes, or "
                f"take a recipe whose name ends in -plain. Found {_listed(wrong)}."
            )
        update = {name.removesuffix("s"): value[0] for name, value in given.items()}
        update["class_token"] = class_token or encoder.class_token
    update |= {} if changes.drop_path is None else {"drop_path": changes.drop_path}
    return type(encoder).from_dict(encoder.model_dump() | update, "the encoder of this task")


def _listed(fields: Mapping[str, tuple[float, ...]]) -> str:
    return ", ".join(f"encoder.{name} {' '.join(map(str, value))}" for name, value in fields.items())
