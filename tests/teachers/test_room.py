import os
from datetime import timedelta

import numpy as np
import pytest

from i2pmae.cli import main
from i2pmae.common.errors import UsageError
from i2pmae.common.locks import lock
from i2pmae.data.clouds import CloudSet
from i2pmae.teachers.maps import CachedMaps
from i2pmae.teachers.room import MAPS_FOLDER, clear_kept, list_kept
from tests.teachers.test_maps import VIEWS, Looking
from tests.training.small import small_clouds

DAY = 24 * 3600.0


def made(cache, scale: float, age_in_days: float, limit=None) -> CachedMaps:
    maps = CachedMaps(cache / MAPS_FOLDER, Looking(scale), small_clouds(), VIEWS, shown=False, limit=limit)
    about = maps.folder / "about.json"
    os.utime(about, (about.stat().st_mtime - age_in_days * DAY,) * 2)
    return maps


def test_entries_are_listed_with_their_names_the_last_used_first(tmp_path):
    old, new = made(tmp_path, 1.0, 20), made(tmp_path, 2.0, 1)
    assert [entry.path for entry in list_kept(tmp_path)] == [new.folder, old.folder]
    entry = list_kept(tmp_path)[0]
    assert entry.sources == ("looking of 44 clouds",) and entry.kind == "teacher"
    assert entry.size >= (new.folder / "maps-00000.npy").stat().st_size
    assert list_kept(tmp_path / "nowhere") == []
    made(tmp_path, 1.0, 0)  # opened again
    assert list_kept(tmp_path)[0].path == old.folder


def test_what_was_not_used_for_longest_makes_room(tmp_path):
    oldest, old, new = (made(tmp_path, scale, age) for scale, age in ((1.0, 20), (2.0, 10), (3.0, 1)))
    size = list_kept(tmp_path)[0].size / 2**30
    fourth = made(tmp_path, 4.0, 0, limit=3.1 * size)
    assert {entry.path for entry in list_kept(tmp_path)} == {old.folder, new.folder, fourth.folder}
    with lock(old.folder / ".lock", blocking=False, what="maps that are being made"):
        fifth = made(tmp_path, 5.0, 0, limit=3.1 * size)
    assert {entry.path for entry in list_kept(tmp_path)} == {old.folder, fourth.folder, fifth.folder}
    assert not oldest.folder.exists()


def test_shards_that_nobody_used_for_longest_make_room_too(tmp_path):
    first = made(tmp_path, 1.0, 0)
    for keys in first.folder.glob("*.keys"):
        os.utime(keys, (keys.stat().st_mtime - DAY,) * 2)
    size = list_kept(tmp_path)[0].size / 2**30
    clouds = small_clouds()
    moved = CloudSet(clouds.points / 2, clouds.ids)
    options = {"shown": False, "limit": 1.1 * size}
    CachedMaps(tmp_path / MAPS_FOLDER, Looking(1.0), moved, VIEWS, **options)
    [entry] = list_kept(tmp_path)
    assert entry.sources == ("looking of 44 clouds",) and entry.size < 1.1 * size * 2**30
    teacher = Looking(1.0)
    half = moved.subset(np.arange(22))
    mixed = CloudSet(np.concatenate([half.points, clouds.points[:22]]), clouds.ids)
    with pytest.raises(UsageError, match="--cache-size"):
        CachedMaps(tmp_path / MAPS_FOLDER, teacher, mixed, VIEWS, **options)
    assert list_kept(tmp_path)[0].size == entry.size, "what the set itself needs stays"


def test_a_limit_that_is_too_small_is_an_error_before_more_than_a_batch_is_computed(tmp_path):
    teacher = Looking(when=2, action=lambda: pytest.fail("it was asked"))
    with pytest.raises(UsageError, match=r"takes 0\.00 GiB, and --cache-size allows 1e-06 GiB"):
        CachedMaps(tmp_path / MAPS_FOLDER, teacher, small_clouds(), VIEWS, shown=False, limit=1e-6)


def test_entries_are_the_user_s_alone(tmp_path):
    assert made(tmp_path, 1.0, 0).folder.stat().st_mode & 0o077 == 0


def test_entries_are_cleared_by_age_and_name(tmp_path):
    old, new = made(tmp_path, 1.0, 20), made(tmp_path, 2.0, 1)
    assert clear_kept(tmp_path, match="somebody else") == []
    assert [entry.path for entry in clear_kept(tmp_path, older_than=timedelta(days=10))] == [old.folder]
    with lock(new.folder / ".lock", blocking=False, what="maps that are being made"):
        assert clear_kept(tmp_path) == []
    assert [entry.path for entry in clear_kept(tmp_path, match="looking of")] == [new.folder]
    assert list_kept(tmp_path) == []


def test_the_command_lists_and_clears_them(tmp_path, capsys):
    made(tmp_path, 1.0, 3)
    assert main(["cache", "list", "--folder", str(tmp_path)]) == 0
    assert "teacher     looking of 44 clouds" in capsys.readouterr().out
    assert main(["cache", "clear", "--folder", str(tmp_path)]) == 0
    assert "removed" in capsys.readouterr().out
    assert list_kept(tmp_path) == []
