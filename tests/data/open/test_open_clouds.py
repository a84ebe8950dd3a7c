import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh

from i2pmae.common.errors import DataError, I2PError, UsageError
from i2pmae.data.clouds import normalise
from i2pmae.data.open.source import open_clouds
from i2pmae.data.read import build as build_module
from i2pmae.data.sources import listing as listing_module
from i2pmae.data.store import writing as writing_module
from i2pmae.data.store.shards import Shards


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    """A folder with two classes of a few files in several formats."""
    root = tmp_path / "shapes"
    (root / "ball" / "more").mkdir(parents=True)
    (root / "box").mkdir()
    rng = np.random.default_rng(0)
    for index, kind in enumerate(("off", "obj", "ply", "stl", "glb")):
        trimesh.creation.icosphere(1, radius=1 + index).export(root / "ball" / f"b{index}.{kind}")
        trimesh.creation.box(extents=(1, 2, 1 + index)).export(root / "box" / f"c{index}.{kind}")
    np.savetxt(root / "box" / "scan.xyz", rng.random((500, 3)))
    np.save(root / "ball" / "scan.npy", rng.random((30, 6)))
    np.save(root / "box" / "several.npy", rng.random((4, 128, 3)))
    (root / "README.txt").write_text("About these shapes")
    (root / ".hidden.xyz").write_text("x")
    (root / "box" / "photo.jpg").write_bytes(b"\xff\xd8")
    return root


def read(path: Path, **options: object) -> object:
    return open_clouds(path, points=128, shown=False, **options)  # type: ignore[arg-type]


def test_a_mixed_folder(shapes: Path) -> None:
    clouds = read(shapes, labels="folder")
    assert clouds.points.shape == (16, 128, 3)
    assert clouds.points.dtype == np.float32
    assert isinstance(clouds.points, Shards)
    assert list(clouds.ids) == sorted(clouds.ids)
    assert clouds.ids[-4:] == [f"box/several.npy/{row:06d}" for row in range(4)]
    assert clouds.classes == ("ball", "box")
    assert clouds.labels.tolist() == [0] * 6 + [1] * 10
    assert clouds.splits is None
    assert clouds.name == "shapes"
    assert [note.split(" clouds")[0] for note in clouds.notes] == ["1 of 16", "1 of 16", "1 of 16"]
    np.testing.assert_allclose(np.linalg.norm(clouds.points, axis=-1).max(1), 1, atol=1e-5)
    np.testing.assert_allclose(np.mean(clouds.points, 1), 0, atol=1e-5)
    assert read(shapes).labels is None


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(shapes: Path, tmp_path: Path, workers: int) -> None:
    alone = read(shapes, workers=0, cache=tmp_path / "a")
    together = read(shapes, workers=workers, cache=tmp_path / "b")
    np.testing.assert_array_equal(alone.points, together.points)
    assert alone.ids == together.ids
    assert alone.notes == together.notes
    assert not np.array_equal(alone.points, read(shapes, workers=0, seed=1).points)


def test_many_groups_of_files_keep_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i2pmae.data.read.files.GROUP_FILES", 3)
    for index in range(40):
        np.save(tmp_path / f"{index:02d}.npy", np.random.default_rng(index).random((128, 3)))
    clouds = read(tmp_path, workers=2)
    for index in range(40):
        expected = normalise(np.random.default_rng(index).random((128, 3)))
        np.testing.assert_allclose(clouds.points[index], expected, atol=1e-6)


@pytest.mark.slow
def test_a_script_without_main_guard_may_use_workers(shapes: Path, tmp_path: Path) -> None:
    code = f"from i2pmae.data.open.source import open_clouds\nprint(len(open_clouds({str(shapes)!r}, workers=2).ids))\n"
    (tmp_path / "script.py").write_text(code)
    for arguments, text in (([str(tmp_path / "script.py")], None), (["-"], code)):
        done = subprocess.run([sys.executable, *arguments], input=text, capture_output=True, text=True, check=False)
        assert done.stdout == "16\n", done.stderr
        assert "Traceback" not in done.stderr


