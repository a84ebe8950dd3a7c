"""Prepared folders: the form on disk, going on after a stop, and what is said of damage."""

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from i2pmae.common.errors import DataError, I2PError, UsageError
from i2pmae.data.clouds import CloudSet, normalise
from i2pmae.data.config import DataConfig
from i2pmae.data.open.check import check_source
from i2pmae.data.open.prepared import prepare
from i2pmae.data.open.source import open_clouds, request_for
from i2pmae.data.read import build as build_module
from i2pmae.data.sources.benchmarks.modelnet import CLASSES_40
from i2pmae.data.sources.named import plan_source
from i2pmae.data.store.shards import Shards
from i2pmae.data.store.stored import damage
from i2pmae.data.store.summary import checksums
from i2pmae.data.store.writing import ResumableWriter, read_journal
from tests.data import layouts

SHARD = "points-000-00000.npy"


def write(data: str, output: Path, points: int = 50, workers: int = 0, **options: Any) -> CloudSet:
    plan = plan_source(data)
    request = request_for(DataConfig(points=points, **options), plan.up)
    return prepare(plan, output, request, form="float32", workers=workers, shown=False)


def read(path: Path, points: int = 50, **options: Any) -> CloudSet:
    return open_clouds(path, points=points, workers=0, shown=False, **options)


def same(first: CloudSet, second: CloudSet) -> None:
    np.testing.assert_array_equal(first.points, second.points)
    np.testing.assert_array_equal(first.part_labels, second.part_labels)
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.splits, second.splits)
    facts = [(list(one.ids), one.classes, one.parts, one.name) for one in (first, second)]
    assert facts[0] == facts[1]


@pytest.fixture
def source(tmp_path: Path) -> str:
    return f"shapenetpart={layouts.shapenetpart_hdf5(tmp_path)}"


def test_a_prepared_set_is_the_set(source: str, tmp_path: Path) -> None:
    written = write(source, tmp_path / "out")
    same(written, open_clouds(source, points=50, workers=0, shown=False))
    opened = read(tmp_path / "out")
    same(opened, written)
    assert opened.notes == written.notes
    assert isinstance(opened.points, Shards) and isinstance(opened.part_labels, Shards)
    assert sorted(item.name for item in (tmp_path / "out").iterdir()) == [
        "bad_files.csv",
        "index.parquet",
        "part_labels-000-00000.npy",
        "points-000-00000.npy",
        "set.json",
    ]
    assert not list(tmp_path.glob(".out*"))
    facts = json.loads((tmp_path / "out" / "set.json").read_text())
    assert facts["files"][SHARD]["bytes"] == (tmp_path / "out" / SHARD).stat().st_size
    assert check_source(tmp_path / "out", shown=False).splits == {"train": 2, "val": 1, "test": 2}


def test_fixed_point_takes_half_the_room(source: str, tmp_path: Path) -> None:
    exact, plan = write(source, tmp_path / "exact"), plan_source(source)
    made = prepare(plan, tmp_path / "out", request_for(DataConfig(points=50)), workers=0, shown=False)
    assert made.points.dtype == np.float32
    assert np.abs(made.points - exact.points).max() < 1.6e-5 < np.abs(np.float16(exact.points) - exact.points).max()
    assert (tmp_path / "out" / SHARD).stat().st_size == 128 + 5 * 50 * 6
    np.testing.assert_array_equal(made.part_labels, exact.part_labels)
    facts = json.loads((tmp_path / "out" / "set.json").read_text())
    assert (facts["format"], facts["form"], facts["scale"]) == (3, "fixed16", 1 / 32767)
    with pytest.raises(UsageError, match="holds another prepared set"):
        write(source, tmp_path / "out")
    with pytest.raises(UsageError, match="Unknown form 'fixed15'"):
        prepare(plan, tmp_path / "other", request_for(DataConfig(points=50)), form="fixed15", shown=False)


