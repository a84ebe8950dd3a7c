"""Weights of random models, and files that are lying on their side."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from i2pmae.weights.record import ModelRecord
from i2pmae.weights.store import save_weights
from tests.weights.small_models import make_model

Weights = Callable[..., Path]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("I2PMAE_CACHE", str(tmp_path / "kept"))


@pytest.fixture
def weights(tmp_path: Path) -> Weights:
    """Makes a weights folder of a random model whose files had this axis up."""

    def make(kind: str = "i2p-mae pretraining", up: str = "z") -> Path:
        model, record = make_model(kind)
        folder = tmp_path / f"{kind.replace(' ', '-')}-{up}"
        save_weights(folder, model, ModelRecord.from_dict(dict(record) | {"files_up": up}))
        return folder

    return make


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Three classes of eight clouds as text files, in sub-folders."""
    generator = np.random.default_rng(0)
    for row in range(24):
        scale = [[1, 0.1, 0.1], [1, 0.1, 1], [1, 1, 1]][row % 3]
        path = tmp_path / "scans" / ["stick", "plate", "ball"][row % 3] / f"{row:02d}.xyz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savetxt(path, generator.normal(size=(64, 3)) * scale)
    return tmp_path / "scans"
