"""The run that a folder holds: its configuration, whichever command made it, and how far it is."""

from dataclasses import dataclass
from pathlib import Path

import i2pmae.methods
import i2pmae.tasks  # noqa: F401  (both make known what a configuration can name)
from i2pmae.commands.compare_config import CompareConfig
from i2pmae.common.errors import CheckpointError, UsageError
from i2pmae.common.yaml import load_yaml
from i2pmae.methods.config import PretrainConfig
from i2pmae.runs.folder import CONFIG_FILE
from i2pmae.tasks.config import TaskRunConfig
from i2pmae.training.batches import BatchPlan
from i2pmae.training.checkpoint import Checkpoint, checkpoint_path, load_checkpoint
from i2pmae.training.history import History

__all__ = ["AnyConfig", "Progress", "command_of", "progress", "run_config"]

AnyConfig = PretrainConfig | TaskRunConfig | CompareConfig


def run_config(folder: Path) -> AnyConfig:
    """The configuration of the run in a folder; :class:`UsageError` where there is none, or none of a command's."""
    path = folder / CONFIG_FILE
    try:
        values = load_yaml(path.read_text(encoding="utf-8"), str(path))
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise UsageError(f"Cannot read the configuration {path}: {reason}") from None
    names = values.keys() if isinstance(values, dict) else set()
    if {"stage", "model"} <= names:
        raise UsageError(f"{folder} is the first stage of a run: name the folder of the whole run, {folder.parent}.")
    if "task" in names:
        return TaskRunConfig.load(path)
    return CompareConfig.load(path) if "recipes" in names else PretrainConfig.load(path)


def command_of(config: AnyConfig) -> str:
    """The command that makes such a run."""
    if isinstance(config, TaskRunConfig):
        return config.task.name
    return "compare" if isinstance(config, CompareConfig) else "pretrain"


@dataclass(frozen=True)
class Progress:
    """How far the training in a run folder is."""

    step: int
    """The last step whose metrics are there, from 1; 0 for none."""
    epoch: int
    """Its epoch, from 1."""
    steps: int | None
    """Steps of the whole run; None where no checkpoint says it yet."""
    epochs: int | None
    """Epochs of the whole run, likewise."""
    stored: int
    """The step that the checkpoint was written after; 0 where there is none."""

    def __str__(self) -> str:
        if not self.step:
            return "before its first step"
        of = ("", "") if self.steps is None else (f" of {self.steps}", f" of {self.epochs}")
        kept = f"checkpoint at step {self.stored}" if self.stored else "no checkpoint yet"
        return f"step {self.step}{of[0]}, epoch {self.epoch}{of[1]}; {kept}"


def progress(folder: Path) -> Progress:
    """How far the training in a folder is; :class:`CheckpointError` for a checkpoint that is damaged."""
    history = History.read(folder / "metrics.csv")
    step, epoch = (int(history[name][-1]) for name in ("step", "epoch")) if len(history) else (0, 0)
    path = checkpoint_path(folder)
    if not path.exists():
        return Progress(step, epoch, None, None, 0)
    saved = load_checkpoint(path)
    plan = _plan(path, saved)
    return Progress(max(step, saved["step"]), epoch, plan.steps, plan.epochs, saved["step"])


def _plan(path: Path, saved: Checkpoint) -> BatchPlan:
    """The length of a run as the stamp of its checkpoint has it."""
    stamp = saved["stamp"]
    try:
        clouds, accumulate = int(stamp["clouds"].split()[0]), int(stamp["optimiser"]["accumulate"])
        return BatchPlan(clouds, int(stamp["batch_size"]), accumulate, int(stamp["epochs"]), int(stamp["seed"]))
    except (KeyError, ValueError, TypeError, AttributeError, IndexError):
        raise CheckpointError(f"{path} does not say of which run it is: it is damaged, or was edited.") from None
