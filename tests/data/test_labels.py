"""Rules for labels and names of splits, and that arrays, manifests and folders share them."""

from pathlib import Path

import numpy as np
import pytest

from i2pmae.common.errors import DataError
from i2pmae.data.labels import by_number, class_indices, split_name, split_names
from i2pmae.data.open.source import open_clouds
from tests.data.layouts import cloud, clouds


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("Train", "train"),
        ("training", "train"),
        ("valid", "val"),
        ("DEV", "val"),
        (" test ", "test"),
        ("Testing", "test"),
    ],
)
def test_usual_names_of_splits(name: str, split: str) -> None:
    assert split_name(name) == split


def test_misspelt_splits() -> None:
    with pytest.raises(
        DataError, match=r"the split is 'trian'; expected train, val or test \(did you mean 'train'\?\)"
    ):
        split_name("trian")
    with pytest.raises(DataError, match=r"the split is 'fold7'; expected train, val or test$"):
        split_name("fold7")
    assert split_names(np.array([["Train"], ["dev"]])).tolist() == [["train"], ["val"]]


def test_misspelt_splits_of_an_array_file_and_of_folders(tmp_path: Path) -> None:
    def read() -> object:
        return open_clouds(path, points=64, labels="folder", workers=0, shown=False)

    path = tmp_path / "set.npz"
    np.savez(path, points=clouds(3), split=["train", "Testing", "valid"])
    assert read().splits.tolist() == ["train", "test", "val"]
    np.savez(path, points=clouds(3), split=["trian", "test", "test"])
    with pytest.raises(DataError, match=r"'trian'; .*did you mean 'train'"):
        read()
    path = tmp_path / "folder"
    for split in ("trian", "test"):
        (path / split / "cup").mkdir(parents=True)
        np.save(path / split / "cup" / "a.npy", cloud(0))
    with pytest.raises(DataError, match=r"1 of 2 files are in train or test folders.*Did you mean 'train' by 'trian'"):
        read()


def test_classes_are_distinct_values() -> None:
    indices, names = class_indices(np.array([300_000_000, 7, 300_000_000, -2]))
    assert (indices.tolist(), indices.dtype, names) == ([2, 1, 2, 0], np.int64, ("-2", "7", "300000000"))
    assert class_indices(["b", "a", "10", "9"])[1] == ("a", "b", "9", "10")
    assert class_indices(np.array([1.0, 0.0]))[1] == ("0", "1")
    assert class_indices([b"cup", np.int8(3)])[1] == ("cup", "3")
    with pytest.raises(DataError, match=r"label 0\.5"):
        class_indices(np.array([0.5]))


def test_numbers_of_any_length_are_sorted_by_value() -> None:
    long, longer = "1" * 5000, "2" + "0" * 5000
    numbers = ["-100", "-20", "-3", "0", "7", "08", "9", "10", long, longer]
    assert sorted([*numbers[::-1], "text"], key=by_number) == ["text", *numbers]
