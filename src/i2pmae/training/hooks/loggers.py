"""The metrics of a run as lines of JSON, and for TensorBoard, Weights & Biases, MLflow and Trackio, where wanted."""

import contextlib
import hashlib
import importlib.util
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from i2pmae.common.errors import I2PError, UsageError
from i2pmae.common.files import write_text
from i2pmae.training.config import LoggerName
from i2pmae.training.history import COUNTS
from i2pmae.training.hooks.base import Hook, StepRecord

__all__ = ["JsonLines", "check_loggers", "loggers"]


class _Logger(Hook):
    """A context that hands on the metrics of each step."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(error is None)

    def close(self, whole: bool) -> None:
        """The run has ended, as a whole or not."""


class JsonLines(_Logger):
    """Appends a line for each step to metrics.jsonl: the columns of metrics.csv, and what it waited for data."""

    def __init__(self, path: Path, last_step: int) -> None:
        """Cut what lies after ``last_step``: those steps are going to be repeated."""
        self.path = path
        write_text(path, "".join(_lines_until(path, last_step)))
        self._file = path.open("a", encoding="utf-8")

    def after_step(self, record: StepRecord) -> None:
        """Write the line of the step; :class:`I2PError` for a full disk."""
        try:
            self._file.write(json.dumps({**record.row, "waited": round(record.waited, 6)}) + "\n")
            self._file.flush()
        except OSError as error:
            raise I2PError(
                f"Cannot write {self.path}: {error.strerror or error}. The last checkpoint is intact: free some "
                "space, then run the same command with --resume."
            ) from error

    def close(self, whole: bool) -> None:
        """Close the file."""
        del whole
        with contextlib.suppress(OSError):
            self._file.close()


def _lines_until(path: Path, last_step: int) -> list[str]:
    """Whole lines of the steps up to ``last_step``."""
    kept: list[str] = []
    if path.exists() and last_step > 0:
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
            try:
                if not line.endswith("\n") or json.loads(line)["step"] > last_step:
                    break
            except (ValueError, KeyError, TypeError):
                break
            kept.append(line)
    return kept


class TensorBoard(_Logger):
    """Writes each step's metrics for TensorBoard.

    The figures are a copy of metrics.csv: where they cannot be written the run goes on without them.
    """

    def __init__(self, folder: Path, last_step: int, about: Mapping[str, Any]) -> None:
        """Events after ``last_step`` that an earlier, interrupted run wrote are hidden."""
        del about
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = None
        with contextlib.suppress(OSError):
            self._writer = SummaryWriter(folder / "tensorboard", purge_step=last_step + 1)

    def after_step(self, record: StepRecord) -> None:
        """Write the metrics of the step."""
        for name, value in _figures(record).items():
            self._do("add_scalar", name, value, record.step)

    def close(self, whole: bool) -> None:
        """Write what is left."""
        del whole
        self._do("close")

    def _do(self, method: str, *arguments: object) -> None:
        try:
            if self._writer is not None:
                getattr(self._writer, method)(*arguments)
        except OSError:
            self._writer = None


class WeightsAndBiases(_Logger):
    """Sends each step's metrics to Weights & Biases, as its own settings say (``WANDB_PROJECT``, ``WANDB_MODE``)."""

    def __init__(self, folder: Path, last_step: int, about: Mapping[str, Any]) -> None:
        del last_step  # a run that is resumed has the same name, and steps that are repeated are left out there
        import wandb

        name = hashlib.blake2b(str(folder.resolve()).encode(), digest_size=8).hexdigest()
        self._run = wandb.init(dir=str(folder), id=name, name=str(folder), resume="allow", config=dict(about))

    def after_step(self, record: StepRecord) -> None:
        """Send the metrics of the step."""
        self._run.log(_figures(record), step=record.step)

    def close(self, whole: bool) -> None:
        """Send what is left."""
        self._run.finish(exit_code=0 if whole else 1)


class MLflow(_Logger):
    """Sends each step's metrics to MLflow, as its own settings say (``MLFLOW_TRACKING_URI``)."""

    def __init__(self, folder: Path, last_step: int, about: Mapping[str, Any]) -> None:
        import mlflow

        self._mlflow = mlflow
        noted = folder / "mlflow.txt"  # the name that MLflow gave the run, to go on with it
        known = noted.read_text(encoding="utf-8").strip() if last_step > 0 and noted.exists() else None
        run = mlflow.start_run(run_id=known, run_name=None if known else str(folder))
        if known is None:
            mlflow.log_params(dict(about))
            write_text(noted, run.info.run_id + "\n")

    def after_step(self, record: StepRecord) -> None:
        """Send the metrics of the step."""
        self._mlflow.log_metrics(_figures(record), step=record.step)

    def close(self, whole: bool) -> None:
        """Send what is left."""
        self._mlflow.end_run("FINISHED" if whole else "FAILED")


class Trackio(_Logger):
    """Keeps each step's metrics for Trackio's dashboard, in the project ``TRACKIO_PROJECT`` or else i2pmae."""

    def __init__(self, folder: Path, last_step: int, about: Mapping[str, Any]) -> None:
        import trackio

        project, resume = os.environ.get("TRACKIO_PROJECT") or "i2pmae", "allow" if last_step > 0 else "never"
        self._run = trackio.init(project=project, name=str(folder.resolve()), config=dict(about), resume=resume)

    def after_step(self, record: StepRecord) -> None:
        """Keep the metrics of the step."""
        self._run.log(_figures(record), step=record.step)

    def close(self, whole: bool) -> None:
        """Write what is left."""
        del whole
        self._run.finish()


KINDS: Mapping[LoggerName, type[TensorBoard | WeightsAndBiases | MLflow | Trackio]] = {
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
    "mlflow": MLflow,
    "trackio": Trackio,
}


def loggers(
    names: Sequence[LoggerName] | None, folder: Path, last_step: int, about: Mapping[str, Any]
) -> list[_Logger]:
    """What the metrics of a run in ``folder`` go to: lines of JSON, and what is named; TensorBoard where nothing is
    named and it is installed. ``about`` is what a run is told by.
    """
    usual: Sequence[LoggerName] = ("tensorboard",) if _installed("tensorboard") else ()
    others = [KINDS[name](folder, last_step, about) for name in (usual if names is None else names)]
    return [JsonLines(folder / "metrics.jsonl", last_step), *others]


def check_loggers(names: Sequence[LoggerName] | None) -> None:
    """:class:`UsageError` for what is named and not installed."""
    for name in names or ():
        if not _installed(name):
            raise UsageError(
                f"Logger {name} was asked for, and is not installed: pip install 'i2pmae[{name}]', or leave it out of "
                "--logger."
            )


def _installed(name: str) -> bool:
    return name in sys.modules or importlib.util.find_spec(name) is not None


def _figures(record: StepRecord) -> dict[str, float]:
    return {name: value for name, value in record.row.items() if name not in COUNTS}
