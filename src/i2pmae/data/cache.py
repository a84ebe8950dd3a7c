"""The one form of clouds on disk, for what was read once: memory-mapped on opening, written by appending.

A folder holds ``points.npy``, ``part_labels.npy`` where points have parts, ``clouds.parquet`` (id, label, split),
``bad_files.csv`` and ``set.json`` (classes, parts, where it came from, size and checksum of each file), and is put into
place when it is whole.
"""

import contextlib
import csv
import hashlib
import io
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from i2pmae.common.errors import DataError, I2PError
from i2pmae.common.files import write_text
from i2pmae.data.paths import cache_folder, portable, printable

__all__ = [
    "BAD_FILES",
    "CLOUDS",
    "PARTS",
    "POINTS",
    "SUMMARY",
    "CacheEntry",
    "Stored",
    "cache_key",
    "checksums",
    "clear_caches",
    "damage",
    "list_caches",
    "make_private",
    "open_cache",
    "read_bad_files",
    "read_stored",
    "read_summary",
    "write_bad_files",
]

FORMAT = 2
"""Part of every key: raise it when the form of what is stored changes."""
READING = 2
"""Part of every key: raise it when the same files are read as other clouds."""
POINTS = "points.npy"
PARTS = "part_labels.npy"
CLOUDS = "clouds.parquet"
SUMMARY = "set.json"
BAD_FILES = "bad_files.csv"
ABANDONED = 3600
"""Seconds without a write after which an unfinished set that has no lock is taken for dead."""
FILES = (POINTS, PARTS, CLOUDS, BAD_FILES)


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


class Stored(NamedTuple):
    """What a folder holds."""

    points: np.ndarray
    part_labels: np.ndarray | None
    columns: dict[str, list[Any]]
    summary: dict[str, Any]


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
    if damage(folder):
        return None
    with contextlib.suppress(OSError):  # a folder of somebody else
        os.utime(folder)
    try:
        return read_stored(folder)
    except OSError:  # removed since, when caches are cleared
        return None


def read_stored(folder: Path) -> Stored:
    """The clouds of a folder without :func:`damage`, points and part labels memory-mapped.

    The map is copy-on-write: it costs no memory until written to, and what is written never reaches the file.
    """
    import pyarrow.parquet

    parts = folder / PARTS
    return Stored(
        np.load(folder / POINTS, mmap_mode="c", allow_pickle=False),
        np.load(parts, mmap_mode="c", allow_pickle=False) if parts.is_file() else None,
        pyarrow.parquet.read_table(folder / CLOUDS).to_pydict(),
        read_summary(folder),
    )


def damage(folder: Path, fully: bool = False) -> list[str]:
    """What is wrong with a stored set, one sentence each: by sizes and headers, or ``fully``, by checksums too."""
    try:
        summary = read_summary(folder)
    except OSError as error:
        return [f"{SUMMARY} cannot be read: {error.strerror or error}"]
    except ValueError as error:
        return [str(error)]
    files, clouds = summary["files"], summary["clouds"]
    found = [reason for name, facts in files.items() if (reason := _difference(folder / name, facts, fully))]
    if not found:
        try:
            stored = read_stored(folder)
            counts = {len(stored.points), len(stored.columns["id"]), clouds}
            if stored.points.shape[1:] != (summary["points"], 3):
                found.append(f"{POINTS} is of shape {stored.points.shape}; {SUMMARY} says {summary['points']} points")
            if len(counts) > 1 or (stored.part_labels is not None and len(stored.part_labels) != clouds):
                found.append(f"its files hold different numbers of clouds; {SUMMARY} says {clouds}")
        except Exception as error:  # A damaged file makes the parsers of libraries fail in every possible way.
            found.append(f"its files cannot be read: {str(error) or type(error).__name__}")
    return found


def read_summary(folder: Path) -> dict[str, Any]:
    """What ``set.json`` says, with all that belongs there; :class:`ValueError` gives the reason where it does not."""
    try:
        summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise ValueError(f"{SUMMARY} is damaged") from None
    if not isinstance(summary, dict):
        raise ValueError(f"{SUMMARY} is damaged")
    if summary.get("format", FORMAT) != FORMAT:
        raise ValueError(f"{SUMMARY} is of format {summary['format']}; this version reads format {FORMAT}")
    summary = {"up_in_files": "y", "sources": []} | summary  # earlier versions did not note these
    wrong = [name for name, fits in SUMMARY_FIELDS.items() if not (name in summary and fits(summary[name]))]
    if wrong:
        raise ValueError(f"{SUMMARY} is damaged: {', '.join(wrong)} missing or of another form")
    return summary


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _is_files(value: object) -> bool:
    if not isinstance(value, dict) or not value.keys() <= set(FILES):
        return False
    return all(isinstance(facts, dict) and {"bytes", "blake2b"} <= facts.keys() for facts in value.values())


SUMMARY_FIELDS: dict[str, Callable[[Any], bool]] = {
    "format": _is_count,
    "name": lambda value: isinstance(value, str),
    "clouds": _is_count,
    "points": _is_count,
    "bad": _is_count,
    "classes": lambda value: value is None or _is_names(value),
    "parts": lambda value: value is None or _is_names(value),
    "tally": lambda value: isinstance(value, dict) and all(map(_is_count, value.values())),
    "notes": _is_names,
    "files": _is_files,
    "sources": _is_names,
    "up_in_files": lambda value: value in ("x", "y", "z"),
}
"""What ``set.json`` must hold, and what tells whether each fits."""


def _difference(path: Path, facts: dict[str, Any], fully: bool) -> str | None:
    try:
        size = path.stat().st_size
        if size != facts["bytes"]:
            return f"{path.name} has {size} bytes; {SUMMARY} says {facts['bytes']}"
        if fully and _checksum(path) != facts["blake2b"]:
            return f"{path.name} has another content than {SUMMARY} says (checksum)"
    except OSError as error:
        return f"{path.name} cannot be read: {error.strerror or error}"
    return None


def checksums(folder: Path, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Size and checksum of files in ``folder``, as ``set.json`` keeps them."""
    return {
        name: {"bytes": (folder / name).stat().st_size, "blake2b": _checksum(folder / name)}
        for name in names
        if (folder / name).is_file()
    }


def _checksum(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, lambda: hashlib.blake2b(digest_size=20)).hexdigest()


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
    occur. Nothing but what this software wrote is touched, no set that is being read, and processes that have opened a
    cache keep their clouds. What is removed is read anew when it is wanted. :class:`I2PError` where a folder cannot be
    removed.
    """
    now, removed = datetime.now(UTC), []
    for entry in list_caches(root):
        recent = older_than is not None and now - entry.used < older_than
        named = match is None or any(match in text for text in (entry.path.name, *entry.sources))
        if entry.kind == "other" or recent or not named or (entry.kind == "unfinished" and in_progress(entry.path)):
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
    elif SUMMARY in files and CLOUDS in files:
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
