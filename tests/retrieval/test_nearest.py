"""Exact search and graphs beside sorting all similarities."""

import numpy as np
import pytest

from i2pmae.common.errors import UsageError
from i2pmae.retrieval import nearest
from i2pmae.retrieval.nearest import Graph, most_similar, pairs_above, unit


@pytest.fixture
def vectors() -> np.ndarray:
    return unit(np.random.default_rng(0).normal(size=(300, 16)))


@pytest.mark.parametrize("rows", [7, 64, 8192])
@pytest.mark.parametrize("top", [1, 5, 299, 1000])
def test_exact_search_is_that_of_sorting(vectors: np.ndarray, rows: int, top: int, monkeypatch) -> None:
    monkeypatch.setattr(nearest, "ROWS", rows)
    queries = unit(np.random.default_rng(1).normal(size=(4, 16)))
    score, found, which = most_similar(queries, vectors, top)
    every = queries @ vectors.T
    expected = np.argsort(-every, axis=1, kind="stable")[:, :top]
    assert which is None and found.shape == (4, min(top, 300))
    assert np.array_equal(found, expected)
    np.testing.assert_allclose(score, np.take_along_axis(every, expected, 1), atol=1e-6)


def test_ties_go_to_the_lowest_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "ROWS", 10)
    same = np.tile(unit(np.ones((1, 4))), (100, 1))
    assert most_similar(same[:1], same, 3)[1].tolist() == [[0, 1, 2]]
    assert most_similar(same[:1], same, 3, leave_out=1)[1].tolist() == [[0, 2, 3]]
    assert most_similar(same[:1], same[:2], 5, leave_out=1)[1].tolist() == [[0]]


@pytest.mark.parametrize("rows", [3, 100])
def test_of_several_vectors_of_a_row_the_best_counts(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "ROWS", rows)
    parts = unit(np.random.default_rng(0).normal(size=(20, 6, 8))).astype(np.float16)
    query = parts[11, 4].astype(np.float32)[None]
    score, found, which = most_similar(query, parts, 3)
    assert which is not None and (found[0, 0], which[0, 0]) == (11, 4)
    every = np.einsum("c,npc->np", query[0], parts.astype(np.float32))
    assert np.array_equal(found[0], np.argsort(-every.max(1), kind="stable")[:3])
    np.testing.assert_allclose(score[0], np.sort(every.max(1))[::-1][:3], atol=1e-6)


def test_pairs_are_all_that_are_so_similar(vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "BLOCK", 300 * 11)
    found = np.concatenate([rows for (_, rows), _ in pairs_above(vectors, 0.5)])
    every = np.argwhere(np.triu(vectors @ vectors.T >= 0.5, 1))
    assert len(every) > 100 and {tuple(pair) for pair in found} == {tuple(pair) for pair in every}
    monkeypatch.setattr(nearest, "MOST_PAIRS", 100)
    with pytest.raises(UsageError, match="no duplication"):
        list(pairs_above(vectors, 0.5))


def test_a_vector_of_no_length_stays() -> None:
    assert np.array_equal(unit(np.zeros((1, 3))), np.zeros((1, 3), np.float32))


def test_a_graph_finds_what_exact_search_does(vectors: np.ndarray, tmp_path) -> None:
    pytest.importorskip("usearch")
    graph = Graph.build(vectors)
    graph.save(tmp_path / "graph")
    queries = unit(np.random.default_rng(1).normal(size=(20, 16)))
    exact = most_similar(queries, vectors, 5)
    for known in (graph, Graph.load(tmp_path / "graph", 300, 16)):
        score, rows = known.search(queries, vectors, 5)
        assert (rows[:, :, None] == exact[1][:, None]).any(-1).mean() > 0.95
        assert (np.diff(score) <= 0).all()
    assert graph.search(queries[:1], vectors, 5)[1].shape == (1, 5)
    with pytest.raises(ValueError):
        Graph.load(tmp_path / "graph", 299, 16)
    (tmp_path / "graph").write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError):
        Graph.load(tmp_path / "graph", 300, 16)


def test_without_usearch_a_graph_says_what_to_install(vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "has_graphs", lambda: False)
    with pytest.raises(UsageError, match=r"pip install 'i2pmae\[search\]'"):
        Graph.build(vectors)
