"""Training: the task, the engine that fits it, run folders and configurations."""

from i2pmae.training.config import PretrainConfig
from i2pmae.training.engine import FitResult, fit
from i2pmae.training.history import History
from i2pmae.training.runs import prepare_run_folder
from i2pmae.training.settings import FitSettings
from i2pmae.training.task import Task

__all__ = ["FitResult", "FitSettings", "History", "PretrainConfig", "Task", "fit", "prepare_run_folder"]
