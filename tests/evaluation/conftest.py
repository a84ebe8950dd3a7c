"""An encoder with random weights and a few labelled clouds."""

import numpy as np
import pytest
import torch

from i2pmae.data.clouds import CloudSet, normalise
from i2pmae.methods.i2p_mae.model import I2PMAE
from i2pmae.weights.encoder import Encoder
from i2pmae.weights.record import ModelRecord
from tests.small import SMALL as TINY


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        record = ModelRecord(method="i2p-mae", points=32, pooling="max", model=TINY.changed(semantic_dim=6))
        return Encoder(I2PMAE(record.model), record, "cpu")


@pytest.fixture
def clouds() -> CloudSet:
    """Sticks, plates and balls: 10 of each to train, 4 to test."""
    generator = np.random.default_rng(0)
    count = 42
    labels = np.arange(count) % 3
    scale = np.array([[1, 0.1, 0.1], [1, 0.1, 1], [1, 1, 1]])[labels]
    points = normalise(generator.normal(size=(count, 32, 3)) * scale[:, None]).astype(np.float32)
    return CloudSet(
        points,
        [f"cloud/{i}" for i in range(count)],
        labels=labels,
        classes=("stick", "plate", "ball"),
        splits=np.where(np.arange(count) < 30, "train", "test"),
        name="solids",
    )


def gaussians(
    count: int, channels: int, classes: int, spread: float = 1.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Features and labels of overlapping classes."""
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(classes, channels))
    labels = np.arange(count) % classes
    return (centres[labels] + generator.normal(size=(count, channels)) * spread).astype(np.float32), labels
