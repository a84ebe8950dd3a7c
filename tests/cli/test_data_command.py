import shutil
from pathlib import Path

import numpy as np
import pytest

from i2pmae.data.sources.benchmarks import READERS
from i2pmae.data.sources.benchmarks.modelnet import COUNTS
from tests.cli.conftest import Call
from tests.data import layouts


def test_help_and_unknown_commands(call: Call) -> None:
    status, out, err = call("data", "--help")
    assert (status, err) == (0, "")
    assert all(word in out for word in ("check", "prepare", "list", "NAME=PATH", "manifest"))
    assert call("data")[0] == 2
    status, out, err = call("data", "chek")
    assert (status, out) == (2, "") and "Did you mean 'check'?" in err
    assert "--output" in call("data", "prepare", "--help")[1]


def test_all_readers_are_listed(call: Call) -> None:
    status, out, err = call("data", "list")
    assert (status, err) == (0, "")
    for name, reader in READERS.items():
        assert f"{name}: {reader.about}" in out and reader.obtained in out
        assert all(layout.expects in out for layout in reader.layouts)


def test_check_says_what_an_incomplete_set_lacks(call: Call, tmp_path: Path) -> None:
    folder = layouts.modelnet_hdf5(tmp_path)
    status, out, _ = call("data", "check", f"modelnet40={folder}")
    assert status == 1
    lines = [line.split() for line in out.splitlines()]
    assert ["train", "6", "9843", "9837", "fewer"] in lines
    assert ["test", "3", "2468", "2465", "fewer"] in lines
    assert ["airplane", "1", "0"] in lines and ["xbox", "1", "1"] in lines and ["sofa", "0", "0"] in lines
    assert f"HDF5 files, {folder}" in out and "9 clouds of 64 points, in 3 files" in out
    assert READERS["modelnet40"].obtained in out


def test_check_lists_all_damage_and_goes_on(call: Call, tmp_path: Path) -> None:
    folder = layouts.modelnet_hdf5(tmp_path / "m")
    layouts.cut(folder / "ply_data_train1.h5")
    status, out, _ = call("data", "check", f"modelnet40={folder}")
    assert status == 1
    assert "wrong: ply_data_train1.h5: the file is damaged or cut short" in out
    assert "train       4" in out
    root = layouts.shapenetpart_pairs(tmp_path / "p")
    synset = "02691156"
    (root / synset / "points_label" / "a.seg").write_text("9\n" * 50)
    (root / synset / "points_label" / "c.seg").unlink()
    status, out, _ = call("data", "check", f"shapenetpart={root}")
    assert status == 1
    assert "points/a.pts: the part labels run from 9 to 9; expected 1 to 4" in out
    assert "points_label/c.seg cannot be read: No such file" in out
    assert "50 parts" in out and "Table: 0 " in out


def test_a_set_with_the_official_counts_is_whole(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COUNTS, 40, {"train": 6, "test": 2})
    status, out, _ = call("data", "check", f"modelnet40={layouts.modelnet_hdf5(tmp_path)}")
    lines = [line.split() for line in out.splitlines()]
    assert status == 0
    assert ["train", "6", "6", "as", "it", "should", "be"] in lines
    assert ["test", "3", "2", "1", "more"] in lines
    assert out.endswith("Nothing is missing or damaged.\n")


def test_check_of_own_data(call: Call, folder: Path) -> None:
    status, out, _ = call("data", "check", folder)
    assert status == 0
    assert [line.split() for line in out.splitlines()].count(["ball", "8"]) == 1
    (folder / "ball" / "bad.xyz").write_text("1 2\n")
    status, out, _ = call("data", "check", folder)
    assert status == 1
    assert "cannot be used: ball/bad.xyz: the file holds no line of at least three numbers" in out
    (folder / "loose.xyz").write_text("1 2 3\n")
    status, _, err = call("data", "check", folder)
    assert status == 1 and "no class folder around 1 file (loose.xyz)" in err
    assert call("data", "check", folder, "--labels", "none")[0] == 1