def test_the_index_says_where_each_cloud_is(many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i2pmae.data.store.appending.MOST_IN_SHARD", 16)
    clouds = write(str(many), tmp_path / "out", 40)
    table = pyarrow.parquet.read_table(tmp_path / "out" / "index.parquet").to_pydict()
    facts = json.loads((tmp_path / "out" / "set.json").read_text())
    assert [shard["clouds"] for shard in facts["shards"]] == [16, 16, 16, 16, 16, 4]
    assert len(list((tmp_path / "out").glob("points-*.npy"))) == 6 and not damage(tmp_path / "out", fully=True)
    for row, (name, file) in enumerate(zip(table["id"], table["source"], strict=True)):
        assert name == (file if file[-7:] != "set.npz" else f"{file}/{int(name[-6:]):06d}")
        shard = np.load(tmp_path / "out" / f"points-000-{table['shard'][row]:05d}.npy")
        np.testing.assert_array_equal(shard[table["row"][row]], clouds.points[row])
    rows = np.random.default_rng(0).permutation(84)
    np.testing.assert_array_equal(clouds.points[rows], np.asarray(clouds.points)[rows])
    np.testing.assert_array_equal(clouds.part_labels[rows[:50]], np.asarray(clouds.part_labels)[rows[:50]])
    part = clouds.subset(rows)
    assert part.digest() == clouds.subset(rows).digest() != clouds.digest()
    copied = pickle.loads(pickle.dumps(part))
    np.testing.assert_array_equal(copied.points[:3], part.points[:3])


def test_other_numbers_of_points(source: str, tmp_path: Path) -> None:
    full = write(source, tmp_path / "out")
    few = read(tmp_path / "out", 20)
    assert (few.points.shape, few.part_labels.shape) == ((5, 20, 3), (5, 20))
    assert (list(few.ids), few.classes, few.parts) == (list(full.ids), full.classes, full.parts)
    assert few.splits.tolist() == full.splits.tolist()
    np.testing.assert_allclose(np.mean(few.points, 1), 0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(few.points, axis=-1).max(1), 1, atol=1e-6)
    for points, labels in zip(few.points, few.part_labels, strict=True):
        assert (np.diff(labels[points[:, 0].argsort()]) >= 0).all()
    same(few, read(tmp_path / "out", 20))
    assert not np.array_equal(few.points, read(tmp_path / "out", 20, seed=5).points)
    assert any("fewer than 80 points" in note for note in read(tmp_path / "out", 80).notes)


def test_limits_and_parts(source: str, tmp_path: Path) -> None:
    write(source, tmp_path / "out")
    for points in (50, 20):
        some = read(tmp_path / "out", points, clouds=3)
        assert some.splits.tolist() == ["train", "val", "test"]
        assert read(tmp_path / "out", points, parts="none").part_labels is None
    with pytest.raises(UsageError, match="leave --up z out"):
        read(tmp_path / "out", up="z")


def test_prepare_from_a_prepared_folder(source: str, tmp_path: Path) -> None:
    write(source, tmp_path / "out")
    again = write(str(tmp_path / "out"), tmp_path / "small", 20)
    same(again, read(tmp_path / "out", 20))


def test_nothing_is_overwritten(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(source, tmp_path / "out")
    monkeypatch.setattr(build_module.Build, "run", lambda *_: pytest.fail("read again"))
    write(source, tmp_path / "out")
    with pytest.raises(UsageError, match="holds another prepared set"):
        write(source, tmp_path / "out", 20)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("")
    with pytest.raises(UsageError, match="holds something else"):
        write(source, tmp_path / "mine")


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Files and sets of clouds, with and without labels of parts in the right places."""
    root = tmp_path / "many"
    for split in ("train", "test"):
        place = root / split / "cup"
        place.mkdir(parents=True)
        for index in range(12):
            points = layouts.cloud(index)
            np.savez(place / f"{index:02d}.npz", points=points, part_labels=layouts.part_of(points, 3) + 1)
        points = layouts.clouds(30, 40)
        parts = np.stack([layouts.part_of(one, 3) + 1 for one in points])
        np.savez(place / "set.npz", points=points, part_labels=parts)
        (place / "05bad.npy").write_bytes(b"nothing")
    return root


class Stopped(Exception):
    """A process that ends."""


@pytest.mark.parametrize("stop", range(1, 9))
def test_a_stopped_prepare_goes_on(stop: int, many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_module, "CHECKPOINT_ROWS", 7)
    monkeypatch.setattr("i2pmae.data.formats.arrays.ArraySet.blocks.__defaults__", ((), 8))
    plan = plan_source(many, "folder")
    request = request_for(DataConfig(points=40))
    whole = prepare(plan, tmp_path / "whole", request, workers=0, shown=False)
    checkpoints = []
    real = ResumableWriter.checkpoint

    def stopping(writer: ResumableWriter, record: dict[str, Any]) -> None:
        real(writer, record)
        checkpoints.append(record["done"])
        if len(checkpoints) == stop:
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(ResumableWriter, "checkpoint", stopping)
        with pytest.raises(Stopped):
            prepare(plan, tmp_path / "out", request, workers=0, shown=False)
    assert not (tmp_path / "out").exists()
    # What came after the checkpoint, and a line that was cut short, must not matter.
    unfinished = tmp_path / ".out.unfinished"
    for name in ("points-000-00000.npy", "part_labels-000-00000.npy"):
        with (unfinished / name).open("ab") as file:
            file.write(b"later")
    with (unfinished / "progress-000.jsonl").open("a") as file:
        file.write('{"since": [')
    read_files = []
    real_one = build_module.read_files

    def counted(files: Any, *rest: Any) -> Any:
        files = list(files)
        read_files.extend(files)
        return real_one(files, *rest)

    monkeypatch.setattr(build_module, "read_files", counted)
    resumed = prepare(plan, tmp_path / "out", request, workers=0, shown=False)
    assert len(read_files) == len(plan.entries) - checkpoints[-1] < len(plan.entries)
    same(resumed, whole)
    assert resumed.parts == ("1", "2", "3")
    for name in ("points-000-00000.npy", "part_labels-000-00000.npy", "index.parquet", "bad_files.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_set_that_breaks_after_a_checkpoint_is_left_out(
    many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_module, "CHECKPOINT_ROWS", 7)
    monkeypatch.setattr("i2pmae.data.formats.arrays.ArraySet.blocks.__defaults__", ((), 8))
    np.savez(many / "test" / "cup" / "set.npz", points=layouts.clouds(300))
    path = many / "test" / "cup" / "set.npz"
    content = bytearray(path.read_bytes())
    content[len(content) * 9 // 10] ^= 255
    path.write_bytes(content)
    plan = plan_source(many, "folder")
    clouds = prepare(plan, tmp_path / "out", request_for(DataConfig(points=40)), workers=0, shown=False)
    assert len(clouds) == 54 and clouds.parts == ("1", "2", "3")
    assert not damage(tmp_path / "out", fully=True)
    assert "3 of 57 files or clouds could not be used" in clouds.notes[-1]


def test_other_data_begin_anew(source: str, tmp_path: Path) -> None:
    unfinished = tmp_path / ".out.unfinished"
    unfinished.mkdir()
    (unfinished / "progress-000.jsonl").write_text('{"key": "other", "points": 50}\n{"rows": 5}\n')
    (unfinished / "points.npy").write_bytes(b"x" * 10000)
    same(write(source, tmp_path / "out"), open_clouds(source, points=50, workers=0, shown=False))


def test_too_many_bad_files_keep_what_was_read(many: Path, tmp_path: Path) -> None:
    plan = plan_source(many, "folder")
    request = request_for(DataConfig(points=40))
    with pytest.raises(DataError, match="2 of 86 files or clouds cannot be used"):
        prepare(plan, tmp_path / "out", request, workers=0, max_bad_share=0.01, shown=False)
    assert [item.name for item in (tmp_path / "out").iterdir()] == ["bad_files.csv"]
    assert len(prepare(plan, tmp_path / "out", request, workers=0, shown=False)) == 84
    assert len(read(tmp_path / "out", 40)) == 84


@pytest.mark.slow
def test_two_processes_do_not_write_the_same_folder(source: str, tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom i2pmae.data.store.writing import ResumableWriter\n"
        f"with ResumableWriter(Path({str(tmp_path / 'out')!r}), 50, 'key'):\n    print('open', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None and other.stdout.readline() == "open\n"
        with pytest.raises(UsageError, match="Another process is preparing"):
            write(source, tmp_path / "out")
    finally:
        other.communicate("")
    assert len(write(source, tmp_path / "out")) == 5


def test_damage_is_found(source: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(source, out)
    content = (out / SHARD).read_bytes()
    (out / SHARD).write_bytes(content[:-4])
    with pytest.raises(DataError, match=rf"out is damaged: {SHARD} has \d+ bytes; set.json says \d+"):
        read(out)
    # Of the right size: the clouds that it touches are not given, whatever their content became; the others are.
    for wrong in (content[:-1] + bytes([content[-1] ^ 1]), content[:-300] + bytes(300), content[:-4] + b"\xff" * 4):
        (out / SHARD).write_bytes(wrong)
        opened = read(out)
        assert np.isfinite(opened.points[:4]).all()
        with pytest.raises(DataError, match=f"{SHARD} is damaged: row 4 has another content than was written"):
            opened.points[4]
        with pytest.raises(DataError, match="row 4 has another content"):
            opened.subset([0, 4])[1]
        with pytest.raises(DataError, match=f"{SHARD} has another content than set.json says"):
            check_source(out, shown=False)
    (out / SHARD).write_bytes(content.replace(b"(5, 50, 3)", b"(5, 3, 50)"))
    with pytest.raises(DataError, match=rf"{SHARD} is of shape \(5, 3, 50\)"):
        read(out)
    (out / SHARD).unlink()
    with pytest.raises(DataError, match=f"{SHARD} cannot be read: No such file"):
        read(out)
    (out / SHARD).write_bytes(content)
    index = (out / "index.parquet").read_bytes()
    (out / "index.parquet").write_bytes(index[:40] + bytes([index[40] ^ 1]) + index[41:])
    with pytest.raises(DataError, match=r"index.parquet has another content"):
        read(out)
    (out / "index.parquet").write_bytes(index)
    facts = json.loads((out / "set.json").read_text())
    (out / "set.json").write_text(json.dumps(facts | {"format": 99}))
    with pytest.raises(DataError, match="format 99"):
        read(out)
    (out / "set.json").write_text("{")
    with pytest.raises(DataError, match=r"set.json is damaged"):
        read(out)
    (out / "set.json").write_text(json.dumps(facts | {"clouds": 4}))
    with pytest.raises(DataError, match="different numbers of clouds"):
        read(out)


def test_a_shard_that_changes_while_it_is_open(source: str, tmp_path: Path) -> None:
    write(source, tmp_path / "out")
    opened = read(tmp_path / "out")
    assert opened.points[0].shape == (50, 3)
    with (tmp_path / "out" / SHARD).open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(DataError, match=f"{SHARD} is damaged: it ends before row 4"):
        opened.points[4]


def test_workers_change_nothing(many: Path, tmp_path: Path) -> None:
    plan = plan_source(many, "folder")
    sets = [
        prepare(plan, tmp_path / str(workers), request_for(DataConfig(points=40)), workers=workers, shown=False)
        for workers in (0, 2)
    ]
    same(*sets)


def test_a_folder_that_cannot_be_written(source: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(I2PError, match="Cannot write the folder"):
        write(source, tmp_path / "file" / "out")


def test_a_full_disk_is_an_error_and_what_was_written_is_used(
    source: str, tmp_path: Path, file_limit: Callable[[int], None]
) -> None:
    file_limit(1500)
    with pytest.raises(I2PError, match=r"Cannot write the folder .*out: .*too large.* run again to go on"):
        write(source, tmp_path / "out")
    file_limit(1 << 40)
    same(write(source, tmp_path / "out"), open_clouds(source, points=50, workers=0, shown=False))


def test_an_end_between_writing_and_putting_into_place(
    many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Part labels are indices by then, the index is written; all is done again from what was noted."""
    monkeypatch.setattr(build_module, "CHECKPOINT_ROWS", 7)
    plan = plan_source(many, "folder")
    whole = prepare(plan, tmp_path / "whole", request_for(DataConfig(points=40)), workers=0, shown=False)

    def stopped(*_: Any) -> None:
        raise Stopped

    for place in ("i2pmae.data.store.writing.ResumableWriter._let_go", "i2pmae.data.store.publishing._write_index"):
        with monkeypatch.context() as patch:
            patch.setattr(place, stopped)
            with pytest.raises(Stopped):
                prepare(plan, tmp_path / "out", request_for(DataConfig(points=40)), workers=0, shown=False)
    read, real = list[str](), build_module.read_files

    def counted(files: Any, *rest: Any) -> Any:
        files = list(files)
        read.extend(file.id for file in files)
        return real(files, *rest)

    monkeypatch.setattr(build_module, "read_files", counted)
    same(prepare(plan, tmp_path / "out", request_for(DataConfig(points=40)), workers=0, shown=False), whole)
    assert len(read) < 7, "what was noted is not read again"
    assert sorted(item.name for item in (tmp_path / "out").iterdir()) == sorted(
        item.name for item in (tmp_path / "whole").iterdir()
    )


KILLED = (
    "import sys\nfrom pathlib import Path\nfrom i2pmae.data.read import build\n"
    "from i2pmae.data.open.prepared import prepare\nfrom i2pmae.data.open.source import request_for\n"
    "from i2pmae.data.config import DataConfig\nfrom i2pmae.data.sources.named import plan_source\n"
    "build.CHECKPOINT_ROWS = 16\n"
    "plan = plan_source(sys.argv[1])\n"
    "prepare(plan, Path(sys.argv[2]), request_for(DataConfig(points=20)), form='float32', workers=0, shown=False)\n"
)


@pytest.mark.slow
def test_processes_that_are_killed_lose_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scans").mkdir()
    for index in range(600):
        np.save(tmp_path / "scans" / f"{index:03d}.npy", layouts.cloud(index)[:20])
    whole = write(str(tmp_path / "scans"), tmp_path / "whole", 20)
    journal = tmp_path / ".out.unfinished" / "progress-000.jsonl"
    done = [0]
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / "scans"), str(tmp_path / "out")])
        while process.poll() is None:
            noted = [record for record in read_journal(journal)[1:] if "done" in record]
            if noted and noted[-1]["done"] > done[-1]:
                process.kill()
                process.wait()
                done.append(read_journal(journal)[-1]["done"])
    assert done == sorted(done) and done[1] > 0
    read_files = []
    real = build_module.read_files

    def counted(files: Any, *rest: Any) -> Any:
        files = list(files)
        read_files.extend(files)
        return real(files, *rest)

    monkeypatch.setattr(build_module, "read_files", counted)
    same(write(str(tmp_path / "scans"), tmp_path / "out", 20), whole)
    assert len(read_files) == 600 - done[-1]
    assert not damage(tmp_path / "out", fully=True)


