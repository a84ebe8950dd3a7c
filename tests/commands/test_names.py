"""Names of classes, parts, files and folders are shown as they are, whatever they would mean to a terminal library."""

from pathlib import Path

import numpy as np
import pytest

from i2pmae.cli import main
from tests.weights.small_models import save_model

NAMES = ("[/red]", "[v2] cup", ":x: [bold]")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder whose name looks like markup that ends before it begins."""
    folder = tmp_path / "[/red] runs [v2]"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def clouds(place: Path) -> Path:
    """Classes and parts with such names."""
    labels = np.arange(36) % 3
    scale = np.array([[1, 0.1, 0.1], [1, 0.1, 1], [1, 1, 1]])[labels]
    points = np.random.default_rng(0).normal(size=(36, 70, 3)) * scale[:, None]
    split = np.where(np.arange(36) < 24, "train", "test")
    names = np.array(NAMES)
    path = place / "[b]set.npz"
    np.savez(
        path,
        points=points.astype(np.float32),
        labels=labels,
        classes=names,
        split=split,
        part_labels=(points[..., 0] > 0).astype(int),
        parts=np.array(["[/red]", "[v2] handle"]),
    )
    return path


@pytest.mark.parametrize("command", ["finetune", "segment", "fewshot"])
def test_tasks(place: Path, clouds: Path, capfd: pytest.CaptureFixture[str], command: str) -> None:
    encoder = save_model(place / "encoder", "i2p-mae pretraining")
    line = [command, str(encoder), str(clouds), "--output", str(place / "run"), "--points", "64", "--epochs", "1"]
    if command == "fewshot":
        line += ["--ways", "2", "--shots", "3", "--queries", "2", "--folds", "2", "--mode", "linear"]
    status = main([*line, "--device", "cpu"])
    out, err = capfd.readouterr()
    assert status == 0, err
    assert str(place / "run") in out and str(encoder) in err
    if command != "fewshot":
        assert any(f"{name} " in out for name in NAMES), "the weakest classes are named"
    page = (place / "run" / "report.html").read_text(encoding="utf-8")
    assert str(clouds) in page or clouds.name in page
    capfd.readouterr()
    assert main([*line, "--device", "cpu"]) == 2
    assert f"{place / 'run'} holds another run" in capfd.readouterr().err
    assert main([*line, "--device", "cpu", "--resume"]) == 0
    assert f"The run in {place / 'run'} is finished" in capfd.readouterr().err


def test_probe_embed_and_predict(place: Path, clouds: Path, capfd: pytest.CaptureFixture[str]) -> None:
    encoder = str(save_model(place / "encoder", "i2p-mae pretraining"))
    status = main(["probe", encoder, str(clouds), "--features", str(place / "features.npz")])
    out, err = capfd.readouterr()
    assert status == 0, err
    assert all(f"{name} " in out for name in NAMES)
    output = place / "vectors [v2].npz"
    status = main(["embed", encoder, str(clouds), "--output", str(output)])
    out, err = capfd.readouterr()
    assert status == 0, err
    assert out.startswith(f"{output}: 36 clouds")
    with np.load(output) as arrays:
        assert set(arrays["label"]) == set(NAMES)
    run = place / "classes"
    line = ["finetune", encoder, str(clouds), "--output", str(run), "--points", "64", "--epochs", "1", "--no-report"]
    assert main([*line, "--device", "cpu"]) == 0
    capfd.readouterr()
    status = main(["predict", str(run), str(clouds), "--output", str(place / "[v2].csv")])
    out, err = capfd.readouterr()
    assert status == 0, err
    assert out.startswith(f"{place / '[v2].csv'}: 36 clouds: ") and any(name in out for name in NAMES)
    assert (place / "[v2].csv").read_text(encoding="utf-8").splitlines()[0].count("p_") == 3


@pytest.mark.parametrize("command", ["embed", "probe", "predict", "finetune", "segment", "view"])
def test_errors(place: Path, clouds: Path, capfd: pytest.CaptureFixture[str], command: str) -> None:
    nowhere = str(place / "[/red] nowhere")
    output = {"embed": ".npz", "view": ".html", "predict": ".csv", "probe": ".json"}.get(command, "")
    status = main([command, nowhere, str(clouds), "--output", str(place / f"out{output}")])
    assert status == 1
    assert f"There is no checkpoint {nowhere}" in capfd.readouterr().err
    encoder = str(save_model(place / "encoder", "i2p-mae pretraining"))
    if command == "predict":
        encoder = str(save_model(place / "classifier", "i2p-mae classification"))
    status = main([command, encoder, nowhere, "--output", str(place / f"out{output}")])
    err = capfd.readouterr().err
    assert status in (1, 2)
    assert nowhere in err


def test_files_that_cannot_be_used(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = place / "[v2] scans"
    for index in range(12):
        path = folder / NAMES[index % 2].replace("/", "-") / f"{index}[b].xyz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savetxt(path, np.random.default_rng(index).normal(size=(70, 3)))
    (folder / "[v2] cup" / "[bold]bad.xyz").write_text("1 2 x\n")
    encoder = str(save_model(place / "encoder", "i2p-mae pretraining"))
    assert main(["embed", encoder, str(folder), "--output", str(place / "v.npz")]) == 0
    err = capfd.readouterr().err
    assert "1 of 13 files" in err and "Embedding [v2] scans" in err
    strict = ["--max-bad-share", "0", "--cache", str(place / "cache")]
    assert main(["embed", encoder, str(folder), "--output", str(place / "v.npz"), *strict]) == 1
    assert "[v2] cup/[bold]bad.xyz" in capfd.readouterr().err
