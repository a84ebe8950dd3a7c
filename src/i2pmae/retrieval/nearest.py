"""The most similar of many vectors of length 1: exactly, block by block, or by a graph where that is installed."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from i2pmae.common.errors import UsageError
from i2pmae.typing import Float, Int

__all__ = ["Found", "Graph", "has_graphs", "most_similar", "pairs_above", "unit"]

Found = tuple[Float[np.ndarray, "q k"], Int[np.ndarray, "q k"]]
"""Similarities, largest first, and the rows that they belong to."""
BLOCK = 1 << 24
"""Products of a query and a vector that are held at once: 64 MiB."""
ROWS = 8192
"""Vectors that are read at a time; what 672 channels of them take fits into memory beside anything else."""
MOST_PAIRS = 1_000_000
"""Pairs of near duplicates that can be listed."""
CANDIDATES = 4
"""So many times the wanted number are taken from a graph, and ordered by their exact similarity."""


def unit(vectors: Float[np.ndarray, "*b c"]) -> Float[np.ndarray, "*b c"]:
    """The vectors in float32 with length 1, so that their products are cosines; one of length 0 stays."""
    values = np.asarray(vectors, dtype=np.float32)
    length = np.linalg.norm(values, axis=-1, keepdims=True)
    return values / np.where(length > 0, length, 1)


def most_similar(
    queries: Float[np.ndarray, "q c"], vectors: Float[np.ndarray, "n *parts c"], top: int, leave_out: int | None = None
) -> tuple[Float[np.ndarray, "q k"], Int[np.ndarray, "q k"], Int[np.ndarray, "q k"] | None]:
    """Similarities, rows and, where a row has several vectors, which of them it is; the ``top`` of each query.

    All vectors have length 1 and may be memory-mapped; of several vectors of a row the most similar one counts. Ties go
    to the lowest row. The row ``leave_out`` takes no part. With fewer than ``top`` rows there are as many as there are.
    """
    if top < 1:
        raise UsageError(f"The number of results must be at least 1, got {top}.")
    several = vectors.ndim == 3
    kept: list[np.ndarray] = []
    step = max(1, min(ROWS, BLOCK // max(1, len(queries))) // (vectors.shape[1] if several else 1))
    for start in range(0, len(vectors), step):
        block = np.asarray(vectors[start : start + step], dtype=np.float32)
        score = queries @ block.reshape(-1, block.shape[-1]).T
        which = np.zeros((len(queries), len(block)), np.int64)
        if several:
            parts = score.reshape(len(queries), len(block), -1)
            which = parts.argmax(-1)
            score = np.take_along_axis(parts, which[..., None], -1)[..., 0]
        rows = np.broadcast_to(np.arange(start, start + len(block)), score.shape)
        if leave_out is not None:
            score = np.where(rows == leave_out, -np.inf, score)
        kept = _best([*kept, score, rows, which], top)
    found = len(vectors) - (leave_out is not None)
    score, rows, which = (values[:, : min(top, found)] for values in kept)
    return score, rows, which if several else None


def _best(kept: list[np.ndarray], top: int) -> list[np.ndarray]:
    """The best of what was kept so far and of a new block, each as similarities, rows and parts, in order."""
    score, rows, which = (np.concatenate(kept[place::3], axis=1) for place in range(3))
    if score.shape[1] > 4 * top:
        # Ties at the edge must not be lost: all that is as similar as the last that is wanted stays.
        edge = np.partition(score, -top, axis=1)[:, -top]
        width = int((score >= edge[:, None]).sum(1).max())
        chosen = np.sort(np.argpartition(-score, width - 1, axis=1)[:, :width], axis=1)
        score, rows, which = (np.take_along_axis(values, chosen, 1) for values in (score, rows, which))
    order = np.argsort(-score, axis=1, kind="stable")[:, :top]
    return [np.take_along_axis(values, order, 1) for values in (score, rows, which)]


def pairs_above(vectors: Float[np.ndarray, "n c"], least: float) -> Iterator[tuple[Found, float]]:
    """Pairs of rows (the lower first) that are at least so similar, a block at a time, and which share is done.

    :class:`UsageError` where there are more than can be listed.
    """
    count, total = 0, len(vectors)
    step = max(1, min(2048, BLOCK // max(1, total)))
    for start in range(0, total, step):
        block = np.asarray(vectors[start : start + step])
        score = block @ np.asarray(vectors[start:]).T
        first, second = np.nonzero(np.triu(score >= least, 1))
        count += len(first)
        if count > MOST_PAIRS:
            raise UsageError(
                f"More than {MOST_PAIRS} pairs are at least {least:g} similar: that is no duplication. Ask for more "
                "similarity (above)."
            )
        yield (score[first, second], np.stack([first, second], 1) + start), min(1.0, (start + step) / total)


def has_graphs() -> bool:
    """Whether usearch is installed."""
    return importlib.util.find_spec("usearch") is not None


class Graph:
    """Vectors in a graph of near neighbours (HNSW, arXiv 1603.09320, by usearch): found in little time, not always all.

    Kept in half precision; what is found is compared exactly by whoever asks.
    """

    def __init__(self, graph: Any) -> None:
        self._graph = graph

    @classmethod
    def build(cls, vectors: Float[np.ndarray, "n c"]) -> "Graph":
        """The graph of vectors of length 1; :class:`UsageError` where usearch is not installed."""
        _check_installed()
        from usearch.index import Index

        graph = Index(ndim=vectors.shape[1], metric="ip", dtype="f16", connectivity=32, expansion_search=128)
        for start in range(0, len(vectors), ROWS):
            block = np.asarray(vectors[start : start + ROWS], dtype=np.float32)
            graph.add(np.arange(start, start + len(block)), block)
        return cls(graph)

    def save(self, path: Path) -> None:
        """Write the graph to a file."""
        self._graph.save(str(path))

    @classmethod
    def load(cls, path: Path, count: int, channels: int) -> "Graph":
        """The graph in a file, memory-mapped; ``ValueError`` where it is damaged or of other vectors."""
        from usearch.index import Index

        try:
            graph = Index.restore(str(path), view=True)
        except Exception as error:  # the library has no kinds of errors of its own
            raise ValueError(str(error)) from None
        if graph is None or len(graph) != count or graph.ndim != channels:
            raise ValueError("it holds other vectors")
        return cls(graph)

    def search(self, queries: Float[np.ndarray, "q c"], vectors: Float[np.ndarray, "n c"], top: int) -> Found:
        """The ``top`` that the graph finds for each query, by their exact similarity to ``vectors``."""
        wanted = min(CANDIDATES * top, len(vectors))
        found = self._graph.search(queries, wanted)
        rows = np.atleast_2d(np.asarray(found.keys)).astype(np.int64)
        score = np.einsum("qc,qkc->qk", queries, np.asarray(vectors[rows], dtype=np.float32))
        order = np.argsort(-score, axis=1, kind="stable")[:, : min(top, len(vectors))]
        return np.take_along_axis(score, order, 1), np.take_along_axis(rows, order, 1)


def _check_installed() -> None:
    if not has_graphs():
        raise UsageError("A graph needs one more package: pip install 'i2pmae[search]'. Without it, search is exact.")
