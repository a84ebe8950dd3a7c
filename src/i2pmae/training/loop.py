"""The loop over the steps of a run: each is begun, its figures are read, the hooks are called."""

import contextlib
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence

from torch import nn

from i2pmae.training.hooks.base import Hook, StepRecord
from i2pmae.training.learner import Begun, Learner
from i2pmae.training.stop import StopRequest
from i2pmae.training.task import Batch

__all__ = ["Loop"]

AHEAD = 1
"""Steps that a GPU is given before the figures of those before them are read, so that it never waits for work."""


class Loop:
    """Takes the steps of a run and calls the hooks, in their order, after each step and after each epoch."""

    def __init__(self, learner: Learner, hooks: Sequence[Hook], stop: StopRequest, seconds: float) -> None:
        """``seconds`` were spent on the run before."""
        self.learner, self.hooks, self.stop = learner, hooks, stop
        self.seconds = seconds
        """Time spent on the steps whose figures were read, also before a resume."""
        self._waiting: deque[Begun] = deque()

    def run(self, steps: Iterable[list[Batch]]) -> None:
        """Take all steps, each a list of batches.

        Raises what steps and hooks raise, and :class:`TrainingInterrupted` for a request to stop before the first step.
        """
        self._last, self._waited = time.monotonic(), 0.0
        with contextlib.closing(_stream(steps)) as stream:
            for number, batches in enumerate(self._timed(stream)):
                if number == 0 and self.stop.requested:
                    raise self.stop.interrupted(
                        "Stopped before the first step. Run the same command with --resume to go on."
                    )
                self._waiting.append(self.learner.begin(batches, self.stop.noted is not None))
                epoch_ends = self.learner.step % self.learner.plan.steps_per_epoch == 0
                rests = epoch_ends or not self.learner.ahead or any(hook.waits() for hook in self.hooks)
                while len(self._waiting) > (0 if rests else AHEAD):
                    self._finish(self._waiting.popleft())
                if epoch_ends:
                    self._end_epoch()

    def _timed(self, stream: Iterator[list[Batch]]) -> Iterator[list[Batch]]:
        """The steps; the time in which they are waited for is noted."""
        while True:
            asked = time.monotonic()
            batches = next(stream, None)
            self._waited += time.monotonic() - asked
            if batches is None:
                return
            yield batches

    def _finish(self, begun: Begun) -> None:
        """Read the figures of a step and hand them on."""
        figures = self.learner.figures(begun)
        if figures.asked:
            self.stop.agree()
        now = time.monotonic()
        took, self._last = now - self._last, now
        self.seconds += took
        record = StepRecord(
            step=begun.step,
            epoch=begun.epoch,
            losses=figures.losses,
            learning_rate=begun.rate,
            gradient_norm=figures.gradient_norm,
            clouds=self.learner.plan.clouds_per_batch * len(begun.batches),
            latest=not self._waiting,
            took=took,
            seconds=self.seconds,
            waited=self._waited,
        )
        self._waited = 0.0
        for hook in self.hooks:
            hook.after_step(record)

    def _end_epoch(self) -> None:
        epoch = self.learner.step // self.learner.plan.steps_per_epoch
        with self.learner.scored(), _keeping_modes(self.learner.task.model):
            for hook in self.hooks:
                hook.after_epoch(epoch, self.learner.task)


def _stream(steps: Iterable[list[Batch]]) -> Generator[list[Batch]]:
    """The steps; whatever serves them (processes that load batches) ends when this is closed."""
    yield from steps


@contextlib.contextmanager
def _keeping_modes(model: nn.Module) -> Iterator[None]:
    """A block after which every part of the model is in training or eval mode as it was."""
    modes = [(module, module.training) for module in model.modules()]
    yield
    for module, training in modes:
        module.training = training
