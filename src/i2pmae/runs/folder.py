"""Run folders: one run each, by one process at a time, with the configuration that made it."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from i2pmae.common import ranks
from i2pmae.common.config import Config
from i2pmae.common.errors import TrainingInterrupted, UsageError
from i2pmae.common.files import near_folders
from i2pmae.common.locks import lock
from i2pmae.common.neutral import differences
from i2pmae.training.checkpoint import checkpoint_path

__all__ = ["CONFIG_FILE", "STAGE_ONE_FOLDER", "RunFolder", "prepare_run_folder", "stored_config"]

C = TypeVar("C", bound=Config)
CONFIG_FILE = "config.yaml"
LOCK_FILE = ".lock"
EVERY_RUN = {CONFIG_FILE, LOCK_FILE, "bad_files.csv"}
"""What a run writes before it has done anything: no loss where it fails."""
OWN_FILES = (LOCK_FILE, "cache")
"""What may lie in a folder that counts as empty."""
STAGE_ONE_FOLDER = "dvae"
"""Folder within a run of Point-BERT for the run that is its stage one."""


@dataclass(frozen=True)
class RunFolder:
    """A run folder that belongs to this process."""

    path: Path
    """The folder."""
    resumed: bool
    """Whether an earlier start of the same run is there to go on from."""
    note: str | None
    """What the user should know, if anything."""


def stored_config(folder: Path, kind: type[C]) -> C | None:
    """The configuration of the run in ``folder``; ``None`` where there is none."""
    path = Path(folder) / CONFIG_FILE
    return kind.load(path) if path.exists() else None


@contextlib.contextmanager
def prepare_run_folder(folder: Path, config: Config, resume: bool, *, may_start: bool = False) -> Iterator[RunFolder]:
    """A block in which ``folder`` is this run's own, with ``config`` stored in it.

    A new or empty folder is taken, and so is one where a run ended before its first checkpoint. With ``resume`` there
    must be a run in the folder, unless the block is part of a larger run and ``may_start``. :class:`UsageError` refuses
    a folder that holds another run, other files, a run with another configuration (naming the fields), one that another
    process is working on, and one without a run to resume, naming near ones. Another process may take the folder when
    the block ends or this process dies.

    A folder that was made here is removed when the block fails before it has written more than its configuration. Of
    several processes the main one takes the folder, for all.
    """
    with contextlib.ExitStack() as stack:
        yield ranks.on_main(lambda: stack.enter_context(_taken(Path(folder), config, resume, may_start)))


@contextlib.contextmanager
def _taken(folder: Path, config: Config, resume: bool, may_start: bool) -> Iterator[RunFolder]:
    """The same for the process that writes."""
    _check_content(folder, config, resume, may_start)
    made = _missing(folder)
    advice = "Wait for it, stop it, or choose another folder with --output."
    with lock(folder / LOCK_FILE, blocking=False, what=f"the run in {folder}", advice=advice):
        # Again, since another process may have been here until now. The lock is in the folder by now: it may start.
        _check_content(folder, config, resume, may_start=True)
        stored = stored_config(folder, type(config)) if _started(folder) else None
        try:
            if stored is None:
                config.save(folder / CONFIG_FILE)
                note = f"Nothing to resume in {folder}: starting from the beginning." if resume else None
            else:
                _check_same(folder, stored, config)
                note = None
            yield RunFolder(folder, resumed=stored is not None, note=note)
        except TrainingInterrupted:  # it says how to go on
            raise
        except (Exception, KeyboardInterrupt):
            _remove(made)
            raise


def _missing(folder: Path) -> list[Path]:
    """The folder and those above it that are not there yet, the innermost first."""
    return [place for place in (folder, *folder.parents) if not place.exists()]


def _remove(made: list[Path]) -> None:
    """Remove folders that were made by a run, if nothing but what every run begins with is in them."""
    if not made or {path.name for path in made[0].iterdir()} - EVERY_RUN:
        return
    with contextlib.suppress(OSError):  # something else came into one of them
        for name in EVERY_RUN:
            (made[0] / name).unlink(missing_ok=True)
        for place in made:
            place.rmdir()


def _started(folder: Path) -> bool:
    """Whether there is something to lose, and to go on from: in the folder, or in that of a run within it."""
    ends = ("model.safetensors", "results.json")
    return any(
        checkpoint_path(place).exists() or any((place / name).exists() for name in ends)
        for place in (folder, folder / STAGE_ONE_FOLDER, *folder.glob("fold-*"), *folder.glob("*/seed-*"))
    )


def _is_ours(folder: Path, kind: type[Config]) -> bool:
    """Whether a run wrote its configuration here; a config.yaml of something else is none."""
    try:
        return stored_config(folder, kind) is not None
    except UsageError:
        return False


def _check_content(folder: Path, config: Config, resume: bool, may_start: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"The output {folder} is a file. Choose a folder with --output.")
    present = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    started = CONFIG_FILE in present and _started(folder)
    if started and not resume:
        raise UsageError(
            f"{folder} holds another run. Go on with it by --resume, or choose another folder with --output."
        )
    foreign = [name for name in present if name not in OWN_FILES]
    if foreign and not started and not _is_ours(folder, type(config)):
        some = ", ".join(foreign[:5]) + (", ..." if len(foreign) > 5 else "")
        raise UsageError(
            f"{folder} holds files that are no run of this program ({some}). "
            "Choose a new or empty folder with --output."
        )
    if resume and not may_start and not {CONFIG_FILE, LOCK_FILE} & {*present}:
        raise UsageError(
            f"There is no run in {folder} to resume.{near_folders(folder, holding=CONFIG_FILE)} "
            "Leave out --resume to start one there."
        )


def _check_same(folder: Path, stored: Config, config: Config) -> None:
    differing = [
        f"  {name}: {before!r} in the folder, {now!r} now" for name, before, now in differences(stored, config)
    ]
    if differing:
        raise UsageError(
            f"The run in {folder} was made with another configuration:\n" + "\n".join(differing) + "\n"
            f"Resume it as it was (--config {folder / CONFIG_FILE} --resume), or choose another folder with --output."
        )
