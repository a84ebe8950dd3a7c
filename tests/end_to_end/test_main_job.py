"""From nothing to a pre-trained encoder, its embeddings, its probe and its pictures, as a person would type it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import trimesh
from PIL import Image
from safetensors.torch import load_file

import i2pmae
from i2pmae.cli import main
from tests.end_to_end.conftest import SMALL_MODEL


def weights(folder: Path) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in load_file(folder / "model.safetensors").items()}


def test_a_run_leaves_everything_that_is_promised(small_run: list[str], tmp_path: Path, capsys) -> None:
    assert main(small_run) == 0
    out, err = capsys.readouterr()
    assert "linear probe" in out
    assert "untrained" in out
    assert "coordinates" in err
    assert "semantics" in err
    run = tmp_path / "run"
    assert {p.name for p in run.iterdir()} >= {
        *("config.yaml", "model.safetensors", "model.yaml", "metrics.csv", "results.json", "report.html", "checkpoints")
    }
    assert not (run / "cache").exists(), "teacher maps are removed at the end"
    results = json.loads((run / "results.json").read_text())
    found = i2pmae.RunRecord.load(run)
    assert (found.kind, found.method, found.recipe) == ("pretrain", "i2p-mae", "default")
    assert found.twin is not None and found.protocol
    tried = re.compile(r"from \S+ to \S+ by")  # values of C, which go on where the last one is the best
    assert tried.sub("", found.twin.protocol) == tried.sub("", found.protocol)
    assert results["accuracy"] == found.accuracy and results["children"]["twin"]["accuracy"] == found.twin.accuracy
    assert f"untrained {found.twin.accuracy:.1%}, trained {found.accuracy:.1%}" in out
    report = (run / "report.html").read_text()
    assert report.count("data:image/") > 20
    assert not re.search(r'(?:src|href)="https?://', report)

    assert main(["embed", str(run), "shapes", "--clouds", "50", "--output", str(tmp_path / "e.parquet")]) == 0
    table = pq.read_table(tmp_path / "e.parquet")
    assert table.num_rows == 50
    assert {"id", "embedding", "label"} <= set(table.column_names)
    assert len(table["embedding"][0].as_py()) == i2pmae.load(run).embedding_dim
    arguments = ["probe", str(run), "--data", "shapes", "--clouds", "220", "--output", str(tmp_path / "p.json")]
    assert main(arguments) == 0
    probe = json.loads((tmp_path / "p.json").read_text())
    assert {"accuracy", "C", "train_clouds", "test_clouds"} <= probe.keys()
    for name in ("view.html", "view.png"):
        assert main(["view", str(run), "shapes", "--count", "2", "--output", str(tmp_path / name)]) == 0
    page = (tmp_path / "view.html").read_text()
    assert all(picture in page for picture in ("Saliency", "Reconstruction", "Features"))
    with Image.open(tmp_path / "view.png") as image:
        assert np.asarray(image.convert("L")).std() > 10, "something is drawn"


def test_the_stored_configuration_repeats_the_run(small_run: list[str], tmp_path: Path, capsys) -> None:
    quick = ["--epochs", "1", "--no-probe", "--no-report"]
    assert main([*small_run, *quick]) == 0
    again = ["pretrain", "--config", str(tmp_path / "run" / "config.yaml"), "--output", str(tmp_path / "again")]
    assert main(again) == 0
    assert weights(tmp_path / "run") == weights(tmp_path / "again")
    assert main([*again[:-1], str(tmp_path / "other"), "--seed", "1"]) == 0
    assert weights(tmp_path / "run") != weights(tmp_path / "other")


def test_own_meshes_become_an_encoder(small_teacher: Path, tmp_path: Path, capsys) -> None:
    rng = np.random.default_rng(0)
    for kind, make in {"box": trimesh.creation.box, "ball": trimesh.creation.icosphere}.items():
        for number, suffix in enumerate(["off", "obj", "ply", "stl", "glb"] * 2):
            mesh = make()
            mesh.apply_scale(rng.uniform(0.5, 2, 3))
            path = tmp_path / "meshes" / kind / f"{number}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            mesh.export(path)
    (tmp_path / "meshes" / "ball" / "broken.stl").write_bytes(b"solid nothing")
    data = ["--labels", "folder", "--up", "z", "--cache", str(tmp_path / "cache")]
    arguments = ["--data", str(tmp_path / "meshes"), "--output", str(tmp_path / "run"), "--teacher", str(small_teacher)]
    assert main(["pretrain", *arguments, *data, "--epochs", "1", "--batch-size", "8", *SMALL_MODEL]) == 0
    out, err = capsys.readouterr()
    assert "linear probe" in out
    assert "bad_files.csv" in err
    vectors = {}
    for name, options in (("asked", data), ("as trained", [word for word in data if word not in ("--up", "z")])):
        output = str(tmp_path / f"{name}.npz")
        assert main(["embed", str(tmp_path / "run"), str(tmp_path / "meshes"), *options, "--output", output]) == 0
        with np.load(output) as archive:
            assert len(archive["id"]) == 20
            vectors[name] = archive["embedding"]
        assert ("Files are read as z up" in capsys.readouterr().err) == (name == "as trained")
    np.testing.assert_array_equal(vectors["asked"], vectors["as trained"])
    encoder = i2pmae.load(tmp_path / "run", device="cpu")
    assert encoder.embed(rng.normal(size=(3, 200, 3))).shape == (3, 168)
    assert encoder.point_features(rng.normal(size=(200, 3))).shape == (200, 12 + 24 + 48)


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_goes_on_to_the_same_weights(small_run: list[str], tmp_path: Path, stop: signal.Signals) -> None:
    quick = [*small_run, "--epochs", "4", "--no-probe", "--no-report", "--checkpoint-minutes", "0.002"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "i2pmae", *quick]
    subprocess.run(command, check=True, capture_output=True, env=environment)
    whole = weights(tmp_path / "run")
    command[command.index("--output") + 1] = str(tmp_path / "stopped")
    running = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment)
    metrics = tmp_path / "stopped" / "metrics.csv"
    while not (metrics.exists() and metrics.read_text().count("\n") > 12):
        assert running.poll() is None, running.stderr.read().decode()
        time.sleep(0.02)
    running.send_signal(stop)
    message = running.communicate()[1].decode()
    assert running.returncode == {signal.SIGKILL: -9, signal.SIGTERM: 75, signal.SIGINT: 1}[stop]
    if stop is not signal.SIGKILL:
        assert "--resume" in message
    assert not (tmp_path / "stopped" / "model.safetensors").exists(), "it was stopped before the end"
    subprocess.run([*command, "--resume"], check=True, capture_output=True, env=environment)
    assert weights(tmp_path / "stopped") == whole
