"""A run of pre-training before its first step: its clouds, and the task that is ready to be trained."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from pydantic import JsonValue

from i2pmae.commands.pretrain_start import begin, with_axis
from i2pmae.common import ranks
from i2pmae.common.devices import resolve_device, where_computed
from i2pmae.common.errors import UsageError
from i2pmae.common.progress import say
from i2pmae.data.clouds import CloudSet
from i2pmae.data.open.source import open_clouds
from i2pmae.data.shapes import make_shapes
from i2pmae.data.sources.named import is_shapes
from i2pmae.encoders.base import PointModel
from i2pmae.encoders.pooling import Pooling
from i2pmae.methods import METHODS
from i2pmae.methods.base import Setting
from i2pmae.methods.config import PretrainConfig
from i2pmae.methods.task import PretrainTask
from i2pmae.runs.folder import RunFolder
from i2pmae.runs.record import START
from i2pmae.teachers.lessons import AnyTeacher
from i2pmae.training.length import choose_length
from i2pmae.weights.record import ModelRecord

__all__ = ["OpenedRun", "open_run"]

FEW = 1000
"""Training clouds of one's own below which pre-training from initial weights is advised against (docs/results.md)."""


@dataclass(frozen=True)
class OpenedRun:
    """What a run works with."""

    config: PretrainConfig
    """Its configuration."""
    clouds: CloudSet
    """All clouds."""
    training: CloudSet
    """Those of them that are trained on."""
    learnt_from: CloudSet
    """All that is trained on: these, and built-in shapes beside them where the configuration says so."""
    task: PretrainTask
    """What is trained, and what it learns from."""
    untrained: PointModel
    """The student with its initial weights."""
    started: PointModel | None
    """The student before the first step, where it goes on from given weights."""
    device: torch.device
    """Where it is computed."""
    shown: bool
    """Whether progress is shown."""
    chosen: Mapping[str, JsonValue] = field(default_factory=dict)
    """What the configuration left to be chosen from the number of clouds, and what was."""
    read_outs: Mapping[Pooling, float] = field(default_factory=dict)
    """What each way to pool tokens reached in cross-validation, where one was chosen by it; the best comes first."""

    def say(self, message: str) -> None:
        """Tell the user, unless nothing is to be shown."""
        if self.shown:
            say(message)

    def models(self) -> dict[str, PointModel]:
        """What is probed: the student with its initial weights, with those it began with, and as it is."""
        begun = {} if self.started is None else {START: self.started}
        return {"untrained": self.untrained, **begun, "trained": self.task.student}

    def record(self) -> ModelRecord:
        """What is stored beside the weights."""
        config, teacher = self.config, self.task.teacher
        return ModelRecord(
            method=config.method.name,
            points=config.data.points,
            files_up=self.clouds.files_up,
            teacher="" if teacher is None else teacher.name,
            notes={
                "recipe": config.recipe,
                "data": config.data.source,
                "epochs": config.training.epochs,
                "seed": config.training.seed,
                **({} if config.start is None else {"start": config.start}),
                **({"shapes_beside": config.shapes_beside} if config.shapes_beside else {}),
                **({f"cross-validated {name}": round(score, 6) for name, score in self.read_outs.items()}),
            },
            pooling=next(iter(self.read_outs), config.method.pooling),
            model=self.task.student.config,
        )


def open_run(config: PretrainConfig, folder: RunFolder, teacher: AnyTeacher | None, shown: bool) -> OpenedRun:
    """Data and task; the method makes ready what it learns from."""
    if config.shapes_beside and is_shapes(config.data.source):
        raise UsageError("The clouds are built-in shapes already: for more of them raise --clouds.")
    device, seed = resolve_device(config.training.device), config.training.seed
    config, said = with_axis(config)
    if said and shown:
        say(said)
    with ranks.main_first():
        clouds = open_clouds(config.data, seed=seed, shown=shown)
    training = config.data.training_part(clouds, seed)
    learnt_from = _with_shapes(config, training, shown)
    chosen = choose_length(config.training, len(learnt_from))
    config = config.changed({f"training.{name}": value for name, value in chosen.items()})
    notes = ranks.on_main(lambda: clouds.notes_in(folder.path))
    if shown:
        for note in notes:
            say(note)
        beside = f" and {config.shapes_beside} built-in shapes" if config.shapes_beside else ""
        say(f"{len(training)} clouds{beside} of {clouds.points.shape[1]} points, {where_computed(device)}")
        if chosen:
            say("Chosen: " + ", ".join(f"{name} {value}" for name, value in chosen.items()))
        if config.start is None and len(learnt_from) < FEW and not is_shapes(config.data.source):
            say(
                "So few clouds make a worse encoder from initial weights than the one in the package is as it is: "
                "`i2pmae embed DATA` uses that, and `i2pmae pretrain --data DATA` goes on from it."
            )
    setting = Setting(config, learnt_from, device, folder.path, shown, teacher)
    task = METHODS[config.method.name].build(setting)
    untrained, started = task.untrained(), None
    if config.start is not None:
        done = begin(task, config.start)
        started = copy.deepcopy(task.student)
        if shown:
            say(f"Going on from {config.start}: {done}")
    return OpenedRun(config, clouds, training, learnt_from, task, untrained, started, device, shown, chosen)


def _with_shapes(config: PretrainConfig, training: CloudSet, shown: bool) -> CloudSet:
    """The training clouds, and after them the built-in shapes that the configuration wants beside them."""
    if not config.shapes_beside:
        return training
    seed, points = config.training.seed, training.points.shape[1]
    if shown:
        say(f"Making {config.shapes_beside} built-in shapes")
    return training.joined(make_shapes(config.shapes_beside, points, seed=seed, config=config.data.shapes))
