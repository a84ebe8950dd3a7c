"""Several processes that prepare one folder: what they write together is what one writes alone."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i2pmae.common.errors import DataError, I2PError, UsageError
from i2pmae.data.clouds import CloudSet
from i2pmae.data.config import DataConfig
from i2pmae.data.open.prepared import prepare
from i2pmae.data.open.source import open_clouds, request_for
from i2pmae.data.read import sharing as sharing_module
from i2pmae.data.read.files import Request
from i2pmae.data.read.shares import ALONE, Ranks, here, share_of
from i2pmae.data.read.sharing import write_share
from i2pmae.data.sources.named import plan_source
from i2pmae.data.sources.plan import Plan
from i2pmae.data.store.sets import as_clouds
from i2pmae.data.store.stored import damage
from tests.data import layouts


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Files, sets of clouds and damaged ones, of three classes of which not every share has all."""
    for name, count in (("cup", 9), ("jug", 2), ("pot", 6)):
        place = tmp_path / "scans" / name
        place.mkdir(parents=True)
        for index in range(count):
            np.save(place / f"{index}.npy", layouts.cloud(index))
    np.save(tmp_path / "scans" / "jug" / "set.npy", layouts.clouds(7))
    (tmp_path / "scans" / "cup" / "bad.npy").write_bytes(b"nothing")
    return tmp_path / "scans"


def planned(scans: Path, **options: Any) -> tuple[Plan, Request]:
    plan = plan_source(scans, "folder")
    return plan, request_for(DataConfig(points=40, **options))


def together(scans: Path, output: Path, world: int, bad_share: float = 0.5, **options: Any) -> list[Any]:
    """What each of several processes gets, or the error that it ends with; here they are threads."""
    plan, request = planned(scans, **options)
    results: list[Any] = [None] * world

    def run(rank: int) -> None:
        try:
            stored = write_share(
                plan, request, output, "key", "float32", Ranks(rank, world), 0, max_bad_share=bad_share, shown=False
            )
            results[rank] = as_clouds(stored, output)
        except I2PError as error:
            results[rank] = error

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(world)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def same(one: CloudSet, other: CloudSet) -> None:
    np.testing.assert_array_equal(one.points, other.points)
    np.testing.assert_array_equal(one.labels, other.labels)
    assert (list(one.ids), one.classes, one.notes[0]) == (list(other.ids), other.classes, other.notes[0])


@pytest.mark.parametrize("world", [2, 3, 30])
def test_shares_make_the_whole(world: int, scans: Path, tmp_path: Path) -> None:
    plan, request = planned(scans)
    alone = prepare(plan, tmp_path / "alone", request, form="float32", workers=0, shown=False)
    assert len(alone) == 24
    for result in together(scans, tmp_path / "out", world):
        same(result, alone)
    assert not damage(tmp_path / "out", fully=True)
    assert (tmp_path / "out" / "bad_files.csv").read_text() == (tmp_path / "alone" / "bad_files.csv").read_text()
    assert not list(tmp_path.glob(".out*"))
    left = {item.name.split("-")[0] for item in (tmp_path / "out").iterdir()}
    assert left == {"points", "index.parquet", "bad_files.csv", "set.json"}
    same(open_clouds(tmp_path / "out", points=40, shown=False), alone)


def test_a_limited_set_is_read_by_the_first(scans: Path, tmp_path: Path) -> None:
    plan, request = planned(scans, clouds=5)
    alone = prepare(plan, tmp_path / "alone", request, form="float32", workers=0, shown=False)
    for result in together(scans, tmp_path / "out", 2, clouds=5):
        same(result, alone)


def test_a_process_that_ends_early(scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing_module, "PATIENCE", 0.5)
    plan, request = planned(scans)

    def one(rank: int) -> Any:
        return write_share(plan, request, tmp_path / "out", "key", "float32", Ranks(rank, 2), 0, 0.5, shown=False)

    with pytest.raises(I2PError, match="The process of rank 0 has ended before its work was done"):
        one(1)
    written = sorted(item.name for item in (tmp_path / ".out.unfinished").iterdir() if "-001" in item.name)
    assert "points-001-00000.npy" in written and "done-001.json" in written
    (tmp_path / ".out.unfinished" / "done-001.json").rename(tmp_path / "done")
    with pytest.raises(I2PError, match="The process of rank 1 has ended"):
        one(0)
    (tmp_path / "done").rename(tmp_path / ".out.unfinished" / "done-001.json")
    left = {item.name for item in (tmp_path / ".out.unfinished").iterdir()}
    assert left >= set(written), "a process that begins touches nothing of the others"
    # Both shares are written by now: the first has only to put them together, and the other one nothing to do.
    monkeypatch.setattr("i2pmae.data.read.files.read_one", lambda file, *_: pytest.fail(file.id))
    assert len(as_clouds(one(0), tmp_path / "out")) == 24
    assert len(as_clouds(one(1), tmp_path / "out")) == 24


def test_too_many_bad_files(scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing_module, "PATIENCE", 3)
    first, second = together(scans, tmp_path / "out", 2, bad_share=0)
    assert isinstance(first, DataError) and "1 of 25 files or clouds cannot be used" in str(first)
    assert "rank 0 has ended" in str(second)


def test_entries_are_shared_by_their_bytes(scans: Path) -> None:
    entries = list(planned(scans)[0].entries)
    shares = [share_of(entries, Ranks(rank, 4)) for rank in range(4)]
    assert [entry for share in shares for entry in share] == entries and all(shares)
    sizes = [sum(entry.file.size for entry in share) for share in shares]
    assert max(sizes) < 2 * min(sizes)
    assert share_of(entries, ALONE) == entries and share_of([], Ranks(1, 2)) == []


def test_which_process_this_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert here() == ALONE
    monkeypatch.setenv("RANK", "3")
    assert here() == ALONE
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert here() == Ranks(3, 4)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert here() == Ranks(3, 4, 2)
    for rank in ("4", "-1", "x"):
        monkeypatch.setenv("RANK", rank)
        with pytest.raises(UsageError, match=f"RANK={rank} and WORLD_SIZE=4"):
            here()


@pytest.mark.slow
def test_processes(scans: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "i2pmae", "data", "prepare", str(scans), "--output", str(tmp_path / "out")]
    options = ["--points", "40", "--max-bad-share", "0.5", "--workers", "1"]
    processes = [
        subprocess.Popen(
            command + options,
            env=os.environ | {"RANK": str(rank), "WORLD_SIZE": "2"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    said = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert "24 clouds of 40 points" in said[0][0] and said[1][0] == ""
    assert len(open_clouds(tmp_path / "out", points=40, shown=False)) == 24


def test_files_that_vanish_while_they_are_looked_at_are_left_out(tmp_path: Path, monkeypatch) -> None:
    """Others rename what they have written, and the first one removes the folder when all is done."""
    (tmp_path / "kept").write_bytes(b"four")
    (tmp_path / ".kept.part").write_bytes(b"")
    listed = list(tmp_path.iterdir())

    def late(_folder: Path) -> Iterator[Path]:
        (tmp_path / ".kept.part").unlink()
        return iter(listed)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "iterdir", late)
        assert sharing_module._sizes(tmp_path) == {"kept": 4}
    assert sharing_module._sizes(tmp_path / "gone") == {}
