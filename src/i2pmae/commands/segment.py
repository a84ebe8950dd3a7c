"""``segment``: an encoder and clouds with a label for every point become a part segmenter."""

from collections.abc import Sequence
from typing import Any

from i2pmae.commands.tasks import run_task
from i2pmae.runs.record import RunRecord
from i2pmae.tasks.config import TaskRunConfig
from i2pmae.training.hooks.base import Hook

__all__ = ["segment"]


def segment(
    config: TaskRunConfig | None = None,
    *,
    resume: bool = False,
    shown: bool = True,
    callbacks: Sequence[Hook] = (),
    **changes: Any,
) -> RunRecord:
    """The record of a run of part segmentation: the test mIoU, with its protocol. The run folder gets weights (for
    ``predict``), full configuration, metrics.csv, validation.csv, results.json, parts.png and report.html.

    Categories of clouds are the set's classes. The weights are those of the epoch with the best instance mIoU on clouds
    held out from training; the test clouds are scored once, with these.

    >>> i2pmae.segment(i2pmae.recipe("tiny", "segment"), checkpoint="runs/pretrain", data="parts.npz").score

    Args:
        config: the run; the recipe ``own`` of `segment` where absent.
        resume: go on with the run in the output folder, as if it had never stopped.
        shown: whether progress is shown, on standard error.
        callbacks: objects of :class:`i2pmae.Hook`, told of every step and epoch, and of the end of the training; not of
            those of the twin.
        changes: fields of the configuration by name, as :meth:`~i2pmae.common.config.Config.changed` takes them;
            ``unseen_parts="leave-out"`` leaves test clouds out with parts that nobody can learn.

    Raises:
        UsageError, I2PError: as :func:`i2pmae.finetune`.
    """
    return run_task("segment", config, changes, resume=resume, shown=shown, callbacks=callbacks)
