"""What a downstream task is to the rest: one spec, in one folder, on one list."""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from i2pmae.tasks.config import TaskConfig, TaskRunConfig
from i2pmae.weights.kinds import ModelKind

if TYPE_CHECKING:
    from i2pmae.data.clouds import CloudSet
    from i2pmae.evaluation.splits import Splits
    from i2pmae.runs.record import RunRecord
    from i2pmae.tasks.start import Say, Setup
    from i2pmae.tasks.supervised import SupervisedTask
    from i2pmae.viz.parts import PartPicture
    from i2pmae.weights.released.spec import ReleasedHead

__all__ = ["Material", "Recipes", "TaskSpec", "Tested", "Trained", "ValidatedSpec", "made_by"]

Recipes = Mapping[str, Callable[[], TaskRunConfig]]


def made_by(module: str, name: str) -> Callable[..., Any]:
    """What calls a class by name, whose module is imported on the first call: for a spec that must not wait for it."""

    def make(*arguments: Any) -> Any:
        """An instance of the class."""
        return getattr(importlib.import_module(module), name)(*arguments)

    return make


@dataclass(frozen=True)
class Material:
    """The clouds of a run, as its task wants them."""

    parts: Any
    """What is trained and tested on: the splits, or the folds."""
    training: int
    """Clouds of one training, from which its length is chosen."""
    told: str
    """What it is, in words."""


@dataclass(frozen=True)
class Tested:
    """What the one test of a trained model found."""

    fields: Mapping[str, Any]
    """Fields of the record: ``scores``, ``per_class``, ``classes``, ``chance``, …"""
    protocol: Sequence[str] = ()
    """Sentences on how it was scored."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """Figures of the record beside those of the training."""
    pictures: Sequence["PartPicture"] = ()
    """Test clouds to be drawn."""


@dataclass(frozen=True)
class Trained:
    """What one training, and the test after it, ended in."""

    record: "RunRecord"
    """What was found."""
    curves: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    """Losses and figures by title: steps and values."""
    pictures: Sequence["PartPicture"] = ()
    """Test clouds to be drawn."""
    finish: Callable[[], object] = lambda: None
    """Called when all else is stored: removes what only an unfinished run needs."""


class TaskSpec(ABC):
    """A downstream task. Its folder holds all that is its own; nothing outside it asks which task it is.

    Importing a spec must not import PyTorch: help texts and configurations are made from it. So its functions import
    what they need.
    """

    title: ClassVar[str]
    """Its name in prose."""
    Config: ClassVar[type[TaskConfig]]
    """What only this task has. The default of its field ``name`` is the task's name."""
    kind: ClassVar[ModelKind | None] = None
    """The models that it stores; absent where it stores none."""
    predicts: ClassVar[str] = ""
    """What `predict` makes with such a model, in words."""

    @property
    def name(self) -> str:
        """The task's name in configurations and records: that of its command."""
        return str(self.Config.model_fields["name"].default)

    @property
    @abstractmethod
    def recipes(self) -> Recipes:
        """Its named configurations; the docstring of each states data, hardware, time and the number to expect."""

    @property
    def released(self) -> "ReleasedHead | None":
        """Names and settings of its head in the files that authors of methods released, where there are any."""
        return None

    @abstractmethod
    def open(self, config: TaskRunConfig, say: "Say", shown: bool) -> Material:
        """The clouds of a run; :class:`DataError` where the task cannot use them."""

    @abstractmethod
    def train_and_test(self, setup: "Setup", material: Material, folder: Path, resume: bool) -> Trained:
        """What comes out, with the stored model and other files in ``folder``; called once more for a twin."""

    def draw(self, folder: Path, trained: Trained) -> None:
        """Write the pictures of what was found; by default there are none."""
        del folder, trained


class ValidatedSpec(TaskSpec):
    """A task that is trained once, whose epoch is chosen on held-out clouds and whose test clouds are scored once."""

    primary: ClassVar[str]
    """The score by which the epoch is chosen and that a record leads with."""

    work: ClassVar[str]
    """The module whose functions ``split``, ``build``, ``measure`` and ``test`` are the four below: it imports PyTorch,
    the spec must not. A spec that has them itself names none."""

    def split(self, clouds: "CloudSet", config: TaskRunConfig) -> "Splits":
        """The clouds to train on, to choose by and to test on; :class:`DataError` where there are none such."""
        return self._work.split(clouds, config)

    def build(self, setup: "Setup", splits: "Splits", seed: int) -> "SupervisedTask[Any]":
        """The model with the initial weights that follow from ``seed``, and its losses."""
        return self._work.build(setup, splits, seed)

    def measure(self, task: "SupervisedTask[Any]", clouds: "CloudSet") -> tuple[float, float]:
        """The primary score and the loss of the model as it is, by which its epoch is chosen."""
        return self._work.measure(task, clouds)

    def test(self, task: "SupervisedTask[Any]", splits: "Splits", setup: "Setup") -> Tested:
        """The one test of the chosen weights."""
        return self._work.test(task, splits, setup)

    @property
    def _work(self) -> Any:
        return importlib.import_module(self.work)

    def open(self, config: TaskRunConfig, say: "Say", shown: bool) -> Material:
        """The labelled clouds that the configuration names, in three splits."""
        from i2pmae.tasks.start import open_labelled

        splits = self.split(open_labelled(config, say, shown), config)
        counts = (
            f"{len(splits.train)} clouds to train, {len(splits.validation)} to validate, {len(splits.test)} to test"
        )
        return Material(splits, len(splits.train), counts)

    def train_and_test(self, setup: "Setup", material: Material, folder: Path, resume: bool) -> Trained:
        """The test with the weights of the best epoch, which are stored in ``folder``."""
        from i2pmae.tasks.validated import train_and_test

        return train_and_test(self, setup, material.parts, folder, resume)
