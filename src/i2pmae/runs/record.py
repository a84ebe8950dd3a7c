"""The one record that every run ends in: its scores and figures, and everything needed to say what they mean."""

import functools
import os
import platform
import subprocess
import tomllib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from pydantic import Field, JsonValue, SerializerFunctionWrapHandler, model_serializer, model_validator

from i2pmae.common.config import Config
from i2pmae.common.errors import CheckpointError, UsageError, pick
from i2pmae.common.files import write_text
from i2pmae.common.yaml import load_json
from i2pmae.runs.format1 import upgrade

__all__ = [
    "RESULTS_FILE",
    "START",
    "TWIN",
    "RunRecord",
    "Score",
    "describe_run",
    "machine_name",
    "read_json",
    "source_commit",
]

RESULTS_FILE = "results.json"
COUNTS = ("clouds", "steps", "epochs", "training_seconds", "teacher_seconds")
"""Figures that are no losses."""
TWIN = "twin"
"""The child that is the same without pre-training."""
START = "start"
"""The child that is the same probe of the weights that a run of pre-training went on from."""
PACKAGE = Path(__file__).resolve().parents[1]
SHORTCUTS = ("accuracy", "C", "k")
"""Repeated at the top of the JSON, where scripts look for them."""
PATIENCE = 20
"""Seconds that git may take."""


class Score(Config):
    """A figure between 0 and 1, alone or as the mean over repeats."""

    mean: float = Field(ge=0, le=1, allow_inf_nan=False)
    """The figure, or its mean over folds, seeds or votes."""
    std: float | None = Field(None, ge=0, allow_inf_nan=False)
    """Sample standard deviation over the repeats (divisor n − 1), where there are several."""
    values: tuple[float, ...] = ()
    """The figure of every repeat, in order."""

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """The score of one or more repeats; :class:`UsageError` where there is none."""
        if not len(values):
            raise UsageError("A score needs at least one value.")
        several = tuple(float(value) for value in values)
        if len(several) == 1:
            return cls(mean=several[0])
        # Rounding must not carry a mean of equal values beyond them.
        mean = float(np.clip(np.mean(several), min(several), max(several)))
        return cls(mean=mean, std=float(np.std(several, ddof=1)), values=several)

    def __str__(self) -> str:
        spread = "" if self.std is None else f" ± {100 * self.std:.2f}"
        return f"{100 * self.mean:.2f}{spread} %"


