"""What was read once and is kept in the user's cache, each set in a folder of the one form of clouds on disk."""

import contextlib
import csv
import hashlib
import io
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

from i2pmae.common.errors import DataError, I2PError
from i2pmae.common.files import write_text
from i2pmae.data.paths import cache_folder, portable, printable
from i2pmae.data.store.locking import in_use
from i2pmae.data.store.stored import Stored, checked
from i2pmae.data.store.summary import BAD_FILES, FORMAT, INDEX, OLD_INDEX, SUMMARY, read_summary

__all__ = [
    "CacheEntry",
    "cache_key",
    "clear_caches",
    "list_caches",
    "make_private",
    "open_cache",
    "read_bad_files",
    "write_bad_files",
]

READING = 2
"""Part of every key: raise it when the same files are read as other clouds."""
ABANDONED = 3600
"""Seconds without a write after which an unfinished set that has no lock is taken for dead."""


class CacheEntry(NamedTuple):
    """One folder of the cache."""

    path: Path
    kind: Literal["clouds", "unfinished", "unusable", "other"]
    """``clouds`` that were read; an ``unfinished`` set, which is being read or was given up; the list of files of a set
    that was ``unusable``; or anything ``other``."""
    size: int
    """Bytes on disk."""
    used: datetime
    """When it was opened last, or written."""
    sources: tuple[str, ...]
    """What it was read from: the name of the set, then its folder or files where that is known."""


def cache_key(name: str, facts: Iterator[str]) -> str:
    """A folder name that follows from everything the content depends on."""
    digest = hashlib.blake2b(f"format {FORMAT} reading {READING}\n".encode(), digest_size=10)
    for fact in facts:
        digest.update(fact.encode("utf-8", "surrogateescape") + b"\n")
    readable = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)[:40].strip(".")
    return f"{readable or 'clouds'}-{digest.hexdigest()}"


def open_cache(folder: Path) -> Stored | None:
    """The clouds stored in ``folder``, or None where there are none, or not whole: then they are read anew.

    The folder's time is set to now, by which :func:`list_caches` knows when it was used.
    """
    stored, _ = checked(folder)
    if stored is not None:
        with contextlib.suppress(OSError):  # a folder of somebody else
            os.utime(folder)
    return stored


def write_bad_files(folder: Path, bad: Sequence[tuple[str, str]]) -> Path:
    """Write the list of what could not be used, with reasons; its path comes back.

    Names and reasons are on one line each, control characters and what is no UTF-8 written out.
    """
    text = io.StringIO()
    rows = [(printable(portable(name)), printable(portable(reason))) for name, reason in bad]
    csv.writer(text, lineterminator="\n").writerows([("path", "reason"), *rows])
    write_text(folder / BAD_FILES, text.getvalue())
    return folder / BAD_FILES


def read_bad_files(folder: Path) -> list[tuple[str, str]]:
    """The list that :func:`write_bad_files` wrote."""
    with (folder / BAD_FILES).open(encoding="utf-8", newline="") as source:
        return [(row[0], row[1]) for row in list(csv.reader(source))[1:]]


def list_caches(root: Path | None = None) -> list[CacheEntry]:
    """What is in the cache folder ``root`` (:func:`cache_folder` unless told otherwise), the last used first.

    :class:`DataError` where it cannot be looked at; a folder that is not there holds nothing.
    """
    place = cache_folder() if root is None else Path(root)
    try:
        folders = [item for item in place.iterdir() if item.is_dir() and not item.is_symlink()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DataError(f"Cannot read the cache {place}: {error.strerror or error}.") from None
    found = [entry for folder in folders if (entry := _entry(folder)) is not None]
    return sorted(found, key=lambda entry: (entry.used, entry.path.name), reverse=True)


def clear_caches(
    older_than: timedelta | None = None, match: str | None = None, root: Path | None = None
) -> list[CacheEntry]:
    """Remove caches; what was removed comes back, as :func:`list_caches` gives it.

    Those used in the last ``older_than`` stay, and those in whose folder name and sources the text ``match`` does not
    occur. Nothing but what this software wrote is touched, no set that is being read, and none that a process has open.
    What is removed is read anew when it is wanted. :class:`I2PError` where a folder cannot be
    removed.
    """
    now, removed = datetime.now(UTC), []
    for entry in list_caches(root):
        recent = older_than is not None and now - entry.used < older_than
        named = match is None or any(match in text for text in (entry.path.name, *entry.sources))
        if entry.kind == "other" or recent or not named or (entry.kind == "unfinished" and in_progress(entry.path)):
            continue
        if entry.kind == "clouds" and in_use(entry.path / SUMMARY):
            continue
        gone = entry.path
        try:
            if entry.kind != "unfinished":  # First out of sight, so that nobody opens half of it.
                gone = entry.path.with_name(f".{entry.path.name}.{os.getpid()}.part")
                entry.path.rename(gone)
            shutil.rmtree(gone)
        except FileNotFoundError:  # somebody else was faster
            continue
        except OSError as error:
            raise I2PError(f"Cannot remove {entry.path}: {error.strerror or error}.") from error
        removed.append(entry)
    return removed


def in_progress(part: Path) -> bool:
    """Whether an unfinished set may still be written to: it has a lock, or was written to within the last hour."""
    locks = (part.with_name(f"{part.name}.lock"), part / "lock")
    if any(lock.exists() for lock in locks):
        return True
    try:
        newest = max((item.stat().st_mtime for item in part.iterdir()), default=part.stat().st_mtime)
    except OSError:
        return True
    return time.time() - newest <= ABANDONED


def _entry(folder: Path) -> CacheEntry | None:
    """What a folder of the cache is; None where it is gone by now."""
    try:
        files = {item.name: item.stat() for item in folder.iterdir()}
        used = max([folder.stat().st_mtime, *(status.st_mtime for status in files.values())])
    except OSError:
        return None
    size = sum(status.st_size for status in files.values())
    sources: tuple[str, ...] = ()
    kind: Literal["clouds", "unfinished", "unusable", "other"] = "other"
    if folder.name.startswith(".") and folder.suffix == ".part":
        kind = "unfinished"
    elif files.keys() == {BAD_FILES}:
        kind = "unusable"
    elif SUMMARY in files and not files.keys().isdisjoint((INDEX, OLD_INDEX)):
        kind = "clouds"
        with contextlib.suppress(OSError, ValueError):
            summary = read_summary(folder)
            sources = (summary["name"], *summary["sources"])
    return CacheEntry(folder, kind, size, datetime.fromtimestamp(used, UTC), sources)


def make_private(folder: Path) -> None:
    """Let nobody but the owner look into a folder of the cache and its files; what is refused stays as it is."""
    for item in [folder, *folder.iterdir()]:
        with contextlib.suppress(OSError):
            item.chmod(0o700 if item.is_dir() else 0o600)
