import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i2pmae.common.errors import DataError
from i2pmae.data.clouds import CloudSet
from i2pmae.data.formats.tar import describe_tar
from i2pmae.data.open.source import open_clouds
from i2pmae.data.store.cache import read_bad_files

POINTS = np.random.default_rng(3).random((6, 20, 3)).astype(np.float32)


def packed(values: Any) -> bytes:
    content = io.BytesIO()
    np.save(content, values)
    return content.getvalue()


def write(path: Path, members: Sequence[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            facts = tarfile.TarInfo(name)
            facts.size = len(content)
            archive.addfile(facts, io.BytesIO(content))
    return path


def shard(path: Path, rows: Sequence[int], labels: Sequence[str] = ("cup", "jug")) -> Path:
    return write(
        path,
        [
            (f"{row:04d}.{kind}", packed(POINTS[row]) if kind == "npy" else labels[row % len(labels)].encode())
            for row in rows
            for kind in ("cls", "npy")
        ],
    )


def read(path: Path, **options: Any) -> CloudSet:
    return open_clouds(path, **{"points": 20, "workers": 0, "shown": False, "max_bad_share": 0.5, **options})


def test_shards_are_one_set_with_labels_and_splits(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    shard(tmp_path / "set" / "train-000000.tar", [0, 1])
    shard(tmp_path / "set" / "train-000001.tar", [2, 3])
    shard(tmp_path / "set" / "test-000000.tar", [4, 5])
    found = read(tmp_path / "set")
    assert list(found.ids) == [
        f"{name}/{row:04d}"
        for name, row in zip(
            ["test-000000.tar"] * 2 + ["train-000000.tar"] * 2 + ["train-000001.tar"] * 2,
            [4, 5, 0, 1, 2, 3],
            strict=True,
        )
    ]
    assert found.classes == ("cup", "jug")
    assert found.labels is not None and found.labels.tolist() == [0, 1] * 3
    assert found.splits is not None and found.splits.tolist() == ["test"] * 2 + ["train"] * 4
    centred = POINTS[4] - POINTS[4].mean(0)
    np.testing.assert_allclose(found.points[0], centred / np.linalg.norm(centred, axis=-1).max(), atol=1e-6)


def test_members_of_a_key_need_not_stand_together_and_may_differ_in_size(tmp_path: Path) -> None:
    facts = [json.dumps({"label": 1, "split": "validation"}), "0", '{"class": 2}', json.dumps({"other": 1})]
    clouds = [("d/a.npy", packed(POINTS[0])), ("d/b.points.npy", packed(POINTS[1][:9])), ("d/c.npy", packed(POINTS[2]))]
    labels = [(f"d/{key}.json", text.encode()) for key, text in zip("abc", facts, strict=False)]
    rest = [("d/._a.npy", b"junk"), ("README.md", b"about"), ("d/b.seg.npy", packed(np.arange(9) % 2))]
    found = describe_tar(write(tmp_path / "x.tar", [*labels, *clouds, *rest]), "x.tar")
    assert list(found.ids) == ["x.tar/d/a", "x.tar/d/b", "x.tar/d/c"]
    assert found.labels is not None and found.labels.tolist() == [1, 0, 2]
    assert found.splits is not None and found.splits.tolist() == ["val", None, None]
    assert found.size is None
    blocks = list(found.blocks())
    assert [block.points.shape for block in blocks] == [(1, 20, 3), (1, 9, 3), (1, 20, 3)]
    assert blocks[1].parts is not None and blocks[1].parts[0].tolist() == [row % 2 for row in range(9)]
    assert blocks[0].parts is None


def test_clouds_that_cannot_be_used_are_left_out_by_their_member(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.tar",
        [
            ("0.npy", packed(POINTS[0])),
            ("1.npy", packed(POINTS[1])),
            ("2.cls", b"3"),
            ("3.npy", b"\x93NUMPY no more"),
            ("4.npy", packed(np.array([{}], dtype=object))),
            ("5.npy", packed(np.zeros((3, 20)).T[:, :2])),
            ("6.a.npy", packed(POINTS[0])),
            ("6.b.npy", packed(POINTS[0])),
            ("7.npy", packed(POINTS[0])),
            ("7.npy", packed(POINTS[1])),
            ("8.npy", packed(POINTS[2])),
            ("8.json", b"{"),
        ],
    )
    found = read(path, max_bad_share=0.9)
    assert list(found.ids) == ["x.tar/0", "x.tar/1"]
    assert found.bad_files is not None
    bad = dict(read_bad_files(found.bad_files.parent))
    assert sorted(bad) == [f"x.tar/{row}" for row in range(2, 9)]
    assert bad["x.tar/2"] == "there is 2.cls, but no 2.npy"
    assert bad["x.tar/3"].startswith("3.npy is no .npy")
    assert "4.npy holds Python objects" in bad["x.tar/4"]
    assert "5.npy holds shape (20, 2)" in bad["x.tar/5"]
    assert "which of 6.a.npy, 6.b.npy is the cloud" in bad["x.tar/6"]
    assert bad["x.tar/7"] == "there are two members 7.npy"
    assert bad["x.tar/8"] == "8.json is no JSON"


@pytest.mark.parametrize("share", [0.3, 0.55, 0.9, 0.98])
def test_a_cut_archive_is_no_shorter_one(tmp_path: Path, share: float) -> None:
    content = shard(tmp_path / "x.tar", range(6)).read_bytes()
    end = content.rstrip(b"\0")
    (tmp_path / "x.tar").write_bytes(content[: int(len(end) * share) // 512 * 512])
    with pytest.raises(DataError, match=r"damaged or cut short after 000\d\.(npy|cls)"):
        describe_tar(tmp_path / "x.tar", "x.tar")


def test_a_damaged_header_is_no_end(tmp_path: Path) -> None:
    content = bytearray(shard(tmp_path / "x.tar", range(6)).read_bytes())
    at = content.index(b"0003.cls")
    content[at] = ord("9")
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(DataError, match=r"after 0002\.npy"):
        describe_tar(tmp_path / "x.tar", "x.tar")


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([("0.jpg", b"x"), ("1.jpg", b"x")], r"holds no cloud: .*2 × jpg"),
        (
            [("0.npy", packed(POINTS[0])), ("0.cls", b"1"), ("1.npy", packed(POINTS[1])), ("1.cls", b"cup")],
            r"some are names: that of 0 is 1 and that of 1 is 'cup'",
        ),
    ],
)
def test_wrong_archives(members: list[tuple[str, bytes]], reason: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=reason):
        describe_tar(write(tmp_path / "x.tar", members), "x.tar")


def test_joined_archives_and_files_that_are_none(tmp_path: Path) -> None:
    one = shard(tmp_path / "a.tar", [0, 1]).read_bytes()
    (tmp_path / "x.tar").write_bytes(one + one)
    with pytest.raises(DataError, match=r"after its end behind 0001\.npy, the archive goes on"):
        describe_tar(tmp_path / "x.tar", "x.tar")
    (tmp_path / "x.tar").write_bytes(b"no archive" * 100)
    with pytest.raises(DataError, match=r"cut short after its beginning"):
        describe_tar(tmp_path / "x.tar", "x.tar")
    (tmp_path / "x.tar").write_bytes(b"")
    with pytest.raises(DataError, match=r"x\.tar"):
        read(tmp_path / "x.tar")
