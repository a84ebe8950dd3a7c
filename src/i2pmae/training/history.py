"""The metrics of a run: a CSV file with one row per optimiser step, and its columns as arrays."""

import contextlib
import os
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

import numpy as np

from i2pmae.common import ranks
from i2pmae.common.errors import I2PError, TrainingError
from i2pmae.common.files import write_text
from i2pmae.training.hooks.base import Hook, StepRecord

__all__ = ["History", "MetricsLog"]

COUNTS = ("step", "epoch")
"""The columns of whole numbers; both count from 1."""


@dataclass(frozen=True)
class History:
    """One array per metric, one entry per optimiser step."""

    columns: Mapping[str, np.ndarray]
    """``step`` and ``epoch`` (int64, from 1), each loss and metric, ``total``, ``learning_rate``, ``gradient_norm``,
    ``clouds_per_second`` and ``seconds`` since the start of the run (float64)."""

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    @property
    def losses(self) -> tuple[str, ...]:
        """Names of the losses and metrics of the task, in its own order, without the ``total``."""
        names = tuple(self.columns)
        return names[len(COUNTS) : names.index("total")] if names else ()

    def epoch_means(self, name: str) -> np.ndarray:
        """``(epochs,)``: the mean of a metric over the steps of each epoch."""
        epochs = self["epoch"]
        return np.array([self[name][epochs == epoch].mean() for epoch in np.unique(epochs)])

    @classmethod
    def read(cls, path: Path, last_step: int | None = None) -> Self:
        """The history that a metrics file holds, up to ``last_step``; a row cut off by a crash is left out."""
        if not path.exists():
            return cls({})
        header, *lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
        names = header.split(",")
        rows: list[list[float]] = []
        for line in lines:
            try:
                row = [float(value) for value in line.split(",")]
            except ValueError:
                break
            if len(row) != len(names) or (last_step is not None and row[0] > last_step):
                break
            rows.append(row)
        return cls.of(names, np.array(rows, dtype=np.float64))

    @classmethod
    def of(cls, names: list[str], values: np.ndarray) -> Self:
        """The history with these columns and values, row after row; the values are copied."""
        table = values.reshape(-1, len(names)) if names else np.empty((0, 0))
        return cls(
            {name: table[:, i].astype(np.int64 if name in COUNTS else np.float64) for i, name in enumerate(names)}
        )


class MetricsLog(Hook):
    """Appends rows to a metrics file, continuing after the step that a run is resumed from.

    A row is in the file as soon as it is appended; :meth:`sync` makes sure of the disk. Both raise :class:`I2PError`
    where the disk is full. Of several processes the main one has the file, the others the rows alone.
    """

    def __init__(self, path: Path, last_step: int) -> None:
        """Open ``path`` and cut what lies after ``last_step``: those steps are going to be repeated."""
        self.path = path
        kept = ranks.on_main(lambda: History.read(path, last_step))
        self._names = list(kept.columns) if len(kept) else []
        rows = [[float(value) for value in row] for row in zip(*kept.columns.values(), strict=True)]
        self._values = array("d", [value for row in rows for value in row])  # far smaller than lists in a long run
        self._file: TextIO | None = None
        if ranks.is_main():
            write_text(path, self._header() + "".join(self._line(row) for row in rows) if rows else "")
            self._file = path.open("a", encoding="utf-8", newline="")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):  # every row was flushed: only one that failed, and was reported, is left
                self._file.close()

    def after_step(self, record: StepRecord) -> None:
        """Add the metrics of the step."""
        self.append(record.row)

    def append(self, row: Mapping[str, float]) -> None:
        """Add the metrics of one step; all steps must have the same names (:class:`TrainingError`)."""
        first = not self._names
        self._names = self._names or list(row)
        if list(row) != self._names:
            raise TrainingError(
                f"Step {row['step']} has the metrics {', '.join(row)}, but {self.path} holds {', '.join(self._names)}. "
                "Every step of a run must return the same losses."
            )
        values = [float(value) for value in row.values()]
        if self._file is not None:
            with self._explained():
                self._file.write((self._header() if first else "") + self._line(values))
                self._file.flush()
        self._values.extend(values)

    def sync(self) -> None:
        """Return when all rows are on the disk."""
        if self._file is not None:
            with self._explained():
                os.fsync(self._file.fileno())

    def history(self) -> History:
        """All rows so far."""
        return History.of(self._names, np.array(self._values))

    def _header(self) -> str:
        return ",".join(self._names) + "\n"

    def _line(self, values: list[float]) -> str:
        cells = [str(int(v)) if name in COUNTS else repr(v) for name, v in zip(self._names, values, strict=True)]
        return ",".join(cells) + "\n"

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise I2PError(
                f"Cannot write {self.path}: {error.strerror or error}. The last checkpoint is intact: free some space, "
                "then run the same command with --resume."
            ) from error
