"""The one form of clouds on disk: shards of equal form, an index with a row for each cloud, and ``set.json``.

A folder holds ``points-*.npy``, shards of some thousand clouds in fixed point or as floats; ``part_labels-*.npy`` where
points have parts; ``colour-*.npy`` and ``normal-*.npy`` where these were to be kept; ``index.parquet`` (id, shard, row,
label, split, source, and a digest of each row); ``bad_files.csv``; and ``set.json`` (form and scale, classes, parts,
where it came from, the shards, size and checksum of each file). It is put into place when it is whole. Rows are
compared with their digests when they are read, so damage does not go unseen.

Folders of format 2, which one ``points.npy`` held, are opened as well.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from i2pmae.common.errors import DataError
from i2pmae.data.store.forms import FORMS, Form, column_form
from i2pmae.data.store.shards import DIGEST_SIZE, Places, Shards, shard_header
from i2pmae.data.store.summary import (
    INDEX,
    OLD_INDEX,
    OLD_PARTS,
    OLD_POINTS,
    PARTS,
    POINTS,
    SUMMARY,
    checksum,
    read_summary,
    shard_file,
)
from i2pmae.data.views import Names

__all__ = ["Stored", "checked", "damage", "read_stored"]

FEW_BYTES = 1 << 30
"""A set of format 2, whose rows have no digests, is compared with its checksums on opening if it is no larger."""


class Stored(NamedTuple):
    """What a folder holds."""

    points: Shards
    part_labels: Shards | None
    beside: dict[str, Shards]
    """What is kept beside x, y and z."""
    columns: dict[str, Any]
    """``id`` (:class:`Names`), and arrays ``label`` and ``split`` where every cloud has one."""
    summary: dict[str, Any]


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
