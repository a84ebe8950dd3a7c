"""The metrics of a run for TensorBoard, where it is installed."""

import contextlib
import importlib.util
from pathlib import Path
from types import TracebackType
from typing import Self

from i2pmae.training.history import COUNTS
from i2pmae.training.hooks.base import Hook, StepRecord

__all__ = ["Board"]


class Board(Hook):
    """Writes each step's metrics into ``folder``; does nothing where TensorBoard is not installed.

    The figures are a copy of metrics.csv: where they cannot be written the run goes on without them.
    """

    def __init__(self, folder: Path, last_step: int) -> None:
        """Events after ``last_step`` that an earlier, interrupted run wrote are hidden."""
        self._writer = None
        if importlib.util.find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            with contextlib.suppress(OSError):
                self._writer = SummaryWriter(folder, purge_step=last_step + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._do("close")

    def after_step(self, record: StepRecord) -> None:
        """Write the metrics of the step."""
        for name, value in record.row.items():
            if name not in COUNTS:
                self._do("add_scalar", name, value, record.step)

    def _do(self, method: str, *arguments: object) -> None:
        try:
            if self._writer is not None:
                getattr(self._writer, method)(*arguments)
        except OSError:
            self._writer = None