class RunRecord(Config):
    """What a run found, and how: scores with their protocol, figures of the training, where and from what it was made.

    Every command that measures ends in one, stored as results.json in the run folder; a comparison has children.
    """

    format: Literal[2] = 2
    """Version of this record; :mod:`i2pmae.runs.format1` reads what came before."""
    kind: str
    """What ran: pretrain, finetune, segment, fewshot, compare, stage-one, or the probe linear-probe, knn, logistic."""
    primary: str = ""
    """Name of the main score; empty where nothing could be scored."""
    scores: dict[str, Score] = Field(default_factory=dict)
    """Every score by name: ``accuracy``, ``instance_miou``, … All are shares between 0 and 1."""
    protocol: str = ""
    """How they were measured, in words."""
    data: str = ""
    """What the clouds are."""
    encoder: str = ""
    """Where the encoder came from, or "from scratch"."""
    method: str = ""
    """Which method of pre-training the encoder belongs to."""
    recipe: str = ""
    """The named configuration."""
    seeds: tuple[int, ...] = ()
    """Seeds of the repeats."""
    train_clouds: int = Field(0, ge=0)
    """Clouds (of a fold, in few-shot tasks) that were trained on."""
    test_clouds: int = Field(0, ge=0)
    """Clouds (of a fold, in few-shot tasks) that were scored."""
    validation_clouds: int = Field(0, ge=0)
    """Clouds that were held out from training to choose by."""
    classes: tuple[str, ...] = ()
    """Names of the classes; of parts, in segmentation."""
    points: int | None = None
    """Points per cloud that the model saw."""
    chance: float | None = None
    """The main score of always naming the most frequent training class."""
    selected: dict[str, JsonValue] = Field(default_factory=dict)
    """What was chosen and on what: an SVM's C with its cross-validation, the epoch."""
    per_class: dict[str, float] = Field(default_factory=dict)
    """The main score by class (by category, in segmentation), for the classes in the test set."""
    confusion: tuple[tuple[int, ...], ...] | None = None
    """Clouds by true class (rows) and predicted class (columns), in the order of ``classes``."""
    figures: dict[str, float] = Field(default_factory=dict)
    """Of the training: ``steps``, ``epochs``, ``clouds``, ``training_seconds``, ``teacher_seconds``, and the mean of
    each loss and watched figure over the last epoch under its column of metrics.csv."""
    seconds: float | None = None
    """Wall time, where it was measured."""
    output: Path | None = None
    """The run folder."""
    machine: str = ""
    """Where it ran."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Of Python, the main libraries and this package."""
    commit: str | None = None
    """The git commit of the source tree that ran, where the package runs from one; "+changes" marks an edited tree."""
    children: dict[str, "RunRecord"] = Field(default_factory=dict)
    """Runs that belong to this one: ``twin``, the same without pre-training (of a pre-training run: the same probe of
    the initial weights); ``start``, that of the weights that pre-training went on from; the recipes of a comparison,
    and of each of these the seeds."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.primary or self.scores) and self.primary not in self.scores:
            raise ValueError(f"the main score {self.primary!r} is not among the scores {', '.join(self.scores)}")
        size = len(self.classes)
        if self.confusion is not None and {size} != {len(self.confusion), *map(len, self.confusion)}:
            raise ValueError(f"the confusion matrix must have {size} rows and columns, one for each class")
        return self

    @model_validator(mode="before")
    @classmethod
    def _without_shortcuts(cls, values: Any) -> Any:
        return {k: v for k, v in values.items() if k not in SHORTCUTS} if isinstance(values, dict) else values

    @model_serializer(mode="wrap")
    def _with_shortcuts(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        known = {name: score.mean for name, score in self.scores.items()} | self.selected
        return {name: known[name] for name in SHORTCUTS if name in known} | handler(self)

    @property
    def score(self) -> Score:
        """The main score; :class:`UsageError` where nothing was scored."""
        if not self.primary:
            raise UsageError(f"This {self.kind} run has no score: its data had no labels to score it by.")
        return self.scores[self.primary]

    @property
    def accuracy(self) -> float:
        """Share of what is predicted right; :class:`UsageError` where the run has another score, or none."""
        return pick("score", "accuracy", self.scores).mean

    @property
    def losses(self) -> dict[str, float]:
        """The mean of each loss over the last epoch."""
        return {name: v for name, v in self.figures.items() if name not in COUNTS and not name.startswith("metric/")}

    @property
    def twin(self) -> "RunRecord | None":
        """The same protocol without pre-training."""
        return self.children.get(TWIN)

    def with_twin(self, twin: "RunRecord") -> "RunRecord":
        """This record beside that of its twin."""
        return self.changed(children={TWIN: twin, **self.children})

    def save(self, path: Path | str) -> None:
        """Write the record as JSON, whole or not at all."""
        write_text(Path(path), self.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """The record in a run folder or a JSON file, of this format or the one before.

        :class:`CheckpointError` says why there is none.
        """
        path = Path(path)
        if path.is_dir():
            if not (path / RESULTS_FILE).is_file():
                raise CheckpointError(
                    f"{path} holds no {RESULTS_FILE}: expected the folder of a finished run, or a JSON file of a "
                    "result."
                )
            path = path / RESULTS_FILE
        values = read_json(path)
        try:
            return cls.from_dict(upgrade(values, str(path)) if "format" not in values else values, str(path))
        except UsageError as error:
            raise CheckpointError(str(error)) from None


def read_json(path: Path | str) -> dict[str, Any]:
    """The object in a JSON file; :class:`CheckpointError` where it cannot be read or holds something else."""
    path = Path(path)
    try:
        values = load_json(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise CheckpointError(f"Cannot read {path}: {error.strerror or error}.") from None
    except UsageError as error:
        raise CheckpointError(f"{error} Run the evaluation again.") from None
    except ValueError as error:  # not UTF-8
        raise CheckpointError(f"{path} is damaged or not JSON ({error}). Run the evaluation again.") from None
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} must hold a JSON object, but holds {type(values).__name__}.")
    return values


def describe_run(device: torch.device | None = None) -> dict[str, Any]:
    """The fields ``machine``, ``versions`` and ``commit`` of a record that is made now, on ``device``."""
    versions = {"python": platform.python_version()}
    versions |= {name: version(name) for name in ("torch", "scikit-learn", "i2pmae")}
    return {"machine": machine_name(device), "versions": versions, "commit": source_commit()}


def machine_name(device: torch.device | None = None) -> str:
    """The name of the GPU, or the system and the number of CPU threads in use."""
    if device is not None and device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.system()} {platform.machine()}, {torch.get_num_threads()} CPU threads"


@functools.cache
def source_commit(package: Path = PACKAGE) -> str | None:
    """The commit of the git work tree that ``package`` is the source of, with "+changes" where ``src`` was edited.

    ``None`` for an installed package, outside git, or without it. Read once in a process: what runs is what was there.
    """
    root = package.parents[1]
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
        if package != root / "src" / "i2pmae" or project["project"]["name"] != "i2pmae":
            return None
        top, commit = _git(root, "rev-parse", "--show-toplevel", "HEAD").splitlines()
        if Path(top).resolve() != root.resolve():
            return None
        changed = _git(root, "status", "--porcelain", "--", "src", "pyproject.toml")
    except (OSError, ValueError, KeyError, TypeError, subprocess.SubprocessError):
        return None
    return commit + ("+changes" if changed.strip() else "")


def _git(folder: Path, *arguments: str) -> str:
    """What git prints, whatever repository the caller's environment points to."""
    elsewhere = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
    environment = {name: value for name, value in os.environ.items() if name not in elsewhere}
    command = ["git", "--no-optional-locks", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=True, timeout=PATIENCE
    ).stdout
