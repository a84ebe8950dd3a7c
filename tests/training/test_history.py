import io
from pathlib import Path

import numpy as np
import pytest

from i2pmae.common.errors import I2PError, TrainingError
from i2pmae.training.history import History, MetricsLog


def row(step: int, value: float) -> dict[str, float]:
    return {"step": step, "epoch": (step + 1) // 2, "near": value, "total": value}


def write(path, steps) -> None:
    with MetricsLog(path, 0) as log:
        for step in steps:
            log.append(row(step, step / 3))


def test_rows_are_read_back_exactly(tmp_path):
    path = tmp_path / "metrics.csv"
    write(path, range(1, 5))
    history = History.read(path)
    assert history["step"].dtype == history["epoch"].dtype == np.int64
    assert history["near"].tolist() == [1 / 3, 2 / 3, 3 / 3, 4 / 3]
    assert history.losses == ("near",)
    assert history.epoch_means("near") == pytest.approx([0.5, 3.5 / 3])
    assert path.read_text().splitlines()[:2] == ["step,epoch,near,total", "1,1,0.3333333333333333,0.3333333333333333"]


def test_going_on_cuts_what_comes_after_the_checkpoint(tmp_path):
    path = tmp_path / "metrics.csv"
    write(path, range(1, 5))
    with MetricsLog(path, 2) as log:
        assert log.history()["step"].tolist() == [1, 2]
        log.append(row(3, 9.0))
        log.sync()
    assert History.read(path)["near"].tolist() == [1 / 3, 2 / 3, 9.0]


@pytest.mark.parametrize("rest", ["5,3,1", "5,3,0.1,0.", "\0\0\0\0", "5,3,x,0.1\n"])
def test_a_row_cut_off_by_a_crash_is_dropped(tmp_path, rest):
    path = tmp_path / "metrics.csv"
    write(path, range(1, 5))
    with path.open("a") as file:
        file.write(rest)
    assert len(History.read(path, last_step=4)) == 4


def test_no_file_is_an_empty_history(tmp_path):
    history = History.read(tmp_path / "none.csv")
    assert len(history) == 0
    assert history.losses == ()


def test_steps_must_have_the_same_metrics(tmp_path):
    with MetricsLog(tmp_path / "metrics.csv", 0) as log:
        log.append(row(1, 0.5))
        with pytest.raises(TrainingError, match="same losses"):
            log.append({"step": 2, "epoch": 1, "far": 1.0, "total": 1.0})


def test_a_full_disk_is_explained(tmp_path, monkeypatch):
    full = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115 (the log closes it)
    with MetricsLog(tmp_path / "metrics.csv", 0) as log:
        log._file.close()
        monkeypatch.setattr(log, "_file", io.TextIOWrapper(io.BufferedWriter(full)))
        with pytest.raises(I2PError, match=r"metrics.csv: No space left on device.*--resume"):
            log.append(row(1, 0.5))
