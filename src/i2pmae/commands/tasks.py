"""What the commands of downstream tasks share, those of tasks from outside the package too."""

from collections.abc import Mapping, Sequence
from typing import Any

import i2pmae.methods  # noqa: F401  (makes known the encoders that a task can start from)
from i2pmae.common.errors import UsageError, pick
from i2pmae.runs.record import RunRecord
from i2pmae.tasks import TASKS
from i2pmae.tasks.config import TaskRunConfig
from i2pmae.tasks.run import run
from i2pmae.training.hooks.base import Hook, check_callbacks

__all__ = ["run_task"]


def run_task(
    task: str,
    config: TaskRunConfig | None = None,
    changes: Mapping[str, Any] | None = None,
    *,
    resume: bool = False,
    shown: bool = True,
    callbacks: Sequence[Hook] = (),
) -> RunRecord:
    """The record of a run of the task of that name, with ``changes`` as
    :meth:`~i2pmae.common.config.Config.changed` takes them.

    Where no configuration is given, it is the recipe ``own``, from the weights in the package unless the changes say
    what it starts from (``checkpoint``, ``model``).

    :class:`UsageError` for an unknown task and for a configuration of another one; else as :func:`i2pmae.finetune`.
    """
    spec, hooks = pick("task", task, TASKS), check_callbacks(callbacks)
    if config is None:
        config = pick("recipe", "own", spec.recipes)().from_default(changes or {})
    if not isinstance(config, TaskRunConfig):
        raise UsageError(f"{task} takes a configuration of a downstream task, got a {type(config).__name__}.")
    if config.task.name != task:
        raise UsageError(f"This is a configuration of {config.task.name}, not of {task}: run it as that task.")
    return run(spec, config.changed(changes), resume=resume, shown=shown, callbacks=hooks)
