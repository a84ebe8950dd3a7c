"""The checkpoint of a run, written now and then, and the end of a run that is asked to stop."""

import time
from collections.abc import Callable
from pathlib import Path

from i2pmae.common import ranks
from i2pmae.training.batches import BatchPlan
from i2pmae.training.checkpoint import Checkpoint, save_checkpoint
from i2pmae.training.history import MetricsLog
from i2pmae.training.hooks.base import Hook, StepRecord
from i2pmae.training.stop import StopRequest
from i2pmae.training.task import Task

__all__ = ["Checkpoints"]


class Checkpoints(Hook):
    """Writes a checkpoint at the end of each epoch, every so many minutes, and where the run is asked to stop.

    It comes last among the hooks, so that a step or an epoch counts as done when all others have done their part.
    """

    def __init__(
        self,
        path: Path,
        checkpoint: Callable[[StepRecord], Checkpoint],
        plan: BatchPlan,
        minutes: float,
        stop: StopRequest,
        metrics: MetricsLog,
    ) -> None:
        """``checkpoint`` gives the state of the run as the step of a record left it."""
        self.path, self.checkpoint, self.plan, self.stop, self.metrics = path, checkpoint, plan, stop, metrics
        self.interval = 60 * minutes
        self.last = time.monotonic()

    def waits(self) -> bool:
        """Whether a checkpoint is due."""
        return self.stop.requested or time.monotonic() - self.last >= self.interval

    def after_step(self, record: StepRecord) -> None:
        """Note the step; where it is no epoch's last, whose others are yet to come, write a checkpoint that is due."""
        self.record = record
        if record.latest and record.step % self.plan.steps_per_epoch and self.waits():
            self._save()

    def after_epoch(self, _epoch: int, _task: Task) -> None:
        """Write a checkpoint."""
        self._save()

    def _save(self) -> None:
        """Write a checkpoint; :class:`TrainingInterrupted` where the run was asked to stop."""
        stopping, step, epoch = self.stop.requested, self.record.step, self.record.epoch
        if ranks.is_main():
            self.metrics.sync()  # first, so that the rows up to a checkpoint are always there
            save_checkpoint(self.path, self.checkpoint(self.record))
        self.last = time.monotonic()
        if stopping:
            ranks.barrier()  # no process ends before the checkpoint is there
            raise self.stop.interrupted(
                f"Stopped at step {step} of {self.plan.steps} (epoch {epoch} of {self.plan.epochs}); the checkpoint is "
                f"{self.path}. Run the same command with --resume to go on."
            )
