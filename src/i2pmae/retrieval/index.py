"""Clouds that can be searched: by shape, by part, for near duplicates."""

import contextlib
from pathlib import Path
from typing import Literal, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from i2pmae.common.errors import UsageError, near_names
from i2pmae.common.progress import say, track
from i2pmae.data.clouds import CloudSet
from i2pmae.evaluation.features import batches
from i2pmae.retrieval.nearest import Graph, has_graphs, most_similar, pairs_above, unit
from i2pmae.retrieval.regions import regions
from i2pmae.retrieval.store import (
    CENTRES,
    CLOUDS,
    GRAPH,
    POINTS,
    REGIONS,
    VECTORS,
    IndexRecord,
    check_new,
    damaged,
    finish,
    new_index,
    open_index,
)
from i2pmae.typing import Float, Int
from i2pmae.weights.encoder import Encoder

__all__ = ["Graphs", "Index", "Matches", "make_index"]

Graphs = Literal["auto", "yes", "no"]
MOST_SHOWN = 2048
"""Points of a cloud that an index keeps at most: the first, which are in random order."""
FIXED = 32767
"""What a coordinate of 1 is kept as."""
GRAPH_FROM = 50_000
"""Clouds from which on a graph is worth its building: below, all of them are compared in some milliseconds."""


class Matches(NamedTuple):
    """What is most like each of some queries, the most similar first."""

    similarity: Float[np.ndarray, "q k"]
    """Cosine of the two vectors."""
    rows: Int[np.ndarray, "q k"]
    """Which clouds of the index they are."""
    places: Float[np.ndarray, "q k 3"] | None = None
    """Where in these clouds the part is, y up and in the unit sphere, where parts were asked for."""


