"""Prepared folders: the form on disk, going on after a stop, and what is said of damage."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i2pmae.common.errors import DataError, I2PError, UsageError
from i2pmae.data import build as build_module
from i2pmae.data.benchmarks.modelnet import CLASSES_40
from i2pmae.data.cache import damage
from i2pmae.data.check import check_source
from i2pmae.data.clouds import CloudSet
from i2pmae.data.prepared import prepare
from i2pmae.data.sources import open_source, plan_source, request_for
from i2pmae.data.writing import ResumableWriter
from tests.data import layouts


def write(data: str, output: Path, points: int = 50, workers: int = 0, **options: Any) -> CloudSet:
    plan = plan_source(data)
    return prepare(plan, output, request_for(plan, points, **options), workers=workers, shown=False)


def read(path: Path, points: int = 50, **options: Any) -> CloudSet:
    return open_source(path, points=points, workers=0, shown=False, **options)


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
    same(written, open_source(source, points=50, workers=0, shown=False))
    opened = read(tmp_path / "out")
    same(opened, written)
    assert opened.notes == written.notes
    assert isinstance(opened.points, np.memmap) and isinstance(opened.part_labels, np.memmap)
    assert sorted(item.name for item in (tmp_path / "out").iterdir()) == [
        "bad_files.csv",
        "clouds.parquet",
        "part_labels.npy",
        "points.npy",
        "set.json",
    ]
    assert not list(tmp_path.glob(".out*"))
    facts = json.loads((tmp_path / "out" / "set.json").read_text())
    assert facts["files"]["points.npy"]["bytes"] == (tmp_path / "out" / "points.npy").stat().st_size
    assert check_source(tmp_path / "out", shown=False).splits == {"train": 2, "val": 1, "test": 2}


def test_other_numbers_of_points(source: str, tmp_path: Path) -> None:
    full = write(source, tmp_path / "out")
    few = read(tmp_path / "out", 20)
    assert (few.points.shape, few.part_labels.shape) == ((5, 20, 3), (5, 20))
    assert (list(few.ids), few.classes, few.parts) == (list(full.ids), full.classes, full.parts)
    assert few.splits.tolist() == full.splits.tolist()
    np.testing.assert_allclose(few.points.mean(1), 0, atol=1e-6)
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
    monkeypatch.setattr("i2pmae.data.arrays.ArraySet.blocks.__defaults__", (8,))
    plan = plan_source(many, "folder")
    request = request_for(plan, 40)
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
    for name in ("points.npy", "part_labels.npy"):
        with (unfinished / name).open("ab") as file:
            file.write(b"later")
    with (unfinished / "progress.jsonl").open("a") as file:
        file.write('{"since": [')
    read_files = []
    real_one = build_module.read_files

    def counted(files: Any, *rest: Any) -> Any:
        read_files.extend(files)
        return real_one(files, *rest)

    monkeypatch.setattr(build_module, "read_files", counted)
    resumed = prepare(plan, tmp_path / "out", request, workers=0, shown=False)
    assert len(read_files) == len(plan.entries) - checkpoints[-1] < len(plan.entries)
    same(resumed, whole)
    assert resumed.parts == ("1", "2", "3")
    for name in ("points.npy", "part_labels.npy", "clouds.parquet", "bad_files.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_set_that_breaks_after_a_checkpoint_is_left_out(
    many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_module, "CHECKPOINT_ROWS", 7)
    monkeypatch.setattr("i2pmae.data.arrays.ArraySet.blocks.__defaults__", (8,))
    np.savez(many / "test" / "cup" / "set.npz", points=layouts.clouds(300))
    path = many / "test" / "cup" / "set.npz"
    content = bytearray(path.read_bytes())
    content[len(content) * 9 // 10] ^= 255
    path.write_bytes(content)
    plan = plan_source(many, "folder")
    clouds = prepare(plan, tmp_path / "out", request_for(plan, 40), workers=0, shown=False)
    assert len(clouds) == 54 and clouds.parts == ("1", "2", "3")
    assert not damage(tmp_path / "out", fully=True)
    assert "3 of 57 files or clouds could not be used" in clouds.notes[-1]


def test_other_data_begin_anew(source: str, tmp_path: Path) -> None:
    unfinished = tmp_path / ".out.unfinished"
    unfinished.mkdir()
    (unfinished / "progress.jsonl").write_text('{"key": "other", "points": 50}\n{"rows": 5}\n')
    (unfinished / "points.npy").write_bytes(b"x" * 10000)
    same(write(source, tmp_path / "out"), open_source(source, points=50, workers=0, shown=False))


def test_too_many_bad_files_keep_what_was_read(many: Path, tmp_path: Path) -> None:
    plan = plan_source(many, "folder")
    request = request_for(plan, 40)
    with pytest.raises(DataError, match="2 of 86 files or clouds cannot be used"):
        prepare(plan, tmp_path / "out", request, workers=0, max_bad_share=0.01, shown=False)
    assert [item.name for item in (tmp_path / "out").iterdir()] == ["bad_files.csv"]
    assert len(prepare(plan, tmp_path / "out", request, workers=0, shown=False)) == 84
    assert len(read(tmp_path / "out", 40)) == 84


@pytest.mark.slow
def test_two_processes_do_not_write_the_same_folder(source: str, tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom i2pmae.data.writing import ResumableWriter\n"
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
    content = (out / "points.npy").read_bytes()
    (out / "points.npy").write_bytes(content[:-4])
    with pytest.raises(DataError, match=r"out is damaged: points.npy has \d+ bytes; set.json says \d+"):
        read(out)
    (out / "points.npy").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert len(read(out)) == 5  # of the right size: only the full check sees it
    with pytest.raises(DataError, match=r"points.npy has another content than set.json says"):
        check_source(out, shown=False)
    (out / "points.npy").unlink()
    with pytest.raises(DataError, match=r"points.npy cannot be read: No such file"):
        read(out)
    (out / "points.npy").write_bytes(content)
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


def test_workers_change_nothing(many: Path, tmp_path: Path) -> None:
    plan = plan_source(many, "folder")
    sets = [
        prepare(plan, tmp_path / str(workers), request_for(plan, 40), workers=workers, shown=False)
        for workers in (0, 2)
    ]
    same(*sets)


def test_a_folder_that_cannot_be_written(source: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(I2PError, match="Cannot write the folder"):
        write(source, tmp_path / "file" / "out")


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
        ("files", {"points.npy": 5}),
        ("up_in_files", "w"),
    ):
        refused(json.dumps(facts | {name: value}), f": {name} missing or of another form")
    for content in ("[" * 100_000, "5", "\\xff", "[]"):
        refused(content, "")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"set.json is damaged"):
        read(tmp_path / "out")
    path.write_text(json.dumps(facts | {"points": 49}))
    with pytest.raises(DataError, match=r"points.npy is of shape \(5, 50, 3\); set.json says 49 points"):
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
    # Folders of earlier versions do not say it.
    facts = json.loads((tmp_path / "out" / "set.json").read_text())
    del facts["up_in_files"]
    (tmp_path / "out" / "set.json").write_text(json.dumps(facts))
    assert read(tmp_path / "out", 30).files_up == "y"
    assert open_source("shapes", points=8, clouds=4).files_up == "y"
    np.save(tmp_path / "ready.npy", read(tmp_path / "raw.npy", 30).points)
    assert read(tmp_path / "ready.npy", 30).files_up == "y"
    place = layouts.modelnet_meshes(tmp_path, list(CLASSES_40))
    assert read(Path(f"modelnet40={place}"), 16).files_up == "z"


def test_a_prepared_folder_says_nothing_of_where_own_files_were(tmp_path: Path) -> None:
    np.save(tmp_path / "raw.npy", layouts.clouds(4, points=30))
    write(str(tmp_path / "raw.npy"), tmp_path / "out", 30)
    assert str(tmp_path) not in (tmp_path / "out" / "set.json").read_text()
