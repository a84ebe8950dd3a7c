"""``search``: the clouds of an index that are most like others, as a whole or in a part; near duplicates."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from i2pmae.commands.reading import Reading, open_data
from i2pmae.commands.use import encoder_of
from i2pmae.common.errors import UsageError
from i2pmae.data.clouds import CloudSet
from i2pmae.evaluation.written import check_table, write_table
from i2pmae.retrieval.index import Index, Matches
from i2pmae.retrieval.regions import region_at
from i2pmae.weights.encoder import Encoder

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["search"]

BATCH = 32
"""Queries that are embedded at a time."""


def search(
    index: str | Path | Index,
    query: str | Path | CloudSet | None = None,
    *,
    top: int = 10,
    near: Sequence[float] | None = None,
    point: int | None = None,
    radius: float | None = None,
    duplicates: bool = False,
    above: float = 0.98,
    exact: bool = False,
    checkpoint: str | Path | Encoder | None = None,
    output: str | Path | None = None,
    device: str = "auto",
    shown: bool = True,
    **reading: Unpack[Reading],
) -> "pa.Table":
    """A table of what an index holds that is most like each query: query, rank, id, similarity and, if known, label.

    By the shape as a whole; or, with ``near`` or ``point``, by the part of the query there, wherever it is in the
    others: then the table has the columns x, y and z too, where it is. With ``duplicates``, pairs of clouds within the
    index: id, other, similarity. Similarities are cosines.

    >>> i2pmae.search("scans.index", "chair.obj", top=5).to_pylist()

    Args:
        index: folder of an index, or one that was loaded.
        query: file, folder, data set or clouds that were opened; or the name of a cloud of the index.
        top: results for each query.
        near: a place (x, y, z) of the query as the encoder sees it: y up, in the unit sphere.
        point: instead, the number of one of the query's points as they were read, from 0.
        radius: of the part around that place; that of the index's regions where absent.
        duplicates: list pairs of near duplicates instead.
        above: the least similarity of near duplicates.
        exact: compare all clouds even where the index has a graph.
        checkpoint: the encoder of the index, where it is no longer where it was; it must be the same.
        output: a .csv, .parquet or .json file to write the table to.
        device: ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
        shown: whether progress is shown.
        reading: see :class:`~i2pmae.commands.reading.Reading`.

    Raises:
        UsageError: for options that cannot be, and an encoder that is not that of the index.
        CheckpointError, DataError: for what cannot be read.
    """
    if output is not None:
        check_table(Path(output))
    _check(query, top, near, point, radius, duplicates)
    opened = index if isinstance(index, Index) else Index(index)
    if duplicates:
        table = _pairs(opened, opened.duplicates(above, shown))
    elif isinstance(query, str) and query in opened.ids and not Path(query).exists():
        if point is not None or radius is not None:
            raise UsageError(f"{query} is a cloud of the index, which knows its regions alone: name a place (near).")
        table = _like_row(opened, query, top, near, exact)
    else:
        assert query is not None  # that was checked
        encoder = encoder_of(opened, checkpoint, device)
        clouds = _queries(opened, query, encoder, reading, shown)
        found = (
            opened.search(encoder.embed(clouds, batch_size=BATCH, max_points=None), top, exact=exact)
            if near is None and point is None
            else opened.search_parts(_parts(opened, encoder, clouds, near, point, radius), top)
        )
        table = _table(opened, list(map(str, clouds.ids)), found)
    if output is not None:
        write_table(table, Path(output))
    return table


def _check(
    query: object, top: int, near: Sequence[float] | None, point: int | None, radius: float | None, duplicates: bool
) -> None:
    """Wrong calls that need no work to notice."""
    parts = [name for name, value in (("near", near), ("point", point), ("radius", radius)) if value is not None]
    if duplicates and (query is not None or parts):
        extra = "the query" if query is not None else " and ".join(parts)
        raise UsageError(f"Near duplicates are looked for among all clouds of the index: leave {extra} out.")
    if not duplicates and query is None:
        raise UsageError("Say what to look for: a file, a folder, a cloud of the index, or --duplicates.")
    if top < 1:
        raise UsageError(f"top must be at least 1, got {top}.")
    if near is not None and point is not None:
        raise UsageError("A part is chosen by a place (near) or by a point, not by both.")
    if parts == ["radius"]:
        raise UsageError("A radius is that of a part: say where it is (near or point), too.")
    if near is not None and (len(near) != 3 or not np.isfinite(near).all()):
        raise UsageError(f"A place has three coordinates, x, y and z: {' '.join(map(str, near))} are not.")
    if radius is not None and not 0 < radius <= 2:
        raise UsageError(f"The radius of a part is above 0 and at most 2, the width of the unit sphere: {radius:g}.")


def _queries(index: Index, query: str | Path | CloudSet, encoder: Encoder, reading: Reading, shown: bool) -> CloudSet:
    """The clouds to look for, read as those of the index were unless ``reading`` says otherwise."""
    clouds = open_data(
        query, index.record.points, encoder.record.changed(files_up=index.record.files_up), reading, shown
    )
    if len(clouds) == 0:
        raise UsageError(f"{clouds.name} holds no clouds: there is nothing to look for.")
    return clouds


def _parts(
    index: Index,
    encoder: Encoder,
    clouds: CloudSet,
    near: Sequence[float] | None,
    point: int | None,
    radius: float | None,
) -> np.ndarray:
    """One vector for each query: that of its part."""
    count = clouds.points.shape[1]
    if point is not None and not 0 <= point < count:
        raise UsageError(f"The clouds have {count} points, numbered from 0: there is no point {point}.")
    found = []
    for cloud in clouds:
        points = np.asarray(cloud.points, dtype=np.float32)
        place = points[point] if point is not None else np.asarray(near, dtype=np.float32)
        found.append(region_at(encoder, points, place[None], radius or index.record.radius))
    return np.stack(found)


def _like_row(index: Index, name: str, top: int, near: Sequence[float] | None, exact: bool) -> "pa.Table":
    """What is most like a cloud of the index, without itself."""
    row = index.row(name)
    if near is None:
        return _table(index, [name], index.search(index.vectors[row][None], top, exact=exact, leave_out=row))
    vector = index.region_near(row, np.asarray(near, dtype=np.float32))
    return _table(index, [name], index.search_parts(vector[None], top, leave_out=row))


def _table(index: Index, names: list[str], found: Matches) -> "pa.Table":
    import pyarrow as pa

    many, each = found.rows.shape
    rows = found.rows.ravel()
    columns: dict[str, Any] = {
        "query": np.repeat(np.array(names, dtype=object), each),
        "rank": np.tile(np.arange(1, each + 1), many),
        "id": [index.ids[row] for row in rows],
        "similarity": found.similarity.ravel().astype(np.float32),
    }
    labels = index.labels
    if labels is not None:
        columns["label"] = [labels[row] for row in rows]
    if found.places is not None:
        columns |= dict(zip("xyz", found.places.reshape(-1, 3).T, strict=True))
    return pa.table(columns)


def _pairs(index: Index, found: Matches) -> "pa.Table":
    import pyarrow as pa

    first, second = ([index.ids[row] for row in rows] for rows in found.rows.T)
    return pa.table({"id": first, "other": second, "similarity": found.similarity[:, 0].astype(np.float32)})
