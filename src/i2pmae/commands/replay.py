"""``replay``: a step of a run once more, to see what went wrong in it."""

import shutil
from pathlib import Path

from i2pmae.commands.pretrain_opened import open_run
from i2pmae.commands.stored import command_of, run_config
from i2pmae.common.errors import UsageError
from i2pmae.common.files import near_folders
from i2pmae.methods.config import PretrainConfig
from i2pmae.runs.folder import CONFIG_FILE, prepare_run_folder
from i2pmae.tasks import TASKS
from i2pmae.tasks.base import ValidatedSpec
from i2pmae.tasks.config import TaskRunConfig
from i2pmae.tasks.run import TWIN_FOLDER, set_up
from i2pmae.tasks.start import speaker
from i2pmae.teachers.lessons import AnyTeacher
from i2pmae.training.replay import replay_step
from i2pmae.training.replayed import Replayed

__all__ = ["replay"]

KEPT = "cache"
"""Folder within a run for what its teacher said."""


def replay(
    run: str | Path,
    *,
    step: int | None = None,
    device: str | None = None,
    teacher: AnyTeacher | None = None,
    shown: bool = True,
) -> Replayed:
    """A step of a run, taken again from the state before it: which loss, which part of the model, which parameter's
    gradient and which clouds were the first that were not finite, and whether they are in double precision.

    A run that ends in a loss or gradient that is not finite leaves the state before that step in its folder. Other
    steps are reached from its last checkpoint or its initial weights, by taking those between again. The run stays as
    it is.

    >>> print(i2pmae.replay("runs/scans"))

    Args:
        run: the folder of a run of `pretrain`, `finetune` or `segment`, or that of its twin within it.
        step: the number of a step, from 1; the one that was not finite where absent.
        device: where to compute; as in the run where absent.
        teacher: the 2D model that the run was given, where it was one of your own.
        shown: whether progress is shown.

    Raises:
        UsageError: for a folder without a run, a step that the run does not have, or where no step failed and none is
            named. I2PError: for data or a checkpoint that cannot be read or has changed.
    """
    folder = Path(run)
    twin = folder.name == TWIN_FOLDER and not (folder / CONFIG_FILE).is_file()
    home = folder.parent if twin else folder
    if not (home / CONFIG_FILE).is_file():
        raise UsageError(f"There is no run in {folder}.{near_folders(folder, holding=CONFIG_FILE)}")
    config = run_config(home)
    if not isinstance(config, (PretrainConfig, TaskRunConfig)):
        raise UsageError(f"{folder} holds the runs of a comparison: name one of them, {home}/RECIPE/seed-N.")
    config = config.changed(output=home, **({} if device is None else {"device": device}))
    if isinstance(config, TaskRunConfig):
        return _of_task(config, folder, twin, step, shown)
    had = (home / KEPT).exists()
    with prepare_run_folder(home, config, resume=True) as own:
        opened = open_run(config, own, teacher, shown)
        try:
            return replay_step(opened.task, opened.learnt_from, opened.config.training, home, step, shown)
        finally:
            if not had:  # a run that is over has removed it
                shutil.rmtree(home / KEPT, ignore_errors=True)


def _of_task(config: TaskRunConfig, folder: Path, twin: bool, step: int | None, shown: bool) -> Replayed:
    spec = TASKS[config.task.name]
    if not isinstance(spec, ValidatedSpec):
        raise UsageError(
            f"{folder} is a run of {command_of(config)}, which trains a model for every fold: no step of it can be "
            "replayed. Repeat the fold by itself: i2pmae finetune on its clouds."
        )
    with prepare_run_folder(config.output.folder, config, resume=True):
        setup, material = set_up(spec, config, speaker(shown), shown)
        setup = setup.from_scratch() if twin else setup
        training = setup.config.training
        task = spec.build(setup, material.parts, training.seed)
        return replay_step(task, material.parts.train, training, folder, step, shown)
