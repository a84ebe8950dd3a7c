from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import trimesh

from i2pmae.common.errors import DataError
from i2pmae.data.formats.base import RawCloud
from i2pmae.data.formats.pcd import lzf_decompress
from i2pmae.data.formats.table import EXTENSIONS, read_cloud_file
from i2pmae.data.read.sampling import draw_points, make_cloud, sample_surface, three_distinct, to_y_up

POINT_WRITERS: dict[str, Callable[[Path, np.ndarray], object]] = {
    "a.xyz": lambda path, points: np.savetxt(path, points, fmt="%.6f"),
    "b.pts": lambda path, points: np.savetxt(path, points, fmt="%.6f", header=str(len(points)), comments=""),
    "c.txt": lambda path, points: np.savetxt(path, points, fmt="%.6f", delimiter="\t", header="a comment"),
    "d.csv": lambda path, points: np.savetxt(path, points, fmt="%.6f", delimiter=",", header="X,Y,Z", comments=""),
    "e.ply": lambda path, points: trimesh.PointCloud(points).export(path),
    "f.ply": lambda path, points: path.write_bytes(
        trimesh.PointCloud(points).export(file_type="ply", encoding="ascii")
    ),
    "g.npy": np.save,
    "h.npz": lambda path, points: np.savez(path, points=points),
    "i.npz": lambda path, points: np.savez_compressed(path, anything=points.astype(np.float64)),
    "j.obj": lambda path, points: path.write_text("".join(f"v {x} {y} {z}\n" for x, y, z in points)),
    "k.OFF": lambda path, points: path.write_text(
        f"OFF\n{len(points)} 0 0\n" + "".join(f"{x} {y} {z}\n" for x, y, z in points)
    ),
}


@pytest.mark.parametrize("name", POINT_WRITERS)
def test_point_formats_give_back_what_was_written(name: str, tmp_path: Path, box: np.ndarray) -> None:
    POINT_WRITERS[name](tmp_path / name, box)
    raw = read_cloud_file(tmp_path / name)
    assert raw.faces is None
    assert not raw.extras
    np.testing.assert_allclose(raw.points, box, atol=1e-5)


def test_hdf5_cloud(tmp_path: Path, box: np.ndarray) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["points"] = np.concatenate([box, box], axis=1)
    raw = read_cloud_file(tmp_path / "a.h5")
    np.testing.assert_array_equal(raw.points, box)
    assert raw.extras


