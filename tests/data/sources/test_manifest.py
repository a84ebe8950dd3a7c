from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from i2pmae.common.errors import DataError
from i2pmae.data.clouds import CloudSet
from i2pmae.data.open.source import open_clouds
from tests.data.layouts import cloud


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "scans").mkdir()
    for index, name in enumerate(("a", "b", "c")):
        np.save(tmp_path / "scans" / f"{name}.npy", cloud(index))
    return tmp_path


def read(path: Path, **options: Any) -> CloudSet:
    return open_clouds(path, points=64, workers=0, shown=False, **options)


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
        (
            "path,split\nscans/a.npy,train\nscans/b.npy,trian\nscans/c.npy,x\n",
            r"line 3: the split is 'trian'; expected train, val or test \(did you mean 'train'\?\), and 1 more rows",
        ),
        (
            "path,split\nscans/a.npy,train\nscans/b.npy,test\nscans/../scans/a.npy,test\n",
            r"scans/a.npy \(line 2, train\) and scans/../scans/a.npy \(line 4, test\) are one file",
        ),
        (
            "path,label\nscans/a.npy,cup\nscans/a.npy,jug\n",
            r"scans/a.npy \(line 2, class 'cup'\) and scans/a.npy \(line 3, class 'jug'\) are one file",
        ),
        ("path\n~nobody-of-that-name/x.npy\n", "line 2: ~nobody-of-that-name/x.npy: there is no user"),
        ("path,path\nscans/a.npy,scans/b.npy\n", "has 2 columns path"),
        ("path,Label,label\nscans/a.npy,a,b\n", "has 2 columns label"),
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


def test_a_row_that_stands_twice_is_taken_once(files: Path) -> None:
    (files / "link.npy").symlink_to("scans/a.npy")
    (files / "all.csv").write_text(
        "path,split\nscans/a.npy,train\nscans/b.npy,test\nscans/a.npy,Training\nlink.npy,train\n"
    )
    opened = read(files / "all.csv")
    assert list(opened.ids) == ["scans/a.npy", "scans/b.npy"]
    assert "Listed more than once, and taken once: scans/a.npy, link.npy." in opened.notes
    (files / "all.csv").write_text("path,split\nscans/a.npy,train\nlink.npy,test\n")
    with pytest.raises(DataError, match=r"\(line 2, train\) and link.npy \(line 3, test\) are one file"):
        read(files / "all.csv")


def test_names_of_columns_in_any_case(files: Path) -> None:
    (files / "all.csv").write_text('"Path", Label ,SPLIT\nscans/a.npy,001,train\nscans/b.npy,1,dev\n')
    opened = read(files / "all.csv")
    assert opened.classes == ("001", "1")
    assert opened.splits.tolist() == ["train", "val"]


def test_names_and_labels_that_are_no_plain_text(files: Path) -> None:
    label = "1" * 5000
    bell = "[/red] \x07\nbell"
    table = pyarrow.table({"path": ["scans/a.npy", "scans/b.npy", "scans/\x00.npy"], "label": [label, bell, label]})
    pyarrow.parquet.write_table(table, files / "all.parquet")
    opened = read(files / "all.parquet", max_bad_share=0.5)
    assert opened.classes == (bell, label)
    assert opened.bad_files is not None
    assert "scans/\\x00.npy,cannot be read: no file can have that name" in opened.bad_files.read_text()
    (files / "all.csv").write_text(f'path,label\nscans/a.npy,"{label}"\nscans/b.npy,"a\nb"\n')
    assert read(files / "all.csv").classes == ("a\nb", label)


def test_numbers_as_labels(files: Path) -> None:
    for labels in ([300_000_000, 7], [300_000_000.0, 7.0]):
        pyarrow.parquet.write_table(
            pyarrow.table({"path": ["scans/a.npy", "scans/b.npy"], "label": labels}), files / "n.parquet"
        )
        opened = read(files / "n.parquet")
        assert (opened.classes, opened.labels.tolist()) == (("7", "300000000"), [1, 0])
    pyarrow.parquet.write_table(pyarrow.table({"path": ["scans/a.npy"], "label": [float("nan")]}), files / "n.parquet")
    with pytest.raises(DataError, match="line 2: the label is empty"):
        read(files / "n.parquet")


def test_damaged_text(files: Path) -> None:
    (files / "all.csv").write_bytes(b"path,label\nscans/a.npy,caf\xe9\n")
    with pytest.raises(DataError, match="cannot be read as a table"):
        read(files / "all.csv")
    damaged = pyarrow.Array.from_buffers(
        pyarrow.string(), 1, [None, pyarrow.py_buffer(b"\0\0\0\0\4\0\0\0"), pyarrow.py_buffer(b"caf\xe9")]
    )
    pyarrow.parquet.write_table(pyarrow.table({"path": ["scans/a.npy"], "label": damaged}), files / "all.parquet")
    with pytest.raises(DataError, match="line 2: the label is not UTF-8"):
        read(files / "all.parquet")


def test_a_manifest_that_may_not_be_read(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (files / "all.csv").write_text("path\nscans/a.npy\n")

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refused)
        with pytest.raises(DataError, match=r"Cannot read .*all.csv: Permission denied"):
            read(files / "all.csv")
    monkeypatch.setattr(Path, "exists", refused)
    with pytest.raises(DataError, match=r"Cannot read .*all.csv: Permission denied"):
        read(files / "all.csv")


@pytest.mark.parametrize("path", ["~nobody-of-that-name", "modelnet40=~nobody-of-that-name/x"])
def test_homes_of_nobody(path: str) -> None:
    with pytest.raises(DataError, match="there is no user whose home folder this names"):
        open_clouds(path)
