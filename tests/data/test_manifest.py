from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from i2pmae.common.errors import DataError
from i2pmae.data import CloudSet
from i2pmae.data.sources import open_source
from tests.data.layouts import cloud


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "scans").mkdir()
    for index, name in enumerate(("a", "b", "c")):
        np.save(tmp_path / "scans" / f"{name}.npy", cloud(index))
    return tmp_path


def read(path: Path, **options: Any) -> CloudSet:
    return open_source(path, points=64, workers=0, shown=False, **options)


def test_csv(files: Path) -> None:
    (files / "all.csv").write_text(
        "path,note,label,split\nscans/c.npy,x,10,train\nscans/a.npy,,9,Testing\n" + f"{files}/scans/b.npy,y,10,val\n"
    )
    opened = read(files / "all.csv")
    assert list(opened.ids) == ["scans/c.npy", "scans/a.npy", f"{files}/scans/b.npy"]
    assert opened.classes == ("9", "10")
    assert opened.labels.tolist() == [1, 0, 1]
    assert opened.splits.tolist() == ["train", "test", "val"]
    assert read(files / "all.csv", labels="folder").classes == ("9", "10")


def test_paths_alone_and_parts_beside(files: Path) -> None:
    (files / "all.csv").write_text('"path"\nscans/a.npy\nscans/b.npy\n')
    opened = read(files / "all.csv")
    assert (len(opened), opened.labels, opened.splits, opened.part_labels) == (2, None, None, None)
    for name in "ab":
        (files / "scans" / f"{name}.seg").write_text("1\n2\n" * 32)
    assert read(files / "all.csv").parts == ("1", "2")


@pytest.mark.parametrize("column", ["label", "category"])
def test_parquet(column: str, files: Path) -> None:
    table = pyarrow.table({"path": ["scans/a.npy", "scans/b.npy"], column: ["jug", "cup"]})
    pyarrow.parquet.write_table(table, files / "all.parquet")
    opened = read(files / "all.parquet")
    assert opened.classes == ("cup", "jug")
    assert opened.labels.tolist() == [1, 0]


def test_a_csv_of_points_is_no_manifest(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "points.csv", cloud(0), delimiter=",", header="x,y,z", comments="")
    assert len(read(tmp_path / "points.csv")) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("path,label\n", "lists no clouds"),
        ("path,label\nscans/a.npy,\nscans/b.npy,x\n", "line 2: the label is empty"),
        ("path,split\nscans/a.npy,train\nscans/b.npy,dev\n", "line 3: the split is 'dev'; expected train, val or test"),
        ("path\nscans/a.npy\nscans/a.npy\n", "1 paths stand in it more than once"),
        ("path\nscans/a.jpg\n", r"line 2: unknown file format 'scans/a.jpg'"),
        ("path\nscans/x.npy\nscans/y.npy\n", "none of its 2 files is there"),
        ("path,label,category\nscans/a.npy,a,b\n", "mean the same"),
        ("path,label\nscans/a.npy\n", "cannot be read as a table"),
    ],
)
def test_wrong_manifests(text: str, reason: str, files: Path) -> None:
    (files / "all.csv").write_text(text)
    with pytest.raises(DataError, match=reason):
        read(files / "all.csv")


def test_wrong_parquet(files: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"file": ["scans/a.npy"]}), files / "all.parquet")
    with pytest.raises(DataError, match=r"no column path \(its columns: file\)"):
        read(files / "all.parquet")
    (files / "all.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="cannot be read as a table"):
        read(files / "all.parquet")


def test_files_that_are_gone_are_left_out(files: Path) -> None:
    (files / "all.csv").write_text("path,label\nscans/a.npy,x\nscans/b.npy,y\nscans/gone.npy,x\n")
    with pytest.raises(DataError, match=r"scans/gone.npy: cannot be read: No such file"):
        read(files / "all.csv")
    assert len(read(files / "all.csv", max_bad_share=0.4)) == 2
