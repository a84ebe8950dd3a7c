"""How a run shows its progress: a live bar on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from i2pmae.common import ranks
from i2pmae.common.progress import console, text_column
from i2pmae.training.hooks.base import Hook, StepRecord
from i2pmae.training.task import METRIC_PREFIX

__all__ = ["ProgressDisplay"]

LINE_SECONDS = 10.0
"""Time between two lines where there is no terminal."""
WIDE = 110
"""Columns that a terminal needs for the bar itself and the count of steps beside the figures."""
WAITING = "waiting"
"""What stands beside the share of the time in which data is waited for."""
SMOOTHING = 0.9
"""Share of the old value in each new smoothed one."""


class ProgressDisplay(Hook):
    """Epoch, step, smoothed losses, clouds per second, the share of the time in which data was waited for, and the time
    left, on standard error."""

    def __init__(self, start: int, steps: int, epochs: int, shown: bool) -> None:
        self._start, self._steps, self._epochs = start, steps, epochs
        self._shown = shown and ranks.is_main()
        self._console = console()
        self._smooth: dict[str, float] = {}
        self._began = self._last_line = time.monotonic()
        self._bar: Progress | None = None

    def __enter__(self) -> Self:
        if self._shown and self._console.is_terminal:
            wide = (BarColumn(bar_width=20), MofNCompleteColumn()) if self._console.width >= WIDE else ()
            self._bar = Progress(
                text_column("{task.fields[epoch]}"),
                *wide,
                text_column("{task.fields[figures]}"),
                TimeRemainingColumn(),
                text_column("left"),
                console=self._console,
            )
            self._bar.start()
            self._task = self._bar.add_task("", total=self._steps, completed=self._start, epoch="starting", figures="")
        self._began = self._last_line = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, message: str) -> None:
        """Print a message of its own line."""
        if self._shown:
            self._console.print(message, soft_wrap=True)

    def after_step(self, record: StepRecord) -> None:
        """Show the state after the step."""
        share = record.waited / max(record.took, 1e-9)
        self.update(record.step, record.epoch, record.losses, record.clouds_per_second, share)

    def update(
        self, step: int, epoch: int, losses: Mapping[str, float], clouds_per_second: float, waiting: float | None = None
    ) -> None:
        """Show the state after ``step`` steps; ``waiting`` is the share of the time in which data was waited for, where
        that is known."""
        if not self._shown:
            return
        minimised = {name: value for name, value in losses.items() if not name.startswith(METRIC_PREFIX)}
        shares = {} if waiting is None else {WAITING: min(waiting, 1.0)}
        for name, value in {**minimised, "clouds/s": clouds_per_second, **shares}.items():
            self._smooth[name] = SMOOTHING * self._smooth.get(name, value) + (1 - SMOOTHING) * value
        if self._bar is not None:
            self._bar.update(
                self._task, completed=step, epoch=f"epoch {epoch}/{self._epochs}", figures=self._figures(" ")
            )
        elif step == self._steps or time.monotonic() - self._last_line >= LINE_SECONDS:
            self._last_line = time.monotonic()
            left = (self._last_line - self._began) / (step - self._start) * (self._steps - step)
            minutes, seconds = divmod(round(left), 60)
            self.say(
                f"epoch {epoch}/{self._epochs}, step {step}/{self._steps}, {self._figures(', ')}, "
                f"{minutes // 60}:{minutes % 60:02}:{seconds:02} left"
            )

    def _figures(self, separator: str) -> str:
        return separator.join(_figure(name, value) for name, value in self._smooth.items())


def _figure(name: str, value: float) -> str:
    if name == WAITING:
        return f"{value:.0%} {name}"
    return f"{value:.0f} {name}" if name == "clouds/s" else f"{name} {value:.3g}"