@pytest.mark.parametrize("storage", ["ascii", "binary", "binary_compressed"])
def test_pcd(storage: str, tmp_path: Path, box: np.ndarray, write_pcd: Callable[..., None]) -> None:
    write_pcd(tmp_path / "a.pcd", box, storage)
    raw = read_cloud_file(tmp_path / "a.pcd")
    np.testing.assert_allclose(raw.points, box, atol=1e-6)
    assert raw.extras
    content = (tmp_path / "a.pcd").read_bytes()
    (tmp_path / "a.pcd").write_bytes(content[: -len(content) // 3])
    with pytest.raises(DataError, match="cut short"):
        read_cloud_file(tmp_path / "a.pcd")


def test_organised_pcd_leaves_out_pixels_without_return(
    tmp_path: Path, box: np.ndarray, write_pcd: Callable[..., None]
) -> None:
    holes = box.copy()
    holes[::4] = np.nan
    write_pcd(tmp_path / "image.pcd", holes, "binary", height=10)
    assert len(read_cloud_file(tmp_path / "image.pcd").points) == 150
    write_pcd(tmp_path / "list.pcd", holes, "binary")
    with pytest.raises(DataError, match="NaN"):
        make_cloud(read_cloud_file(tmp_path / "list.pcd"), 64, "y", np.random.default_rng(0))


@pytest.mark.parametrize("content", [b"FIELDS x y\nDATA ascii\n", b"nothing", b"FIELDS x y z\nSIZE 4 4\nDATA ascii\n"])
def test_damaged_pcd_header(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.pcd").write_bytes(content)
    with pytest.raises(DataError, match="header"):
        read_cloud_file(tmp_path / "a.pcd")


def test_lzf_copies_that_overlap_and_that_do_not() -> None:
    # "abc", then 6 bytes from 3 back (overlapping), then 3 bytes from 9 back, then a long run.
    packed = bytes([2, *b"abc", 4 << 5, 2, 1 << 5, 8, 7 << 5, 11, 0])
    assert lzf_decompress(packed, 32) == b"abcabcabcabc" + b"c" * 20
    with pytest.raises(DataError, match="damaged"):
        lzf_decompress(packed, 31)
    with pytest.raises(DataError, match="damaged"):
        lzf_decompress(bytes([0, 1, 1 << 5, 7]), 4)


@pytest.mark.parametrize("name", ["a.las", "a.laz"])
def test_las(name: str, tmp_path: Path, box: np.ndarray) -> None:
    laspy = pytest.importorskip("laspy")
    if name.endswith("laz") and not laspy.LazBackend.detect_available():
        pytest.skip("no LAZ backend")
    scan = laspy.create(point_format=3)
    scan.header.scales, scan.header.offsets = [1e-4] * 3, [10, 20, 30]
    scan.x, scan.y, scan.z = box.T
    scan.write(tmp_path / name)
    np.testing.assert_allclose(read_cloud_file(tmp_path / name).points, box, atol=1e-4)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError):
        read_cloud_file(tmp_path / name)


def test_las_without_the_extra_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "laspy", None)
    (tmp_path / "a.las").write_bytes(b"LASF")
    with pytest.raises(DataError, match=r"pip install 'i2pmae\[las\]'"):
        read_cloud_file(tmp_path / "a.las")


@pytest.mark.parametrize(
    ("text", "extras"),
    [
        ("id;x;y;z;label\n7;1,5;2;3;a\n7;4;5;6;b\n", True),
        ('"z","y","x"\n"3","2","1.5"\n6,5,4\n', False),
        ("// X Y Z R\n2\n1.5 2 3 9 # first\n\n4 5 6 9\n", True),
        ("\ufeffx,y,z\r\n1.5,2,3\r\n4,5,6\r\n", False),
        ("1.5 2 3\r4 5 6\r", False),
        ("name x y z\nold 1.5 2 3\nnew 4 5 6\n", True),
        ("  1.5,\t2, 3\n4, 5, 6", False),
        ("# colours x\n1.5 2 3 1 1 1\n4 5 6 1 1 1\n", True),
    ],
)
def test_text_dialects(text: str, extras: bool, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(text.encode())
    raw = read_cloud_file(tmp_path / "a.txt")
    np.testing.assert_array_equal(raw.points, [[1.5, 2, 3], [4, 5, 6]])
    assert raw.extras == extras


def house() -> trimesh.Trimesh:
    return trimesh.creation.box(extents=(2, 4, 6))


@pytest.mark.parametrize("suffix", ["off", "obj", "ply", "stl", "glb", "stl_ascii", "ply_ascii"])
def test_meshes_are_sampled_on_their_surface(suffix: str, tmp_path: Path) -> None:
    kind = suffix.partition("_")[0]
    path = tmp_path / f"a.{kind}"
    if suffix == "ply_ascii":
        path.write_bytes(house().export(file_type="ply", encoding="ascii"))
    else:
        house().export(path, file_type=suffix)
    raw = read_cloud_file(path)
    assert raw.faces is not None
    assert len(raw.faces) == 12
    points = sample_surface(raw.points, raw.faces, 6000, np.random.default_rng(0))
    on_face = np.isclose(np.abs(points), (1, 2, 3), atol=1e-6)
    assert on_face.any(1).all()
    # Points per pair of faces go with their area: 24, 12 and 8 of 44.
    np.testing.assert_allclose(on_face.mean(0), [24 / 44, 12 / 44, 8 / 44], atol=0.03)
    assert (np.abs(points.mean(0)) < 0.1).all()


@pytest.mark.parametrize("suffix", ["glb", "gltf"])
def test_scenes_are_flattened_with_their_transforms(suffix: str, tmp_path: Path) -> None:
    scene = trimesh.Scene()
    for shift in (-10.0, 10.0):
        move = trimesh.transformations.translation_matrix([shift, 0, 0])
        scene.add_geometry(house(), geom_name="house", transform=move)
    scene.export(tmp_path / f"a.{suffix}")
    raw = read_cloud_file(tmp_path / f"a.{suffix}")
    assert raw.faces is not None
    assert len(raw.faces) == 24
    np.testing.assert_allclose([raw.points.min(0), raw.points.max(0)], [[-11, -2, -3], [11, 2, 3]])
    if suffix == "gltf":
        next(tmp_path.glob("*.bin")).unlink()
        with pytest.raises(DataError, match=r"missing.*\.bin"):
            read_cloud_file(tmp_path / "a.gltf")


def test_off_dialects(tmp_path: Path) -> None:
    body = "0 0 0 9 9 9\n1 0 0\n1 1 0 # corner\n\n0 1 0\n2 2 2\n4 0 1 2 3 0.5 0.5\n3 0 1 4\n"
    for head in ("OFF5 2 0\n", "OFF\n# note\n5 2 0\n", "COFF 5 2 7\n", "\nOFF 5 2\n"):
        (tmp_path / "a.off").write_text(head + body)
        raw = read_cloud_file(tmp_path / "a.off")
        assert raw.faces is not None
        assert sorted(map(tuple, raw.faces.tolist())) == [(0, 1, 2), (0, 1, 4), (0, 2, 3)]


@pytest.mark.parametrize("suffix", ["off", "ply", "stl", "glb", "stl_ascii", "ply_ascii", "npy", "npz", "h5"])
@pytest.mark.parametrize("share", [0.9, 0.5, 0.05])
def test_truncated_files_are_refused(suffix: str, share: float, tmp_path: Path, box: np.ndarray) -> None:
    kind = suffix.partition("_")[0]
    path = tmp_path / f"a.{kind}"
    sphere = trimesh.creation.icosphere(2)
    if suffix == "ply_ascii":
        path.write_bytes(sphere.export(file_type="ply", encoding="ascii"))
    elif kind in ("npy", "npz"):
        POINT_WRITERS["g.npy" if kind == "npy" else "h.npz"](path, box)
    elif kind == "h5":
        with h5py.File(path, "w") as file:
            file["points"] = box
    else:
        sphere.export(path, file_type=suffix)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError):
        read_cloud_file(path)


@pytest.mark.parametrize("suffix", EXTENSIONS)
@pytest.mark.parametrize("content", [b"", b"words, not numbers\nmore words\n", bytes(range(256)) * 9])
def test_contents_that_are_something_else_are_refused_without_noise(
    suffix: str, content: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        make_cloud(read_cloud_file(path), 64, "y", np.random.default_rng(0))
    assert content or "empty" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_unknown_extension_names_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "a.dwg").write_text("x")
    with pytest.raises(DataError, match=r"\.dwg.*\.off.*\.h5"):
        read_cloud_file(tmp_path / "a.dwg")


@pytest.mark.parametrize(
    ("points", "faces", "reason"),
    [
        (np.empty((0, 3)), None, "no points"),
        ([[0, 0, 0], [1, 1, np.nan], [2, 0, 1]], None, "NaN or infinite"),
        ([[0, 0, 0], [1, 1, -np.inf], [2, 0, 1]], None, "NaN or infinite"),
        (np.full((50, 3), 0.1), None, "equal"),
        ([[0, 0, 0], [1, 1, 1]], None, "fewer than 3"),
        ([[-1.7e308, 0, 0], [1.7e308, 1, 1], [0, 2, 0]], None, "too large"),
        ([[0, 0, 0], [1, 1, 1], [2, 2, 2]], [[0, 1, 2]], "zero area"),
        ([[5, 5, 5]] * 3, [[0, 1, 2]], "equal"),
        ([[0.1, 0.3, 0.7], [0.2, 0.6, 1.4], [0.4, 1.2, 2.8]], [[0, 1, 2]], "zero area"),
        ([[0, 0, 0], [1, 0, 0], [np.nan, 1, 0]], [[0, 1, 2]], "NaN"),
    ],
)
def test_shapeless_contents_are_refused(points: list, faces: list | None, reason: str) -> None:
    raw = RawCloud(np.asarray(points, dtype=np.float64), None if faces is None else np.asarray(faces))
    with pytest.raises(DataError, match=reason):
        make_cloud(raw, 64, "y", np.random.default_rng(0))


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e150])
def test_clouds_come_out_normalised_at_any_scale_and_far_from_the_origin(scale: float, box: np.ndarray) -> None:
    cloud, *_ = make_cloud(RawCloud(box.astype(np.float64) * scale), len(box), "y", np.random.default_rng(0))
    assert cloud.dtype == np.float32
    expected = box.astype(np.float64) - box.astype(np.float64).mean(0)
    np.testing.assert_allclose(cloud, expected / np.linalg.norm(expected, axis=1).max(), atol=1e-6)


