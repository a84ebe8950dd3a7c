"""Real processes, stopped by real signals."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from i2pmae.training.history import History

TIMING = ("clouds_per_second", "seconds")


def start(folder: Path, workers: int, accumulate: int, pause: float) -> subprocess.Popen:
    arguments = [sys.executable, "-m", "tests.training.small", folder, workers, accumulate, pause]
    return subprocess.Popen(
        list(map(str, arguments)),
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        start_new_session=True,
    )


def finish(process: subprocess.Popen) -> tuple[int, str]:
    err = process.communicate()[1]
    return process.returncode, err


def wait_for_rows(folder: Path, rows: int, process: subprocess.Popen) -> None:
    while len(History.read(folder / "metrics.csv")) < rows:
        assert process.poll() is None, "the run ended early"
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "accumulate"), [(0, 1), (2, 2)])
def test_sigterm_sigkill_and_ctrl_c_lose_nothing(tmp_path, workers, accumulate):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert finish(start(whole, workers, accumulate, 0))[0] == 0
    moments = random.Random(7)
    for number, to_group in (
        (signal.SIGTERM, True),
        (signal.SIGKILL, False),
        (signal.SIGINT, True),
        (signal.SIGKILL, False),
    ):
        done = len(History.read(parts / "metrics.csv"))
        process = start(parts, workers, accumulate, 0.05)
        wait_for_rows(parts, done + 2, process)
        time.sleep(moments.uniform(0, 0.1))
        (os.killpg if to_group else os.kill)(process.pid, number)
        code, err = finish(process)
        if number == signal.SIGKILL:
            assert code == -signal.SIGKILL
        else:
            assert code == 1, err
            assert "TrainingInterrupted: Stopped at step" in err
            assert "Traceback" not in err
    code, err = finish(start(parts, workers, accumulate, 0))
    assert code == 0, err
    assert "Going on after step" in err
    expected, found = (torch.load(folder / "weights.pt", weights_only=True) for folder in (whole, parts))
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    first, second = (History.read(folder / "metrics.csv") for folder in (whole, parts))
    assert first.columns.keys() == second.columns.keys()
    for name in first.columns:
        assert name in TIMING or (first[name] == second[name]).all(), name
