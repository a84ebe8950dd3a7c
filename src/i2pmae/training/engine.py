"""Fitting a task to clouds: steps that repeat exactly, checkpoints, metrics, progress.

The whole run is one stream of optimiser steps. What a step does follows from the weights, the optimiser's state, the
seed and the step's number, so a run goes on from a checkpoint as if it had never stopped.
"""

import contextlib
import math
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from i2pmae.common import ranks
from i2pmae.common.devices import explaining_limits, resolve_device
from i2pmae.common.errors import I2PError, TrainingError, UsageError
from i2pmae.common.memory import keep_freed_memory
from i2pmae.common.progress import say
from i2pmae.data.clouds import CloudSet
from i2pmae.data.order import far_shards
from i2pmae.training.batches import BatchPlan, check_batch, step_loader
from i2pmae.training.checkpoint import (
    FORMAT,
    Checkpoint,
    check_stamp,
    checkpoint_path,
    clear_leftovers,
    load_checkpoint,
    load_model,
    not_finite_path,
    save_checkpoint,
)
from i2pmae.training.config import TrainingConfig
from i2pmae.training.device import Precision, check_compiler, make_fabric, repeatable, resolve_precision, runs_ahead
from i2pmae.training.history import History, MetricsLog
from i2pmae.training.hooks.base import Hook, StepRecord
from i2pmae.training.hooks.checkpoints import Checkpoints
from i2pmae.training.hooks.display import ProgressDisplay
from i2pmae.training.hooks.loggers import check_loggers, loggers
from i2pmae.training.learner import Learner, NotFinite
from i2pmae.training.loop import Loop
from i2pmae.training.shared import shared_batches
from i2pmae.training.stop import StopRequest
from i2pmae.training.task import Task

__all__ = ["FitResult", "fit", "run_stamp"]

LATER = ("layer_decay", "average", "rate_batch")
"""Settings that older checkpoints don't have, and that decide nothing where they are absent."""


@dataclass(frozen=True)
class FitResult:
    """A finished run."""

    task: Task
    """The task that was given, its model trained."""
    history: History
    """Metrics of every step, also of those before a resume."""
    steps: int
    """Optimiser steps of the whole run."""
    first_step: int
    """Steps that were done already when this call began (0 without resume)."""
    seconds: float
    """Time spent on all steps, also before a resume."""
    device: torch.device
    """Where it was computed."""
    precision: Precision
    """In which arithmetic."""
    titles: Mapping[str, str]
    """What to call each column of the metrics, as the task said at its latest step."""
    processes: int = field(default_factory=ranks.world)
    """How many computed it, together."""

    def figures(self, clouds: int) -> dict[str, float]:
        """The figures of a record: length and time of the run, and the last epoch's mean of each loss and metric."""
        last = {name: float(self.history.epoch_means(name)[-1]) for name in self.history.losses}
        epochs = float(self.history["epoch"][-1]) if len(self.history) else 0.0
        counts = {"clouds": clouds, "steps": self.steps, "epochs": epochs}
        finite = {name: value for name, value in last.items() if math.isfinite(value)}
        if self.processes > 1:
            counts["processes"] = self.processes
        return {**counts, "training_seconds": round(self.seconds, 1), **finite}