def test_check_of_nothing_usable(call: Call, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    np.save(tmp_path / "x" / "a.npy", np.zeros((5, 3)))
    status, out, _ = call("data", "check", tmp_path / "x", "--labels", "none")
    assert status == 1 and "cannot be used: a.npy: all points are equal" in out
    status, _, err = call("data", "check", "shapes")
    assert status == 2 and "built-in shapes" in err


def test_prepare_then_use(call: Call, tmp_path: Path, weights: Path, archive: Path) -> None:
    status, out, _ = call("data", "prepare", archive, "--output", tmp_path / "ready")
    assert status == 0 and "42 clouds of 40 points" in out
    assert call("data", "check", tmp_path / "ready")[0] == 0
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    archive.unlink()
    status, out, err = call("probe", weights, "--data", tmp_path / "ready", "--folds", 2)
    assert status == 0, err
    assert "30 train, 12 test" in out
    (tmp_path / "ready" / "points-000-00000.npy").write_bytes(b"")
    status, _, err = call("data", "check", tmp_path / "ready")
    assert status == 1 and "points-000-00000.npy has 0 bytes" in err


def test_prepare_into_a_folder_with_something_else(call: Call, tmp_path: Path, archive: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("")
    status, _, err = call("data", "prepare", archive, "--output", tmp_path / "mine")
    assert status == 2 and "holds something else" in err
    assert call("data", "prepare", archive, "--output", tmp_path / "o", "--points", 2)[0] == 2


def test_a_flat_folder(call: Call, tmp_path: Path) -> None:
    (tmp_path / "flat").mkdir()
    for index in range(3):
        np.save(tmp_path / "flat" / f"{index}.npy", layouts.cloud(index))
    status, out, err = call("data", "check", tmp_path / "flat")
    assert (status, err.count("Error")) == (0, 0)
    assert "3 clouds" in out and "No sub-folders name classes" in out
    status, out, err = call("data", "prepare", tmp_path / "flat", "--output", tmp_path / "ready")
    assert status == 0 and "3 clouds of 2048 points" in out and "No sub-folders" in err
    assert call("data", "check", tmp_path / "flat", "--labels", "folder")[0] == 1


def test_check_for_a_task(call: Call, tmp_path: Path) -> None:
    parts = np.repeat(np.array([[0, 1], [0, 1], [0, 2]]), 32, axis=1)
    path = tmp_path / "parts.npz"
    np.savez(path, points=layouts.clouds(3), part_labels=parts, split=["train", "val", "test"])
    assert call("data", "check", path)[0] == 0
    status, out, _ = call("data", "check", path, "--for", "segment", "--points", 64)
    assert status == 1
    assert "segment would refuse the set: 1 of 1 test clouds have parts that no training cloud" in out
    assert "all clouds: '2' in 1 cloud" in out and "Nothing is missing or damaged." in out
    assert "There are no labels" in call("data", "check", path, "--for", "probe")[1]
    assert call("data", "check", path, "--for", "pretrain")[0] == 0
    assert call("data", "check", path, "--for", "magic")[0] == 2


def test_the_help_names_commands_that_work(call: Call) -> None:
    out = call("data", "--help")[1]
    assert "i2pmae segment shapenetpart --checkpoint RUN --data shapenetpart\n" in out
    status, out, _ = call("segment", "shapenetpart", "--help")
    assert status == 0 and "--checkpoint" in out and "--data" in out


def test_names_that_are_no_plain_text(call: Call, tmp_path: Path) -> None:
    names = ["[/red]", "a\nb", "bell\a", "[v2] cup"]
    np.savez(tmp_path / "set.npz", points=layouts.clouds(4), labels=range(4), classes=names)
    for command in (["check", tmp_path / "set.npz"], ["prepare", tmp_path / "set.npz", "--output", tmp_path / "out"]):
        status, _, err = call("data", *command)
        assert status == 0, err
    status, out, _ = call("data", "check", tmp_path / "out")
    assert status == 0
    assert all(name in out for name in ("[/red]", "a\\nb", "bell\\x07", "[v2] cup"))
