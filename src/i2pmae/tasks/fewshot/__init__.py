"""Few-shot classification: the mean over folds that have a few clouds of a few classes each (I2P-MAE §4.2)."""

from pathlib import Path
from typing import TYPE_CHECKING

from i2pmae.tasks.base import Material, Recipes, TaskSpec, Trained
from i2pmae.tasks.config import TaskRunConfig
from i2pmae.tasks.fewshot.config import FewShotConfig

if TYPE_CHECKING:
    from i2pmae.tasks.start import Say, Setup

__all__ = ["FEWSHOT"]


class _FewShot(TaskSpec):
    """It has no clouds to choose an epoch by, and stores no model: every fold has its own."""

    title = "Few-shot classification"
    Config = FewShotConfig

    @property
    def recipes(self) -> Recipes:
        """Own data and the published folds of ModelNet40."""
        from i2pmae.tasks.fewshot.recipes import RECIPES

        return RECIPES

    def open(self, config: TaskRunConfig, say: "Say", shown: bool) -> Material:
        """The folds, drawn or published."""
        from i2pmae.tasks.fewshot.task import open_tasks

        return open_tasks(config, say, shown)

    def train_and_test(self, setup: "Setup", material: Material, folder: Path, resume: bool) -> Trained:
        """The score over the folds; those that are done stay as they are when a run is resumed."""
        from i2pmae.tasks.fewshot.task import score

        return Trained(score(setup, material.parts, folder, resume))


FEWSHOT = _FewShot()
