"""A weights folder of an untrained model, data sets as files, and a cache of their own."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from i2pmae.cli import main
from i2pmae.methods.i2p_mae.model import I2PMAE
from i2pmae.weights.record import ModelRecord
from i2pmae.weights.store import save_weights
from tests.small import SMALL as TINY

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str]) -> Call:
    """Runs the command; gives its exit status, standard output and standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        status = main([str(argument) for argument in arguments])
        printed = capfd.readouterr()
        return status, printed.out, printed.err

    return run


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    folder = tmp_path / "weights"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = I2PMAE(TINY.changed(semantic_dim=6))
    record = ModelRecord(method="i2p-mae", points=32, teacher="embedded", pooling="max", model=model.config)
    save_weights(folder, model, record)
    return folder


def solids(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Sticks, plates and balls."""
    generator = np.random.default_rng(0)
    labels = np.arange(count) % 3
    scale = np.array([[1, 0.1, 0.1], [1, 0.1, 1], [1, 1, 1]])[labels]
    return (generator.normal(size=(count, 40, 3)) * scale[:, None]).astype(np.float32), labels


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    points, labels = solids(42)
    path = tmp_path / "solids.npz"
    np.savez(
        path,
        x_train=points[:30],
        y_train=labels[:30],
        x_test=points[30:],
        y_test=labels[30:],
        classes=np.array(["stick", "plate", "ball"]),
    )
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sub-folders that are classes, with one text file per cloud."""
    points, labels = solids(24)
    for row, (cloud, label) in enumerate(zip(points, labels, strict=True)):
        path = tmp_path / "files" / ["stick", "plate", "ball"][label] / f"{row:02d}.xyz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savetxt(path, cloud)
    return tmp_path / "files"
