"""Part labels of users' own data: where they may be, and that a point keeps its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from i2pmae.common.errors import DataError
from i2pmae.data.clouds import CloudSet
from i2pmae.data.open.source import open_clouds
from tests.data.layouts import cloud, part_of

POINTS = cloud(1, 60)
PARTS = part_of(POINTS, 3)


def read(path: Path, points: int = 60, **options: Any) -> CloudSet:
    return open_clouds(path, points=points, workers=0, shown=False, **options)


def write_npz(root: Path) -> None:
    np.savez(root / "a.npz", points=POINTS, part_labels=PARTS)


def write_npz_labels(root: Path) -> None:
    np.savez(root / "a.npz", points=POINTS, labels=PARTS.astype(np.uint8))


def write_h5(root: Path) -> None:
    with h5py.File(root / "a.h5", "w") as file:
        file["points"], file["seg"] = POINTS, PARTS.astype(float)


def write_header(root: Path) -> None:
    rows = "\n".join(f"{part},{x},{y},{z}" for (x, y, z), part in zip(POINTS, PARTS, strict=True))
    (root / "a.csv").write_text(f"label,x,y,z\n{rows}\n")


def write_beside(root: Path) -> None:
    np.savetxt(root / "a.xyz", POINTS)
    np.savetxt(root / "a.seg", PARTS, fmt="%d")


def write_labels_beside(root: Path) -> None:
    np.save(root / "a.npy", POINTS)
    np.savetxt(root / "a.labels", PARTS, fmt="%d")


def write_pair(root: Path) -> None:
    for name in ("points", "points_label"):
        (root / name).mkdir()
    np.savetxt(root / "points" / "a.pts", POINTS)
    np.savetxt(root / "points_label" / "a.seg", PARTS, fmt="%d")


def write_ply(root: Path, name: str = "label", binary: bool = False) -> None:
    kind = "binary_little_endian" if binary else "ascii"
    head = f"ply\nformat {kind} 1.0\nelement vertex 60\n" + "".join(f"property float {axis}\n" for axis in "xyz")
    head += f"property uchar red\nproperty int {name}\nend_header\n"
    if binary:
        table = np.zeros(60, dtype=[("xyz", "<f4", 3), ("red", "u1"), ("part", "<i4")])
        table["xyz"], table["part"] = POINTS, PARTS
        body = table.tobytes()
    else:
        rows = (f"{x} {y} {z} 7 {part}\n" for (x, y, z), part in zip(POINTS, PARTS, strict=True))
        body = "".join(rows).encode()
    (root / "a.ply").write_bytes(head.encode() + body)


def write_ply_part(root: Path) -> None:
    write_ply(root, "part", binary=True)


WAYS: list[Callable[[Path], None]] = [
    write_npz,
    write_npz_labels,
    write_h5,
    write_header,
    write_beside,
    write_labels_beside,
    write_pair,
    write_ply,
    write_ply_part,
]


@pytest.mark.parametrize("write", WAYS)
def test_a_label_per_point(write: Callable[[Path], None], tmp_path: Path) -> None:
    write(tmp_path)
    opened = read(tmp_path)
    assert np.asarray(opened.part_labels).tolist() == [PARTS.tolist()]
    assert opened.part_labels.dtype == np.int64
    assert opened.parts == ("0", "1", "2")
    few = read(tmp_path, 30)  # parts were cut along x
    assert (np.diff(few.part_labels[0][few.points[0, :, 0].argsort()]) >= 0).all()
    assert len(set(few.part_labels[0].tolist())) == 3
    assert read(tmp_path, parts="none").part_labels is None


def test_the_last_column_of_texts_only_where_asked_for(tmp_path: Path) -> None:
    table = np.concatenate([POINTS, np.ones((60, 3)), PARTS[:, None] * 10 + 5], axis=1)
    np.savetxt(tmp_path / "a.txt", table)
    assert read(tmp_path).part_labels is None
    opened = read(tmp_path, parts="column")
    assert np.asarray(opened.part_labels).tolist() == [PARTS.tolist()]  # 5, 15, 25 become 0, 1, 2
    assert opened.parts == ("5", "15", "25")
    np.savetxt(tmp_path / "b.txt", POINTS)
    with pytest.raises(DataError, match=r"b.txt: there are three columns only"):
        read(tmp_path, parts="column")


def test_numbers_are_the_same_parts_in_all_files(tmp_path: Path) -> None:
    for name, number in (("a", 7), ("b", 3)):
        np.savez(tmp_path / f"{name}.npz", points=POINTS, part_labels=np.full(60, number))
    opened = read(tmp_path)
    assert opened.parts == ("3", "7")
    assert opened.part_labels[:, 0].tolist() == [1, 0]


def test_parts_of_some_clouds_only_are_not_used(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", POINTS)
    np.savez(tmp_path / "b.npz", points=POINTS, part_labels=PARTS)
    opened = read(tmp_path)
    assert opened.part_labels is None and opened.parts is None
    assert "1 of 2 clouds have no part labels, so no part labels are used" in opened.notes[-1]


def test_sets_of_clouds_with_parts(tmp_path: Path) -> None:
    many = np.stack([cloud(index, 40) for index in range(6)])
    parts = np.stack([part_of(points, 4) for points in many]).astype(np.uint8)
    np.savez(
        tmp_path / "set.npz",
        points=many.astype(np.float16),
        part_labels=parts,
        part_names=["Cup/body", "Cup/handle", "Hat/top", "Hat/brim"],
        category=np.array([0, 1, 0, 1, 0, 1], np.uint8),
        category_names=["Cup", "Hat"],
        split=["train"] * 4 + ["test"] * 2,
    )
    opened = read(tmp_path / "set.npz", 40)
    assert opened.parts == ("Cup/body", "Cup/handle", "Hat/top", "Hat/brim")
    assert (opened.classes, opened.labels.tolist()) == (("Cup", "Hat"), [0, 1] * 3)
    assert opened.splits.tolist() == ["train"] * 4 + ["test"] * 2
    np.testing.assert_array_equal(opened.part_labels, parts)
    few = read(tmp_path / "set.npz", 20)
    for points, labels in zip(few.points, few.part_labels, strict=True):
        assert (np.diff(labels[points[:, 0].argsort()]) >= -0).all()
    np.savez(tmp_path / "halves.npz", x_train=many[:4], x_test=many[4:], seg_train=parts[:4], seg_test=parts[4:])
    np.testing.assert_array_equal(read(tmp_path / "halves.npz", 40).part_labels, parts)


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"part_labels": np.zeros((2, 5), int)}, r"part_labels has shape \(2, 5\); expected \(2, 60\)"),
        ({"part_labels": np.full((2, 60), 0.5)}, "not whole numbers"),
        ({"part_labels": np.full((2, 60), "a")}, "expected whole numbers"),
        ({"part_labels": np.full((2, 60), -1)}, "part label -1; expected 0 or more"),
        ({"part_labels": np.full((2, 60), 2), "part_names": ["a", "b"]}, "run from 2 to 2; expected 0 to 1"),
        ({"part_labels": np.zeros((2, 60), int), "part_names": ["a", "a"]}, "more than once"),
        ({"part_labels": np.arange(120).reshape(2, 60) * 0 + np.arange(60) * 0}, None),
    ],
)
def test_parts_that_do_not_fit(arrays: dict[str, Any], reason: str | None, tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", points=np.stack([POINTS, POINTS]), **arrays)
    if reason is None:
        assert read(tmp_path / "set.npz").parts == ("0",)
        return
    with pytest.raises(DataError, match=reason):
        read(tmp_path / "set.npz")


def test_far_too_many_parts_are_something_else(tmp_path: Path) -> None:
    many = np.random.default_rng(0).random((1, 2000, 3))
    np.savez(tmp_path / "set.npz", points=many, part_labels=np.arange(2000)[None])
    with pytest.raises(DataError, match="2000 different part labels"):
        read(tmp_path / "set.npz", 2000)


def test_files_that_name_parts_differently(tmp_path: Path) -> None:
    for name in ("a", "b"):
        parts = np.zeros((1, 60), int)
        np.savez(tmp_path / f"{name}.npz", points=POINTS[None], part_labels=parts, part_names=[name])
    with pytest.raises(DataError, match="name the parts differently"):
        read(tmp_path)


def test_a_mesh_has_no_parts_per_point(tmp_path: Path) -> None:
    import trimesh

    trimesh.creation.box().export(tmp_path / "a.off")
    (tmp_path / "a.seg").write_text("1\n" * 12)
    assert read(tmp_path).part_labels is None
