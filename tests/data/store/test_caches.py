"""The cache as a whole: what is in it, clearing it, and who may look into it."""

import os
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from i2pmae.common.errors import DataError
from i2pmae.data.config import DataConfig
from i2pmae.data.open.prepared import prepare
from i2pmae.data.open.source import open_clouds, request_for
from i2pmae.data.sources.named import plan_source
from i2pmae.data.store.cache import clear_caches, list_caches, read_bad_files, write_bad_files
from i2pmae.data.store.sets import UnusableFiles
from tests.data.layouts import cloud


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("I2PMAE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def scans(place: Path, bad: int = 0, good: int = 3) -> Path:
    place.mkdir()
    for index in range(good):
        np.save(place / f"{index}.npy", cloud(index))
    for index in range(bad):
        (place / f"bad{index}.npy").write_bytes(b"x")
    return place


def read(path: Path, **options: object) -> object:
    return open_clouds(path, points=64, workers=0, shown=False, **options)  # type: ignore[arg-type]


def aged(folder: Path, days: float) -> None:
    for item in (*folder.iterdir(), folder):
        os.utime(item, (time.time() - days * 86400,) * 2)


def test_what_is_in_the_cache(root: Path, tmp_path: Path) -> None:
    assert list_caches() == []
    read(scans(tmp_path / "first"))
    aged(next(root.iterdir()), 3)
    read(scans(tmp_path / "second"))
    second, first = list_caches()
    assert [entry.kind for entry in (first, second)] == ["clouds", "clouds"]
    assert first.sources == ("first", str(tmp_path / "first"))
    assert first.size == sum(item.stat().st_size for item in first.path.iterdir()) > 3 * 64 * 12
    assert (second.used - first.used) / timedelta(days=1) == pytest.approx(3, abs=0.1)
    aged(second.path, 1)  # clocks of file systems tick too slowly to tell what happened just now
    read(tmp_path / "first")
    assert list_caches()[0].path == first.path, "opening a cache counts as use"


def test_clearing(root: Path, tmp_path: Path) -> None:
    opened = read(scans(tmp_path / "first"))
    kept = np.array(opened.points)
    for entry in list_caches():
        aged(entry.path, 3)
    read(scans(tmp_path / "second"))
    (root / "mine").mkdir()
    (root / "mine" / "thesis.txt").write_text("")
    assert clear_caches(older_than=timedelta(days=5)) == clear_caches(match="third") == []
    assert clear_caches(older_than=timedelta(days=1)) == [], "a set that is open stays"
    np.testing.assert_array_equal(opened.points, kept)
    del opened
    assert [entry.sources[0] for entry in clear_caches(older_than=timedelta(days=1))] == ["first"]
    assert [entry.sources[0] for entry in clear_caches(match=str(tmp_path / "sec"))] == ["second"]
    assert sorted(item.name for item in root.iterdir()) == ["mine"]
    assert len(read(tmp_path / "first")) == 3


def test_sets_that_are_being_read_stay(root: Path) -> None:
    for name in ("locked", "fresh", "dead"):
        (root / f".{name}.part").mkdir(parents=True)
        (root / f".{name}.part" / "points.npy").write_bytes(b"half")
    (root / ".locked.part.lock").touch()
    for name in ("locked", "dead"):
        aged(root / f".{name}.part", 1)
    assert {entry.kind for entry in list_caches()} == {"unfinished"}
    assert [entry.path.name for entry in clear_caches()] == [".dead.part"]
    assert sorted(item.name for item in root.iterdir()) == [".fresh.part", ".locked.part", ".locked.part.lock"]


def test_a_part_of_a_set_keeps_it_too(root: Path, tmp_path: Path) -> None:
    part = read(scans(tmp_path / "first")).subset([2, 0])  # type: ignore[attr-defined]
    assert clear_caches() == [] and part.points[0].shape == (64, 3)
    del part
    assert len(clear_caches()) == 1 and len(read(tmp_path / "first")) == 3  # type: ignore[arg-type]


def test_a_cache_folder_that_cannot_be_looked_at(root: Path) -> None:
    root.write_text("")
    with pytest.raises(DataError, match="Cannot read the cache"):
        list_caches()


def test_nobody_else_may_look_into_caches(root: Path, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        read(scans(tmp_path / "first", bad=1), max_bad_share=0.5)
        with pytest.raises(UnusableFiles):
            read(scans(tmp_path / "second", bad=3, good=0))
        plan = plan_source(tmp_path / "first")
        prepare(plan, tmp_path / "out", request_for(DataConfig(points=64)), max_bad_share=0.5, workers=0, shown=False)
    finally:
        os.umask(before)
    assert root.stat().st_mode & 0o777 == 0o700
    for folder in root.iterdir():
        assert folder.stat().st_mode & 0o777 == 0o700
        assert {item.stat().st_mode & 0o777 for item in folder.iterdir()} == {0o600}
    # What the user asked for is as open as any other file.
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "out" / "points-000-00000.npy").stat().st_mode & 0o777 == 0o644


def test_where_the_list_of_unusable_files_is(root: Path, tmp_path: Path) -> None:
    opened = read(scans(tmp_path / "first", bad=1), max_bad_share=0.5)
    assert opened.bad_files is not None and opened.bad_files.is_relative_to(root)
    assert opened[:2].bad_files == opened.bad_files and str(opened.bad_files) in opened.notes[-1]
    assert [name for name, _ in read_bad_files(opened.bad_files.parent)] == ["bad0.npy"]
    assert read(scans(tmp_path / "good")).bad_files is None
    with pytest.raises(UnusableFiles) as caught:
        read(scans(tmp_path / "second", bad=5, good=0))
    assert str(caught.value.bad_files) in str(caught.value)
    assert len(read_bad_files(caught.value.bad_files.parent)) == 5
    assert [entry.kind for entry in list_caches() if entry.path == caught.value.bad_files.parent] == ["unusable"]


def test_any_name_can_be_listed(tmp_path: Path) -> None:
    names = ["a\rb", "a\nb", "nul\0", "half \ud800", "caf\udce9", 'quoted ", comma', "[/red]"]
    write_bad_files(tmp_path, [(name, f"why {name}") for name in names])
    assert read_bad_files(tmp_path) == [
        (name, f"why {name}")
        for name in ("a\\rb", "a\\nb", "nul\\x00", "half \\ud800", "caf\\xe9", 'quoted ", comma', "[/red]")
    ]
