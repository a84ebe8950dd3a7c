"""How every downstream task begins: where the encoder comes from, which clouds there are, and what is chosen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from pydantic import JsonValue

from i2pmae.common import ranks
from i2pmae.common.errors import DataError, UsageError, pick
from i2pmae.common.progress import say as show
from i2pmae.data.clouds import CloudSet
from i2pmae.data.open.source import open_clouds
from i2pmae.data.sources.named import files_axis
from i2pmae.encoders.base import PointModel
from i2pmae.encoders.config import EncoderConfig
from i2pmae.encoders.pooling import Pooling
from i2pmae.encoders.starts import STARTS
from i2pmae.tasks.config import EncoderChanges, TaskConfig, TaskRunConfig
from i2pmae.training.hooks.base import Hook
from i2pmae.training.length import choose_length
from i2pmae.weights.transfer import load_pretrained

__all__ = ["Say", "Setup", "Source", "adapted_encoder", "open_labelled", "open_start", "settle", "speaker", "with_axis"]

Say = Callable[[str], object]
NEIGHBOURHOODS = ("group_counts", "group_sizes", "attention_radii")
"""Changes of an encoder that have one entry per level."""


@dataclass(frozen=True)
class Source:
    """The encoder that a task starts from."""

    method: str
    """Which method it belongs to."""
    encoder: EncoderConfig
    """Its sizes."""
    points: int
    """Points per cloud in pre-training."""
    pooling: Pooling
    """How its tokens become an embedding."""
    trained: PointModel | None
    """The pre-trained model; absent for a start from initial weights."""
    name: str
    """Where it came from, in words."""
    files_up: Literal["x", "y", "z"] | None = None
    """The axis that pointed up in the files of its pre-training, where there was one."""

    def from_scratch(self) -> "Source":
        """The same encoder with initial weights."""
        return replace(self, trained=None, name="from scratch")


@dataclass(frozen=True)
class Setup:
    """A task with nothing left open."""

    config: TaskRunConfig
    """The configuration, what was absent filled in."""
    source: Source
    """The encoder to start from."""
    device: torch.device
    """Where to compute."""
    chosen: dict[str, JsonValue]
    """What was absent in the configuration, and what was chosen."""
    say: Say
    """Tells the user."""
    shown: bool
    """Whether progress is shown."""
    hooks: Sequence[Hook] = ()
    """What else is told of its training."""

    def from_scratch(self) -> "Setup":
        """The same task with initial weights; nobody else is told of its training."""
        return replace(self, source=self.source.from_scratch(), hooks=())


def speaker(shown: bool) -> Say:
    """What tells the user something, or nothing."""

    def silent(text: str) -> None:
        """Say nothing."""

    return show if shown else silent


def open_start(task: TaskConfig) -> Source:
    """The pre-trained encoder of the checkpoint, or the sizes of the one that is trained from scratch.

    :class:`CheckpointError` for a checkpoint of another task, :class:`UsageError` for an unknown recipe.
    """
    if task.checkpoint is not None:
        model, record = load_pretrained(task.checkpoint)
        assert record.pooling is not None  # of an encoder, the record always says it
        encoder, name = model.encoder.config.alone(), str(task.checkpoint)
        return Source(record.method, encoder, record.points, record.pooling, model, name, record.files_up)
    start = pick("recipe", task.model, STARTS)()
    return Source(start.method, start.encoder, start.points, start.pooling, None, "from scratch")


def open_labelled(config: TaskRunConfig, say: Say, shown: bool) -> CloudSet:
    """The clouds that the configuration names; :class:`DataError` where the task needs labels and they have none."""
    with ranks.main_first():
        clouds = open_clouds(config.data, seed=config.training.seed, shown=shown)
    for note in ranks.on_main(lambda: clouds.notes_in(config.output.folder)):
        say(note)
    if clouds.labels is None and config.task.needs_labels:
        raise DataError(
            f"{clouds.name} has no labels, and classification needs them: use --labels folder where sub-folders are "
            "classes, or an array file with labels."
        )
    return clouds


def with_axis(config: TaskRunConfig, source: Source) -> tuple[TaskRunConfig, str]:
    """The configuration with the axis that its files are read with, and what is to be said about it."""
    up, said = files_axis(config.data.source, config.data.up, source.files_up)
    return config.changed({"data.up": up}), said


def settle(config: TaskRunConfig, source: Source, clouds: int) -> tuple[TaskRunConfig, dict[str, JsonValue]]:
    """The configuration for so many training clouds with nothing absent, and what was chosen by which field.

    :class:`UsageError` where the encoder needs more points than the clouds have.
    """
    task, stored = config.task, config.data.points
    encoder = adapted_encoder(source, task.encoder)
    chosen: dict[str, JsonValue] = {}
    points, sizes = task.input_points, task.encoder.group_sizes
    if points is None:
        chosen["input_points"] = points = min(max(source.points, encoder.min_points), stored)
    if points < encoder.min_points:
        raise UsageError(
            f"The encoder needs at least {encoder.min_points} points per cloud, but is given {points}: raise "
            f"--input-points (of the {stored} that are read, see --points), or take an encoder with fewer tokens."
        )
    length = choose_length(config.training, clouds, task.largest_batch)
    chosen |= length
    if sizes is None:
        sizes = _group_sizes(source, points)
        chosen["encoder.group_sizes"] = list(sizes)
    settled: dict[str, Any] = {f"training.{name}": value for name, value in length.items()}
    settled |= {"task.input_points": points, "task.encoder.group_sizes": sizes}
    return config.changed(settled), chosen


def _group_sizes(source: Source, points: int) -> tuple[int, ...]:
    """Those of pre-training; of denser clouds, as many more points in the finest groups."""
    first, *others = source.encoder.finest
    return round(first * max(1.0, points / source.points)), *others


def adapted_encoder(source: Source, changes: EncoderChanges, class_token: bool = False) -> EncoderConfig:
    """The sizes of the encoder with the neighbourhoods of the task; :class:`UsageError` where they don't fit it."""
    given = {name: value for name in NEIGHBOURHOODS if (value := getattr(changes, name)) is not None}
    encoder = source.encoder.adapted(given, class_token, source.name)
    return encoder if changes.drop_path is None else encoder.changed(drop_path=changes.drop_path)
