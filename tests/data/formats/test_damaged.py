"""Damaged and hostile files: each is left out with a reason that says what is wrong, and the others are read."""

import base64
import json
import pickle
import re
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import trimesh

from i2pmae.common.errors import DataError
from i2pmae.data.formats.pickles import read_pickle
from i2pmae.data.formats.table import read_cloud_file
from i2pmae.data.open.source import open_clouds
from i2pmae.data.store.cache import read_bad_files

MOST_BYTES = 128 << 20
"""Memory that reading any of these small files may take."""
CLOUDS = np.random.default_rng(0).random((5, 10, 3)).astype(np.float32)


def npy(shape: str, body: bytes = b"", descr: str = "'<f4'") -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header + b"\n" + body


def npz(path: Path, method: int = zipfile.ZIP_STORED, **members: bytes) -> None:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)


def damaged_lzma(path: Path) -> None:
    npz(path, zipfile.ZIP_LZMA, points=npy("(5, 10, 3)", CLOUDS.tobytes()))
    content = bytearray(path.read_bytes())
    content[200:260] = b"\xff" * 60
    path.write_bytes(content)


def zip_bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive, archive.open("points.npy", "w") as member:
        member.write(npy("(2, 14680064, 3)"))
        for _ in range(336):
            member.write(bytes(1 << 20))


def hdf5(**settings: Any) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with h5py.File(path, "w") as file:
            file.create_dataset("data", dtype="f4", **settings)

    return write


