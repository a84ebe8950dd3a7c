"""``fewshot``: the mean accuracy over folds with a few clouds of a few classes each."""

from typing import Any

from i2pmae.commands.tasks import run_task
from i2pmae.runs.record import RunRecord
from i2pmae.tasks.config import TaskRunConfig

__all__ = ["fewshot"]


def fewshot(
    config: TaskRunConfig | None = None, *, resume: bool = False, shown: bool = True, **changes: Any
) -> RunRecord:
    """The record of few-shot tasks: the mean test accuracy over the folds, with its deviation and its protocol. The run
    folder gets results.json, report.html and, in ``finetune`` mode, a folder with metrics.csv and results.json for each
    fold.

    A fold has no clouds to choose an epoch by: the weights are those after the last.

    >>> i2pmae.fewshot(checkpoint="runs/pretrain", data="folder_of_classes", ways=5, shots=10, mode="linear").score

    Args:
        config: the run; the recipe ``own`` of `fewshot` where absent.
        resume: go on with the run in the output folder; folds that are done stay as they are.
        shown: whether progress is shown, on standard error.
        changes: fields of the configuration by name, as :meth:`~i2pmae.common.config.Config.changed` takes them.

    Raises:
        UsageError, I2PError: as :func:`i2pmae.finetune`.
    """
    return run_task("fewshot", config, changes, resume=resume, shown=shown)
