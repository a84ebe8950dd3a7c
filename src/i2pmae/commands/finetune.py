"""``finetune``: an encoder and labelled clouds become a classifier."""

from collections.abc import Sequence
from typing import Any

from i2pmae.commands.tasks import run_task
from i2pmae.runs.record import RunRecord
from i2pmae.tasks.config import TaskRunConfig
from i2pmae.training.hooks.base import Hook

__all__ = ["finetune"]


def finetune(
    config: TaskRunConfig | None = None,
    *,
    resume: bool = False,
    shown: bool = True,
    callbacks: Sequence[Hook] = (),
    **changes: Any,
) -> RunRecord:
    """The record of a run of fine-tuning: the test accuracy, with its protocol. The run folder gets weights (for
    ``predict``), full configuration, metrics.csv, validation.csv, results.json, confusion.png and report.html.

    The weights are those of the epoch that is best on clouds held out from training; the test clouds are scored once,
    with these. Runs on the same machine with the same configuration end in the same weights, stopped and resumed or
    not.

    >>> i2pmae.finetune(checkpoint="runs/pretrain", data="folder_of_classes", up="z", output="runs/classes").accuracy

    Args:
        config: the run; the recipe ``own`` of `finetune` where absent.
        resume: go on with the run in the output folder, as if it had never stopped.
        shown: whether progress is shown, on standard error.
        callbacks: objects of :class:`i2pmae.Hook`, told of every step and epoch, and of the end of the training; not of
            those of the twin.
        changes: fields of the configuration by name, as :meth:`~i2pmae.common.config.Config.changed` takes them.

    Raises:
        UsageError: for a configuration that cannot be, one of another task, or an output folder that holds something
            else.
        I2PError: for data or a checkpoint that cannot be used, a loss that is not finite, a full disk: see
            :mod:`i2pmae.common.errors`.
    """
    return run_task("finetune", config, changes, resume=resume, shown=shown, callbacks=callbacks)
