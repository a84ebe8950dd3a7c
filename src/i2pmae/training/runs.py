"""Run folders: one run each, by one process at a time, with the configuration that made it."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from i2pmae.common.config import Config
from i2pmae.common.errors import I2PError, UsageError
from i2pmae.training.checkpoint import checkpoint_path
from i2pmae.training.config import STAGE_ONE_FOLDER, PretrainConfig

try:
    import fcntl
except ImportError:  # Windows: no locks there
    fcntl = None  # type: ignore[assignment]

__all__ = ["CONFIG_FILE", "MAY_DIFFER", "RunFolder", "prepare_run_folder", "stored_config"]

CONFIG_FILE = "config.yaml"
LOCK_FILE = ".lock"
OWN_FILES = (LOCK_FILE, "cache")
"""What may lie in a folder that counts as empty."""
MAY_DIFFER = ("output", "device", "clouds.workers", "clouds.cache", "checkpoint_minutes", "probe", "report")
"""Fields of a configuration that do not change the weights a run ends in."""

_held: dict[Path, TextIO] = {}
"""Locks of this process: the operating system's locks are between processes only."""


@dataclass(frozen=True)
class RunFolder:
    """A run folder that belongs to this process."""

    path: Path
    """The folder."""
    resumed: bool
    """Whether an earlier start of the same run is there to go on from."""
    note: str | None
    """What the user should know, if anything."""


def stored_config(folder: Path, kind: type[Config] = PretrainConfig) -> Any:
    """The configuration of the run in ``folder``; ``None`` where there is none."""
    path = Path(folder) / CONFIG_FILE
    return kind.load(path) if path.exists() else None


@contextlib.contextmanager
def prepare_run_folder(folder: Path, config: Config, resume: bool) -> Iterator[RunFolder]:
    """A block in which ``folder`` is this run's own, with ``config`` stored in it.

    A new or empty folder is taken, and so is one where a run ended before its first checkpoint. :class:`UsageError`
    refuses a folder that holds another run, other files, a run with another configuration (naming the fields), or one
    that another process is working on. Another process may take the folder when the block ends or this process dies.
    """
    folder = Path(folder)
    _check_content(folder, config, resume)
    with _lock(folder):
        _check_content(folder, config, resume)  # again: another process may have been here until now
        stored = stored_config(folder, type(config)) if _started(folder) else None
        if stored is None:
            config.save(folder / CONFIG_FILE)
            note = f"Nothing to resume in {folder}: starting from the beginning." if resume else None
        else:
            _check_same(folder, stored, config)
            note = None
        yield RunFolder(folder, resumed=stored is not None, note=note)


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


def _check_content(folder: Path, config: Config, resume: bool) -> None:
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


def _check_same(folder: Path, stored: Config, config: Config) -> None:
    before, now = _flat(stored.model_dump(mode="json")), _flat(config.model_dump(mode="json"))
    differing = [
        f"  {name}: {before.get(name)!r} in the folder, {now.get(name)!r} now"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name) and name not in MAY_DIFFER
    ]
    if differing:
        raise UsageError(
            f"The run in {folder} was made with another configuration:\n" + "\n".join(differing) + "\n"
            f"Resume it as it was (--config {folder / CONFIG_FILE} --resume), or choose another folder with --output."
        )


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Hold the folder's lock: of the operating system, so it ends with the process, however that dies."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder.resolve() / LOCK_FILE
        if path in _held:
            raise UsageError(f"This process ({os.getpid()}) is already working on a run in {folder}.")
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise I2PError(f"Cannot use the output folder {folder}: {error.strerror}. Choose another one.") from error
    with file:
        _take(file, folder)
        _held[path] = file
        try:
            yield
        finally:
            del _held[path]  # the file stays: were it removed, two processes could each lock one of that name


def _take(file: TextIO, folder: Path) -> None:
    if fcntl is not None:
        try:
            # Record locks: unlike those of flock, worker processes do not inherit them and so cannot outlive the run.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            file.seek(0)
            raise UsageError(
                f"Process {file.read().strip() or '(unknown)'} is working on the run in {folder}. "
                "Wait for it, stop it, or choose another folder with --output."
            ) from None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