def test_a_damaged_description_of_a_folder(source: str, tmp_path: Path) -> None:
    write(source, tmp_path / "out")
    path = tmp_path / "out" / "set.json"
    facts = json.loads(path.read_text())

    def refused(content: str, reason: str) -> None:
        path.write_text(content)
        for use in (read, check_source):
            with pytest.raises(DataError, match=f"out is damaged: set.json is damaged{reason}"):
                use(tmp_path / "out", shown=False) if use is check_source else use(tmp_path / "out")

    for name in ("points", "files", "tally", "classes", "bad"):
        refused(json.dumps({key: value for key, value in facts.items() if key != name}), f": {name} missing")
    for name, value in (
        ("points", "50"),
        ("clouds", True),
        ("classes", [1]),
        ("tally", {"more": "1"}),
        ("files", {"../x": {"bytes": 1, "blake2b": ""}}),
        ("files", {SHARD: 5}),
        ("shards", [{"name": "../x", "clouds": 5}]),
        ("form", "float8"),
        ("scale", 0.0),
        ("part_dtype", "<f4"),
        ("up_in_files", "w"),
    ):
        refused(json.dumps(facts | {name: value}), f": {name} missing or of another form")
    for content in ("[" * 100_000, "5", "\\xff", "[]"):
        refused(content, "")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"set.json is damaged"):
        read(tmp_path / "out")
    path.write_text(json.dumps(facts | {"points": 49}))
    with pytest.raises(DataError, match=rf"{SHARD} is of shape \(5, 50, 3\) .* says 5 clouds of 49 points"):
        read(tmp_path / "out")