class Index:
    """The vectors of clouds, and of the regions of each, in a folder; they stay on the disk until they are read.

    >>> index = i2pmae.Index.load("scans.index")
    >>> index.search(encoder.embed(points)[None], top=5).rows
    """

    def __init__(self, folder: Path | str) -> None:
        """Open the index in a folder; :class:`CheckpointError` where there is none, or it is damaged."""
        opened = open_index(folder)
        self.folder, self.record = opened.folder, opened.record
        self.vectors: Float[np.ndarray, "n c"] = opened.vectors
        """Of the clouds, of length 1."""
        self.regions, self.centres = opened.regions, opened.centres
        """Vectors of length 1 and centres of the regions of each cloud; absent where the index was made without."""
        self._points = opened.points
        self._clouds = opened.clouds
        self.ids: list[str] = opened.clouds["id"].to_pylist()
        """Names of the clouds."""
        self._graph = self._open_graph()

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """The index in a folder; :class:`CheckpointError` where there is none, or it is damaged."""
        return cls(folder)

    def __len__(self) -> int:
        return self.record.clouds

    def __repr__(self) -> str:
        parts = f", {self.record.regions} regions each" if self.record.regions else ""
        return f"Index({len(self)} clouds of {self.record.data}, {self.record.channels} channels{parts})"

    @property
    def labels(self) -> list[str] | None:
        """The class of each cloud, where the data had classes."""
        return self._clouds["label"].to_pylist() if "label" in self._clouds.column_names else None

    def points(self, row: int) -> Float[np.ndarray, "n 3"]:
        """The points of a cloud, as many as were kept, y up and in the unit sphere, off by 1.6e-5 at most.

        :class:`UsageError` for an index that was made before points were kept.
        """
        if self._points is None:
            raise UsageError(
                f"The index {self.folder} was made by an earlier version, which kept no points, so that its clouds "
                "can't be shown: make it again with `i2pmae index`."
            )
        return np.asarray(self._points[row], dtype=np.float32) / FIXED

    def row(self, name: str) -> int:
        """Which cloud has that name; :class:`UsageError` with the near ones where none has."""
        try:
            return self.ids.index(name)
        except ValueError:
            near = near_names(name, self.ids[:10_000])
            raise UsageError(f"The index {self.folder} has no cloud {name!r}. {near}") from None

    def check(self, encoder: Encoder) -> None:
        """:class:`UsageError` for an encoder that is not the one the index was made with."""
        if encoder.fingerprint() != self.record.fingerprint:
            raise UsageError(
                f"The index {self.folder} was made with another encoder ({self.record.encoder}, "
                f"{self.record.method}, read out by {self.record.pooling}): vectors of two encoders can't be compared. "
                "Use that one, or make the index again with this one."
            )

    def search(
        self, vectors: Float[np.ndarray, "q c"], top: int = 10, *, exact: bool = False, leave_out: int | None = None
    ) -> Matches:
        """The clouds whose embeddings are most like the given ones, which come from the encoder of the index.

        By the graph where there is one, unless ``exact``. The row ``leave_out`` takes no part.
        """
        queries = self._checked(vectors, self.record.channels)
        if self._graph is None or exact or leave_out is not None or top > len(self) // 4:
            score, rows, _ = most_similar(queries, self.vectors, top, leave_out)
            return Matches(score, rows)
        if top < 1:
            raise UsageError(f"The number of results must be at least 1, got {top}.")
        return Matches(*self._graph.search(queries, self.vectors, top))

    def search_parts(
        self, vectors: Float[np.ndarray, "q d"], top: int = 10, *, leave_out: int | None = None
    ) -> Matches:
        """The clouds that have a region most like the given ones, one place in each; every region is compared.

        :class:`UsageError` for an index that was made without regions.
        """
        known, centres = self._parts()
        score, rows, which = most_similar(self._checked(vectors, known.shape[-1]), known, top, leave_out)
        assert which is not None
        return Matches(score, rows, np.asarray(centres[rows, which], dtype=np.float32))

    def region_near(self, row: int, place: Float[np.ndarray, "3"]) -> Float[np.ndarray, " d"]:
        """The vector of that region of a cloud whose centre is nearest to a place."""
        known, centres = self._parts()
        nearest = np.square(np.asarray(centres[row], dtype=np.float32) - place).sum(-1).argmin()
        return np.asarray(known[row, nearest], dtype=np.float32)

    def duplicates(self, above: float, shown: bool = True) -> Matches:
        """Pairs of clouds whose cosine is at least ``above``, the most similar first; ``(p, 1)`` and ``(p, 2)``.

        :class:`UsageError` for a similarity that none can have, and where there are too many pairs to list.
        """
        if not -1 < above <= 1:
            raise UsageError(f"Similarities lie between -1 and 1: {above:g} cannot be asked for (above).")
        found = [pair for pair, _ in track(pairs_above(self.vectors, above), "Comparing all clouds", shown=shown)]
        score = np.concatenate([score for score, _ in found])
        pairs = np.concatenate([rows for _, rows in found])
        order = np.lexsort((pairs[:, 1], pairs[:, 0], -score))
        return Matches(score[order, None], pairs[order])

    def _parts(self) -> tuple[np.ndarray, np.ndarray]:
        if self.regions is None or self.centres is None:
            raise UsageError(
                f"The index {self.folder} was made without regions, so that parts can't be searched: make it again "
                "with --regions 32."
            )
        return self.regions, self.centres

    def _checked(self, vectors: np.ndarray, channels: int) -> Float[np.ndarray, "q c"]:
        queries = np.asarray(vectors, dtype=np.float32)
        if queries.ndim != 2 or queries.shape[1] != channels or not np.isfinite(queries).all():
            raise UsageError(f"Expected finite queries of shape (queries, {channels}), got {queries.shape}.")
        return unit(queries)

    def _open_graph(self) -> Graph | None:
        if GRAPH not in self.record.files:
            return None
        if not has_graphs():
            say("Its graph needs usearch (pip install 'i2pmae[search]'): all clouds are compared.")
            return None
        try:
            return Graph.load(self.folder / GRAPH, len(self), self.record.channels)
        except ValueError:
            raise damaged(self.folder, GRAPH) from None