def test_unused_vertices_of_a_mesh_do_not_matter() -> None:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [np.nan, 0, 0], [1e9, 0, 0]])
    cloud, *_ = make_cloud(RawCloud(vertices, np.array([[0, 1, 2]])), 500, "y", np.random.default_rng(0))
    assert np.ptp(cloud, axis=0).round(1).tolist() == pytest.approx([1.3, 1.3, 0], abs=0.2)


@pytest.mark.parametrize(("up", "axis"), [("x", 0), ("y", 1), ("z", 2)])
def test_up_axes_are_rotations_that_take_the_axis_to_y(up: str, axis: int) -> None:
    rotation = to_y_up(np.eye(3), up).T
    assert np.linalg.det(rotation) == pytest.approx(1)
    np.testing.assert_array_equal(rotation[:, axis], [0, 1, 0])
    assert to_y_up(np.array([1.0, 2.0, 3.0]), "z").tolist() == [1, 3, -2]


def test_draw_points_keeps_all_of_few_and_a_subset_of_many() -> None:
    few = draw_points(5, 12, np.random.default_rng(0))
    assert set(few.tolist()) == set(range(5))
    assert len(few) == 12
    many = draw_points(100, 12, np.random.default_rng(0))
    assert len(set(many.tolist())) == 12


def test_three_distinct_over_a_batch() -> None:
    clouds = np.zeros((3, 6, 3))
    clouds[1, 3:] = 1
    clouds[2, 3:] = 1
    clouds[2, 5, 0] = 2
    assert three_distinct(clouds).tolist() == [False, False, True]