def test_a_folder_that_may_not_be_read(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(source, tmp_path / "out")
    real = Path.is_file

    def refused(path: Path) -> bool:
        if path.name == "set.json":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(Path, "is_file", refused)
    with pytest.raises(DataError, match=r"Cannot read .*out: Permission denied"):
        read(tmp_path / "out")


def test_the_axis_of_the_files_stays_known(tmp_path: Path) -> None:
    np.save(tmp_path / "raw.npy", layouts.clouds(4, points=30))
    opened = read(tmp_path / "raw.npy", 20, up="z")
    assert opened.files_up == opened.subset(np.arange(2)).files_up == "z"
    assert read(tmp_path / "raw.npy", 20).files_up == "y"
    assert write(str(tmp_path / "raw.npy"), tmp_path / "out", 30, up="z").files_up == "z"
    for points in (30, 20):
        assert read(tmp_path / "out", points).files_up == "z"
        assert read(tmp_path / "out", points, parts="none").files_up == "z"
    assert write(str(tmp_path / "out"), tmp_path / "again", 10).files_up == "z"
    np.testing.assert_array_equal(read(tmp_path / "again", 10).points, read(tmp_path / "out", 10).points)
    assert open_clouds("shapes", points=8, clouds=4).files_up == "y"
    np.save(tmp_path / "ready.npy", read(tmp_path / "raw.npy", 30).points)
    assert read(tmp_path / "ready.npy", 30).files_up == "y"
    place = layouts.modelnet_meshes(tmp_path, list(CLASSES_40))
    assert read(Path(f"modelnet40={place}"), 16).files_up == "z"


def test_a_prepared_folder_says_nothing_of_where_own_files_were(tmp_path: Path) -> None:
    np.save(tmp_path / "raw.npy", layouts.clouds(4, points=30))
    write(str(tmp_path / "raw.npy"), tmp_path / "out", 30)
    assert str(tmp_path) not in (tmp_path / "out" / "set.json").read_text()


def old_folder(folder: Path) -> CloudSet:
    """A folder of format 2, in which an earlier version kept a set; the set that it holds."""
    points = normalise(layouts.clouds(4, points=30)).astype(np.float32)
    folder.mkdir()
    np.save(folder / "points.npy", points)
    np.save(folder / "part_labels.npy", np.arange(120).reshape(4, 30) % 3)
    columns = {"id": [f"c{row}" for row in range(4)], "label": [0, 1, 1, 0], "split": ["train", "test"] * 2}
    pyarrow.parquet.write_table(pyarrow.table(columns), folder / "clouds.parquet")
    (folder / "bad_files.csv").write_text("path,reason\n")
    facts = {
        "format": 2,
        "name": "old",
        "classes": ["cup", "jug"],
        "parts": ["a", "b", "c"],
        "bad": 0,
        "tally": {},
        "notes": [],
        "clouds": 4,
        "points": 30,
        "files": checksums(folder, ["points.npy", "part_labels.npy", "clouds.parquet", "bad_files.csv"]),
    }
    (folder / "set.json").write_text(json.dumps(facts))
    parts = np.load(folder / "part_labels.npy")
    return CloudSet(
        points,
        columns["id"],
        np.array(columns["label"]),
        ("cup", "jug"),
        np.array(columns["split"]),
        parts,
        ("a", "b", "c"),
        "old",
    )


def test_folders_of_the_first_form_still_open(tmp_path: Path) -> None:
    expected = old_folder(tmp_path / "old")
    opened = read(tmp_path / "old", 30)
    same(opened, expected)
    assert opened.files_up == "y" and opened.points.dtype == np.float32 and opened.part_labels.dtype == np.int64
    assert opened.split("test").digest() == expected.split("test").digest()
    assert check_source(tmp_path / "old", shown=False).clouds == 4
    assert read(tmp_path / "old", 20).points.shape == (4, 20, 3)
    again = write(str(tmp_path / "old"), tmp_path / "new", 30)
    np.testing.assert_allclose(again.points, expected.points, atol=1e-6)
    # Their rows have no digests, so what is small enough is compared with its checksums on opening.
    path = tmp_path / "old" / "points.npy"
    path.write_bytes(path.read_bytes()[:-4] + np.float32(np.nan).tobytes())
    with pytest.raises(DataError, match=r"points.npy has another content than set.json says"):
        read(tmp_path / "old", 30)