def null_space(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["data"] = h5py.Empty("f4")


def null_labels(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["data"], file["label"] = CLOUDS, h5py.Empty("i4")


def linked(soft: bool) -> Callable[[Path], None]:
    """A link to another file, or a link to such a link."""

    def write(path: Path) -> None:
        with h5py.File(path.with_suffix(".other"), "w") as other:
            other["data"] = CLOUDS
        with h5py.File(path, "w") as file:
            place = file.create_group("group") if soft else file
            place["data"] = h5py.ExternalLink(path.with_suffix(".other").name, "/data")
            if soft:
                file["data"] = h5py.SoftLink("/group/data")

    return write


def virtual(path: Path) -> None:
    layout = h5py.VirtualLayout((5, 10, 3), "f4")
    layout[:] = h5py.VirtualSource(path.with_suffix(".other"), "data", (5, 10, 3))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("data", layout)


def shared_text(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["data"] = CLOUDS
        file["classes"] = np.array(["x" * 1000] * 5, dtype=object)


def listed(note: str) -> list[tuple[str, str]]:
    """What a note says that was left out."""
    return read_bad_files(Path(note.rpartition("the reasons: ")[2]).parent)


ARRAYS: list[tuple[str, bytes | Callable[[Path], None], str]] = [
    ("negative.npy", npy("(-5, 10, 3)"), r"shape \(-5, 10, 3\)"),
    ("huge.npy", npy("(1000000000000, 1024, 3)", bytes(100)), "takes 12288000000000000 bytes, it holds 100"),
    ("longer.npy", npy("(4, 10, 3)", CLOUDS.tobytes()), "takes 480 bytes, it holds 600"),
    ("header.npy", npy("(" * 5000), "damaged or cut short"),
    ("format.npy", b"\x93NUMPY\x09\x09" + bytes(100), "format"),
    ("nothing.npy", npy("(10000000000, 3)", descr="'<U0'"), "take no bytes"),
    ("negative.npz", lambda path: npz(path, points=npy("(-5, 10, 3)")), r"shape \(-5, 10, 3\)"),
    ("huge.npz", lambda path: npz(path, points=npy("(1000000000000, 1024, 3)", bytes(100))), "it holds 100"),
    ("lzma.npz", damaged_lzma, "damaged"),
    ("bomb.npz", zip_bomb, r"would take \d+ bytes, but only \d+ are stored"),
    ("null.h5", null_space, "null data space|expected"),
    ("labels.h5", null_labels, "null data space"),
    ("unwritten.h5", hdf5(shape=(10**10, 64, 3), chunks=(1, 64, 3)), "but only 0 are stored"),
    ("chunk.h5", hdf5(shape=(4, 64, 3), chunks=(40000, 640, 3), maxshape=(None, None, 3)), "are stored"),
    ("raw.h5", hdf5(shape=(5, 10, 3), external=[("/etc/passwd", 0, 600)]), "in another file"),
    ("virtual.h5", virtual, "in another file"),
    ("link.h5", linked(soft=False), "a link to another file"),
    ("softly.h5", linked(soft=True), "a link to another file"),
    ("texts.h5", shared_text, "1000 letters"),
]


@pytest.mark.parametrize(("name", "content", "reason"), ARRAYS, ids=[row[0] for row in ARRAYS])
def test_a_damaged_array_file_is_left_out(
    name: str, content: bytes | Callable[[Path], None], reason: str, tmp_path: Path
) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    np.save(folder / "good.npy", CLOUDS)
    if isinstance(content, bytes):
        (folder / name).write_bytes(content)
    else:
        content(folder / name)
    tracemalloc.start()
    try:
        clouds = open_clouds(folder, points=10, workers=0, max_bad_share=0.5, shown=False)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(clouds) == 5
    ((bad, why),) = listed(clouds.notes[-1])
    assert bad == name
    assert re.search(reason, why), why
    assert peak < MOST_BYTES
    with pytest.raises(DataError, match=reason):
        open_clouds(folder / name, points=10, shown=False)


def text(content: str) -> bytes:
    return content.encode()


BOX = trimesh.creation.box()
SOLID = BOX.export(file_type="stl_ascii")
CORNERS = "0 0 0\n1 0 0\n0 1 0\n0 0 1\n"
OBJ = "".join(f"v {line}\n" for line in CORNERS.splitlines()) + "f 1 2 3\n"
PLY = "ply\nformat ascii 1.0\nelement vertex {}\nproperty float x\nproperty float y\nproperty float z\n"
PLY_FACES = PLY + "element face {}\nproperty list uchar int vertex_indices\nend_header\n"
PCD = (
    "VERSION 0.7\nFIELDS x y z i\nSIZE 4 4 4 4\nTYPE F F F F\nCOUNT 1 1 1 1\nWIDTH {}\nHEIGHT {}\nPOINTS {}\nDATA {}\n"
)
ROWS = "0 0 0 1\n1 0 0 1\n0 1 0 1\n0 0 1 1\n"


def ply_binary(vertices: int, faces: int, body: bytes) -> bytes:
    return PLY_FACES.format(vertices, faces).replace("ascii", "binary_little_endian").encode() + body


def changed_gltf(**changes: int) -> bytes:
    """A triangle in which values of its accessor, or of the view or the buffer that it is in, are other ones."""
    body = np.eye(3, dtype="<f4").tobytes()
    uri = "data:application/octet-stream;base64," + base64.b64encode(body).decode()
    buffer: dict[str, Any] = {"byteLength": 36, "uri": uri}
    view = {"buffer": 0, "byteLength": 36}
    accessor = {"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}
    for name, value in changes.items():
        place, _, key = name.partition("_")
        {"buffer": buffer, "view": view, "accessor": accessor}[place][key] = value
    tree = {
        "asset": {"version": "2.0"},
        "buffers": [buffer],
        "bufferViews": [view],
        "accessors": [{name: value for name, value in accessor.items() if value is not None}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "nodes": [{"mesh": 0}],
        "scenes": [{"nodes": [0]}],
    }
    return json.dumps(tree).encode()


FILES: list[tuple[str, bytes, str]] = [
    ("fewer.off", text(f"OFF\n3 1 0\n{CORNERS}3 0 1 2\n"), "3 vertices and 1 faces, but has 5 lines"),
    ("faces.off", text(f"OFF\n4 1 0\n{CORNERS}3 0 1 2\n3 0 1 3\n"), "4 vertices and 1 faces, but has 6 lines"),
    ("negative.off", text(f"OFF\n4 -1 0\n{CORNERS}"), "'4 -1 0'"),
    ("corners.off", text(f"OFF\n4 1 0\n{CORNERS}1000000000 0 1 2\n"), "says 1000000000 corners"),
    ("face.off", text(f"OFF\n4 1 0\n{CORNERS}-3 0 1 2\n"), "says -3 corners"),
    ("cut.obj", text(OBJ + "f 1 2"), "line 6: a face of 2 numbers"),
    ("row.obj", text(OBJ + "v 1 2"), "line 6: a vertex of 2 numbers"),
    ("beyond.obj", text(OBJ + "f 1 2 9\n"), "names vertex 9, but there are 4"),
    ("zero.obj", text(OBJ + "f 0 1 2\n"), "names vertex 0; they count from 1"),
    ("minus.obj", text(OBJ + "f -9 1 2\n"), "a face names vertex"),
    ("fewer.pts", text(f"3\n{CORNERS}"), "says 3 points, it holds 4"),
    ("more.pts", text(f"5\n{CORNERS}"), "says 5 points, it holds 4"),
    ("negative.pts", text(f"-4\n{CORNERS}"), "says -4 points, it holds 4"),
    ("row.xyz", text(f"{ROWS}5 5 5"), "row 5 of the table has 3 columns, the first one 4"),
    ("row.csv", text("1,2,3,4\n4,5,6,4\n7,8,9"), "row 3 of the table has 3 columns"),
    ("second.stl", text(SOLID + "\n" + SOLID[: len(SOLID) // 2]), "2 solid and 1 endsolid"),
    ("facet.stl", text(SOLID.replace("endfacet", "", 1)), "of 12 facets it has 11 endfacet"),
    ("vertex.stl", re.sub(rb"(vertex \S+ \S+) \S+", rb"\1", text(SOLID), count=1), "it has 35 vertex"),
    ("fewer.stl", struct.pack("<80xI", 11) + BOX.export(file_type="stl")[84:], "11 triangles do not fit"),
    ("rows.ply", text(PLY_FACES.format(3, 1) + CORNERS + "3 0 1 2\n"), "says 4 lines, it holds 5"),
    ("face.ply", text(PLY_FACES.format(4, 1) + CORNERS + "3 0 1\n"), "face 1 should have 4 values, it has 3"),
    ("list.ply", text(PLY_FACES.format(4, 1) + CORNERS + "1000000000 0 1\n"), "should have 1000000001 values"),
    ("negative.ply", text(PLY_FACES.format(-4, 1) + CORNERS), "'element vertex -4'"),
    ("fewer.ply", ply_binary(4, 0, bytes(60)), "4 vertex, 0 face, which take 48 bytes, it holds 60"),
    ("huge.ply", ply_binary(10**12, 0, bytes(60)), "which take 12000000000000 bytes, it holds 60"),
    ("fewer.pcd", text(PCD.format(3, 1, 3, "ascii") + ROWS), "says 3 points, it holds 4"),
    ("row.pcd", text(PCD.format(5, 1, 5, "ascii") + ROWS + "1 1 1"), "3 of 4 values"),
    ("size.pcd", text(PCD.format(10**6, 10**6, 4, "ascii") + ROWS), "HEIGHT is 1000000000000, POINTS is 4"),
    ("negative.pcd", text(PCD.format(-4, 1, -4, "ascii") + ROWS), "less than nothing"),
    ("binary.pcd", text(PCD.format(3, 1, 3, "binary")) + bytes(64), "says 3 points, it holds 4"),
    ("huge.pcd", text(PCD.format(10**12, 1, 10**12, "binary")) + bytes(64), "points, it holds 4"),
    ("packed.pcd", text(PCD.format(10**8, 1, 10**8, "binary_compressed")) + bytes(64), "another number of points"),
    ("count.gltf", changed_gltf(accessor_count=2), "use 24 of its 36 bytes"),
    ("more.gltf", changed_gltf(accessor_count=4), "says 4 values, which do not fit"),
    ("negative.gltf", changed_gltf(accessor_count=-3), "a count of -3"),
    ("zeros.gltf", changed_gltf(accessor_count=10**10, accessor_bufferView=None), "would take 120000000000 bytes"),
    ("view.gltf", changed_gltf(view_byteLength=10**10), "does not fit its buffer"),
    ("buffer.gltf", changed_gltf(buffer_byteLength=20), "a buffer of 20 bytes, which has 36"),
    ("device.gltf", changed_gltf(buffer_uri="/dev/zero"), "only files below its folder"),  # type: ignore[arg-type]
    ("outside.gltf", changed_gltf(buffer_uri="../a.bin"), "only files below its folder"),  # type: ignore[arg-type]
    ("deep.gltf", b"[" * 100_000, "nested too deeply"),
    ("chunk.glb", b"glTF" + struct.pack("<5I", 2, 24, 4 * 10**9, 0x4E4F534A, 0), "says a chunk of 4000000000 bytes"),
    ("length.glb", b"glTF" + struct.pack("<2I", 2, 4 * 10**9), "says 4000000000 bytes, it holds 12"),
]


@pytest.mark.parametrize(("name", "content", "reason"), FILES, ids=[row[0] for row in FILES])
def test_counts_that_do_not_fit_are_refused(name: str, content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=reason):
            read_cloud_file(tmp_path / name)
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()


def test_the_files_that_were_damaged_are_whole_without_it(tmp_path: Path) -> None:
    whole = {
        "a.off": text(f"OFF\n4 1 0\n{CORNERS}3 0 1 2\n"),
        "a.obj": text(OBJ + "f -1 -2 -3\nf 1/1/1 2//2 3\n"),
        "a.pts": text(f"4\n{CORNERS}"),
        "a.stl": text(SOLID + "\n" + SOLID),
        "b.stl": BOX.export(file_type="stl") + b"\n",
        "a.ply": text(PLY_FACES.format(4, 1) + CORNERS + "3 0 1 2\n"),
        "b.ply": ply_binary(4, 0, np.eye(4, 3, dtype="<f4").tobytes()),
        "a.pcd": text(PCD.format(2, 2, 4, "ascii") + ROWS),
        "a.gltf": changed_gltf(),
    }
    for name, content in whole.items():
        (tmp_path / name).write_bytes(content)
        assert len(read_cloud_file(tmp_path / name).points) >= 3, name


LAS: list[tuple[str, dict[int, tuple[str, int]], str]] = [
    ("las", {107: ("<I", 100)}, "says 100 points, it holds 200"),
    ("las", {107: ("<I", 2**32 - 1)}, "it holds 200"),
    ("las", {100: ("<I", 2**32 - 1)}, "says 4294967295 records"),
    ("las", {96: ("<I", 2**31)}, "should start at byte"),
    ("las", {105: ("<H", 0)}, "take no bytes"),
    ("laz", {107: ("<I", 2**32 - 1)}, "chunks of 50000 points, it holds 1"),
    ("laz", {107: ("<I", 60_000)}, "says 2 chunks of 50000 points, it holds 1"),
]


@pytest.mark.parametrize(("kind", "changes", "reason"), LAS)
def test_las_headers_that_do_not_fit(
    kind: str, changes: dict[int, tuple[str, int]], reason: str, tmp_path: Path
) -> None:
    laspy = pytest.importorskip("laspy")
    if kind == "laz" and not laspy.LazBackend.detect_available():
        pytest.skip("no LAZ backend")
    scan = laspy.create(point_format=3, file_version="1.2")
    scan.x, scan.y, scan.z = np.random.default_rng(0).random((3, 200))
    path = tmp_path / f"a.{kind}"
    scan.write(path)
    content = bytearray(path.read_bytes())
    for place, (form, value) in changes.items():
        struct.pack_into(form, content, place, value)
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=reason):
            read_cloud_file(path)
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()


PICKLES = {
    "buffer": (b"\x80\x02cbuiltins\nbytearray\nJ\x00\x28\x6b\x6e\x85R.", "bytes in an unknown code"),
    "length": (b"\x80\x05\x96" + (4 * 10**9).to_bytes(8, "little") + b"abc.", "damaged or cut short"),
    "array": (b"\x80\x02cnumpy\nndarray\nJ\x00\x00\x00\x70\x85R.", "an array without its content"),
    "key": (b"\x80\x02}K\x01\x85" + b"2\x86" * 60 + b"K\x01s.", "keys of type tuple"),
    "repr": (b"\x80\x02cbuiltins\nstr\nK\x01\x85" + b"2\x86" * 60 + b"\x85R.", "builtins.str, which could run code"),
    "memo": (b"\x80\x02]r\xff\xff\xff\xee0.", "damaged or cut short"),
    "set": (pickle.dumps({1, 2}, 4), "sets or buffers"),
    "copies": (
        b"\x80\x02c_codecs\nencode\nq\x00X\x10\x27\x00\x00" + b"a" * 10_000 + b"X\x06\x00\x00\x00latin1\x86q\x01R"
        b"(" + b"h\x00h\x01R" * 100 + b"l.",
        "the same bytes again and again",
    ),
}


@pytest.mark.parametrize("name", PICKLES)
def test_pickles_that_say_more_than_they_hold(name: str, tmp_path: Path) -> None:
    content, reason = PICKLES[name]
    (tmp_path / "a.pkl").write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=reason):
            read_pickle(tmp_path / "a.pkl")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_every_protocol(protocol: int, tmp_path: Path) -> None:
    content = {"a": [CLOUDS, np.asfortranarray(CLOUDS[0]), np.int64(3), (1.5, True, None, "x")]}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content, protocol))
    (first, second, third, rest) = read_pickle(tmp_path / "a.pkl")["a"]
    np.testing.assert_array_equal(first, CLOUDS)
    np.testing.assert_array_equal(second, CLOUDS[0])
    assert (third, rest) == (3, (1.5, True, None, "x"))
