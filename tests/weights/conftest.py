"""A tiny random model and its folder, the same for every test."""

from pathlib import Path

import numpy as np
import pytest
import torch

from i2pmae.methods.i2p_mae.model import I2PMAE
from i2pmae.weights.record import ModelRecord
from i2pmae.weights.store import save_weights
from tests.weights.small_models import POINTS, TINY_I2P


@pytest.fixture(scope="session")
def model() -> I2PMAE:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return I2PMAE(TINY_I2P)


@pytest.fixture
def record() -> ModelRecord:
    return ModelRecord(method="i2p-mae", points=POINTS, teacher="embedded", pooling="max", model=TINY_I2P)


@pytest.fixture
def folder(tmp_path: Path, model: I2PMAE, record: ModelRecord) -> Path:
    folder = tmp_path / "weights"
    save_weights(folder, model, record)
    return folder


@pytest.fixture
def clouds() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(5, POINTS, 3)).astype(np.float32)
