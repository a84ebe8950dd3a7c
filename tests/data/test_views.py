"""Rows that are read when they are asked for: like the array that they are of, and without a copy of it."""

from pathlib import Path

import numpy as np
import pytest

from i2pmae.common.errors import DataError
from i2pmae.data.clouds import CloudSet
from i2pmae.data.views import Chained, Lazy, Names, RowView, extent, row_digests

VALUES = np.random.default_rng(0).random((9, 4, 3)).astype(np.float32)
ROWS = np.array([5, 0, 8, 8, 2])


class Counted(Lazy):
    """An array that knows how many rows were read of it."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.count = values, 0
        self.shape, self.dtype = values.shape, values.dtype

    def read(self, rows: np.ndarray) -> np.ndarray:
        self.count += len(rows)
        return self.values[rows]


def test_it_is_indexed_like_the_array() -> None:
    view, array = RowView(VALUES, ROWS), VALUES[ROWS]
    for key in (0, -1, slice(1, 4), slice(None, None, -2), [2, 2, 0], array[:, 0, 0] > 0.5, np.array([], int)):
        np.testing.assert_array_equal(view[key], array[key])
    np.testing.assert_array_equal(view[:, :2], array[:, :2])
    np.testing.assert_array_equal(view[1, 2], array[1, 2])
    np.testing.assert_array_equal(view[1, ..., 2], array[1, ..., 2])
    np.testing.assert_array_equal(view[..., 2], array[..., 2])
    np.testing.assert_array_equal(view[...], array)
    np.testing.assert_array_equal(np.stack(list(view)), array)
    assert (view.shape, view.ndim, view.size, view.nbytes, len(view)) == ((5, 4, 3), 3, 60, 240, 5)
    for key in (5, -6, [0, 5]):
        with pytest.raises(IndexError):
            view[key]


def test_numpy_takes_it() -> None:
    view, array = RowView(VALUES, ROWS), VALUES[ROWS]
    np.testing.assert_array_equal(view - array, 0)
    np.testing.assert_array_equal(np.asarray(view, dtype=np.float64), array)
    np.testing.assert_array_equal(np.linalg.norm(view, axis=-1), np.linalg.norm(array, axis=-1))
    assert np.mean(view) == array.mean()
    with pytest.raises(ValueError, match="without a copy"):
        np.asarray(view, copy=False)


def test_a_view_of_a_view_reads_what_is_asked_for() -> None:
    counted = Counted(VALUES)
    view = RowView(RowView(counted, ROWS), np.array([3, 1]))
    assert view.base is counted and counted.count == 0
    np.testing.assert_array_equal(view[1], VALUES[0])
    assert counted.count == 1


def test_subsets_and_splits_copy_nothing(tmp_path: Path) -> None:
    np.save(tmp_path / "points.npy", VALUES)
    mapped = np.load(tmp_path / "points.npy", mmap_mode="r")
    for points in (VALUES, mapped):
        splits = np.array(["train", "test", "train"] * 3)
        clouds = CloudSet(points, [str(row) for row in range(9)], splits=splits, part_labels=points[..., 0] > 0)
        part = clouds.split("train").subset([4, 1]).subset(np.array([1, 0]))
        assert isinstance(part.points, RowView) and part.points.base is points
        assert isinstance(part.part_labels, RowView) and part.part_labels.base is clouds.part_labels
        assert list(part.ids) == ["2", "6"]
        np.testing.assert_array_equal(part.points, VALUES[[2, 6]])
        assert part.digest() == CloudSet(VALUES[[2, 6]], ["2", "6"], part_labels=VALUES[[2, 6], :, 0] > 0).digest()
        assert np.shares_memory(clouds[2:5].points, points)


def test_names() -> None:
    names = Names(Names([f"c{row}" for row in range(9)], ROWS), np.array([4, 0]))
    assert names == ["c2", "c5"] and names != ["c2"] and list(names) == ["c2", "c5"]
    assert names[-1] == "c5" and names[:1] == ["c2"] and names.index("c5") == 1
    assert np.array(names[0:2], dtype=str).tolist() == ["c2", "c5"]
    with pytest.raises(IndexError):
        names[2]


def test_extent() -> None:
    assert extent(np.array([[3, 5], [4, 4]])) == (0, 5)
    assert extent(np.array([[-3, 2]])) == (-3, 2)
    assert extent(RowView(np.zeros((3, 2), int), np.array([], int))) == (0, -1)


class Far(Counted):
    """Rows of a store elsewhere, two to a shard, each known by its number."""

    digests: np.ndarray

    def __init__(self, values: np.ndarray) -> None:
        super().__init__(values)
        self.digests = np.arange(16 * len(values), dtype=np.uint8).reshape(-1, 16)
        self.coming: list[int] = []

    def expect(self, rows: np.ndarray) -> None:
        self.coming = rows.tolist()

    def far_shards(self) -> np.ndarray:
        return np.arange(len(self)) // 2


def test_arrays_in_a_row_are_indexed_like_one() -> None:
    chain, array = Chained([VALUES[:4], RowView(VALUES, ROWS), VALUES[:0]]), np.concatenate([VALUES[:4], VALUES[ROWS]])
    for key in (0, 3, 4, -1, slice(2, 7), [8, 0, 4, 4], array[:, 0, 0] > 0.5, slice(None), np.array([], int)):
        np.testing.assert_array_equal(chain[key], array[key])
    assert chain.shape == array.shape and chain.dtype == array.dtype
    np.testing.assert_array_equal(RowView(chain, np.array([6, 1]))[:], array[[6, 1]])
    with pytest.raises(IndexError):
        chain[9]


def test_arrays_in_a_row_say_where_rows_are_and_what_they_hold() -> None:
    near, far, farther = VALUES[:3], Far(VALUES[:4]), Far(VALUES[:5])
    assert Chained([near, near]).far_shards() is None and row_digests(Chained([near, near])) is None
    chain = Chained([near, far, farther])
    np.testing.assert_array_equal(chain.far_shards(), [0, 1, 2, 0, 0, 1, 1, 2, 2, 3, 3, 4])
    chain.expect(np.array([11, 1, 3, 7, 4]))
    assert (far.coming, farther.coming) == ([0, 1], [4, 0])
    assert row_digests(chain) is None
    found = row_digests(RowView(Chained([far, farther]), np.array([1, 0, 8])))
    np.testing.assert_array_equal(found, [far.digests[1], far.digests[0], farther.digests[4]])


def test_sets_are_joined_without_a_copy() -> None:
    one = CloudSet(VALUES[:4], ["a", "b", "c", "d"], labels=np.arange(4), splits=np.array(["train"] * 4), name="one")
    other = CloudSet(VALUES[4:], [f"e{row}" for row in range(5)], name="others")
    both = one.joined(other)
    np.testing.assert_array_equal(both.points, VALUES)
    assert (both.labels, both.splits, both.name) == (None, None, "one and 5 others")
    assert list(both.ids)[3:5] == ["d", "e0"]
    far = CloudSet(Far(VALUES[:3]), ["f", "g", "h"])
    found = both.joined(far).digests()
    np.testing.assert_array_equal(found, np.concatenate([one.digests(), other.digests(), far.digests()]))
    np.testing.assert_array_equal(both.joined(far)[[11, 2]].digests(), found[[11, 2]])
    assert far.points.count == 0, "what is known is not read"
    with pytest.raises(DataError, match=r"4 points, others of 2"):
        one.joined(CloudSet(VALUES[:, :2], list("abcdefghi"), name="others"))
