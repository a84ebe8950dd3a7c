"""Rows that are read when they are asked for: like the array that they are of, and without a copy of it."""

from pathlib import Path

import numpy as np
import pytest

from i2pmae.data.clouds import CloudSet
from i2pmae.data.views import Lazy, Names, RowView, extent

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
