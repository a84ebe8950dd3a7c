"""Commands in several processes of this machine."""

import csv
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from i2pmae import cli
from i2pmae.cli.spread import run_together
from i2pmae.common.errors import ToldElsewhere, TrainingInterrupted

SHORT = ("--clouds", "24", "--points", "512", "--epochs", "2", "--batch-size", "5", "--device", "cpu", "--no-report")


def command(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "i2pmae", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=900
    )


@pytest.mark.slow
def test_a_run_in_two_processes_is_that_of_one(tmp_path, archive):
    folders = [tmp_path / name for name in ("one", "two")]
    done = [
        command("pretrain", "point-mae-tiny", *SHORT, "--output", folder, "--devices", count)
        for count, folder in enumerate(folders, start=1)
    ]
    for process in done:
        assert process.returncode == 0, process.stderr
        assert process.stdout.count("run folder") == 1
    assert "2 processes on cpu" in done[1].stderr
    rows = [list(csv.DictReader((folder / "metrics.csv").read_text().splitlines())) for folder in folders]
    assert len(rows[0]) == len(rows[1]) > 0
    for one, two in zip(*rows, strict=True):
        assert abs(float(one["coordinates"]) - float(two["coordinates"])) < 0.02 * float(one["coordinates"])
    records = [json.loads((folder / "results.json").read_text()) for folder in folders]
    assert records[0]["test_clouds"] == records[1]["test_clouds"]
    clouds = ("shapes", "--clouds", "30", "--points", "512", "--batch-size", "4", "--device", "cpu")
    tables = [pq.read_table(path) for path in written("embed", folders[0], *clouds)]
    assert tables[0]["id"].to_pylist() == tables[1]["id"].to_pylist()
    vectors = [np.stack(table["embedding"].to_numpy()) for table in tables]
    assert np.array_equal(*vectors)
    tuned = tmp_path / "tuned"
    length = ("--epochs", "1", "--batch-size", "5", "--device", "cpu", "--devices", "2")
    made = command("finetune", folders[0], archive, *length, "--output", tuned)
    assert made.returncode == 0, made.stderr
    assert "2 processes on cpu" in made.stderr and made.stdout.count("The epoch was chosen on") == 1
    said = [pq.read_table(path) for path in written("predict", tuned, *clouds)]
    assert said[0].equals(said[1]) and len(said[0]) == 30


def written(name: str, checkpoint: Path, *arguments: str) -> tuple[Path, Path]:
    """What a command writes in one process and in two."""
    line = [sys.executable, "-m", "i2pmae", name, str(checkpoint), *arguments, "--output"]
    paths = checkpoint / f"{name}-1.parquet", checkpoint / f"{name}-2.parquet"
    assert subprocess.run([*line, str(paths[0])], capture_output=True, check=False).returncode == 0
    assert run_together(2, [*line, str(paths[1])]) == 0
    return paths


def test_the_status_is_that_of_the_process_that_failed(tmp_path):
    code = "import os, sys; sys.exit(int(os.environ['RANK']) * 3)"
    assert run_together(2, [sys.executable, "-c", code]) == 3
    assert run_together(2, [sys.executable, "-c", "pass"]) == 0


def test_processes_that_are_all_killed_are_an_error(capfd):
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert run_together(2, [sys.executable, "-c", code]) == 1
    assert "All 2 processes were killed" in capfd.readouterr().err


def test_sigterm_is_passed_on_to_all(tmp_path: Path):
    ready = f"pathlib.Path({str(tmp_path)!r}, os.environ['RANK']).touch()"
    stop = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))"
    child = f"import os, pathlib, signal, sys, time; {stop}; {ready}; time.sleep(60)"
    line = f"from i2pmae.cli.spread import run_together; sys.exit(run_together(2, [sys.executable, '-c', {child!r}]))"
    process = subprocess.Popen([sys.executable, "-c", f"import sys; {line}"])
    until = time.monotonic() + 60
    while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < until:
        time.sleep(0.02)
    process.terminate()
    assert process.wait(30) == 75


def test_each_process_knows_its_place(tmp_path: Path):
    code = f"import os, pathlib; e = os.environ; pathlib.Path({str(tmp_path)!r}, e['RANK']).write_text(e['WORLD_SIZE'])"
    assert run_together(3, [sys.executable, "-c", code]) == 0
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"0": "3", "1": "3", "2": "3"}


@pytest.mark.parametrize(("again", "status"), [(True, 75), (False, 1)])
def test_a_run_that_a_scheduler_stopped_is_to_be_tried_again(monkeypatch, capsys, again, status):
    stopped = TrainingInterrupted("Stopped at step 3.")
    stopped.again = again
    monkeypatch.setattr(cli, "_dispatch", lambda arguments: raised(stopped))
    assert cli.main(["pretrain"]) == status
    assert "Stopped at step 3." in capsys.readouterr().err


def test_what_another_process_tells_is_not_told_again(monkeypatch, capsys):
    told = ToldElsewhere("no labels")
    told.status = 75
    monkeypatch.setattr(cli, "_dispatch", lambda arguments: raised(told))
    assert cli.main(["pretrain"]) == 75
    assert capsys.readouterr() == ("", "")


def raised(error: Exception) -> None:
    raise error
