"""Fitting a task to clouds with Lightning: steps that repeat exactly, checkpoints, metrics, progress.

The whole run is one stream of optimiser steps. What a step does follows from the weights, the optimiser's state, the
seed and the step's number, so a run goes on from a checkpoint as if it had never stopped.
"""

import contextlib
import logging
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.utilities.warnings import PossibleUserWarning
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.plugins.environments import LightningEnvironment
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import nn

from i2pmae.common.devices import explaining_limits, resolve_device
from i2pmae.common.errors import TrainingError, TrainingInterrupted, UsageError
from i2pmae.common.memory import keep_freed_memory
from i2pmae.common.progress import say
from i2pmae.data.clouds import CloudSet
from i2pmae.training.batches import BatchPlan, step_loader
from i2pmae.training.checkpoint import (
    FORMAT,
    Checkpoint,
    check_stamp,
    checkpoint_path,
    clear_leftovers,
    load_checkpoint,
    load_model,
    load_optimiser,
    save_checkpoint,
)
from i2pmae.training.config import TrainingConfig
from i2pmae.training.device import Precision, check_compiler, repeatable, resolve_precision
from i2pmae.training.display import ProgressDisplay
from i2pmae.training.history import History, MetricsLog
from i2pmae.training.learner import Learner
from i2pmae.training.stop import StopRequest
from i2pmae.training.task import Task
from i2pmae.training.tensorboard import Board

__all__ = ["EpochCallback", "FitResult", "fit"]

EpochCallback = Callable[[int, Task, History], object]
"""Called as ``callback(epoch, task, history)`` when ``epoch`` epochs are done. It may draw random numbers and switch
the model to eval mode: the next step is the same. After a kill in its midst it is called again for that epoch."""

LIGHTNING_PRECISION = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


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

    def figures(self, clouds: int) -> dict[str, float]:
        """The figures of a record: length and time of the run, and the last epoch's mean of each loss and metric."""
        last = {name: float(self.history.epoch_means(name)[-1]) for name in self.history.losses}
        epochs = float(self.history["epoch"][-1]) if len(self.history) else 0.0
        counts = {"clouds": clouds, "steps": self.steps, "epochs": epochs}
        finite = {name: value for name, value in last.items() if math.isfinite(value)}
        return {**counts, "training_seconds": round(self.seconds, 1), **finite}


