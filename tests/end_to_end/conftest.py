"""A teacher and a model that are small enough to try whole runs with."""

from pathlib import Path

import pytest
import torch
from transformers import ViTConfig, ViTModel

SMALL_MODEL = [
    *("--model.group-counts", "32", "16", "8"),
    *("--model.group-sizes", "8", "4", "4"),
    *("--model.embed-widths", "8", "8", "16"),
    *("--model.encoder-dims", "12", "24", "48"),
    *("--model.encoder-depths", "1", "1", "1"),
    *("--model.decoder-dims", "48", "24"),
    *("--model.heads", "2"),
    *("--model.drop-path", "0.1"),
    *("--projection.image-size", "64"),
    *("--points", "128"),
    *("--device", "cpu"),
]


@pytest.fixture(scope="session")
def small_teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random ViT on disk, as a person keeps one that was downloaded."""
    folder = tmp_path_factory.mktemp("teacher")
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=24, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48, image_size=64, patch_size=16
    )
    ViTModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


@pytest.fixture
def small_run(small_teacher: Path, tmp_path: Path) -> list[str]:
    """Arguments of a run of a few seconds on built-in shapes."""
    return [
        "pretrain",
        *("--teacher", str(small_teacher)),
        *("--output", str(tmp_path / "run")),
        *("--clouds", "220"),
        *("--epochs", "2"),
        *("--batch-size", "16"),
        *("--probe-clouds", "88"),
        *SMALL_MODEL,
    ]
