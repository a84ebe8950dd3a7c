"""Benchmarks and scripts are no part of the package, so nothing else would notice when they stop working.

Each runs here as small as it can; how fast it is is not tested.
"""

import importlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i2pmae.cli.bench import Bench
from i2pmae.cli.options import parse
from i2pmae.cli.pretrain import COMMAND
from i2pmae.commands.bench import GROUPS
from i2pmae.methods import recipes
from i2pmae.methods.i2p_mae.model import I2PMAE
from i2pmae.teachers.loading import EMBEDDED_FOLDER
from i2pmae.weights.record import ModelRecord
from i2pmae.weights.store import save_weights
from tests.small import SMALL as SMALL_MODEL

ROOT = Path(__file__).parents[1]
SMALL: dict[str, tuple[str, ...]] = {
    "embedded_teacher": ("--data", "{labelled}", "--skip-shapes", "--vit", str(EMBEDDED_FOLDER)),
    "explore": ("--shapes", "60", "--made", "44", "--seconds", "0.5", "--checkpoint", "{run}"),
    "guidance": ("--clouds", "2", "--draws", "3", "--data", "{clouds}"),
    "growth": ("--points", "600", "700", "--clouds", "1", "2", "--repeats", "1", "--output", "{output}/growth.png"),
    "learned_teacher": ("{run}", "--data", "{clouds}", "--clouds", "2", "--at", "8", "--batch", "2", "--repeats", "1"),
    "ops": (
        "--clouds",
        "2",
        "--points",
        "256",
        "--channels",
        "8",
        "--repeats",
        "1",
        "--threads",
        "1",
        "--growth",
        "64",
    ),
    "probe": ("--clouds", "60", "--features", "6", "--classes", "3", "--tolerances", "0.1", "0.01"),
    "published": ("--recipe", "tiny", "--clouds", "1", "--repeats", "1", "--device", "cpu", "--output", "{output}"),
    "scale": ("--files", "4", "--points", "64", "--kills", "0"),
    "ranks": ("--recipe", "point-mae-tiny", "--batch", "2", "--steps", "3", "--points", "512"),
    "reading": ("--files", "8", "--points", "64", "--subdivisions", "1", "--workers", "0", "--repeats", "1"),
    "search": ("--sizes", "300", "--queries", "5", "--shapes", "50", "--points", "64", "--checkpoint", "{run}"),
    "serve": ("{run}", "--clients", "1", "2", "--points", "64", "--seconds", "0.2"),
    "shapes": ("--points", "64", "--rounds", "1"),
    "teachers": ("embedded", "--images", "1", "--rounds", "1"),
}
"""Arguments with which a benchmark takes a moment."""
LAST: dict[str, tuple[str, ...]] = {
    "embedded_teacher": ("| labelled | 1.00 | 1.00 | 1.00 |",),
    "explore": ("60 shapes: opened in", "the browser holds"),
    "guidance": ("2.00",),
    "growth": ("projection, 3 views",),
    "learned_teacher": ("ms a cloud: student", "times the student"),
    "ops": ("whole map enlarged",),
    "probe": ("0.01",),
    "published": ("grouping",),
    "scale": ("| 4 |",),
    "ranks": ("2       4",),
    "reading": ("workers 0: 8 clouds",),
    "search": ("by part: ", "are the part of the query"),
    "serve": ("| 2 | ", " | 0 | "),
    "shapes": ("64 points", "clean"),
    "teachers": ("embedded bf16:", "eager attention"),
}
"""What the last line of its output says."""


