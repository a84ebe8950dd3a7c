"""What is remembered of files that cannot be read, processes that die, builds side by side, labels and names."""

import errno
import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from i2pmae.common.errors import DataError
from i2pmae.data.config import DataConfig
from i2pmae.data.formats import table as files_module
from i2pmae.data.formats.base import RawCloud
from i2pmae.data.open.prepared import prepare
from i2pmae.data.open.source import open_clouds, request_for
from i2pmae.data.read import build as build_module
from i2pmae.data.read import files as reading_module
from i2pmae.data.read.files import KILLED, Request, read_files
from i2pmae.data.reasons import PassingError, reasons
from i2pmae.data.sources.listing import find_files, source_file
from i2pmae.data.sources.named import plan_source
from i2pmae.data.store.cache import read_bad_files
from i2pmae.data.store.locking import Lock, abandoned
from tests.data import layouts


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A folder of five clouds."""
    (tmp_path / "scans").mkdir()
    for index in range(5):
        np.save(tmp_path / "scans" / f"{index}.npy", np.random.default_rng(index).random((20, 3)))
    return tmp_path / "scans"


def read(path: Path, **options: Any) -> Any:
    return open_clouds(path, points=10, shown=False, **{"workers": 0, "max_bad_share": 0.5, **options})


def listed(note: str) -> list[tuple[str, str]]:
    return read_bad_files(Path(note.rpartition("the reasons: ")[2]).parent)


def failing(error: BaseException, name: str) -> Callable[..., RawCloud]:
    """A reader that fails for one file."""

    def reader(path: Path) -> RawCloud:
        if path.name == name:
            raise error
        return RawCloud(np.load(path))

    return reader


PASSING = [
    (PermissionError(errno.EACCES, "Permission denied"), "Permission denied"),
    (OSError(errno.EIO, "Input/output error"), "Input/output error"),
    (TimeoutError(errno.ETIMEDOUT, "Connection timed out"), "timed out"),
    (MemoryError(), "not enough memory"),
    (ModuleNotFoundError("No module named 'laspy'", name="laspy"), r"one more package \(laspy\)"),
]


@pytest.mark.parametrize(("error", "reason"), PASSING, ids=[type(row[0]).__name__ for row in PASSING])
def test_a_reason_around_a_file_is_not_remembered(
    error: Exception, reason: str, scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(files_module.EXTENSIONS, ".npy", failing(error, "2.npy"))
        clouds = read(scans)
        assert list(clouds.ids) == ["0.npy", "1.npy", "3.npy", "4.npy"]
        ((name, why),) = listed(clouds.notes[-1])
        assert name == "2.npy"
        with pytest.raises(DataError, match=reason):
            raise DataError(why)
        tried: list[str] = []
        real = reading_module.read_one
        patch.setattr(reading_module, "read_one", lambda file, *rest: tried.append(file.id) or real(file, *rest))
        assert len(read(scans)) == 4
        assert tried == ["2.npy"]  # and nothing but it
    clouds = read(scans)
    assert list(clouds.ids) == [f"{index}.npy" for index in range(5)]
    assert not any("could not be used" in note for note in clouds.notes)
    monkeypatch.setattr(build_module, "read_files", lambda *_: pytest.fail("read again"))
    assert len(read(scans)) == 5


@pytest.mark.parametrize(
    "error",
    [ValueError("odd"), OSError("no number"), RecursionError(), OverflowError(), KeyError("x"), OSError(22, "x")],
)
def test_a_reason_of_the_file_is_remembered(error: Exception, scans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(files_module.EXTENSIONS, ".npy", failing(error, "2.npy"))
    assert len(read(scans)) == 4
    monkeypatch.setattr(build_module, "read_files", lambda *_: pytest.fail("read again"))
    assert len(read(scans)) == 4


def test_the_end_of_a_process_is_no_reason() -> None:
    with pytest.raises(KeyboardInterrupt), reasons("not a valid file"):
        raise KeyboardInterrupt
    panic = type("PanicException", (BaseException,), {})
    with pytest.raises(DataError, match=r"not a valid \(PanicException: out of bounds\)"), reasons("not a valid"):
        raise panic("out of bounds")
    with pytest.raises(PassingError), reasons("x"):
        raise PermissionError(errno.EACCES, "Permission denied")


def test_a_set_that_cannot_be_read_for_now(scans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(scans / "set.npy", np.random.default_rng(9).random((3, 20, 3)))
    real = build_module.read_set

    def interrupted(source: Any, *rest: Any) -> Any:
        with reasons("its clouds cannot be read"):
            yield next(real(source, *rest))
            raise OSError(errno.ESTALE, "Stale file handle")

    with monkeypatch.context() as patch:
        patch.setattr(build_module, "read_set", interrupted)
        assert len(read(scans)) == 5
    assert len(read(scans)) == 8


def test_an_unfinished_folder_goes_back_to_what_can_be_read_by_now(
    scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_module, "CHECKPOINT_ROWS", 1)
    plan = plan_source(scans)
    request = request_for(DataConfig(points=10))
    whole = prepare(plan, tmp_path / "whole", request, workers=0, shown=False)
    with monkeypatch.context() as patch:
        patch.setitem(files_module.EXTENSIONS, ".npy", failing(PermissionError(errno.EACCES, "Denied"), "2.npy"))
        for _ in range(2):
            with pytest.raises(DataError, match=r"1 of 5 files .*\n.*2\.npy: the file cannot be read: Denied"):
                prepare(plan, tmp_path / "out", request, workers=0, max_bad_share=0, shown=False)
    tried: list[str] = []
    real = reading_module.read_one
    monkeypatch.setattr(reading_module, "read_one", lambda file, *rest: tried.append(file.id) or real(file, *rest))
    clouds = prepare(plan, tmp_path / "out", request, workers=0, max_bad_share=0, shown=False)
    np.testing.assert_array_equal(clouds.points, whole.points)
    assert list(clouds.ids) == list(whole.ids)
    assert "0.npy" not in tried and "1.npy" not in tried


read_whole_group = reading_module.read_group


def read_group_and_die(files: Any, seeds: Any, request: Any) -> Any:
    """What a process does that is killed when it reads 7.npy, as for lack of memory."""
    if any(file.id == "7.npy" for file in files):
        os.kill(os.getpid(), signal.SIGKILL)
    return read_whole_group(files, seeds, request)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_a_process_that_is_killed_costs_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(12):
        np.save(tmp_path / f"{index}.npy", np.random.default_rng(index).random((20, 3)))
    files = [entry.file for entry in plan_source(tmp_path).entries]
    request = Request(10, "y", 0)
    alone = list(read_files(files, request, 0))
    monkeypatch.setattr(reading_module, "GROUP_FILES", 2)
    monkeypatch.setattr(reading_module, "read_group", read_group_and_die)
    outcomes = list(read_files(files, request, 2))
    for file, outcome, expected in zip(files, outcomes, alone, strict=True):
        if file.id == "7.npy":
            assert (outcome.reason, outcome.passing) == (KILLED, True)
        else:
            np.testing.assert_array_equal(outcome.cloud, expected.cloud)
    assert not multiprocessing.active_children()


HOLD = (
    "import sys\nfrom pathlib import Path\nfrom i2pmae.data.store.writing import CacheWriter\n"
    "with CacheWriter(Path(sys.argv[1]), 10) as writer:\n    print(writer.part, flush=True)\n    sys.stdin.read()\n"
)


@pytest.mark.slow
def test_a_build_is_removed_once_its_process_is_dead_and_not_before(scans: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    command = [sys.executable, "-c", HOLD, str(cache / "other")]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        part = Path(other.stdout.readline().strip())
        for item in (*part.iterdir(), part):
            os.utime(item, (1, 1))  # asleep since 1970
        read(scans, cache=cache)
        assert part.exists()
    finally:
        other.kill()
        other.communicate()
    read(scans, cache=cache, seed=1)
    assert not part.exists()
    assert not list(cache.glob(".*"))


def triangle(folder: Path, size: float) -> None:
    """A .gltf file whose points are in a file beside it."""
    body = size * np.eye(3, dtype="<f4")
    (folder / "points.bin").write_bytes(body.tobytes())
    tree = {
        "asset": {"version": "2.0"},
        "buffers": [{"byteLength": 36, "uri": "points.bin"}],
        "bufferViews": [{"buffer": 0, "byteLength": 36}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "mode": 0}]}],
        "nodes": [{"mesh": 0}],
        "scenes": [{"nodes": [0]}],
    }
    (folder / "a.gltf").write_text(json.dumps(tree))


@pytest.mark.parametrize("older", [False, True])
def test_a_file_with_the_points_of_another_is_noticed(older: bool, tmp_path: Path) -> None:
    """The points are in a file that has no extension of its own to read, and may be replaced by an older one."""
    folder = tmp_path / "scans"
    folder.mkdir()
    triangle(folder, 1)
    before = source_file(folder / "a.gltf", "a.gltf")
    assert before == find_files(folder)[0][0]
    content = np.float32([[1, 0, 0], [0, 5, 0], [0, 0, 1]]).tobytes()
    (folder / "points.bin").write_bytes(content)
    if older:
        os.utime(folder / "points.bin", (1, 1))
    after = source_file(folder / "a.gltf", "a.gltf")
    assert after != before and after == find_files(folder)[0][0]
    (folder / "points.bin").unlink()
    assert source_file(folder / "a.gltf", "a.gltf") not in (before, after)


def test_builds_of_one_process_leave_each_other_alone(scans: Path, tmp_path: Path) -> None:
    from i2pmae.data.store.writing import CacheWriter

    with CacheWriter(tmp_path / "cache" / "one", 10) as writer:
        for item in (*writer.part.iterdir(), writer.part):
            os.utime(item, (1, 1))
        read(scans, cache=tmp_path / "cache")
        assert writer.part.exists()
    assert not list((tmp_path / "cache").glob(".*"))


def test_locks(tmp_path: Path) -> None:
    first, second = Lock(tmp_path / "lock"), Lock(tmp_path / "lock")
    assert first.take() and not second.take() and not abandoned(tmp_path / "lock")
    first.release()
    assert second.take()
    second.release()
    assert abandoned(tmp_path / "lock") and not (tmp_path / "lock").exists()


@pytest.mark.parametrize(
    ("labels", "stored", "classes"),
    [
        ([0, 1, 2, 1, 0], [0, 1, 2, 1, 0], None),
        ([0, 39, 2, 1, 0], [0, 39, 2, 1, 0], None),
        ([300_000_000, 7, 7, 2**62, 7], [1, 0, 0, 2, 0], ("7", "300000000", str(2**62))),
    ],
)
def test_labels_without_names(labels: list[int], stored: list[int], classes: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", points=np.random.default_rng(0).random((5, 20, 3)), labels=labels)
    clouds = read(tmp_path / "a.npz")
    assert (clouds.labels.tolist(), clouds.classes) == (stored, classes)


@pytest.mark.parametrize("labels", [[0, np.nan], [0, np.inf], [0, 1e300], [0, -1], [0, 2**63]])
def test_labels_that_are_none(labels: list[float], tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", points=np.random.default_rng(0).random((2, 20, 3)), labels=np.array(labels))
    with pytest.raises(DataError, match="expected"):
        read(tmp_path / "a.npz")


def test_part_labels_that_are_none(tmp_path: Path) -> None:
    points = np.random.default_rng(0).random((2, 20, 3))
    np.savez(tmp_path / "a.npz", points=points, part_labels=np.full((2, 20), np.inf))
    with pytest.raises(DataError, match=r"1 of 1 files"):
        read(tmp_path / "a.npz")


def test_names_and_reasons_that_are_no_unicode(scans: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    np.savez(scans / "a.npz", points=np.ones((2, 20, 3)), labels=["a", "\ud800"])
    tree = {"asset": {"version": "2.0"}, "buffers": [{"byteLength": 9, "uri": "caf\udce9.bin"}]}
    try:
        (scans / f"{name}.gltf").write_text(json.dumps(tree))
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    rows = dict(listed(read(scans).notes[-1]))
    assert rows["a.npz"] == "array 'labels' holds text that is not UTF-8"
    assert rows["caf\\xe9.gltf"].endswith("is missing: caf\\xe9.bin")


def test_lists_with_names_that_can_be_none(tmp_path: Path) -> None:
    root = layouts.shapenetpart_normal(tmp_path)
    path = root / "train_test_split" / "shuffled_train_file_list.json"
    names = json.loads(path.read_text())
    path.write_text(json.dumps([*names, "shape_data/02691156/\ud800", "shape_data/02691156/a\0b"]))
    data = f"shapenetpart={root}"
    clouds = open_clouds(data, points=20, workers=0, shown=False, max_bad_share=0.9)
    rows = dict(listed(clouds.notes[-1]))
    assert "surrogates not allowed" in rows["02691156/\\ud800.txt"]
    assert "null" in rows["02691156/a\\x00b.txt"]
    path.write_text("[" * 100_000)
    with pytest.raises(DataError, match=r"train_file_list\.json is no list of SYNSET/NAME"):
        open_clouds(data, points=20, workers=0, shown=False)


@pytest.mark.parametrize(
    "content", [{"train": 5, "test": []}, {"train": [5], "test": []}, {"train": {1: 2}, "test": 5}]
)
def test_folds_that_are_no_lists(content: object, tmp_path: Path) -> None:
    (tmp_path / "5way_10shot").mkdir()
    (tmp_path / "5way_10shot" / "0.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match=r"expected \{'train'"):
        open_clouds(f"modelnet-fewshot={tmp_path}", points=20, workers=0, shown=False)


def test_a_scene_is_read_anew_when_a_file_of_its_buffers_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "scenes"
    place.mkdir()
    one, other = (trimesh.Scene(trimesh.creation.box((width, 1, 1))).export(file_type="gltf") for width in (1.0, 3.0))
    for name, content in one.items():
        (place / name).write_bytes(content)
    before = np.array(read(place).points)
    (corners,) = (name for name in one if name.endswith(".bin") and one[name] != other[name])
    with monkeypatch.context() as patch:
        patch.setattr(build_module, "read_files", lambda *_: pytest.fail("read again"))
        np.testing.assert_array_equal(read(place).points, before)
    (place / corners).write_bytes(other[corners])
    after = np.array(read(place).points)
    assert np.abs(after[..., 0]).max() > 0.9 > np.abs(before[..., 0]).max()
