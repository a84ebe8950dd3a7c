"""Embeddings of a set of clouds as a table on disk."""

import contextlib
import shutil
import zipfile
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from i2pmae.common import ranks
from i2pmae.common.errors import UsageError
from i2pmae.common.files import replacing
from i2pmae.common.progress import track
from i2pmae.common.ranks import share_out
from i2pmae.data.clouds import CloudSet
from i2pmae.evaluation.features import batches, check_embeddings
from i2pmae.typing import Float
from i2pmae.weights.encoder import Encoder

__all__ = ["check_output", "embed_to_file"]

Columns = dict[str, np.ndarray]
"""Some rows of the table, by column."""


def embed_to_file(
    encoder: Encoder,
    clouds: CloudSet,
    output: Path | str,
    *,
    point_features: bool = False,
    batch_size: int = 64,
    embeddings: Float[np.ndarray, "clouds c"] | None = None,
    copies: int = 1,
    shown: bool = True,
) -> Path:
    """Write one row per cloud and return the path: ``id``, ``embedding`` (float32), ``label`` and ``split`` if known.

    The label is the class name where there are names, else the class index. With ``point_features``, each row also
    holds ``points`` (n, 3), the points as the encoder saw them, and ``point_features`` (n, d), one vector for each. The
    suffix decides the format: ``.parquet``, written a batch at a time, or ``.npz``, with an array per column. The file
    is written whole or not at all; :class:`UsageError` for another suffix. ``embeddings`` are written where they are
    given, else made, of so many ``copies``.
    """
    output = Path(output)
    write = WRITERS[check_output(output)]
    if len(clouds) == 0:
        raise UsageError(f"{clouds.name} holds no clouds: there is nothing to embed.")
    if embeddings is not None:
        check_embeddings(embeddings, clouds)

    parts = batches(clouds, batch_size)
    found = share_out(parts, lambda part: _columns(encoder, clouds, part, point_features, embeddings, copies))
    rows = track(found, f"Embedding {clouds.name}", total=len(parts), shown=shown)
    if not ranks.is_main():
        deque(rows, maxlen=0)  # the main process writes what all compute
        return output
    with replacing(output) as path:
        write(path, rows, len(clouds))
    return output


def check_output(output: Path | str) -> str:
    """The format that a file name asks for; :class:`UsageError` where it is none of those that can be written."""
    suffix = Path(output).suffix.lower()
    if suffix not in WRITERS:
        raise UsageError(f"Embeddings are written as {' or '.join(WRITERS)}, not {suffix!r}: rename {output}.")
    return suffix


def _columns(
    encoder: Encoder, clouds: CloudSet, part: slice, point_features: bool, known: np.ndarray | None, copies: int
) -> Columns:
    points = np.asarray(clouds.points[part], dtype=np.float32)
    if known is None:
        vectors = encoder.embed(points, batch_size=len(points), max_points=None, copies=copies)
    else:
        vectors = known[part]
    columns: Columns = {"id": np.array(clouds.ids[part], dtype=str), "embedding": vectors}
    if clouds.labels is not None:
        labels = clouds.labels[part].astype(np.int64)
        columns["label"] = labels if clouds.classes is None else np.array(clouds.classes, dtype=str)[labels]
    if clouds.splits is not None:
        columns["split"] = clouds.splits[part].astype(str)
    if point_features:
        columns["points"] = points
        columns["point_features"] = encoder.point_features(points, max_points=None)
    return columns


def _write_parquet(path: Path, rows: Iterator[Columns], _: int) -> None:
    writer: pq.ParquetWriter | None = None
    try:
        for columns in rows:
            table = pa.table({name: _arrow(values) for name, values in columns.items()})
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _arrow(values: np.ndarray) -> Any:
    """Vectors become lists of fixed size, so that readers get them back as one array without a copy."""
    array = pa.array(values.reshape(-1))
    for size in reversed(values.shape[1:]):
        array = pa.FixedSizeListArray.from_arrays(array, size)
    return array


def _write_npz(path: Path, rows: Iterator[Columns], count: int) -> None:
    """Columns with values per point go to disk as they come, into a scratch file each; the others fit in memory.

    They are appended, not written through a map: on a full disk that would end the process without a word.
    """
    kept: dict[str, list[np.ndarray]] = {}
    large: dict[str, IO[bytes]] = {}
    forms: dict[str, tuple[np.dtype, tuple[int, ...]]] = {}
    with contextlib.ExitStack() as stack:
        for columns in rows:
            for name, values in columns.items():
                if values.ndim < 3:
                    kept.setdefault(name, []).append(values)
                    continue
                if name not in large:
                    scratch = path.with_name(f"{path.name}.{name}")
                    stack.callback(scratch.unlink, missing_ok=True)
                    large[name] = stack.enter_context(scratch.open("w+b"))
                    forms[name] = (values.dtype, (count, *values.shape[1:]))
                large[name].write(np.ascontiguousarray(values).data)
        with zipfile.ZipFile(path, "w") as archive:
            for name, parts in kept.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, np.concatenate(parts), allow_pickle=False)
            for name, file in large.items():
                dtype, shape = forms[name]
                facts = {"descr": dtype.str, "fortran_order": False, "shape": shape}
                file.seek(0)
                with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                    np.lib.format.write_array_header_1_0(entry, facts)
                    shutil.copyfileobj(file, entry, 1 << 20)


WRITERS: dict[str, Callable[[Path, Iterator[Columns], int], None]] = {".parquet": _write_parquet, ".npz": _write_npz}
"""How each format is written, by suffix."""