def fit(
    task: Task,
    clouds: CloudSet,
    settings: TrainingConfig,
    folder: Path,
    *,
    resume: bool = False,
    hooks: Sequence[Hook] = (),
    shown: bool = True,
) -> FitResult:
    """The result of training ``task`` on ``clouds``; ``folder`` gets metrics.csv, checkpoints/ and tensorboard/.

    ``hooks`` are called after each step and each epoch, before its checkpoint is written, and when all steps are done.

    With ``resume`` it goes on from the checkpoint in the folder (from the start where there is none) and ends with the
    same weights as a run that never stopped: bit for bit on the CPU with the same number of threads; with another it
    says that it does not. A finished run is returned as it is.

    Raises :class:`TrainingInterrupted` after Ctrl-C or SIGTERM, :class:`TrainingError` for a loss or gradient that is
    not finite, :class:`UsageError` for a folder with another run's checkpoint or a device that is not there,
    :class:`CheckpointError` for a checkpoint that is damaged or of another run, :class:`I2PError` for a full disk.
    """
    device = resolve_device(settings.device)
    if device.type == "cpu":
        keep_freed_memory()
    precision = resolve_precision(settings.precision, device)
    if settings.compile:
        check_compiler()
        if ranks.world() > 1:
            raise UsageError("Models of several processes cannot be compiled: their norms exchange sums on the way.")
    check_loggers(settings.logger)
    epochs, batch_size = settings.length
    plan = BatchPlan(len(clouds), batch_size, settings.optimiser.accumulate, epochs, settings.seed, far_shards(clouds))
    check_batch(plan)
    path, stamp = checkpoint_path(folder), run_stamp(clouds, settings)
    task.to(device)
    saved = ranks.on_main(lambda: _saved(path, folder, stamp, resume))
    if saved is not None:
        load_model(path, task.model, saved["model"])
        if saved["step"] == plan.steps:
            if "average" in saved:
                load_model(path, task.model, {**saved["model"], **saved["average"]})
            if shown:
                say(f"The run in {folder} is finished: all {plan.steps} steps are done.")
            history = ranks.on_main(lambda: History.read(folder / "metrics.csv", plan.steps))
            titles = saved.get("titles", {})
            return FitResult(task, history, plan.steps, plan.steps, saved["seconds"], device, precision, titles)
    start = saved["step"] if saved is not None else 0
    loader = step_loader(clouds, plan, start, settings.loaders, pin=device.type == "cuda")
    arithmetic = _arithmetic(device, precision)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_explaining_dead_loaders())
        stack.enter_context(explaining_limits(device))
        stop = stack.enter_context(StopRequest(shown))
        log = stack.enter_context(MetricsLog(folder / "metrics.csv", start))
        others = _loggers(stack, settings, folder, start) if ranks.is_main() else []
        display = stack.enter_context(ProgressDisplay(start, plan.steps, plan.epochs, shown))
        _announce(display, plan, settings, saved, arithmetic)
        stack.enter_context(repeatable(device))
        learner = Learner(task, clouds, plan, settings, make_fabric(device, precision), ahead=runs_ahead(device))
        if saved is not None:
            learner.load(path, saved)
        task.model.train()
        stack.enter_context(shared_batches(task.model, learner.part))
        if settings.compile:
            stack.enter_context(_compiled(task.model))

        def checkpoint(record: StepRecord) -> Checkpoint:
            state = learner.state()
            return {"format": FORMAT, "stamp": stamp, "seconds": record.seconds, "arithmetic": arithmetic, **state}

        checkpoints = Checkpoints(path, checkpoint, plan, settings.checkpoint_minutes, stop, log)
        loop = Loop(
            learner,
            [log, *others, display, *hooks, checkpoints],
            stop,
            seconds=saved["seconds"] if saved is not None else 0.0,
        )
        with _explaining_little_memory(), _keeping_what_broke(folder, learner, stamp, arithmetic):
            loop.run(loader)
        if learner.average is not None:
            learner.average.keep()
        for hook in hooks:
            hook.at_end(task)
        ranks.on_main(lambda: not_finite_path(folder).unlink(missing_ok=True))
        return FitResult(task, log.history(), plan.steps, start, loop.seconds, device, precision, learner.titles)


def _saved(path: Path, folder: Path, stamp: dict[str, Any], resume: bool) -> Checkpoint | None:
    """The checkpoint to go on from; None where there is none. Errors are those of :func:`fit`."""
    if path.exists() and not resume:
        raise UsageError(f"{folder} holds the checkpoint of another run. Use --resume to go on, or another folder.")
    clear_leftovers(path)
    saved = load_checkpoint(path) if path.exists() else None
    if saved is not None:
        check_stamp(path, saved["stamp"], stamp)
    return saved


def _loggers(stack: contextlib.ExitStack, settings: TrainingConfig, folder: Path, start: int) -> list[Hook]:
    """What metrics go to, until the stack ends."""
    about = settings.model_dump(mode="json")
    return [stack.enter_context(made) for made in loggers(settings.logger, folder, start, about)]


