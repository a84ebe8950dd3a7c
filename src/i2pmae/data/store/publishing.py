"""What is written once all clouds are: part labels as indices, the index, checksums, and ``set.json``."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from i2pmae.common.files import write_text
from i2pmae.data.store.cache import write_bad_files
from i2pmae.data.store.shards import DIGEST_SIZE, digests_of
from i2pmae.data.store.summary import BAD_FILES, FORMAT, INDEX, PARTS, POINTS, SUMMARY, checksums, shard_file

__all__ = ["DIGESTS", "RAW", "Share", "digests_kind", "write_rest"]

DIGESTS = "digests"
RAW = "raw"
"""First word of the files of part labels as they came, while they are turned into indices."""
BLOCK_ROWS = 1024


class Share(NamedTuple):
    """What one process wrote."""

    name: str
    """What its files are called after."""
    rows: int
    most: int
    """Clouds of its shards, of which the last may have fewer."""

    def shards(self) -> list[dict[str, Any]]:
        """Names and numbers of clouds of its shards."""
        starts = range(0, self.rows, self.most)
        return [
            {"name": f"{self.name}-{number:05d}", "clouds": min(self.most, self.rows - start)}
            for number, start in enumerate(starts)
        ]


def write_rest(
    folder: Path,
    shares: Sequence[Share],
    columns: dict[str, Any],
    summary: dict[str, Any],
    bad: Sequence[tuple[str, str]],
    part_numbers: Sequence[int] | None,
) -> set[str]:
    """Complete a folder that holds the points of all shares; the names of the files that belong to the set.

    ``columns`` has a row for each cloud, in the order of the shares; ``part_numbers`` are the stored numbers of the
    parts, in order, or None where there are none. A call that was stopped can be made again.
    """
    shards = [shard for share in shares for shard in share.shards()]
    beside = list(summary.get("columns", []))
    digests = {"digest": _joined(folder, shards, DIGESTS)}
    digests |= {f"{name}_digest": _joined(folder, shards, digests_kind(name)) for name in beside}
    part_dtype = None
    if part_numbers is not None:
        kinds = ("|u1", "<u2", "<i8")
        part_dtype = next(kind for kind in kinds if len(part_numbers) - 1 <= np.iinfo(kind).max)
        digests["part_digest"] = _recode(folder, shards, np.asarray(part_numbers), part_dtype)
    _write_index(folder / INDEX, shards, columns, digests)
    write_bad_files(folder, bad)
    kinds_of_files = [POINTS, *beside, *([] if part_dtype is None else [PARTS])]
    names = [shard_file(kind, shard["name"]) for shard in shards for kind in kinds_of_files]
    files = checksums(folder, [*names, INDEX, BAD_FILES])
    facts = {"clouds": len(columns["id"]), "part_dtype": part_dtype, "shards": shards, "files": files}
    write_text(folder / SUMMARY, json.dumps({"format": FORMAT, **summary, **facts}, indent=1))
    return {*files, SUMMARY}


def digests_kind(name: str) -> str:
    """First word of the files of the digests of a column, while it is written."""
    return f"{DIGESTS}_{name}"


def _joined(folder: Path, shards: Sequence[dict[str, Any]], kind: str) -> np.ndarray:
    """The digests of all clouds."""
    each = [np.load(folder / shard_file(kind, shard["name"])) for shard in shards]
    return np.concatenate([*each, np.zeros((0, DIGEST_SIZE), np.uint8)])


def _recode(folder: Path, shards: Sequence[dict[str, Any]], numbers: np.ndarray, dtype: str) -> np.ndarray:
    """Put the index of each part for its number, in as few bytes as take it; the digests of the rows.

    What is there stays until the whole of a shard is written anew.
    """
    digests = []
    for shard in shards:
        path, raw = folder / shard_file(PARTS, shard["name"]), folder / shard_file(RAW, shard["name"])
        if not raw.exists():
            path.rename(raw)
        stored = np.load(raw, mmap_mode="r", allow_pickle=False)
        with path.open("wb") as file:
            facts = {"descr": dtype, "fortran_order": False, "shape": stored.shape}
            np.lib.format.write_array_header_1_0(file, facts)
            for at in range(0, len(stored), BLOCK_ROWS):
                rows = np.searchsorted(numbers, stored[at : at + BLOCK_ROWS]).astype(dtype)
                digests.append(digests_of(rows))
                file.write(rows.data)
    return np.concatenate([*digests, np.zeros((0, DIGEST_SIZE), np.uint8)])


def _write_index(
    path: Path, shards: Sequence[dict[str, Any]], columns: dict[str, Any], digests: dict[str, np.ndarray]
) -> None:
    import pyarrow
    import pyarrow.parquet

    counts = [shard["clouds"] for shard in shards]
    rows = np.concatenate([np.arange(count, dtype=np.int32) for count in counts] or [np.zeros(0, np.int32)])
    table: dict[str, Any] = {
        "id": _texts(columns["id"]),
        "shard": np.repeat(np.arange(len(shards), dtype=np.int32), counts),
        "row": rows,
    }
    kinds: dict[str, Callable[[Any], Any]] = {
        "label": lambda values: pyarrow.array(values, pyarrow.int64()),
        "split": lambda values: _texts(values).dictionary_encode(),
        "source": lambda values: _texts(values).dictionary_encode(),
    }
    table |= {name: make(columns[name]) for name, make in kinds.items() if name in columns}
    for name, found in digests.items():
        buffer = pyarrow.py_buffer(np.ascontiguousarray(found))
        table[name] = pyarrow.FixedSizeBinaryArray.from_buffers(pyarrow.binary(DIGEST_SIZE), len(found), [None, buffer])
    pyarrow.parquet.write_table(pyarrow.table(table), path)


def _texts(values: Any) -> Any:
    """A list of texts, or an array of Arrow, as a column."""
    import pyarrow

    return (
        values.cast(pyarrow.string()) if isinstance(values, pyarrow.Array) else pyarrow.array(values, pyarrow.string())
    )
