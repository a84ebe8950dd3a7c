"""The files of a stored set, and what ``set.json`` says of them: all that belongs there, in its form, or a reason."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from i2pmae.data.clouds import COLUMNS
from i2pmae.data.store.forms import FORMS

__all__ = [
    "BAD_FILES",
    "FORMAT",
    "INDEX",
    "OLD_INDEX",
    "OLD_PARTS",
    "OLD_POINTS",
    "PARTS",
    "POINTS",
    "SUMMARY",
    "checked_summary",
    "checksum",
    "checksums",
    "is_stored",
    "read_summary",
    "shard_file",
]

FORMAT = 3
"""What ``set.json`` says; part of every key of a cache: raise it when the form of what is stored changes."""
INDEX = "index.parquet"
SUMMARY = "set.json"
BAD_FILES = "bad_files.csv"
POINTS, PARTS = "points", "part_labels"
OLD_POINTS, OLD_PARTS, OLD_INDEX = "points.npy", "part_labels.npy", "clouds.parquet"
"""The files of format 2."""


def is_stored(folder: Path) -> bool:
    """Whether a folder holds a set of clouds, whole or damaged; :class:`OSError` where it may not be looked at."""
    return (folder / SUMMARY).is_file() and any((folder / name).is_file() for name in (INDEX, OLD_POINTS, OLD_INDEX))


def shard_file(kind: str, name: str) -> str:
    """The file of a shard."""
    return f"{kind}-{name}.npy"


def read_summary(folder: Path) -> dict[str, Any]:
    """What ``set.json`` says, with all that belongs there; :class:`ValueError` gives the reason where it does not."""
    return checked_summary((folder / SUMMARY).read_bytes())


def checked_summary(content: bytes) -> dict[str, Any]:
    """As :func:`read_summary`, of the content of the file."""
    try:
        found = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        raise ValueError(f"{SUMMARY} is damaged") from None
    if not isinstance(found, dict):
        raise ValueError(f"{SUMMARY} is damaged")
    summary: dict[str, Any] = {  # earlier versions did not note these
        "format": 2,
        "up_in_files": "y",
        "sources": [],
        "columns": [],
        **found,
    }
    if summary["format"] not in (2, FORMAT):
        raise ValueError(f"{SUMMARY} is of format {summary['format']}; this version reads the formats 2 and {FORMAT}")
    if summary["format"] == 2:
        summary = {"form": "float32", "scale": 1.0, "shards": [], "part_dtype": "<i8"} | summary
    wrong = [name for name, fits in SUMMARY_FIELDS.items() if not (name in summary and fits(summary[name]))]
    if wrong:
        raise ValueError(f"{SUMMARY} is damaged: {', '.join(wrong)} missing or of another form")
    missing = [name for name in needed_files(summary) if name not in summary["files"]]
    if missing:
        raise ValueError(f"{SUMMARY} is damaged: it lacks the checksum of {missing[0]}")
    return summary


def needed_files(summary: dict[str, Any]) -> list[str]:
    """The files that a set has."""
    if summary["format"] == 2:
        return [OLD_POINTS, OLD_INDEX, BAD_FILES]
    kinds = [POINTS, *summary["columns"], *([] if summary["part_dtype"] is None else [PARTS])]
    return [*(shard_file(kind, shard["name"]) for shard in summary["shards"] for kind in kinds), INDEX, BAD_FILES]


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _is_plain(name: object) -> bool:
    """Whether it names a file of the folder itself."""
    return isinstance(name, str) and name not in ("", ".", "..") and not set(name) & set("/\\:\0")


def _is_files(value: object) -> bool:
    if not isinstance(value, dict) or not all(map(_is_plain, value)):
        return False
    return all(
        isinstance(facts, dict) and _is_count(facts.get("bytes")) and isinstance(facts.get("blake2b"), str)
        for facts in value.values()
    )


def _is_shards(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(shard, dict) and _is_plain(shard.get("name")) and _is_count(shard.get("clouds")) for shard in value
    )


SUMMARY_FIELDS: dict[str, Callable[[Any], bool]] = {
    "format": _is_count,
    "name": lambda value: isinstance(value, str),
    "clouds": _is_count,
    "points": _is_count,
    "form": lambda value: isinstance(value, str) and value in FORMS,
    "scale": lambda value: isinstance(value, float) and 0 < value <= 1,
    "part_dtype": lambda value: value is None or value in ("|u1", "<u2", "<i8"),
    "shards": _is_shards,
    "bad": _is_count,
    "classes": lambda value: value is None or _is_names(value),
    "parts": lambda value: value is None or _is_names(value),
    "tally": lambda value: isinstance(value, dict) and all(map(_is_count, value.values())),
    "notes": _is_names,
    "files": _is_files,
    "sources": _is_names,
    "columns": lambda value: _is_names(value) and set(value) <= set(COLUMNS),
    "up_in_files": lambda value: value in ("x", "y", "z"),
}
"""What ``set.json`` must hold, and what tells whether each fits."""


def checksums(folder: Path, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Size and checksum of files in ``folder``, as ``set.json`` keeps them."""
    return {
        name: {"bytes": (folder / name).stat().st_size, "blake2b": checksum(folder / name)}
        for name in names
        if (folder / name).is_file()
    }


def checksum(path: Path) -> str:
    """A hexadecimal number of 40 digits that follows from the content of a file."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, lambda: hashlib.blake2b(digest_size=20)).hexdigest()
