"""Where stored outputs of the published systems are found, and how their weights follow from their names."""

import json
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

FOLDERS = [Path(__file__).parent / "stored"]
if "I2PMAE_PARITY_DIR" in os.environ:
    FOLDERS.append(Path(os.environ["I2PMAE_PARITY_DIR"]))


@dataclass(frozen=True)
class Case:
    """One stored run: configuration, weights and records."""

    name: str
    config: dict[str, Any]
    weights: dict[str, torch.Tensor]
    records: dict[str, torch.Tensor]

    def check(self, record: str, value: torch.Tensor, tolerance: float = 1e-4) -> None:
        """Compare with a record, if the case has it, relative to the record's own scale."""
        if record not in self.records:
            return
        expected = self.records[record]
        assert value.shape == expected.shape or value.numel() == expected.numel(), f"{record}: {value.shape}"
        value = value.detach().reshape(expected.shape)
        if expected.dtype in (torch.bool, torch.int64):
            differ = (value != expected).sum().item()
            assert differ == 0, f"{record}: {differ} of {expected.numel()} differ"
            return
        error = (value - expected).abs().max().item()
        scale = expected.abs().max().clamp_min(1e-12).item()
        assert error <= tolerance * scale, f"{record}: off by {error:.3g} at a scale of {scale:.3g}"


def named_weight(name: str, shape: tuple[int, ...], seed: int) -> torch.Tensor:
    """The stored runs' weight of this name: a frozen random stream keyed by seed and name."""
    draw = np.random.RandomState(zlib.crc32(f"{seed}/{name}".encode())).standard_normal(shape)
    if name.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    if name.endswith("running_var"):
        value = 0.5 + np.abs(draw)
    elif name.endswith(("running_mean", "bias")):
        value = 0.1 * draw
    elif len(shape) <= 1:
        value = 1 + 0.1 * draw
    elif "token" in name.split(".")[-1] or name.endswith("cls_pos"):
        value = 0.1 * draw
    else:
        value = draw / np.sqrt(np.prod(shape[1:]))
    return torch.from_numpy(np.asarray(value, np.float32))


def cases(kind: str) -> list[Any]:
    """All stored runs of a kind, as pytest parameters."""
    found = []
    for folder in FOLDERS:
        for path in sorted(folder.glob("*.json")):
            meta = json.loads(path.read_text())
            if meta.get("case") == kind:
                found.append(pytest.param(path, id=f"{folder.name}/{path.stem}"))
    return found


def read(path: Path) -> Case:
    """A stored run."""
    meta = json.loads(path.read_text())
    weights = {name: named_weight(name, tuple(s), meta["seed"]) for name, s in meta["state_dict_shapes"].items()}
    return Case(path.stem, meta["config"], weights, load_file(path.with_suffix(".safetensors")))
