"""What fine-tuning for classification has for itself."""

from typing import Literal

import tyro

from i2pmae.tasks.classifier.config import ClassifierHead
from i2pmae.tasks.config import TASK_CONFIGS, ValidatedTask

__all__ = ["ClassificationConfig"]


@TASK_CONFIGS.add
class ClassificationConfig(ClassifierHead, ValidatedTask):
    """Fine-tuning of an encoder for classification."""

    name: tyro.conf.Suppress[Literal["finetune"]] = "finetune"
    """The task."""
