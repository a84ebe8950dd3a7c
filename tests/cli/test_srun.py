"""Commands that are started as tasks of SLURM, for which a small program stands in."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from i2pmae import cli
from i2pmae.data.open.source import open_clouds
from tests.cli.conftest import Call
from tests.srun import said

TRAIN = (
    "pretrain",
    "point-mae-tiny",
    "--clouds",
    24,
    "--points",
    256,
    "--epochs",
    1,
    "--batch-size",
    5,
    "--device",
    "cpu",
)
SMALL = ("--model.depth", 1, "--no-probe", "--no-report", "--output")


def srun(tasks: int, *arguments: object) -> subprocess.CompletedProcess:
    line = [sys.executable, "-m", "tests.srun", str(tasks), sys.executable, "-m", "i2pmae", *map(str, arguments)]
    root = Path(__file__).parents[2]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=600, cwd=root)


@pytest.mark.slow
def test_tasks_prepare_one_folder_and_train_one_run(call: Call, folder: Path, tmp_path: Path) -> None:
    """Two tasks write what one process writes, and say what it says."""
    prepare = ("data", "prepare", folder, "--points", 40, "--form", "float32", "--workers", 1, "--output")
    assert call(*prepare, tmp_path / "one")[0] == 0
    done = srun(2, *prepare, tmp_path / "two")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("24 clouds of 40 points") == 1
    assert {path.name for path in (tmp_path / "two").glob("points-*")} == {
        "points-000-00000.npy",
        "points-001-00000.npy",
    }
    one, two = (open_clouds(tmp_path / name, points=40, shown=False) for name in ("one", "two"))
    np.testing.assert_array_equal(one.points, two.points)
    assert list(one.ids) == list(two.ids)

    assert call(*TRAIN, *SMALL, tmp_path / "a")[0] == 0
    done = srun(2, *TRAIN, *SMALL, tmp_path / "b")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("run folder") == 1 and "2 processes on cpu" in done.stderr
    losses = [
        [
            float(row["coordinates"])
            for row in csv.DictReader((tmp_path / name / "metrics.csv").read_text().splitlines())
        ]
        for name in ("a", "b")
    ]
    assert losses[0] and losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_the_work_of_one_process_is_not_done_by_several(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "")  # what is set from now on is undone
        monkeypatch.delenv(name)
    for task, told in ((0, True), (1, False)):
        for name, value in said(task, 2).items():
            monkeypatch.setenv(name, value)
        status, out, err = call("models")
        assert (status, out) == (2, "")
        assert ("`i2pmae models` is the work of one process, and this is one of 2" in " ".join(err.split())) is told
        for name in ("RANK", "WORLD_SIZE"):
            os.environ.pop(name)


def test_what_several_processes_do_together_are_commands() -> None:
    assert {line.split()[0] for line in cli.TOGETHER} <= cli.COMMANDS.keys()