def test_every_benchmark_is_run() -> None:
    files = [
        *(ROOT / "benchmarks").glob("*.py"),
        *(path.parent for path in (ROOT / "benchmarks").glob("*/__main__.py")),
    ]
    assert sorted(path.stem for path in files) == sorted(SMALL)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "explore" else name for name in sorted(SMALL)]
)
def test_benchmark_runs(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if name in ("explore", "serve"):
        pytest.importorskip("fastapi")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as some set it themselves, for the whole process
    data = {"clouds": tmp_path / "clouds.npy", "labelled": tmp_path / "labelled.npz", "output": tmp_path / "out"}
    points, labels = np.random.default_rng(0).normal(size=(4, 1024, 3)).astype(np.float32), np.arange(4) % 2
    np.save(data["clouds"], points)
    np.savez(data["labelled"], x_train=points, y_train=labels, x_test=points[:2], y_test=labels[:2])
    data["run"] = tmp_path / "run"
    if "{run}" in SMALL[name]:
        _pretrained(data["run"])
    benchmark = _benchmark(name)
    benchmark.main([argument.format(**data) for argument in SMALL[name]])
    last = capfd.readouterr().out.splitlines()[-1]
    assert all(part in last for part in LAST[name]), last


def _pretrained(folder: Path) -> None:
    """A run folder, as far as benchmarks read it: initial weights of a small I2P-MAE that predicts 2D features."""
    config = recipes()["tiny"]().changed(model=SMALL_MODEL, points=64)
    model = I2PMAE(SMALL_MODEL.changed(semantic_dim=3 * 192))
    save_weights(folder, model, ModelRecord(method="i2p-mae", points=64, pooling="max", model=model.config))
    config.save(folder / "config.yaml")


def _benchmark(name: str) -> Any:
    """The module with ``main`` and ``parser``: a file, or that of a folder."""
    return importlib.import_module(
        f"benchmarks.{name}" + (".__main__" if (ROOT / "benchmarks" / name).is_dir() else "")
    )


def test_published_benchmark_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [argument.format(output=tmp_path) for argument in SMALL["published"]]
    _benchmark("published").main(arguments)
    (page,), (record,) = tmp_path.glob("*-published.md"), tmp_path.glob("*-published.json")
    assert page.read_text().strip() == capsys.readouterr().out.strip()
    stored = json.loads(record.read_text())
    assert [row["what"] for row in stored["rows"]] == ["exact step", "cached step", "embedding", "grouping"]
    assert len(stored["rows"][0]["published"]["seconds"]) == len(stored["rows"][0]["ours"]["seconds"]) == 1
    assert len(stored["rates"]["fp32"]) == 2


def test_probe_benchmark_sets_the_package_beside_liblinear(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark = importlib.import_module("benchmarks.probe")
    seen = []
    fit = benchmark.LinearSVC.fit
    monkeypatch.setattr(benchmark.LinearSVC, "fit", lambda self, *a, **k: (seen.append(self.tol), fit(self, *a))[1])
    benchmark.main([*SMALL["probe"][:6], "--tolerances", "1e-6", "0.5"])
    assert set(seen) == {1e-6, 0.5}
    _, own, exact, rough = capsys.readouterr().out.splitlines()
    assert own.startswith("own") and exact.startswith("LIBLINEAR, 1e-06") and rough.startswith("LIBLINEAR, 0.5")
    assert own.split()[-5:] == exact.split()[-5:], "the same C, accuracy and predictions"


def test_distillation_writes_a_teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    script = importlib.import_module("distil_teacher")
    output = tmp_path / "student"
    options = script.Options(EMBEDDED_FOLDER, output, steps=1, batch=2, layers=(0, 2), held_out=2, pool=22, bf16=False)
    record = script.Distillation(options).run()
    assert record["steps"] == 1 and record["images_seen"] == 2

    from i2pmae.teachers.loading import load_teacher

    assert load_teacher(output).feature_dim == load_teacher("embedded").feature_dim
    with pytest.raises(SystemExit):
        script.tyro.cli(script.Options, args=["--help"])


@pytest.mark.slow
def test_readme_picture_is_drawn_from_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from i2pmae import pretrain, recipe

    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    script = importlib.import_module("readme_picture")
    monkeypatch.setattr(script, "SHOWN", {"airplane": 1, "chair": 0})
    monkeypatch.setattr(script, "SEARCHED", 3 * len(script.CATEGORIES))
    run, picture = tmp_path / "run", tmp_path / "picture.png"
    pretrain(recipe("tiny"), clouds=10, epochs=1, batch_size=4, output=run, probe=False, shown=False)
    script.main(str(run), str(picture))

    from PIL import Image

    with Image.open(picture) as image:
        assert image.height == script.EDGE + script.HEAD + 2 * (script.TILE + script.FOOT) + script.EDGE // 2


def test_gpu_script_passes_options_that_exist(tmp_path: Path) -> None:
    calls = _calls_of(tmp_path, "gpu.sh", str(tmp_path / "out"), "scans", "deit-s16", "7")
    assert ["-m", "pytest", "-m", "gpu", "-rP", "tests"] in calls
    (published,) = (call[2:] for call in calls if call[:2] == ["-m", "benchmarks.published"])
    assert _benchmark("published").parser().parse_args(published).device == "cuda"
    bench, pretrain = (call[2:] for call in calls if call[:2] == ["-m", "i2pmae"])
    assert bench[0] == "bench" and pretrain[0] == "pretrain"
    options = parse(Bench, "bench", bench[1:])
    assert (options.device, options.output) == ("cuda", tmp_path / "out")
    assert all(name in GROUPS for name in options.only)
    given = COMMAND.read(pretrain[1:])
    assert given is not None
    config = given.config
    assert (config.recipe, config.data.source, config.training.epochs) == ("small", "scans", 7)
    assert (config.training.device, config.output.folder) == ("cuda", tmp_path / "out" / "run")
    assert config.method == COMMAND.recipes()["small"]().changed(teacher="deit-s16").method
    ended = [line.partition(",")[0] for line in (tmp_path / "out" / "summary.txt").read_text().splitlines()]
    assert ended == [f"{part}: status 0" for part in ("machine", "tests", "bench", "published", "run")]


def test_gpu_script_goes_on_after_a_part_that_fails(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failure:
        _calls_of(
            tmp_path,
            *("gpu.sh", str(tmp_path / "out")),
            does='case "$2 $3" in pytest*) exit 3 ;; *bench) sleep 60 ;; esac',
            seconds="15",
        )
    assert failure.value.returncode == 1
    ended = [line.partition(",")[0] for line in (tmp_path / "out" / "summary.txt").read_text().splitlines()]
    assert ended[1:4] == ["tests: status 3", "bench: status 124", "published: status 0"]


def _calls_of(folder: Path, script: str, *arguments: str, does: str = "", seconds: str = "590") -> list[list[str]]:
    """What a shell script calls ``python3`` with, where that does nothing or what is said, and there is a GPU."""
    commands, log = folder / "commands", folder / "calls"
    commands.mkdir()
    for name, text in (("python3", f"printf '%s\\n' \"$@\" --end-- >>'{log}'\n{does}"), ("nvidia-smi", "echo GPU")):
        (commands / name).write_text(f"#!/bin/sh\n{text}\n")
        (commands / name).chmod(0o755)
    path = os.pathsep.join([str(commands), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "SECONDS_IN_ALL": seconds}
    subprocess.run(["bash", str(ROOT / "scripts" / script), *arguments], check=True, env=environment)
    found: list[list[str]] = [[]]
    for line in log.read_text().splitlines():
        if line == "--end--":
            found.append([])
        else:
            found[-1].append(line)
    return found[:-1]
