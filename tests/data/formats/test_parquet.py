from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from i2pmae.common.errors import DataError
from i2pmae.data.clouds import CloudSet
from i2pmae.data.formats.parquet import describe_parquet
from i2pmae.data.open.source import open_clouds
from i2pmae.data.store.cache import read_bad_files

POINTS = np.random.default_rng(3).random((7, 20, 3)).astype(np.float32)
FLAT = pyarrow.array([each.reshape(-1).tolist() for each in POINTS], pyarrow.list_(pyarrow.float32()))
TRIPLES = pyarrow.array(POINTS.tolist(), pyarrow.list_(pyarrow.list_(pyarrow.float64())))
FIXED = pyarrow.array(POINTS.tolist(), pyarrow.large_list(pyarrow.list_(pyarrow.float32(), 3)))
WHOLE = pyarrow.FixedSizeListArray.from_arrays(POINTS.reshape(-1), 60)


def write(path: Path, columns: dict[str, Any], group: int = 3) -> Path:
    pyarrow.parquet.write_table(pyarrow.table(columns), path, row_group_size=group)
    return path


def read(path: Path, **options: Any) -> CloudSet:
    return open_clouds(path, **{"points": 20, "workers": 0, "shown": False, "max_bad_share": 0.5, **options})


@pytest.mark.parametrize("column", [FLAT, TRIPLES, FIXED, WHOLE], ids=["flat", "triples", "fixed", "whole"])
def test_every_form_of_lists(column: Any, tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.parquet",
        {"split": ["train"] * 5 + ["test"] * 2, "cloud": column, "class": list("abcabca"), "id": list("pqrstuv")},
    )
    found = read(path)
    assert list(found.ids) == [f"a.parquet/{each}" for each in "pqrstuv"]
    assert found.classes == ("a", "b", "c")
    assert found.labels is not None and found.labels.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert found.splits is not None and found.splits.tolist() == ["train"] * 5 + ["test"] * 2
    for row, points in enumerate(POINTS):
        centred = points - points.mean(0)
        np.testing.assert_allclose(found.points[row], centred / np.linalg.norm(centred, axis=-1).max(), atol=1e-6)
    assert len(open_clouds(path, points=20, shown=False)) == 7  # and no manifest
    (tmp_path / "set").mkdir()
    path.replace(tmp_path / "set" / "a.parquet")
    assert read(tmp_path / "set", labels="none").labels is not None


def test_row_groups_are_read_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [5, 5, 9, 5, 5, 5, 9]
    lists = [points[:size].tolist() for points, size in zip(POINTS, sizes, strict=True)]
    path = write(tmp_path / "a.parquet", {"points": lists, "seg": [[1] * size for size in sizes], "label": range(7)})
    asked = []
    real = pyarrow.parquet.ParquetFile.iter_batches

    def noted(self: Any, rows: int, groups: list[int], **options: Any) -> Any:
        asked.append((groups, options["columns"]))
        return real(self, rows, groups, **options)

    monkeypatch.setattr(pyarrow.parquet.ParquetFile, "iter_batches", noted)
    blocks = list(describe_parquet(path, "a").blocks())
    assert asked == [([group], ["points", "seg"]) for group in range(3)]
    assert [(block.first, block.points.shape) for block in blocks] == [
        (0, (2, 5, 3)),
        (2, (1, 9, 3)),
        (3, (3, 5, 3)),
        (6, (1, 9, 3)),
    ]
    for block in blocks:
        for row, points in enumerate(block.points):
            np.testing.assert_allclose(points, POINTS[block.first + row][: len(points)])
        assert block.parts is not None and block.parts.shape == block.points.shape[:2]


def test_rows_that_cannot_be_used(tmp_path: Path) -> None:
    lists = FLAT.to_pylist()
    lists[1], lists[3], lists[4] = None, lists[3][:-1], [*lists[4][:-1], None]
    found = read(write(tmp_path / "a.parquet", {"points": pyarrow.array(lists, pyarrow.list_(pyarrow.float32()))}))
    assert list(found.ids) == [f"a.parquet/{row:06d}" for row in (0, 2, 5, 6)]
    assert found.bad_files is not None
    bad = dict(read_bad_files(found.bad_files.parent))
    assert bad["a.parquet/000001"] == "there is nothing in column points"
    assert bad["a.parquet/000003"] == "there are 59 numbers in column points; expected three for each point"
    assert "NaN" in bad["a.parquet/000004"]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"a": FLAT, "b": FLAT}, "which of the columns a, b holds the clouds cannot be told: call it points"),
        ({"a": TRIPLES, "b": TRIPLES, "c": FLAT}, "which of the columns a, b holds"),
        ({"name": list("abcdefg")}, r"none of its columns \(name\) holds lists of numbers"),
        ({"seg": FLAT}, "none of its columns seg holds points"),
        ({"points": FLAT, "id": list("abcdefa")}, "the id 'a' stands for more than one cloud"),
        ({"points": FLAT, "split": ["trian"] * 7}, "did you mean 'train'"),
        ({"points": FLAT, "label": [-1] * 7}, "run from -1 to -1"),
        ({"points": FLAT[:0]}, "no rows"),
    ],
)
def test_wrong_tables(columns: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=reason):
        describe_parquet(write(tmp_path / "a.parquet", columns), "a")


def test_columns_beside_the_clouds_are_not_taken_for_them(tmp_path: Path) -> None:
    table = {"xyz": TRIPLES, "embedding": FLAT, "normals": TRIPLES}
    assert describe_parquet(write(tmp_path / "a.parquet", table), "a").column == "xyz"
    assert describe_parquet(write(tmp_path / "a.parquet", {**table, "points": FLAT}), "a").column == "points"


def test_a_table_beside_the_data_is_no_bad_file(tmp_path: Path) -> None:
    np.save(tmp_path / "0.npy", POINTS[0])
    np.save(tmp_path / "1.npy", POINTS[1])
    write(tmp_path / "notes.parquet", {"name": list("abcdefg")})
    assert len(read(tmp_path, max_bad_share=0)) == 2
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"no Parquet file"):
        read(tmp_path, max_bad_share=0)
