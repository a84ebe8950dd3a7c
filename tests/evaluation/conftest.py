"""An encoder with random weights and a few labelled clouds."""

import numpy as np
import pytest
import torch

from i2pmae.data.clouds import CloudSet, normalise
from i2pmae.hub import Encoder, ModelRecord
from i2pmae.models.config import I2PMAEConfig
from i2pmae.models.i2p_mae import I2PMAE

TINY = I2PMAEConfig(
    group_counts=(16, 8, 4),
    group_sizes=(8, 4, 4),
    embed_widths=(8, 16, 32),
    encoder_dims=(12, 24, 24),
    encoder_depths=(1, 1, 1),
    decoder_dims=(24, 12),
    decoder_depths=(1, 1),
    heads=2,
)


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Encoder(I2PMAE(TINY, 6), ModelRecord(semantic_dim=6, points=32, model=TINY), "cpu")


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
