import json
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from i2pmae.common.errors import I2PError
from i2pmae.common.locks import lock
from i2pmae.data.clouds import CloudSet
from i2pmae.projection.config import ProjectionConfig
from i2pmae.teachers import kept as teacher_maps
from i2pmae.teachers import shelf
from i2pmae.teachers.base import TeacherMaps
from i2pmae.teachers.maps import CachedMaps, look
from tests.training.small import small_clouds

VIEWS = ProjectionConfig(image_size=32)


class Looking:
    """A teacher that sees means of patches; it counts the images, and may do something at the ``when``-th call."""

    name, feature_dim, grid_size = "looking", 3, 4

    def __init__(self, scale: float = 1.0, when: int = 0, action=None) -> None:
        self.scale, self.when, self.action = scale, when, action
        self.calls = self.images = 0

    def fingerprint(self) -> str:
        return f"looking {self.scale}"

    def __call__(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.calls += 1
        self.images += len(images)
        if self.calls == self.when:
            self.action()
        means = torch.nn.functional.adaptive_avg_pool2d(images, self.grid_size) * self.scale
        return means.expand(-1, 3, -1, -1) + torch.arange(3.0)[:, None, None], means[:, 0]


def build(folder: Path, teacher: Looking, clouds: CloudSet | None = None, projection=VIEWS, batch=4) -> CachedMaps:
    return CachedMaps(folder, teacher, clouds or small_clouds(), projection, batch=batch, shown=False)


def check(maps: CachedMaps, clouds: CloudSet | None = None, scale: float = 1.0) -> None:
    clouds = clouds or small_clouds()
    rows = torch.randperm(len(clouds))
    expected = look(Looking(scale), torch.tensor(clouds.points[rows.numpy()]), VIEWS)[0]
    found = maps(rows)
    torch.testing.assert_close(found.features, expected.features, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(found.saliency, expected.saliency, rtol=1e-3, atol=1e-3)


def test_maps_are_made_once_and_read_by_row(tmp_path):
    teacher = Looking()
    first = build(tmp_path, teacher)
    assert teacher.images == 3 * 44
    check(first)
    again = build(tmp_path, teacher)
    assert teacher.images == 3 * 44
    check(again)
    assert again.seconds == first.seconds > 0
    assert not list(tmp_path.rglob("*.part"))


def test_whatever_decides_the_maps_has_maps_of_its_own_and_leaves_the_others(tmp_path):
    clouds = small_clouds()
    moved = clouds.points.copy()
    moved[37, 5] += 0.25
    other = CloudSet(moved, clouds.ids, labels=clouds.labels)
    first = build(tmp_path, Looking())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    teacher = Looking()
    check(build(tmp_path, teacher, other), other)
    assert teacher.images == 3, "all but one of the clouds were known"
    check(build(tmp_path, Looking(2.0)), scale=2.0)
    build(tmp_path, Looking(), projection=ProjectionConfig(image_size=32, depth="nearest"))
    assert len(list(tmp_path.rglob("maps-*.npy"))) == 4
    assert {path: path.read_bytes() for path in before} == before
    check(first)


def test_sets_with_clouds_in_common_share_what_was_said_of_them(tmp_path):
    clouds, teacher = small_clouds(), Looking()
    some = build(tmp_path, teacher, clouds.subset(np.arange(10, 25)))
    assert teacher.images == 3 * 15
    twice = clouds.subset([12, 40, 12, 41, 40])
    check(build(tmp_path, teacher, twice), twice)
    assert teacher.images == 3 * 17, "each cloud is looked at once"
    check(build(tmp_path, teacher))
    assert teacher.images == 3 * 44
    check(build(tmp_path, Looking(when=1, action=pytest.fail), clouds.subset(np.arange(43, -1, -1))), clouds[::-1])
    check(some, clouds.subset(np.arange(10, 25)))


def test_a_full_shard_is_followed_by_another(tmp_path, monkeypatch):
    monkeypatch.setattr(shelf, "SHARD_ROWS", 8)
    monkeypatch.setattr(teacher_maps, "BATCHES_PER_NOTE", 1)
    maps = build(tmp_path, Looking())
    assert [len(np.load(path)) for path in sorted(maps.folder.glob("maps-*.npy"))] == [8, 8, 8, 8, 8, 4]
    check(maps)


def test_features_are_kept_in_fewer_channels(tmp_path):
    mixing = torch.randn(3, 2)
    rows = torch.arange(44)
    mixed = CachedMaps(tmp_path, Looking(), small_clouds(), VIEWS, shown=False, mixing=mixing)(rows)
    whole = build(tmp_path, Looking())(rows)
    expected = torch.einsum("bvchw,cd->bvdhw", whole.features, mixing)
    torch.testing.assert_close(mixed.features, expected, rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(mixed.saliency, whole.saliency)


@pytest.mark.parametrize("calls", [5, 20])
def test_a_build_that_stops_goes_on(tmp_path, monkeypatch, calls):
    monkeypatch.setattr(teacher_maps, "BATCHES_PER_NOTE", 2)

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(tmp_path, Looking(when=calls, action=stop), batch=2)
    [part] = tmp_path.rglob("*.part")
    with part.open("ab") as file:
        file.write(b"half a row")
    rest = Looking()
    check(build(tmp_path, rest, batch=2))
    assert rest.calls == 22 - (calls - 1) // 2 * 2


@pytest.mark.parametrize(
    "damage", ["short part", "no note", "deep note", "no header", "short maps", "other file", "no keys", "short keys"]
)
def test_what_is_incomplete_is_made_again(tmp_path, damage):
    teacher = Looking()
    shard = build(tmp_path, teacher).folder / "maps-00000.npy"
    part = shard.with_suffix(".npy.part")
    if damage in ("short part", "no note", "deep note", "no header"):
        shard.rename(part)
    if damage == "short part":
        os.truncate(part, 1000)
    elif damage == "no header":
        os.truncate(part, 10)
    elif damage == "short maps":
        os.truncate(shard, 1000)
    elif damage == "other file":
        np.save(shard, np.zeros(3))
    elif damage == "no keys":
        shard.with_suffix(".keys").unlink()
    elif damage == "short keys":
        os.truncate(shard.with_suffix(".keys"), 16 * 43 + 1)
    else:
        shard.with_suffix(".json").write_text("[" * 10_000 if damage == "deep note" else "{}")
    check(build(tmp_path, teacher))
    assert teacher.images == 2 * 3 * 44
    assert len(list(shard.parent.glob("maps-*"))) == 3, "what was damaged is gone"


def test_a_reader_keeps_its_maps_whatever_happens_to_the_folder(tmp_path):
    maps = build(tmp_path, Looking())
    (maps.folder / "maps-00000.npy").unlink()
    build(tmp_path, Looking())
    check(maps)


class Telling(Looking):
    """The same, with a vector of its own for each image."""

    def __call__(self, images):
        features, saliency = super().__call__(images)
        return TeacherMaps(features, saliency, images.flatten(1)[:, :7] + 1)


@pytest.mark.parametrize("kind", [Looking, Telling])
def test_vectors_of_views_are_kept_with_the_maps_or_alone(tmp_path, kind):
    clouds, rows = small_clouds(), torch.tensor([5, 0, 43])
    expected = look(kind(), torch.tensor(clouds.points[rows.numpy()]), VIEWS)[0]
    assert expected.pooled.shape == (3, 3, 3 if kind is Looking else 7)
    teacher = kind()
    both = CachedMaps(tmp_path / "both", teacher, clouds, VIEWS, shown=False, wanted=("maps", "pooled"))
    assert teacher.images == 3 * 44, "one pass makes both"
    alone = CachedMaps(tmp_path / "alone", kind(), clouds, VIEWS, shown=False, wanted=("pooled",))
    for maps in (both, alone):
        torch.testing.assert_close(maps.pooled(rows), expected.pooled, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(both(rows).features, expected.features, rtol=1e-3, atol=1e-3)
    assert not list(alone.folder.glob("maps-*"))
    later = CachedMaps(tmp_path / "alone", kind(), clouds, VIEWS, shown=False, wanted=("maps", "pooled"))
    torch.testing.assert_close(later(rows).features, expected.features, rtol=1e-3, atol=1e-3)
    silent = kind(when=1, action=pytest.fail)
    again = CachedMaps(tmp_path / "alone", silent, clouds, VIEWS, shown=False, wanted=("pooled",))
    torch.testing.assert_close(again.pooled(rows), expected.pooled, rtol=1e-3, atol=1e-3)


def test_a_build_of_both_that_stops_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(teacher_maps, "BATCHES_PER_NOTE", 2)

    def stop():
        raise KeyboardInterrupt

    def made(teacher):
        wanted = ("maps", "pooled")
        return CachedMaps(tmp_path, teacher, small_clouds(), VIEWS, batch=2, shown=False, wanted=wanted)

    with pytest.raises(KeyboardInterrupt):
        made(Looking(when=12, action=stop))
    rest = Looking()
    maps, rows = made(rest), torch.arange(44)
    assert rest.calls == 22 - 10, "what was not noted"
    expected = look(Looking(), torch.tensor(small_clouds().points), VIEWS)[0]
    torch.testing.assert_close(maps.pooled(rows), expected.pooled, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(maps(rows).features, expected.features, rtol=1e-3, atol=1e-3)


KILLED = """
import os, signal, sys
from pathlib import Path
from i2pmae.teachers import kept as teacher_maps
from tests.teachers.test_maps import Looking, build

teacher_maps.BATCHES_PER_NOTE = 1
build(Path(sys.argv[1]), Looking(when=6, action=lambda: os.kill(os.getpid(), signal.SIGKILL)))
"""


def test_a_build_that_is_killed_goes_on(tmp_path):
    code = [sys.executable, "-c", KILLED, str(tmp_path)]
    assert subprocess.run(code, cwd=Path(__file__).parents[2], check=False).returncode == -signal.SIGKILL
    rest = Looking()
    check(build(tmp_path, rest))
    assert rest.calls == 11 - 5


def test_who_needs_the_same_maps_waits_for_them_and_says_so(tmp_path, capfd):
    folder = build(tmp_path, Looking()).folder
    (folder / "maps-00000.npy").rename(folder / "kept")
    found, waits = [], threading.Event()

    def second():
        found.append(CachedMaps(tmp_path, Looking(when=1, action=pytest.fail), small_clouds(), VIEWS, shown=True))

    thread = threading.Thread(target=second)
    original = threading.Condition.wait_for

    def noticed(condition, predicate, timeout=None):
        waits.set()
        return original(condition, predicate, timeout)

    with lock(folder / ".lock", blocking=True, what="the maps"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Condition, "wait_for", noticed)
        thread.start()
        waits.wait()
        (folder / "kept").rename(folder / "maps-00000.npy")
    thread.join()
    check(found[0])
    assert "which is working on the teacher's maps in" in " ".join(capfd.readouterr().err.split())


def test_a_full_disk_is_explained_and_what_is_done_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(teacher_maps, "BATCHES_PER_NOTE", 1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
        with pytest.raises(I2PError, match=r"Cannot write the teacher's maps.*GiB.*run again"):
            build(tmp_path, Looking(), batch=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    [note] = tmp_path.rglob("maps-*.json")
    done = json.loads(note.read_text())["done"]
    assert done > 0
    rest = Looking()
    check(build(tmp_path, rest, batch=1))
    assert rest.calls == 44 - done


def test_the_note_of_a_shard_that_was_removed_is_not_taken_for_that_of_the_next(tmp_path):
    shard = build(tmp_path, Looking()).folder / "maps-00000.npy"
    shard.unlink()
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path, Looking(when=2, action=interrupt))
    assert not shard.with_suffix(".json").exists()
    check(build(tmp_path, Looking()))


def interrupt() -> None:
    raise KeyboardInterrupt
