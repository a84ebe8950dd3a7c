"""The one form of clouds on disk, for what was read once: memory-mapped on opening, written by appending.

A folder holds ``points.npy``, ``part_labels.npy`` where points have parts, ``clouds.parquet`` (id, label, split),
``bad_files.csv`` and ``set.json`` (classes, parts, where it came from, size and checksum of each file), and is put into
place when it is whole.
"""

import csv
import hashlib
import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from i2pmae.common.files import write_text

__all__ = [
    "BAD_FILES",
    "CLOUDS",
    "PARTS",
    "POINTS",
    "SUMMARY",
    "Stored",
    "cache_folder",
    "cache_key",
    "checksums",
    "damage",
    "open_cache",
    "read_bad_files",
    "read_stored",
    "write_bad_files",
]

FORMAT = 2
"""Part of every key: raise it when what is stored changes."""
POINTS = "points.npy"
PARTS = "part_labels.npy"
CLOUDS = "clouds.parquet"
SUMMARY = "set.json"
BAD_FILES = "bad_files.csv"


class Stored(NamedTuple):
    """What a folder holds."""

    points: np.ndarray
    part_labels: np.ndarray | None
    columns: dict[str, list[Any]]
    summary: dict[str, Any]


def cache_folder() -> Path:
    """Where caches live unless told otherwise: ``$I2PMAE_CACHE``, else ``i2pmae`` in the user's cache folder."""
    chosen = os.environ.get("I2PMAE_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return (Path(base) if base else Path.home() / "AppData" / "Local") / "i2pmae" / "cache"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "i2pmae"


def cache_key(name: str, facts: Iterator[str]) -> str:
    """A folder name that follows from everything the content depends on."""
    digest = hashlib.blake2b(f"format {FORMAT}\n".encode(), digest_size=10)
    for fact in facts:
        digest.update(fact.encode("utf-8", "surrogateescape") + b"\n")
    readable = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)[:40].strip(".")
    return f"{readable or 'clouds'}-{digest.hexdigest()}"


def open_cache(folder: Path) -> Stored | None:
    """The clouds stored in ``folder``, or None where there are none, or not whole: then they are read anew."""
    return None if damage(folder) else read_stored(folder)


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
        json.loads((folder / SUMMARY).read_text(encoding="utf-8")),
    )


def damage(folder: Path, fully: bool = False) -> list[str]:
    """What is wrong with a stored set, one sentence each: by sizes and headers, or ``fully``, by checksums too."""
    try:
        summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        files, clouds, written = summary["files"], summary["clouds"], summary["format"]
        if written != FORMAT:
            return [f"{SUMMARY} is of format {written}; this version reads format {FORMAT}"]
    except OSError as error:
        return [f"{SUMMARY} cannot be read: {error.strerror or error}"]
    except (ValueError, TypeError, KeyError):
        return [f"{SUMMARY} is damaged"]
    found = [reason for name, facts in files.items() if (reason := _difference(folder / name, facts, fully))]
    if not found:
        try:
            stored = read_stored(folder)
            counts = {len(stored.points), len(stored.columns["id"]), clouds}
            if len(counts) > 1 or (stored.part_labels is not None and len(stored.part_labels) != clouds):
                found.append(f"its files hold different numbers of clouds; {SUMMARY} says {clouds}")
        except Exception as error:  # A damaged file makes the parsers of libraries fail in every possible way.
            found.append(f"its files cannot be read: {str(error) or type(error).__name__}")
    return found


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
    """Write the list of what could not be used, with reasons; its path comes back."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("path", "reason"), *bad])
    write_text(folder / BAD_FILES, text.getvalue())
    return folder / BAD_FILES


def read_bad_files(folder: Path) -> list[tuple[str, str]]:
    """The list that :func:`write_bad_files` wrote."""
    with (folder / BAD_FILES).open(encoding="utf-8", newline="") as source:
        return [(row[0], row[1]) for row in list(csv.reader(source))[1:]]
