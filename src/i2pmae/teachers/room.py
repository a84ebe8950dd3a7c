"""What teachers said of clouds, as entries of one folder: which there are, and which make room for more."""

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

from i2pmae.common.errors import I2PError, UsageError
from i2pmae.common.files import write_text
from i2pmae.common.locks import lock
from i2pmae.teachers.shelf import KEYS, counts, remove_shard

__all__ = ["MAPS_FOLDER", "KeptEntry", "begin_entry", "clear_kept", "list_kept", "make_room", "mark_used"]

MAPS_FOLDER = "teacher-maps"
"""Where the entries are, within a cache folder."""
ABOUT = "about.json"
"""Names an entry."""
GIB = 2**30


class KeptEntry(NamedTuple):
    """What one teacher said of clouds."""

    path: Path
    """Its folder."""
    size: int
    """In bytes."""
    used: datetime
    """When it was opened last."""
    sources: tuple[str, ...]
    """What it is called."""
    kind: str = "teacher"
    """What it is, beside what else is in a cache."""


def begin_entry(folder: Path, called: str) -> None:
    """Make the folder of an entry private to the user, with the name that lists give it."""
    with contextlib.suppress(OSError):
        folder.chmod(0o700)
    write_text(folder / ABOUT, json.dumps({"called": called}) + "\n")


def mark_used(folder: Path) -> None:
    """Note that the entry was opened now; where that is not allowed, as in a cache of somebody else, it stays."""
    with contextlib.suppress(OSError):
        os.utime(folder / ABOUT)


def list_kept(cache: Path) -> list[KeptEntry]:
    """The entries of a cache folder, the last used first; :class:`I2PError` where it cannot be looked at."""
    place = cache / MAPS_FOLDER
    try:
        folders = [folder for folder in place.iterdir() if folder.is_dir() and not folder.is_symlink()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise I2PError(f"Cannot read the cache {place}: {error.strerror or error}.") from None
    found = [entry for folder in folders if (entry := _entry(folder)) is not None]
    return sorted(found, key=lambda entry: (entry.used, entry.path.name), reverse=True)


def clear_kept(cache: Path, older_than: timedelta | None = None, match: str | None = None) -> list[KeptEntry]:
    """Remove entries that were not used for so long, and whose name holds the text; what was removed comes back.

    What is being made stays; who has opened an entry keeps it. :class:`I2PError` where a folder cannot be removed.
    """
    now, removed = datetime.now(UTC), []
    for entry in list_kept(cache):
        named = match is None or any(match in text for text in (entry.path.name, *entry.sources))
        if (older_than is None or now - entry.used >= older_than) and named and _removed(entry.path):
            removed.append(entry)
    return removed


def make_room(folder: Path, size: int, limit: float, needed: Iterable[Path] = ()) -> None:
    """Remove what was not used for longest, until ``size`` bytes more can be in ``folder``, beside what is there,
    within ``limit`` GiB for all entries.

    Of ``folder``, which is the caller's alone, all shards but those that are ``needed`` may go, of others the whole,
    unless it is being made. :class:`UsageError` where that is not enough.
    """
    entries = list_kept(folder.parent.parent)
    free = limit * GIB - size - sum(entry.size for entry in entries)
    others = [entry for entry in entries if entry.path != folder]
    for room in sorted([*_entries(others), *_shards(folder, set(needed))], key=lambda room: room.used):
        if free >= 0:
            return
        free += room.made()
    if free < 0:
        own = sum(path.stat().st_size for path in needed)
        raise UsageError(
            f"What the teacher says of these clouds takes {(size + own) / GIB:.2f} GiB, and --cache-size allows "
            f"{limit:g} GiB for all that is in {folder.parent}. Allow more, or train without cache_teacher."
        )


class _Room(NamedTuple):
    """What may go."""

    used: float
    """When it was used last, in seconds since 1970."""
    made: Callable[[], int]
    """Removes it, and returns how many bytes that made free."""


def _entries(entries: Iterable[KeptEntry]) -> Iterator[_Room]:
    def made(entry: KeptEntry) -> int:
        return entry.size if _removed(entry.path) else 0

    for entry in entries:
        yield _Room(entry.used.timestamp(), partial(made, entry))


def _shards(folder: Path, needed: set[Path]) -> Iterator[_Room]:
    def made(path: Path, size: int) -> int:
        remove_shard(path)
        return size

    for path in set(folder.glob("*.npy")) - needed:
        keys = path.with_suffix(KEYS)
        if keys.exists():
            size = path.stat().st_size + keys.stat().st_size
            yield _Room(keys.stat().st_mtime, partial(made, path, size))


def _removed(folder: Path) -> bool:
    """Remove an entry, unless it is being made."""
    try:
        with lock(folder / ".lock", blocking=False, what=f"the teacher's maps in {folder}"):
            shutil.rmtree(folder)
    except UsageError:
        return False
    except FileNotFoundError:  # somebody else was faster
        return False
    except OSError as error:
        raise I2PError(f"Cannot remove {folder}: {error.strerror or error}.") from error
    return True


def _entry(folder: Path) -> KeptEntry | None:
    """What is in a folder; None where it is gone by now, or holds something else."""
    try:
        files = {item.name: item.stat() for item in folder.iterdir()}
        called = json.loads((folder / ABOUT).read_text(encoding="utf-8"))["called"] if ABOUT in files else ""
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if not any(name.endswith((".npy", ".npy.part")) for name in files):
        return None
    clouds = max(counts(folder).values(), default=0)
    used = files[ABOUT].st_mtime if ABOUT in files else max(status.st_mtime for status in files.values())
    size = sum(status.st_size for status in files.values())
    sources = (f"{called} of {clouds} clouds",) if called else ()
    return KeptEntry(folder, size, datetime.fromtimestamp(used, UTC), sources)