def make_index(
    encoder: Encoder,
    clouds: CloudSet,
    output: Path | str,
    *,
    checkpoint: str,
    count: int = 32,
    radius: float = 0.25,
    graph: Graphs = "auto",
    batch_size: int = 32,
    shown: bool = True,
) -> Index:
    """The index of all clouds of a set, written whole or not at all; ``count`` regions of each, none where 0.

    ``checkpoint`` is what the encoder is called. :class:`UsageError` for values that cannot be, before anything is
    computed.
    """
    folder = check_new(output)
    _check(clouds, count, radius, graph)
    built = graph == "yes" or (graph == "auto" and len(clouds) >= GRAPH_FROM and has_graphs())
    record = IndexRecord(
        encoder=checkpoint,
        fingerprint=encoder.fingerprint(),
        method=encoder.record.method,
        pooling=encoder.pooling,
        files_up=clouds.files_up,
        points=clouds.points.shape[1],
        data=clouds.name,
        clouds=len(clouds),
        channels=encoder.embedding_dim,
        regions=count,
        region_channels=encoder.model.point_feature_dim if count else 0,
        radius=radius,
        shown=min(clouds.points.shape[1], MOST_SHOWN),
    )
    with new_index(folder) as part:
        _embed(encoder, clouds, part, record, batch_size, shown)
        pq.write_table(_named(clouds), part / CLOUDS)
        if built:  # the map is gone afterwards: it would keep the folder from being renamed on some systems
            Graph.build(np.load(part / VECTORS, mmap_mode="r")).save(part / GRAPH)
        finish(part, record)
    return Index(folder)


def _check(clouds: CloudSet, count: int, radius: float, graph: str) -> None:
    if len(clouds) == 0:
        raise UsageError(f"{clouds.name} holds no clouds: there is nothing to index.")
    if not 0 <= count <= clouds.points.shape[1]:
        raise UsageError(f"A cloud of {clouds.points.shape[1]} points has between 0 and as many regions, not {count}.")
    if not 0 < radius <= 2:
        raise UsageError(f"The radius of a region is above 0 and at most 2, the width of the unit sphere: {radius:g}.")
    if graph not in ("auto", "yes", "no"):
        raise UsageError(f"Unknown choice of graph {graph!r}: expected auto, yes or no.")
    if graph == "yes" and not has_graphs():
        raise UsageError("A graph needs one more package: pip install 'i2pmae[search]'. Without it, search is exact.")


class _Rows:
    """A .npy file whose rows are appended as they come: where a full disk is met through a map, the process ends."""

    def __init__(self, path: Path, dtype: str, *shape: int) -> None:
        self.dtype = np.dtype(dtype)
        self._file = path.open("wb")
        facts = {"descr": self.dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, facts)

    def append(self, rows: np.ndarray) -> None:
        self._file.write(np.ascontiguousarray(rows, self.dtype).data)

    def close(self) -> None:
        self._file.close()


def _embed(encoder: Encoder, clouds: CloudSet, folder: Path, record: IndexRecord, batch_size: int, shown: bool) -> None:
    """Write the vectors of the clouds, their points and their regions, as they come."""
    with contextlib.ExitStack() as stack:

        def array(name: str, dtype: str, *shape: int) -> _Rows:
            return stack.enter_context(contextlib.closing(_Rows(folder / name, dtype, len(clouds), *shape)))

        vectors = array(VECTORS, "f4", record.channels)
        shown_points = array(POINTS, "i2", record.shown, 3)
        if record.regions:
            parts = array(REGIONS, "f2", record.regions, record.region_channels)
            centres = array(CENTRES, "f2", record.regions, 3)
        for rows in track(batches(clouds, batch_size), f"Embedding {clouds.name}", shown=shown):
            points = np.asarray(clouds.points[rows], dtype=np.float32)
            shown_points.append(np.rint(np.clip(points[:, : record.shown], -1, 1) * FIXED))
            vectors.append(unit(encoder.embed(points, batch_size=batch_size, max_points=None)))
            if record.regions:
                features, places = regions(encoder, points, record.regions, record.radius)
                parts.append(features)
                centres.append(places)


def _named(clouds: CloudSet) -> pa.Table:
    columns = {"id": list(map(str, clouds.ids))}
    if clouds.labels is not None:
        names = clouds.classes
        columns["label"] = [str(int(label)) if names is None else names[int(label)] for label in clouds.labels]
    return pa.table(columns)
