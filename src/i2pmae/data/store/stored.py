"""The one form of clouds on disk: shards of equal form, an index with a row for each cloud, and ``set.json``.

A folder holds ``points-*.npy``, shards of some thousand clouds in fixed point or as floats; ``part_labels-*.npy`` where
points have parts; ``colour-*.npy`` and ``normal-*.npy`` where these were to be kept; ``index.parquet`` (id, shard, row,
label, split, source, and a digest of each row); ``bad_files.csv``; and ``set.json`` (form and scale, classes, parts,
where it came from, the shards, size and checksum of each file). It is put into place when it is whole. Rows are
compared with their digests when they are read, so damage does not go unseen.

Folders of format 2, which one ``points.npy`` held, are opened as well.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from i2pmae.common.errors import DataError
from i2pmae.data.clouds import COLUMNS
from i2pmae.data.store.shards import DIGEST_SIZE, Places, Shards, shard_header
from i2pmae.data.views import Names

__all__ = [
    "BAD_FILES",
    "FORMAT",
    "FORMS",
    "INDEX",
    "SUMMARY",
    "Form",
    "Stored",
    "checked",
    "checksum",
    "checksums",
    "column_form",
    "damage",
    "is_stored",
    "read_stored",
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
FEW_BYTES = 1 << 30
"""A set of format 2, whose rows have no digests, is compared with its checksums on opening if it is no larger."""


class Form(NamedTuple):
    """How coordinates are stored."""

    dtype: np.dtype
    scale: float
    """What a stored value is multiplied with."""

    def encode(self, points: np.ndarray) -> np.ndarray:
        """Coordinates as they are stored, the nearest ones that there are."""
        if self.dtype.kind == "f":
            return points.astype(self.dtype)
        top = np.iinfo(self.dtype).max
        low = 0 if self.dtype.kind == "u" else -top
        return np.clip(np.rint(points / np.float32(self.scale)), low, top).astype(self.dtype)

    def decode(self, stored: np.ndarray) -> np.ndarray:
        """Coordinates, float32."""
        if self.dtype.kind == "f":
            return stored.astype(np.float32, copy=False)
        return stored * np.float32(self.scale)


FORMS = {"fixed16": Form(np.dtype("<i2"), 1 / 32767), "float32": Form(np.dtype("<f4"), 1.0)}
"""``fixed16`` takes 6 bytes for a point; its coordinates, between -1 and 1, are off by 1.6e-5 at most, where half
precision of the same size is off by 2.4e-4. ``float32`` takes 12 and keeps every bit."""


COLOUR = Form(np.dtype("|u1"), 1 / 255)
"""Colours take 3 bytes for a point, as many as almost every file has."""


def column_form(name: str, form: str) -> Form:
    """How a column beside x, y and z is stored in a set whose coordinates are of ``form``: normals as these are."""
    return COLOUR if name == "colour" else FORMS[form]


class Stored(NamedTuple):
    """What a folder holds."""

    points: Shards
    part_labels: Shards | None
    beside: dict[str, Shards]
    """What is kept beside x, y and z."""
    columns: dict[str, Any]
    """``id`` (:class:`Names`), and arrays ``label`` and ``split`` where every cloud has one."""
    summary: dict[str, Any]


def shard_file(kind: str, name: str) -> str:
    """The file of a shard."""
    return f"{kind}-{name}.npy"


def is_stored(folder: Path) -> bool:
    """Whether a folder holds a set of clouds, whole or damaged; :class:`OSError` where it may not be looked at."""
    return (folder / SUMMARY).is_file() and any((folder / name).is_file() for name in (INDEX, OLD_POINTS, OLD_INDEX))


def read_stored(folder: Path, places: Places | None = None) -> Stored:
    """The clouds of a folder, unchecked; points and part labels are read when they are asked for.

    As long as they are there, the folder counts as in use (:func:`i2pmae.data.store.locking.in_use`). ``places`` knows
    where the shards are, where that is another place than the index.
    """
    summary = read_summary(folder)
    where = places or Places(folder)
    where.hold_on(SUMMARY)
    if summary["format"] == 2:
        columns, at, digests = _index(folder / OLD_INDEX, summary["clouds"]), None, (None, None)
        names, beside = {POINTS: [OLD_POINTS], PARTS: [OLD_PARTS]}, dict[str, Any]()
        parts = OLD_PARTS in summary["files"]
    else:
        columns = _index(folder / INDEX, summary["clouds"])
        at = (columns.pop("shard"), columns.pop("row"))
        digests = (columns.pop("digest"), columns.pop("part_digest", None))
        beside = {name: columns.pop(f"{name}_digest") for name in summary["columns"]}
        kinds = (POINTS, PARTS, *beside)
        names = {kind: [shard_file(kind, shard["name"]) for shard in summary["shards"]] for kind in kinds}
        parts = summary["part_dtype"] is not None
        if len(at[0]) and not (at[0].min() >= 0 and at[0].max() < len(summary["shards"])):
            raise DataError(f"{INDEX} names a shard that {SUMMARY} does not")
    if at is None:
        at = (np.zeros(summary["clouds"], np.int32), np.arange(summary["clouds"], dtype=np.int32))
    form = Form(np.dtype(FORMS[summary["form"]].dtype), summary["scale"])
    points = Shards(
        where, names[POINTS], at, (summary["points"], 3), form.dtype, form.decode, np.dtype("f4"), digests[0]
    )
    others = {}
    for name, known in beside.items():
        form = column_form(name, summary["form"])
        others[name] = Shards(
            where, names[name], at, (summary["points"], 3), form.dtype, form.decode, np.dtype("f4"), known
        )
    if not parts:
        return Stored(points, None, others, columns, summary)
    kind = np.dtype(summary["part_dtype"])
    labels = Shards(where, names[PARTS], at, (summary["points"],), kind, _as_int64, np.dtype("i8"), digests[1])
    return Stored(points, labels, others, columns, summary)


def _as_int64(values: np.ndarray) -> np.ndarray:
    return values.astype(np.int64, copy=False)


def _index(path: Path, clouds: int) -> dict[str, Any]:
    """The columns of an index but the sources of the clouds, which are for people."""
    import pyarrow
    import pyarrow.parquet

    file = pyarrow.parquet.ParquetFile(path)
    table = file.read([name for name in file.schema_arrow.names if name != "source"]).combine_chunks()
    if len(table) != clouds:
        raise DataError(f"its files hold different numbers of clouds; {SUMMARY} says {clouds}")

    def column(name: str) -> Any:
        found = table.column(name)
        return found.chunk(0) if found.num_chunks else pyarrow.array([], found.type)

    columns: dict[str, Any] = {"id": Names(column("id"))}
    for name in set(table.column_names) - {"id"}:
        values = column(name)
        if name.endswith("digest"):
            held = np.frombuffer(values.buffers()[1], np.uint8).reshape(-1, DIGEST_SIZE)
            columns[name] = held[values.offset : values.offset + len(values)]
        elif name == "split":
            coded = values if pyarrow.types.is_dictionary(values.type) else values.dictionary_encode()
            kinds = np.array(coded.dictionary.to_pylist(), dtype=str)
            columns[name] = kinds[coded.indices.to_numpy(zero_copy_only=False)] if len(kinds) else kinds
        else:
            columns[name] = values.to_numpy(zero_copy_only=False).astype(np.int64 if name == "label" else np.int32)
    return columns


def damage(folder: Path, fully: bool = False) -> list[str]:
    """What is wrong with a stored set, one sentence each, as :func:`checked` finds it."""
    return checked(folder, fully)[1]


def checked(folder: Path, fully: bool = False) -> tuple[Stored | None, list[str]]:
    """The clouds of a folder, and what is wrong with them, one sentence each; None where anything is.

    Sizes and headers of all files are looked at, and the checksum of the index; ``fully``, those of all files. The
    rows of a whole index have digests, with which they are compared when they are read.
    """
    try:
        summary = read_summary(folder)
    except OSError as error:
        return None, [f"{SUMMARY} cannot be read: {error.strerror or error}"]
    except ValueError as error:
        return None, [str(error)]
    files = summary["files"]
    small = summary["format"] == 2 and sum(facts["bytes"] for facts in files.values()) <= FEW_BYTES
    found = []
    for name, facts in files.items():
        reason = _difference(folder / name, facts, fully or small or name in (INDEX, OLD_INDEX))
        found += [] if reason is None else [reason]
    stored = None
    if not found:
        try:
            stored = read_stored(folder)
            arrays = (stored.points, stored.part_labels, *stored.beside.values())
            found = [reason for array in arrays if array for reason in _forms(array)]
        except Exception as error:  # A damaged file makes the parsers of libraries fail in every possible way.
            found.append(f"its files cannot be read: {str(error) or type(error).__name__}")
    return None if found else stored, found


def _forms(array: Shards) -> list[str]:
    """What is wrong with the headers of shards."""
    found, counts = [], np.bincount(array.shard, minlength=len(array.names))
    for name, count in zip(array.names, counts.tolist(), strict=True):
        try:
            with array.places.path(name).open("rb") as source:
                shape, dtype, _ = shard_header(source)
            expected = (count, *array.shape[1:])
            if shape != expected or dtype != array.stored:
                found.append(
                    f"{name} is of shape {shape} and {dtype}; {SUMMARY} says {count} clouds of {array.shape[1]} points "
                    f"and {array.stored}"
                )
        except DataError as error:
            found.append(f"{name}: {error}")
    return found


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


def _difference(path: Path, facts: dict[str, Any], fully: bool) -> str | None:
    try:
        size = path.stat().st_size
        if size != facts["bytes"]:
            return f"{path.name} has {size} bytes; {SUMMARY} says {facts['bytes']}"
        if fully and checksum(path) != facts["blake2b"]:
            return f"{path.name} has another content than {SUMMARY} says (checksum)"
    except OSError as error:
        return f"{path.name} cannot be read: {error.strerror or error}"
    return None


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
