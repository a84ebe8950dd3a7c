"""Downstream tasks: one folder each, and the one list of them.

A new task is its own folder and one line below; one from outside the package is made known by :func:`register`.
"""

from collections.abc import Callable, Mapping

from i2pmae.common.errors import pick
from i2pmae.tasks.base import Recipes, TaskSpec
from i2pmae.tasks.classification import CLASSIFICATION
from i2pmae.tasks.config import TASK_CONFIGS
from i2pmae.tasks.fewshot import FEWSHOT
from i2pmae.tasks.segmentation import SEGMENTATION
from i2pmae.weights.kinds import add_kind

__all__ = ["TASKS", "TaskSpec", "recipe_tables", "recipes", "register"]

TASKS: dict[str, TaskSpec] = {}
"""Every task by name."""


def register(task: TaskSpec) -> None:
    """Make a task known: to configurations, recipes, stored weights and every command."""
    TASK_CONFIGS.add(task.Config)
    TASKS[task.name] = task
    if task.kind is not None:
        add_kind(task.kind)


for _task in (CLASSIFICATION, SEGMENTATION, FEWSHOT):
    register(_task)


def recipes(task: str) -> Recipes:
    """Every recipe of a task by name; :class:`UsageError` for an unknown task."""
    return pick("task", task, TASKS).recipes


def recipe_tables() -> Mapping[str, Callable[[], Recipes]]:
    """What gives the recipes of each task, by the task's name."""
    return {name: lambda name=name: TASKS[name].recipes for name in TASKS}  # type: ignore[misc]
