"""What the loop tells those that watch a run, and when."""

from collections.abc import Mapping
from dataclasses import dataclass

from i2pmae.common.errors import UsageError
from i2pmae.common.text import shortened
from i2pmae.training.task import METRIC_PREFIX, Task

__all__ = ["Hook", "StepRecord", "check_callbacks"]


@dataclass(frozen=True)
class StepRecord:
    """What one step did."""

    step: int
    """Its number, from 1."""
    epoch: int
    """Its epoch, from 1."""
    losses: Mapping[str, float]
    """Losses and metrics of the task by column, mean over the step's batches."""
    learning_rate: float
    """The rate the step was taken with."""
    gradient_norm: float
    """Norm of the whole gradient, before clipping."""
    clouds: int
    """Clouds in the step."""
    latest: bool
    """Whether the weights are as this step left them: no later one has begun."""
    took: float
    """Seconds since the step before it."""
    seconds: float
    """Seconds since the run began, also before a resume."""
    waited: float = 0.0
    """Of the seconds since the step before it, those in which there was nothing to do but to wait for data."""

    @property
    def clouds_per_second(self) -> float:
        """Speed of this step."""
        return self.clouds / max(self.took, 1e-9)

    @property
    def row(self) -> dict[str, float]:
        """The step's row of the metrics."""
        return {
            "step": self.step,
            "epoch": self.epoch,
            **self.losses,
            "total": sum(value for name, value in self.losses.items() if not name.startswith(METRIC_PREFIX)),
            "learning_rate": self.learning_rate,
            "gradient_norm": self.gradient_norm,
            "clouds_per_second": self.clouds_per_second,
            "seconds": self.seconds,
        }


class Hook:
    """Something that is done beside the steps of a run. A class of one's own overrides what it wants to be told.

    >>> class Watch(i2pmae.Hook):
    ...     def after_epoch(self, epoch, task):
    ...         print(epoch, sum(values.norm() for values in task.model.parameters()))
    >>> i2pmae.pretrain(data="scans/", callbacks=[Watch()])

    What it raises ends the run, which goes on from its last checkpoint when it is resumed; TrainingInterrupted of
    :mod:`i2pmae.common.errors` is an end that was meant. Of several processes each calls its own.

    On a GPU the records come while later steps are being computed, so the weights may be ahead of a record: who needs
    those of a step waits for the end of an epoch, or asks for it with :meth:`waits`.
    """

    def waits(self) -> bool:
        """Whether :meth:`after_step` of the step that was just begun must find the weights as that step left them."""
        return False

    def after_step(self, record: StepRecord) -> None:
        """Called for every step, in order, once its losses and gradient are known to be finite."""

    def after_epoch(self, epoch: int, task: Task) -> None:
        """Called when ``epoch`` epochs are done, after the last one's steps.

        It may draw random numbers and switch the model to eval mode: the next step is the same. After a kill in its
        midst it is called again for that epoch.
        """

    def at_end(self, task: Task) -> None:
        """Called once, when all steps are done and the model has the weights that are kept."""


def check_callbacks(callbacks: object) -> tuple[Hook, ...]:
    """The callbacks as they were given; :class:`UsageError` where they are no objects of :class:`Hook`."""
    given = tuple(callbacks) if isinstance(callbacks, (list, tuple)) else (callbacks,)
    wrong = [value for value in given if not isinstance(value, Hook)]
    if wrong:
        raise UsageError(
            f"Callbacks are a list of objects of classes made from i2pmae.Hook, got {shortened(wrong[0])}"
            + (": give the object, not its class." if isinstance(wrong[0], type) else ".")
        )
    return given