def run_stamp(clouds: CloudSet, settings: TrainingConfig) -> dict[str, Any]:
    """What decides a run: where it differs, a checkpoint is of another run."""
    optimiser = settings.optimiser.model_dump(mode="json")
    return {
        "clouds": f"{len(clouds)} of {clouds.points.shape[1]} points",
        "content": clouds.digest(),
        **settings.model_dump(mode="json", include={"epochs", "batch_size", "seed"}),
        "optimiser": {name: value for name, value in optimiser.items() if name not in LATER or value is not None},
    }


def _arithmetic(device: torch.device, precision: Precision) -> str:
    """What the last bits of a result depend on, beside the versions of software and the model of processor."""
    threads = torch.get_num_threads()
    where = f"a CPU with {threads} thread{'s' * (threads > 1)}" if device.type == "cpu" else device.type
    several = f" in {ranks.world()} processes" if ranks.world() > 1 else ""
    return f"{precision} on {where}{several}"


def _announce(
    display: ProgressDisplay, plan: BatchPlan, settings: TrainingConfig, saved: Checkpoint | None, arithmetic: str
) -> None:
    if saved is not None:
        display.say(f"Going on after step {saved['step']} of {plan.steps}.")
        before = saved.get("arithmetic", arithmetic)
        if before != arithmetic:
            display.say(
                f"It was computed in {before} so far, and goes on in {arithmetic}: the weights that it ends in are no "
                "longer the same to the last bit."
            )
    elif settings.optimiser.warmup_epochs >= plan.epochs:
        display.say(
            f"The learning rate warms up for {settings.optimiser.warmup_epochs:g} epochs, but the run has only "
            f"{plan.epochs}: it never reaches its peak. Choose fewer with optimiser.warmup_epochs."
        )


@contextlib.contextmanager
def _explaining_little_memory() -> Iterator[None]:
    """A block in which a GPU that is full is a :class:`TrainingError`."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            "The GPU has too little memory for a step: use a smaller batch size (and accumulate more batches for "
            "the same step)."
        ) from error


@contextlib.contextmanager
def _keeping_what_broke(folder: Path, learner: Learner, stamp: dict[str, Any], arithmetic: str) -> Iterator[None]:
    """A block in which a step that is not finite leaves a checkpoint of the state before it, beside the run's own.

    Of several processes all find the step not finite, and the main one writes.
    """
    try:
        yield
    except NotFinite as error:
        state = learner.state_before(error.begun)
        kept: Checkpoint = {"format": FORMAT, "stamp": stamp, "seconds": 0.0, "arithmetic": arithmetic, **state}
        try:
            ranks.on_main(lambda: save_checkpoint(not_finite_path(folder), kept))
        except I2PError:  # a full disk: the step can still be taken again from the last checkpoint
            raise error from None
        raise TrainingError(
            f"{error}\n`i2pmae replay {folder}` takes the step again and says what was the first that was not finite."
        ) from None


@contextlib.contextmanager
def _explaining_dead_loaders() -> Iterator[None]:
    """A block in which the death of a process that loads batches becomes a :class:`TrainingError`.

    PyTorch raises it from a signal handler, so it may surface anywhere, also in the midst of an ending that another
    sign of the same death (a closed connection) began. What the frames that it interrupted hold (connections, the
    temporary files with which PyTorch tries whether any can be opened) is let go at once: left to the garbage
    collector, the files would be reported as never closed.
    """
    try:
        yield
    except (RuntimeError, ConnectionError, EOFError) as error:
        if isinstance(error, RuntimeError) and "DataLoader worker" not in str(error):
            raise
        sign: BaseException | None = error
        while sign is not None:
            traceback.clear_frames(sign.__traceback__)
            sign = sign.__context__
        raise TrainingError(
            f"A process that loads batches died: {error}. Run the same command with --resume to go on from the last "
            "checkpoint; with clouds.workers 0 there are no such processes."
        ) from error


@contextlib.contextmanager
def _compiled(model: nn.Module) -> Iterator[None]:
    """A block in which the model's ``forward`` is compiled; parameters keep their names."""
    model.forward = torch.compile(model.forward)  # an attribute of the instance hides the class's method
    try:
        yield
    finally:
        del model.forward
