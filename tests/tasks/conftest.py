"""Pre-trained weights of a small model, and clouds whose classes and parts can be told apart."""

from pathlib import Path

import numpy as np
import pytest
import torch

from i2pmae.encoders.config import EncoderConfig
from i2pmae.methods import METHODS
from i2pmae.methods.i2p_mae.model import I2PMAE
from i2pmae.methods.point_mae.config import PointMAEConfig
from i2pmae.weights.record import ModelRecord
from i2pmae.weights.store import save_weights
from tests.small import SMALL

CLASSES = ("stick", "plate", "ball")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("I2PMAE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights folder of a model that is not trained, of another seed than any test uses."""
    folder = tmp_path_factory.mktemp("weights")
    with torch.random.fork_rng():
        torch.manual_seed(77)
        model = I2PMAE(SMALL)
    save_weights(folder, model, ModelRecord(method="i2p-mae", points=32, pooling="max", model=SMALL))
    return folder


@pytest.fixture
def one_level(tmp_path: Path) -> Path:
    """A weights folder of an encoder of one level."""
    sizes = {"group_count": 8, "group_size": 4, "embed_widths": (8, 8, 16), "width": 12, "depth": 3, "heads": 2}
    return untrained(tmp_path / "mae", "point-mae", PointMAEConfig(**sizes, decoder_depth=1, decoder_heads=2))


def untrained(folder: Path, method: str, sizes: EncoderConfig) -> Path:
    """A weights folder of a model of a method, with initial weights."""
    pooling = METHODS[method].Config.model_fields["pooling"].default
    record = ModelRecord(method=method, points=32, pooling=pooling, model=sizes)
    save_weights(folder, METHODS[method].module(sizes), record)
    return folder


def solids(count: int, points: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Sticks, plates and balls, and which they are."""
    labels = np.arange(count) % 3
    scale = np.array([[1, 0.1, 0.1], [1, 0.1, 1], [1, 1, 1]])[labels]
    values = np.random.default_rng(seed).normal(size=(count, points, 3)) * scale[:, None]
    return values.astype(np.float32), labels


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """48 clouds to train, 12 to test."""
    points, labels = solids(60)
    return write(tmp_path / "solids.npz", points, labels)


def write(path: Path, points: np.ndarray, labels: np.ndarray, train: int = 48, **more: np.ndarray) -> Path:
    """An array file whose first clouds are the training clouds."""
    np.savez(
        path,
        x_train=points[:train],
        y_train=labels[:train],
        x_test=points[train:],
        y_test=labels[train:],
        classes=np.array(CLASSES),
        **more,
    )
    return path
