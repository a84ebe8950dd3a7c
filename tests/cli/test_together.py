"""Tasks, comparisons and probes by two processes: what one process says and writes, by the first alone."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.conftest import Call
from tests.training.together import started_as

QUICK = ("--device", "cpu", "--epochs", "1", "--points", "40", "--no-report", "--augment.kind", "none")
NARROW = ("--propagation-widths", "8", "--head-widths", "8")
FOLDS = ("--ways", "2", "--shots", "4", "--queries", "2", "--folds", "2", "--batch-size", "3")
CHANGES = "point-mae-tiny@model.depth=1,model.decoder_depth=1,points=128"


def parts(folder: Path) -> Path:
    """Clouds whose points belong to two parts, with a split."""
    points = np.random.default_rng(0).normal(size=(24, 40, 3)).astype(np.float32)
    split = np.array(["train"] * 18 + ["test"] * 6)
    np.savez(folder / "parts.npz", points=points, part_labels=(points[..., 0] > 0).astype(int), split=split)
    return folder / "parts.npz"


def lines(weights: Path, archive: Path, clouds: Path, folder: Path) -> list[list[str]]:
    """A call of each command, which writes into the folder."""
    labelled = ("--checkpoint", weights, "--data", archive)
    calls: list[tuple[Any, ...]] = [
        ("segment", "tiny", "--checkpoint", weights, "--data", clouds, *QUICK, *NARROW, "--batch-size", 5),
        ("fewshot", *labelled, *QUICK, *FOLDS, "--head-widths", 8),
        ("compare", CHANGES, "--data", archive, "--epochs", 1, "--seeds", 0, 1, "--batch-size", 5, "--device", "cpu"),
        ("probe", weights, archive, "--features", folder / "features.npz", "--json", "--device", "cpu"),
    ]
    outputs = [folder / name for name in ("segment", "fewshot", "compare", "probe.json")]
    return [[str(word) for word in (*call, "--output", output)] for call, output in zip(calls, outputs, strict=True)]


def written(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def numbers(path: Path) -> np.ndarray:
    """The losses and norms of every step."""
    kept = ("total", "gradient_norm")
    return np.array([[float(row[name]) for name in kept] for row in csv.DictReader(path.read_text().splitlines())])


def plain(text: str, folder: Path) -> str:
    """What was said, without numbers that rounding or the clock change."""
    return re.sub(r"\d+(\.\d+)?(e-?\d+)?", "N", text.replace(str(folder), "FOLDER"))


@pytest.mark.slow
def test_two_processes_say_and_write_what_one_does(call: Call, weights: Path, archive: Path, tmp_path: Path) -> None:
    clouds = parts(tmp_path)
    one, two = tmp_path / "one", tmp_path / "two"
    said = [call(*line) for line in lines(weights, archive, clouds, one)]
    assert [status for status, *_ in said] == [0] * 4, said
    command = [sys.executable, "-m", "tests.cli.several", json.dumps(lines(weights, archive, clouds, two))]
    first, second = started_as(2, command, stdout=subprocess.PIPE)
    out, err = first.communicate(timeout=600)
    assert second.communicate(timeout=60) == ("", ""), "the second process spoke"
    assert (first.returncode, second.returncode) == (0, 0), err
    assert plain(out, two) == plain("".join(text for _, text, _ in said), one)
    assert err.count("2 processes on cpu") == 4
    assert written(two) == written(one)
    steps = list(one.rglob("metrics.csv"))
    assert len(steps) == 5
    for path in steps:
        np.testing.assert_allclose(numbers(two / path.relative_to(one)), numbers(path), rtol=2e-3)
    probes = [json.loads((folder / "probe.json").read_text()) for folder in (one, two)]
    assert abs(probes[0]["accuracy"] - probes[1]["accuracy"]) < 0.1
    features = [np.load(folder / "features.npz")["embedding"] for folder in (one, two)]
    np.testing.assert_allclose(*features, atol=1e-5)
