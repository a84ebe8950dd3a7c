"""What few-shot classification has for itself."""

from typing import Literal

import tyro
from pydantic import Field

from i2pmae.data.config import DataConfig
from i2pmae.tasks.classifier.config import ClassifierHead
from i2pmae.tasks.config import TASK_CONFIGS
from i2pmae.training.config import TrainingConfig

__all__ = ["FewShotConfig"]


@TASK_CONFIGS.add
class FewShotConfig(ClassifierHead):
    """Few-shot classification over several folds."""

    name: tyro.conf.Suppress[Literal["fewshot"]] = "fewshot"
    """The task."""
    mode: Literal["finetune", "linear"] = "finetune"
    """Train encoder and head on every fold, or an SVM on frozen features."""
    ways: int = Field(5, ge=2)
    """Classes of a fold."""
    shots: int = Field(10, ge=1)
    """Training clouds per class."""
    queries: int = Field(20, ge=1)
    """Test clouds per class."""
    folds: int = Field(10, ge=1)
    """Folds; of published ones, so many."""

    def check(self, data: DataConfig, training: TrainingConfig) -> None:
        """As for every task; of folds, no share is taken."""
        super().check(data, training)
        if data.fraction != 1:
            raise ValueError(f"a fold has as many clouds as shots and ways say: leave fraction {data.fraction:g} out")
