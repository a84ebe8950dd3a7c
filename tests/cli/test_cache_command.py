import os
import re
import time
from pathlib import Path

import numpy as np
import pytest

from i2pmae.data.open.source import open_clouds
from i2pmae.data.store.cache import list_caches
from tests.cli.conftest import Call
from tests.data.layouts import cloud


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("I2PMAE_CACHE", str(tmp_path / "kept"))
    return tmp_path / "kept"


def read(place: Path, cache: Path | None = None, days: float = 0.0) -> None:
    """A folder of clouds that is read, so many days ago."""
    place.mkdir()
    for index in range(3):
        np.save(place / f"{index}.npy", cloud(index))
    open_clouds(place, points=64, workers=0, cache=cache, shown=False)
    newest = list_caches(cache)[0].path
    for item in (*newest.iterdir(), newest):
        os.utime(item, (time.time() - days * 86400,) * 2)


def test_help_and_unknown_commands(call: Call) -> None:
    status, out, err = call("cache", "--help")
    assert (status, err) == (0, "") and "list" in out and "clear" in out and "--older-than" in out
    status, out, err = call("cache")
    assert (status, out) == (2, "") and "usage: i2pmae cache" in err
    status, out, err = call("cache", "claer")
    assert (status, out) == (2, "") and "Unknown cache command 'claer'. Did you mean 'clear'?" in err
    for command in ("list", "clear"):
        status, out, err = call("cache", command, "--help")
        assert (status, err) == (0, "") and f"i2pmae cache {command}" in out


def test_an_empty_cache(call: Call, root: Path) -> None:
    assert call("cache", "list") == (0, f"0 B in {root}\n", "")
    assert call("cache", "clear") == (0, "0 B removed\n", "")
    assert not root.exists()


def test_what_is_kept_is_listed_the_latest_first(call: Call, root: Path, tmp_path: Path) -> None:
    read(tmp_path / "first", days=3)
    read(tmp_path / "second")
    status, out, err = call("cache", "list")
    assert (status, err) == (0, "")
    second, first, total = out.splitlines()
    assert f"second, {tmp_path / 'second'}" in second and f"first, {tmp_path / 'first'}" in first
    assert all(re.search(r"kB  \d{4}-\d\d-\d\d \d\d:\d\d  clouds ", line) for line in (first, second))
    size = sum(entry.size for entry in list_caches())
    assert total == f"{size / 1000:.1f} kB in {root}"


def test_clearing_says_what_went(call: Call, root: Path, tmp_path: Path) -> None:
    for name, days in (("old", 9.0), ("mine", 0.0), ("other", 0.0)):
        read(tmp_path / name, days=days)
    assert call("cache", "clear", "--older-than", 10)[1] == "0 B removed\n"
    assert call("cache", "clear", "--match", "nothing-like-it")[1] == "0 B removed\n"
    status, out, err = call("cache", "clear", "--older-than", 5)
    assert (status, err) == (0, "")
    assert str(tmp_path / "old") in out and len(out.splitlines()) == 2 and out.endswith("kB removed\n")
    out = call("cache", "clear", "--match", tmp_path / "mine")[1]
    assert str(tmp_path / "mine") in out and len(out.splitlines()) == 2
    assert [entry.sources[0] for entry in list_caches()] == ["other"]
    out = call("cache", "clear")[1]
    assert str(tmp_path / "other") in out and list_caches() == []
    assert len(open_clouds(tmp_path / "mine", points=64, workers=0, shown=False)) == 3, "it is read anew"


def test_another_folder_can_be_named(call: Call, root: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    read(tmp_path / "scans", cache=own)
    assert call("cache", "list")[1] == f"0 B in {root}\n"
    assert str(tmp_path / "scans") in call("cache", "list", "--folder", own)[1]
    assert call("cache", "clear", "--folder", own)[0] == 0
    assert list_caches(own) == []


def test_names_that_would_harm_a_terminal_are_spelled_out(call: Call, root: Path, tmp_path: Path) -> None:
    read(tmp_path / "[v2]\x1b[31m scans")
    out = call("cache", "list")[1]
    assert "[v2]\\x1b[31m scans" in out and "\x1b" not in out


@pytest.mark.parametrize("option", ["--older-than=soon", "--older", "--match"])
def test_wrong_options_have_status_2(call: Call, option: str) -> None:
    status, out, err = call("cache", "clear", option)
    assert (status, out) == (2, "") and "Traceback" not in err