def test_read_once(shapes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = read(shapes, labels="folder")

    def no_reading(*_: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(build_module, "read_files", no_reading)
    again = read(shapes, labels="folder")
    np.testing.assert_array_equal(first.points, again.points)
    assert (first.ids, first.notes, first.classes) == (again.ids, again.notes, again.classes)
    assert first.labels.tolist() == again.labels.tolist()
    for change in ({"labels": "none"}, {"up": "z"}, {"seed": 3}, {"clouds": 2}):
        with pytest.raises(AssertionError, match="read again"):
            read(shapes, **{"labels": "folder", **change})


def test_changed_new_and_removed_files_are_noticed(shapes: Path) -> None:
    before = read(shapes)
    scan = shapes / "box" / "scan.xyz"
    np.savetxt(scan, np.random.default_rng(1).random((500, 3)))
    os.utime(scan, ns=(1, 1))
    changed = read(shapes)
    different = [not np.array_equal(a, b) for a, b in zip(before.points, changed.points, strict=True)]
    assert [name for name, other in zip(before.ids, different, strict=True) if other] == ["box/scan.xyz"]
    scan.rename(shapes / "box" / "aaa.xyz")
    assert "box/aaa.xyz" in read(shapes).ids
    (shapes / "box" / "aaa.xyz").unlink()
    assert len(read(shapes)) == 15


def test_a_damaged_cache_is_built_again(shapes: Path, tmp_path: Path) -> None:
    first = np.array(read(shapes, cache=tmp_path / "cache").points)
    stored = next((tmp_path / "cache").rglob("points-*.npy"))
    stored.write_bytes(stored.read_bytes()[:1000])
    np.testing.assert_array_equal(read(shapes, cache=tmp_path / "cache").points, first)
    next((tmp_path / "cache").rglob("set.json")).write_text("{")
    np.testing.assert_array_equal(read(shapes, cache=tmp_path / "cache").points, first)


def test_writing_to_the_points_leaves_the_cache_alone(shapes: Path) -> None:
    points = read(shapes).points
    kept = np.array(points)
    points[:4][:] = 0
    points[4][:] = 0
    np.testing.assert_array_equal(read(shapes).points, kept)


def test_an_interrupted_build_leaves_nothing_that_would_be_used(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(build_module.Build, "_add_set", interrupted)
        with pytest.raises(KeyboardInterrupt):
            read(shapes, cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())
    # A killed build cannot clean up: its hidden folder is not used, and goes once it is old.
    left = tmp_path / "cache" / ".shapes-1.abc.part"
    left.mkdir()
    (left / "points.npy").write_bytes(b"half")
    read(shapes, cache=tmp_path / "cache")
    assert left.exists()
    for item in (left / "points.npy", left):
        os.utime(item, (1, 1))
    read(shapes, cache=tmp_path / "cache", seed=1)
    assert not left.exists()
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_full_disk(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class FullDisk(io.FileIO):
        def write(self, content: object) -> int:
            if self.tell() > 4000:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(content)  # type: ignore[arg-type]

    real_open = Path.open
    monkeypatch.setattr(
        writing_module.Path,
        "open",
        lambda path, mode="r", **kw: FullDisk(path, "w") if mode == "wb" else real_open(path, mode, **kw),
    )
    with pytest.raises(I2PError, match=r"No space left.*I2PMAE_CACHE"):
        read(shapes, cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_cache_folder_that_cannot_be_made(shapes: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(I2PError, match="Cannot write the cache"):
        read(shapes, cache=tmp_path / "file" / "cache")


@pytest.mark.parametrize("layout", ["{label}/{split}", "{split}/{label}", "set/{split}/{label}"])
def test_labels_and_splits_from_folders(layout: str, tmp_path: Path) -> None:
    for label in ("lamp", "chair"):
        for split in ("train", "Test"):
            place = tmp_path / layout.format(label=label, split=split)
            place.mkdir(parents=True)
            np.save(place / "a.npy", np.random.default_rng(0).random((128, 3)))
    clouds = read(tmp_path, labels="folder")
    assert clouds.classes == ("chair", "lamp")
    for name, label, split in zip(clouds.ids, clouds.labels, clouds.splits, strict=True):
        assert clouds.classes[label] in name
        assert f"/{split}/" in f"/{name.lower()}"
    np.save(tmp_path / "chair.npy", np.zeros((128, 3)))
    with pytest.raises(DataError, match=r"no class folder around 1 file \(chair\.npy\)"):
        read(tmp_path, labels="folder")
    (tmp_path / "chair.npy").rename(tmp_path / "lamp.npy")
    (tmp_path / "stray").mkdir()
    (tmp_path / "lamp.npy").rename(tmp_path / "stray" / "lamp.npy")
    with pytest.raises(DataError, match="4 of 5 files are in train or test folders, but not 1 file"):
        read(tmp_path, labels="folder")


def test_labels_of_array_files_in_a_folder(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "a.npz", points=rng.random((2, 128, 3)), labels=[0, 1], classes=["cup", "pot"])
    np.savez(tmp_path / "b.npz", points=rng.random((2, 128, 3)), labels=[1, 0], classes=["cup", "jug"])
    clouds = read(tmp_path)
    assert clouds.classes == ("cup", "jug", "pot")
    assert clouds.labels.tolist() == [0, 2, 1, 0]
    np.save(tmp_path / "c.npy", rng.random((128, 3)))
    clouds = read(tmp_path)
    assert clouds.labels is None
    assert "1 of 5 clouds have no label" in clouds.notes[0]


def test_bad_files_are_left_out_counted_and_listed(shapes: Path, tmp_path: Path) -> None:
    (shapes / "box" / "broken.ply").write_bytes(b"ply\nnothing")
    (shapes / "box" / "empty.off").touch()
    broken = np.random.default_rng(0).random((3, 128, 3))
    np.savez(shapes / "box" / "unfit.npz", points=broken, labels=[0])
    (shapes / "box" / "gone.xyz").symlink_to("nowhere")
    (shapes / "box" / "notes.txt").write_text("One line about the boxes\n")
    clouds = read(shapes, labels="folder", max_bad_share=0.2, cache=tmp_path / "cache")
    assert len(clouds) == 16
    assert "5 of 21 files or clouds could not be used" in clouds.notes[-1]
    listed = Path(clouds.notes[-1].rpartition("the reasons: ")[2])
    assert listed.is_relative_to(tmp_path / "cache")
    rows = dict(line.split(",", 1) for line in listed.read_text().splitlines())
    assert rows["box/empty.off"] == "the file is empty"
    assert "PLY header" in rows["box/broken.ply"]
    assert "labels" in rows["box/unfit.npz"]
    assert "No such file" in rows["box/gone.xyz"]
    assert "box/notes.txt" in rows
    # Four of 21 count; notes beside the data do not.
    with pytest.raises(DataError) as caught:
        read(shapes, labels="folder", max_bad_share=0.15, cache=tmp_path / "cache")
    assert "5 of 21" in str(caught.value)
    assert "box/empty.off: the file is empty" in str(caught.value)
    assert str(listed) in str(caught.value)


def test_a_folder_of_bad_files_only_keeps_the_list(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for index in range(7):
        (tmp_path / "data" / f"{index}.stl").write_bytes(b"bad")
    with pytest.raises(DataError, match="7 of 7") as caught:
        read(tmp_path / "data", max_bad_share=1.0, cache=tmp_path / "cache")
    listed = next((tmp_path / "cache").rglob("bad_files.csv"))
    assert str(listed) in str(caught.value)
    assert len(listed.read_text().splitlines()) == 8
    # Once the files are repaired, the same folder is read.
    for index in range(7):
        trimesh.creation.box().export(tmp_path / "data" / f"{index}.stl")
    assert len(read(tmp_path / "data", cache=tmp_path / "cache")) == 7


def test_a_set_that_breaks_half_way_leaves_none_of_its_clouds(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("a", "c"):
        np.save(tmp_path / f"{name}.npy", rng.random((128, 3)))
    np.savez(tmp_path / "b.npz", points=rng.random((400, 128, 3)), labels=np.zeros(400))
    content = bytearray((tmp_path / "b.npz").read_bytes())
    content[len(content) * 9 // 10] ^= 255
    (tmp_path / "b.npz").write_bytes(content)
    clouds = read(tmp_path, max_bad_share=0.5)
    assert list(clouds.ids) == ["a.npy", "c.npy"]
    np.testing.assert_allclose(clouds.points[1], normalise(np.load(tmp_path / "c.npy")), atol=1e-6)


def test_one_file(shapes: Path) -> None:
    clouds = read(shapes / "box" / "c0.off", labels="folder")
    assert (list(clouds.ids), clouds.classes, clouds.name) == (["c0.off"], ("box",), "c0.off")
    np.testing.assert_allclose(clouds.points[0].mean(0), 0, atol=1e-5)


def test_up_axis_follows_the_option(tmp_path: Path) -> None:
    tall = np.random.default_rng(0).random((128, 3)) * (1, 2, 10)
    np.save(tmp_path / "tall.npy", tall)
    assert np.ptp(read(tmp_path).points[0], axis=0).argmax() == 2
    turned = read(tmp_path, up="z").points[0]
    assert np.ptp(turned, axis=0).argmax() == 1
    np.testing.assert_allclose(turned, normalise(tall)[:, [0, 2, 1]] * (1, 1, -1), atol=1e-6)


def test_limit_is_spread_over_the_files(shapes: Path) -> None:
    assert list(read(shapes, clouds=3).ids) == ["ball/b0.off", "ball/b4.glb", "box/c2.ply"]
    assert len(read(shapes / "box", clouds=7)) == 7
    assert len(read(shapes, clouds=1000)) == 16


def test_links_in_a_circle_end(shapes: Path) -> None:
    (shapes / "box" / "up").symlink_to(shapes)
    assert len(read(shapes)) == 16


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.npy")
    try:
        np.save(tmp_path / name, np.random.default_rng(0).random((128, 3)))
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert list(read(tmp_path).ids) == ["caf\\xe9.npy"]


def test_a_path_that_is_not_there_names_near_ones(shapes: Path) -> None:
    with pytest.raises(DataError, match="Did you mean 'shapes'"):
        read(shapes.with_name("shape"))
    with pytest.raises(DataError, match="There is no file or folder"):
        read(shapes / "a" / "b" / "c")


def test_folders_with_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"it is empty.*Known: \.off"):
        read(tmp_path)
    (tmp_path / "a.jpg").touch()
    (tmp_path / "README.md").touch()
    with pytest.raises(DataError, match=r"1 × \.jpg.*Known: \.off"):
        read(tmp_path)
    with pytest.raises(DataError, match=r"unknown file format '\.jpg'.*\.off"):
        read(tmp_path / "a.jpg")


def test_folders_without_permission(shapes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    real = os.scandir
    with monkeypatch.context() as patch:
        patch.setattr(
            listing_module.os, "scandir", lambda path: refused(path) if str(path).endswith("more") else real(path)
        )
        assert "1 of 17" in read(shapes).notes[-1]
    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(DataError, match="Permission denied"):
        read(shapes)


@pytest.mark.parametrize(
    "options",
    [
        {"up": "w"},
        {"labels": "folders"},
        {"points": 2},
        {"clouds": 0},
        {"workers": -1},
        {"max_bad_share": 1.5},
    ],
)
def test_options_that_cannot_be(options: dict[str, object], shapes: Path) -> None:
    with pytest.raises(UsageError):
        open_clouds(shapes, **options)  # type: ignore[arg-type]


def test_progress_goes_to_standard_error(shapes: Path, capfd: pytest.CaptureFixture[str]) -> None:
    open_clouds(shapes, points=128)
    assert capfd.readouterr().out == ""


def test_labels_where_there_are_folders_for_classes(shapes: Path, tmp_path: Path) -> None:
    assert read(shapes, labels="auto").classes == ("ball", "box")
    flat = read(shapes / "box", labels="auto")
    assert flat.labels is None and "No sub-folders name classes" in flat.notes[0]
    assert read(shapes / "box" / "c0.off", labels="auto").labels is None
    for split in ("train", "test"):
        (tmp_path / "split" / split).mkdir(parents=True)
        np.save(tmp_path / "split" / split / "a.npy", np.random.default_rng(0).random((128, 3)))
    halves = read(tmp_path / "split", labels="auto")
    assert (halves.labels, halves.splits.tolist()) == (None, ["test", "train"])
    (shapes / "loose.xyz").write_text("1 2 3\n")
    with pytest.raises(DataError, match=r"no class folder around 1 file \(loose.xyz\)"):
        read(shapes, labels="auto")


def test_one_file_in_two_splits_of_a_folder(tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / split / "cup").mkdir(parents=True)
        np.save(tmp_path / split / "cup" / "a.npy", np.random.default_rng(len(split)).random((128, 3)))
    (tmp_path / "train" / "cup" / "c.npy").symlink_to(tmp_path / "train" / "cup" / "a.npy")
    clouds = read(tmp_path, labels="folder")
    assert list(clouds.ids) == ["test/cup/a.npy", "train/cup/a.npy"]
    assert "taken once: train/cup/c.npy" in clouds.notes[0]
    (tmp_path / "train" / "cup" / "b.npy").symlink_to(tmp_path / "test" / "cup" / "a.npy")
    with pytest.raises(DataError, match=r"test/cup/a.npy \(test\) and train/cup/b.npy \(train\) are one file"):
        read(tmp_path, labels="folder")
    assert len(read(tmp_path)) == 4