def fit(
    task: Task,
    clouds: CloudSet,
    settings: TrainingConfig,
    folder: Path,
    *,
    resume: bool = False,
    on_epoch: Sequence[EpochCallback] = (),
    shown: bool = True,
) -> FitResult:
    """The result of training ``task`` on ``clouds``; ``folder`` gets metrics.csv, checkpoints/ and tensorboard/.

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
    epochs, batch_size = settings.length
    plan = BatchPlan(len(clouds), batch_size, settings.optimiser.accumulate, epochs, settings.seed)
    path, stamp = checkpoint_path(folder), _stamp(clouds, settings)
    if path.exists() and not resume:
        raise UsageError(f"{folder} holds the checkpoint of another run. Use --resume to go on, or another folder.")
    clear_leftovers(path)
    task.to(device)
    saved = load_checkpoint(path) if path.exists() else None
    if saved is not None:
        check_stamp(path, saved["stamp"], stamp)
        load_model(path, task.model, saved["model"])
        if saved["step"] == plan.steps:
            if shown:
                say(f"The run in {folder} is finished: all {plan.steps} steps are done.")
            history = History.read(folder / "metrics.csv", plan.steps)
            titles = saved.get("titles", {})
            return FitResult(task, history, plan.steps, plan.steps, saved["seconds"], device, precision, titles)
    start = saved["step"] if saved is not None else 0
    loader = step_loader(clouds, plan, start, settings.loaders, pin=device.type == "cuda")
    learner = Learner(task, clouds, plan, settings, start)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_explaining_dead_loaders())
        stack.enter_context(explaining_limits(device))
        stop = stack.enter_context(StopRequest(shown))
        log = stack.enter_context(MetricsLog(folder / "metrics.csv", start))
        board = stack.enter_context(Board(folder / "tensorboard", start))
        display = stack.enter_context(ProgressDisplay(start, plan.steps, plan.epochs, shown))
        outputs = (stop, log, board, display)
        arithmetic = _arithmetic(device, precision)
        keeper = _Keeper(task, plan, path, stamp, arithmetic, saved, settings.checkpoint_minutes, on_epoch, outputs)
        _announce(display, plan, settings, saved, arithmetic)
        stack.enter_context(repeatable(device))
        if settings.compile:
            stack.enter_context(_compiled(task.model))
        _run(learner, loader, keeper, device, precision, folder)
        task.to(device)  # Lightning leaves the model on the CPU
        return FitResult(task, log.history(), plan.steps, start, keeper.seconds, device, precision, learner.titles)


class _Keeper(Callback):
    """After every step: metrics, progress, checkpoints, the end of an epoch, and the request to stop."""

    def __init__(
        self,
        task: Task,
        plan: BatchPlan,
        path: Path,
        stamp: dict[str, Any],
        arithmetic: str,
        saved: Checkpoint | None,
        checkpoint_minutes: float,
        on_epoch: Sequence[EpochCallback],
        outputs: tuple[StopRequest, MetricsLog, Board, ProgressDisplay],
    ) -> None:
        self.task, self.plan, self.path, self.saved = task, plan, path, saved
        self.stamp, self.arithmetic = stamp, arithmetic
        self.interval, self.on_epoch = 60 * checkpoint_minutes, on_epoch
        self.stop, self.metrics, self.board, self.display = outputs
        self.seconds = saved["seconds"] if saved is not None else 0.0

    def on_train_start(self, trainer: Trainer, *_: object) -> None:
        self.stop.install()  # Lightning has just put its own handlers in place
        if self.saved is not None:
            load_optimiser(self.path, trainer.optimizers[0], self.saved["optimiser"])
            if self.saved["scaler"]:  # empty where the checkpoint is not of fp16
                trainer.precision_plugin.load_state_dict(self.saved["scaler"])
            self.saved = None
        self.task.model.train()
        self.last_end = self.last_save = time.monotonic()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
        assert isinstance(pl_module, Learner)
        now = time.monotonic()
        took, self.last_end = now - self.last_end, now
        self.seconds += took
        record, step, epoch = pl_module.record, pl_module.step, pl_module.epoch
        speed = record.clouds / max(took, 1e-9)
        row = {"step": step, "epoch": epoch, **record.losses, "total": record.total}
        row |= {"learning_rate": record.learning_rate, "gradient_norm": record.gradient_norm}
        row |= {"clouds_per_second": speed, "seconds": self.seconds}
        self.metrics.append(row)
        self.board.add(row)
        self.display.update(step, epoch, record.losses, speed)
        epoch_ends = step % self.plan.steps_per_epoch == 0
        if epoch_ends:
            self._call_back(epoch)
        if epoch_ends or self.stop.requested or time.monotonic() - self.last_save >= self.interval:
            self._save(trainer, step, pl_module.titles)
        if self.stop.requested:
            raise TrainingInterrupted(
                f"Stopped at step {step} of {self.plan.steps} (epoch {epoch} of {self.plan.epochs}); the checkpoint is "
                f"{self.path}. Run the same command with --resume to go on."
            )

    def _call_back(self, epoch: int) -> None:
        modes = [(module, module.training) for module in self.task.model.modules()]
        for callback in self.on_epoch:
            callback(epoch, self.task, self.metrics.history())
        for module, training in modes:
            module.training = training

    def _save(self, trainer: Trainer, step: int, titles: dict[str, str]) -> None:
        self.metrics.sync()  # first, so that the rows up to a checkpoint are always there
        save_checkpoint(
            self.path,
            {
                "format": FORMAT,
                "stamp": self.stamp,
                "step": step,
                "seconds": self.seconds,
                "model": dict(self.task.model.state_dict()),
                "optimiser": trainer.optimizers[0].state_dict(),
                "scaler": trainer.precision_plugin.state_dict(),
                "titles": titles,
                "arithmetic": self.arithmetic,
            },
        )
        self.last_save = time.monotonic()


def _stamp(clouds: CloudSet, settings: TrainingConfig) -> dict[str, Any]:
    """What decides a run: where it differs, a checkpoint is of another run."""
    optimiser = settings.optimiser.model_dump(mode="json")
    return {
        "clouds": f"{len(clouds)} of {clouds.points.shape[1]} points",
        "content": clouds.digest(),
        **settings.model_dump(mode="json", include={"epochs", "batch_size", "seed"}),
        "optimiser": {name: value for name, value in optimiser.items() if name != "layer_decay" or value is not None},
    }


def _arithmetic(device: torch.device, precision: Precision) -> str:
    """What the last bits of a result depend on, beside the versions of software and the model of processor."""
    threads = torch.get_num_threads()
    where = f"a CPU with {threads} thread{'s' * (threads > 1)}" if device.type == "cpu" else device.type
    return f"{precision} on {where}"


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


def _run(
    learner: Learner, loader: Any, keeper: _Keeper, device: torch.device, precision: Precision, folder: Path
) -> None:
    with _without_lightning_noise():
        trainer = Trainer(
            accelerator={"cuda": "gpu"}.get(device.type, device.type),
            devices=[device.index] if device.type == "cuda" else 1,
            precision=LIGHTNING_PRECISION[precision],  # type: ignore[arg-type]
            max_epochs=1,  # of Lightning: the stream of all steps
            callbacks=[keeper],
            plugins=[LightningEnvironment()],  # a batch system's own requeueing would compete with checkpoints here
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
        )
        try:
            trainer.fit(learner, loader)
        except SIGTERMException:  # SIGTERM before the first step, seen by Lightning's own handler
            raise TrainingInterrupted(
                "Stopped before the first step. Run the same command with --resume to go on."
            ) from None
        except torch.OutOfMemoryError as error:
            raise TrainingError(
                "The GPU has too little memory for a step: use a smaller batch size (and accumulate more batches for "
                "the same step)."
            ) from error


@contextlib.contextmanager
def _explaining_dead_loaders() -> Iterator[None]:
    """A block in which the death of a process that loads batches becomes a :class:`TrainingError`.

    PyTorch raises it from a signal handler, so it may surface anywhere, also in the midst of an ending that another
    sign of the same death (a closed connection) began.
    """
    try:
        yield
    except (RuntimeError, ConnectionError, EOFError) as error:
        if isinstance(error, RuntimeError) and "DataLoader worker" not in str(error):
            raise
        raise TrainingError(
            f"A process that loads batches died: {error}. Run the same command with --resume to go on from the last "
            "checkpoint; with clouds.workers 0 there are no such processes."
        ) from error


@contextlib.contextmanager
def _without_lightning_noise() -> Iterator[None]:
    """Lightning's banners, tips and hints: for people who write Lightning code, not for those who run this."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=PossibleUserWarning)
        warnings.filterwarnings("ignore", message=".*LeafSpec.* is deprecated", category=FutureWarning)
        try:
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


@contextlib.contextmanager
def _compiled(model: nn.Module) -> Iterator[None]:
    """A block in which the model's ``forward`` is compiled; parameters keep their names."""
    model.forward = torch.compile(model.forward)  # an attribute of the instance hides the class's method
    try:
        yield
    finally:
        del model.forward
