"""A run of a downstream task, from beginning to end, whichever task it is."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import JsonValue

from i2pmae.common import ranks
from i2pmae.common.devices import resolve_device, where_computed
from i2pmae.common.errors import CheckpointError
from i2pmae.runs.folder import RunFolder, prepare_run_folder
from i2pmae.runs.record import RESULTS_FILE, RunRecord
from i2pmae.tasks.base import Material, TaskSpec, Trained
from i2pmae.tasks.config import TaskRunConfig
from i2pmae.tasks.report import report_task
from i2pmae.tasks.start import Say, Setup, open_start, settle, speaker, with_axis
from i2pmae.training.hooks.base import Hook
from i2pmae.training.processes import joined
from i2pmae.weights.named import DEFAULT, default_weights, introduced, is_name

__all__ = ["TWIN_FOLDER", "run", "set_up", "stored_record"]

TWIN_FOLDER = "scratch"
"""Folder within a run for its twin, which starts from initial weights."""


def run(
    spec: TaskSpec,
    config: TaskRunConfig,
    *,
    resume: bool = False,
    shown: bool = True,
    callbacks: Sequence[Hook] = (),
) -> RunRecord:
    """The record of a run of the task, with that of its twin where there is one, and all that a run folder holds.

    Runs on the same machine with the same configuration end in the same weights, stopped and resumed or not. Raises the
    errors of reading data, loading a checkpoint and training: see :mod:`i2pmae.common.errors`.
    """
    say = speaker(shown)
    with (
        joined(config.training.device, config.training.devices),
        prepare_run_folder(config.output.folder, config, resume) as folder,
    ):
        finished = ranks.on_main(lambda: _finished(folder, say))
        if finished is not None:
            return finished
        setup, material = set_up(spec, config, say, shown)
        setup = replace(setup, hooks=callbacks)
        trained = spec.train_and_test(setup, material, folder.path, resume)
        record = trained.record
        if config.task.twin:
            say("The same from initial weights:")
            twin = spec.train_and_test(setup.from_scratch(), material, folder.path / TWIN_FOLDER, resume)
            record = record.with_twin(twin.record)
            twin.finish()
        ranks.on_main(lambda: _store(spec, config, folder.path, record, trained))
        trained.finish()  # last: a run that is stopped before goes on from what this removes
    return record


def _store(spec: TaskSpec, config: TaskRunConfig, folder: Path, record: RunRecord, trained: Trained) -> None:
    """Write the record of the run, its pictures and its report."""
    spec.draw(folder, trained)
    if config.output.report:
        report_task(folder, spec, config, record, trained)
    record.save(folder / RESULTS_FILE)


def stored_record(folder: Path) -> RunRecord | None:
    """The record in a folder; ``None`` where it is absent, cut off or edited, and to be made anew."""
    try:
        return RunRecord.load(folder)
    except CheckpointError:
        return None


def _finished(folder: RunFolder, say: Say) -> RunRecord | None:
    """The record of a run that came to its end in the folder; ``None`` where something is left to do."""
    if folder.note:
        say(folder.note)
    found = stored_record(folder.path) if folder.resumed else None
    if found is not None:
        say(f"The run in {folder.path} is finished.")
    return found


def set_up(spec: TaskSpec, config: TaskRunConfig, say: Say, shown: bool) -> tuple[Setup, Material]:
    """The task of a configuration and its clouds."""
    device = resolve_device(config.training.device)
    _tell_start(config.task.checkpoint, say)
    source = open_start(config.task)
    config, said = with_axis(config, source)
    if said:
        say(said)
    material = spec.open(config, say, shown)
    settled, chosen = settle(config, source, material.training)
    say(f"{material.told}; encoder {source.method}, {source.name}; {where_computed(device)}")
    if chosen:
        say("Chosen: " + ", ".join(f"{field} {_told(value)}" for field, value in chosen.items()))
    return Setup(settled, source, device, chosen, say, shown), material


def _tell_start(checkpoint: str | None, say: Say) -> None:
    """Say which weights a name stands for, and where there could have been some."""
    if checkpoint is not None and is_name(checkpoint):
        say(introduced(checkpoint))
    elif checkpoint is None and default_weights() is None:
        say(f"From initial weights: no checkpoint was named, and the weights {DEFAULT!r} are not in this package.")


def _told(value: JsonValue) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
