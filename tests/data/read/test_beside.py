"""Columns beside x, y and z, from files to sets of clouds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import trimesh

from i2pmae.common.errors import DataError, UsageError
from i2pmae.data.clouds import CloudSet
from i2pmae.data.config import DataConfig
from i2pmae.data.open.prepared import prepare
from i2pmae.data.open.source import open_clouds, request_for
from i2pmae.data.sources.named import plan_source
from i2pmae.data.store.cache import read_bad_files
from i2pmae.data.views import Lazy

BOTH = ("colour", "normal")
COUNT = 40
GENERATOR = np.random.default_rng(5)
POINTS = GENERATOR.random((COUNT, 3)).astype(np.float32)
NORMALS = GENERATOR.normal(size=(COUNT, 3))
NORMALS = (NORMALS / np.linalg.norm(NORMALS, axis=-1, keepdims=True)).astype(np.float32)
COLOURS = GENERATOR.integers(256, size=(COUNT, 3)).astype(np.uint8)


def ply(path: Path, colours: bool = True, normals: bool = True) -> None:
    kinds = [("float", name) for name in "xyz"]
    kinds += [("float", f"n{name}") for name in "xyz"] * normals
    kinds += [("uchar", name) for name in ("red", "green", "blue")] * colours
    head = "".join(f"property {kind} {name}\n" for kind, name in kinds)
    columns = np.concatenate([POINTS, *([NORMALS] * normals), *([COLOURS] * colours)], axis=1)
    rows = "".join(" ".join(f"{value:.9g}" for value in row) + "\n" for row in columns)
    path.write_text(f"ply\nformat ascii 1.0\nelement vertex {COUNT}\n{head}end_header\n{rows}")


def text(path: Path) -> None:
    rows = np.concatenate([COLOURS, POINTS, NORMALS], axis=1)
    np.savetxt(path, rows, fmt="%.9g", delimiter=",", header="R,G,B,x,y,z,Nx,Ny,Nz", comments="")


def pcd(path: Path, storage: str, packed: bool) -> None:
    colour = (COLOURS.astype(np.uint32) * [1 << 16, 1 << 8, 1]).sum(1).astype(np.uint32)
    table = np.zeros(COUNT, [(name, "<f4") for name in ("x", "y", "z", "rgb", "normal_x", "normal_y", "normal_z")])
    for column, axis in enumerate("xyz"):
        table[axis], table[f"normal_{axis}"] = POINTS[:, column], NORMALS[:, column]
    table["rgb"] = colour.view(np.float32)
    kind = "F" if packed else "U"
    head = (
        "VERSION 0.7\nFIELDS x y z rgb normal_x normal_y normal_z\nSIZE 4 4 4 4 4 4 4\n"
        f"TYPE F F F {kind} F F F\nWIDTH {COUNT}\nHEIGHT 1\nPOINTS {COUNT}\nDATA {storage}\n"
    )
    body = table.tobytes()
    if storage == "ascii":
        body = "".join(
            " ".join(
                f"{value:.9g}" if kind == "F" or name != "rgb" else str(colour[row])
                for name, value in zip(table.dtype.names, each.tolist(), strict=True)
            )
            + "\n"
            for row, each in enumerate(table)
        ).encode()
    path.write_bytes(head.encode() + body)


def hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["points"], file["normals"], file["rgb"] = POINTS, NORMALS, COLOURS


WRITERS: dict[str, Callable[[Path], object]] = {
    "a.ply": ply,
    "b.ply": lambda path: trimesh.PointCloud(POINTS).export(path),
    "c.csv": text,
    "d.pcd": lambda path: pcd(path, "binary", packed=True),
    "e.pcd": lambda path: pcd(path, "ascii", packed=False),
    "f.npz": lambda path: np.savez(path, points=POINTS, normal=NORMALS, colors=COLOURS / 255),
    "g.h5": hdf5,
    "h.npz": lambda path: np.savez(
        path, points=POINTS[None], normals=NORMALS[None], colours=COLOURS[None].astype(np.uint16)
    ),
}


def read(path: Path, **options: Any) -> CloudSet:
    return open_clouds(path, **{"points": COUNT, "workers": 0, "shown": False, "columns": BOTH, **options})


def values(opened: CloudSet, kind: str) -> np.ndarray:
    column = opened.columns[kind]
    assert isinstance(column, Lazy) and column.dtype == np.float32
    return np.asarray(column[0])


@pytest.mark.parametrize("name", [name for name in WRITERS if name != "b.ply"])
def test_formats_give_colours_and_normals(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name)
    opened = read(tmp_path / name)
    np.testing.assert_allclose(values(opened, "colour"), COLOURS / 255, atol=1e-6)
    np.testing.assert_allclose(values(opened, "normal"), NORMALS, atol=1e-6)
    assert not opened.notes
    plain = read(tmp_path / name, columns=())
    assert not plain.columns
    assert "left aside unless --columns asks" in plain.notes[0]
    np.testing.assert_array_equal(np.asarray(plain.points), np.asarray(opened.points))


def test_las_has_colours_of_16_bits(tmp_path: Path) -> None:
    laspy = pytest.importorskip("laspy")
    scan = laspy.create(point_format=3)
    scan.header.scales = [1e-6] * 3
    scan.x, scan.y, scan.z = POINTS.T
    scan.red, scan.green, scan.blue = (COLOURS.astype(np.uint16) * 257).T
    scan.write(tmp_path / "a.las")
    opened = read(tmp_path / "a.las", columns=["colour"])
    np.testing.assert_allclose(values(opened, "colour"), COLOURS / 255, atol=1e-6)


@pytest.mark.parametrize("name", ["a.npy", "a.xyz", "set.npy"])
def test_three_columns_without_names_are_what_they_look_like(name: str, tmp_path: Path) -> None:
    for kind, beside, expected in (
        ("normal", NORMALS, NORMALS),
        ("colour", COLOURS, COLOURS / 255),
        ("colour", COLOURS / 255, COLOURS / 255),
    ):
        table = np.concatenate([POINTS, beside], axis=1)
        if name.endswith("xyz"):
            np.savetxt(tmp_path / name, table, fmt="%.9g")
        else:
            np.save(tmp_path / name, table[None] if name == "set.npy" else table)
        np.testing.assert_allclose(values(read(tmp_path / name, columns=[kind]), kind), expected, atol=1e-6)
        other = "normal" if kind == "colour" else "colour"
        with pytest.raises(DataError, match=f"it has no {other}, which was asked for"):
            read(tmp_path / name, columns=[other])


@pytest.mark.parametrize(("up", "order", "sign"), [("z", (0, 2, 1), (1, 1, -1)), ("x", (1, 0, 2), (-1, 1, 1))])
def test_normals_turn_with_their_points(up: Any, order: Any, sign: Any, tmp_path: Path) -> None:
    ply(tmp_path / "a.ply")
    np.savez(tmp_path / "b.npz", points=POINTS[None], normals=7 * NORMALS[None], colours=COLOURS[None])
    opened = read(tmp_path, up=up)
    for row in range(2):
        np.testing.assert_allclose(opened.columns["normal"][row], NORMALS[:, order] * sign, atol=1e-6)
        np.testing.assert_allclose(opened.columns["colour"][row], COLOURS / 255, atol=1e-6)


@pytest.mark.parametrize("points", [16, 64])
def test_columns_have_the_rows_of_the_points(points: int, tmp_path: Path) -> None:
    ply(tmp_path / "a.ply")
    np.savez(
        tmp_path / "b.npz",
        points=np.stack([POINTS, POINTS]),
        normals=np.stack([NORMALS, NORMALS]),
        colours=np.stack([COLOURS, COLOURS]),
        y=[0, 1],
    )
    for cloud in read(tmp_path, points=points):
        near = ((cloud.columns["normal"][:, None] - NORMALS[None]) ** 2).sum(-1).argmin(1)
        np.testing.assert_allclose(cloud.columns["colour"], COLOURS[near] / 255, atol=1e-6)
        used = POINTS[near] - POINTS[near].mean(0)
        np.testing.assert_allclose(cloud.points, used / np.linalg.norm(used, axis=-1).max(), atol=1e-5)


def test_meshes_have_the_normals_of_their_triangles_or_those_they_store(tmp_path: Path) -> None:
    box = trimesh.creation.box((1, 1, 1))
    box.export(tmp_path / "a.off")
    opened = read(tmp_path / "a.off", points=500, columns=["normal"])
    points, normals = np.asarray(opened.points[0]), values(opened, "normal")
    np.testing.assert_allclose(np.sort(np.abs(normals), axis=-1), np.broadcast_to([0, 0, 1], (500, 3)), atol=1e-6)
    np.testing.assert_allclose((points * normals).sum(-1), 1 / np.sqrt(3), atol=0.1)  # half a side, outwards
    with pytest.raises(DataError, match="it has no colour"):
        read(tmp_path / "a.off", points=500)
    head = "".join(f"property float {name}\n" for name in ("x", "y", "z", "nx", "ny", "nz", "red", "green", "blue"))
    rows = "0 0 0 0 0 2 0 0 0\n1 0 0 0 0 2 1 0 0\n0 1 0 0 2 0 0 1 0\n"
    (tmp_path / "b.ply").write_text(
        f"ply\nformat ascii 1.0\nelement vertex 3\n{head}element face 1\nproperty list uchar int vertex_indices\n"
        f"end_header\n{rows}3 0 1 2\n"
    )
    opened = read(tmp_path / "b.ply", points=200)
    colours, normals = values(opened, "colour"), values(opened, "normal")
    np.testing.assert_allclose(np.linalg.norm(normals, axis=-1), 1, atol=1e-6)
    np.testing.assert_allclose(normals[:, 1] / normals[:, 2], colours[:, 1] / (1 - colours[:, 1]), rtol=2e-2, atol=2e-2)
    points = np.asarray(opened.points[0])
    assert abs(np.corrcoef(points[:, 0], colours[:, 0])[0, 1]) > 0.999


def test_files_without_a_column_are_left_out_and_said(tmp_path: Path) -> None:
    ply(tmp_path / "a.ply")
    ply(tmp_path / "b.ply", colours=False)
    np.save(tmp_path / "c.npy", POINTS)
    flat = np.concatenate([POINTS, NORMALS], axis=1)
    flat[3, 3:] = 0
    np.savez(tmp_path / "d.npz", points=POINTS, normals=flat[:, 3:], colours=COLOURS)
    with pytest.raises(DataError, match=r"3 of 4 files or clouds cannot be used:\n  b\.ply: it has no colour"):
        read(tmp_path)
    opened = read(tmp_path, max_bad_share=0.75)
    assert list(opened.ids) == ["a.ply"]
    assert opened.bad_files is not None
    assert dict(read_bad_files(opened.bad_files.parent)) == {
        "b.ply": "it has no colour, which was asked for",
        "c.npy": "it has no colour, which was asked for",
        "d.npz": "1 of 40 normals have no direction (zeros, NaN or infinity)",
    }
    np.savez(tmp_path / "d.npz", points=POINTS, normals=NORMALS, colours=COLOURS * 1000.0)
    with pytest.raises(DataError, match=r"d\.npz: the colours run from 0 to \d+; expected 0 to 1"):
        read(tmp_path)


@pytest.mark.parametrize("form", ["fixed16", "float32"])
def test_prepared_folders_keep_them(form: str, tmp_path: Path) -> None:
    splits = np.array(["train", "test"] * 3)
    count = len(splits)
    np.savez(
        tmp_path / "set.npz",
        points=np.stack([POINTS + row * POINTS[::-1] for row in range(count)]),
        split=splits,
        colours=np.stack([np.roll(COLOURS, row, 0) for row in range(count)]),
        normals=np.stack([np.roll(NORMALS, row, 0) for row in range(count)]),
    )
    plan = plan_source(tmp_path / "set.npz")
    request = request_for(DataConfig(points=COUNT, columns=BOTH))
    made = prepare(plan, tmp_path / "out", request, form=form, workers=0, shown=False)
    again = open_clouds(tmp_path / "out", points=COUNT, shown=False)
    for opened in (made, again):
        assert repr(opened).endswith("colour; normal)")
        tested = opened.split("test").subset([2, 0])
        np.testing.assert_allclose(tested.columns["colour"][0], np.roll(COLOURS, 5, 0) / 255, atol=1e-6)
        np.testing.assert_allclose(tested.columns["normal"][:][1], np.roll(NORMALS, 1, 0), atol=2e-5)
    plain = prepare(plan, tmp_path / "plain", request_for(DataConfig(points=COUNT)), form=form, workers=0, shown=False)
    assert plain.digest() != made.digest()
    fewer = open_clouds(tmp_path / "out", points=16, columns=["colour"], shown=False)
    assert fewer.columns["normal"].shape == (count, 16, 3)
    with pytest.raises(DataError, match=r"has no normal: prepare the data again with --columns normal"):
        open_clouds(tmp_path / "plain", points=COUNT, columns=["normal"], shown=False)
    shard = tmp_path / "out" / "normal-000-00000.npy"
    content = bytearray(shard.read_bytes())
    content[-5] ^= 1
    shard.write_bytes(content)
    damaged = open_clouds(tmp_path / "out", points=COUNT, shown=False)
    with pytest.raises(DataError, match=r"normal-000-00000\.npy is damaged: row 5"):
        damaged.columns["normal"][:]


def test_what_cannot_be_asked_for(tmp_path: Path) -> None:
    ply(tmp_path / "a.ply")
    with pytest.raises(UsageError, match=r"columns\.0: must be 'colour' or 'normal' \(got 'color'\)"):
        read(tmp_path, columns=["color"])
    with pytest.raises(UsageError, match=r"columns: must be a list of names, such as \('colour',\)"):
        read(tmp_path, columns="colour")
    with pytest.raises(UsageError, match="The built-in shapes have no normal"):
        open_clouds("shapes", clouds=4, columns=["normal"])
    with pytest.raises(DataError, match=r"colour has shape \(2, 3, 3\), points \(2, 4, 3\)"):
        CloudSet(np.zeros((2, 4, 3)), ["a", "b"], columns={"colour": np.zeros((2, 3, 3))})
