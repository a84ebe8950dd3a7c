"""Where stored outputs of the published systems are found, and how their weights follow from their names.

A stored run of every kind lies beside these tests and must have every record that they compare, apart from those that
it says it ``lacks``. More runs may be in the folder that the environment names: of any size and name, and without some
of the records. What was not compared is then listed after the tests, and a test that compared nothing is skipped.
"""

import json
import os
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

STORED = Path(__file__).parent / "stored"
FOLDERS = [STORED]
if "I2PMAE_PARITY_DIR" in os.environ:
    FOLDERS.append(Path(os.environ["I2PMAE_PARITY_DIR"]))
KINDS = (
    "i2p-pretrain",
    "m2ae-pretrain",
    "mae-pretrain",
    "bert-dvae",
    "bert-masked",
    "i2p-modelnet40",
    "i2p-scanobjectnn",
    "mae-modelnet40",
    "bert-modelnet40",
    "m2ae-partseg",
)
"""Every kind of run that the tests know."""
OPENED: list["Case"] = []
"""The runs that the test at work has read."""
LACKED: set[str] = set()
"""What could not be compared, in words."""


@dataclass(frozen=True)
class Case:
    """One stored run: configuration, weights and records."""

    kind: str
    name: str
    config: dict[str, Any]
    weights: dict[str, torch.Tensor]
    records: dict[str, torch.Tensor]
    lacks: tuple[str, ...] = ()
    """Records that the run is known not to have: names, or the beginnings of names that end in ``*``."""
    stored: bool = True
    """Whether it must have all others."""
    compared: list[str] = field(default_factory=list)
    """Records that the test at work has compared."""
    missing: list[str] = field(default_factory=list)
    """Records that the test at work would have compared or used."""

    def has(self, record: str) -> bool:
        """Whether there is such a record; notes that it is missing, which fails where nothing says that it may be."""
        if record in self.records:
            return True
        known = any(record == one or (one.endswith("*") and record.startswith(one[:-1])) for one in self.lacks)
        assert known or not self.stored, f"{self.name} has no record {record}, and does not say that it lacks it"
        self.missing.append(record)
        return False

    def given(self, record: str) -> torch.Tensor:
        """A record without which there is nothing to compare."""
        if not self.has(record):
            LACKED.add(f"{self.name} lacks {record}")
            pytest.skip(f"{self.name} lacks {record}")
        return self.records[record]

    def gradients(self, mode: str) -> list[str]:
        """The parameters, by their published names, whose gradients are recorded."""
        names = [name for name in self.weights if f"{mode}.grad.{name}" in self.records]
        return names if names or self.has(f"{mode}.grad.") else []

    def check(
        self, record: str, value: torch.Tensor, tolerance: float = 1e-4, where: torch.Tensor | None = None
    ) -> None:
        """Compare with a record, if there is one, relative to the record's own scale; only ``where`` True, if given."""
        if not self.has(record):
            return
        expected = self.records[record]
        assert value.shape == expected.shape or value.numel() == expected.numel(), f"{record}: {value.shape}"
        value = value.detach().reshape(expected.shape)
        if where is not None:
            value, expected = value[where], expected[where]
        assert expected.numel() > 0, f"{record}: nothing to compare"
        self.compared.append(record)
        if expected.dtype in (torch.bool, torch.int64):
            differ = (value != expected).sum().item()
            assert differ == 0, f"{record}: {differ} of {expected.numel()} differ"
            return
        error = (value - expected).abs().max().item()
        scale = expected.abs().max().clamp_min(1e-12).item()
        assert error <= tolerance * scale, f"{record}: off by {error:.3g} at a scale of {scale:.3g}"


def judge(opened: list[Case]) -> None:
    """Ends a test that compared nothing: it fails or, for runs from outside, is skipped. Notes what they lacked."""
    lacked = {f"{case.name} lacks {record}" for case in opened if not case.stored for record in case.missing}
    LACKED.update(lacked)
    if not any(case.compared for case in opened):
        assert not any(case.stored for case in opened), "the test compared nothing"
        pytest.skip(f"nothing to compare: {', '.join(sorted(lacked)) or 'no record is used'}")


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


def paths() -> list[tuple[str, Path]]:
    """Kind and file of every stored run."""
    found = [path for folder in FOLDERS for path in sorted(folder.glob("*.json"))]
    return [(str(json.loads(path.read_text()).get("case")), path) for path in found]


def cases(*kinds: str) -> list[Any]:
    """All stored runs of some kinds, as pytest parameters."""
    unknown = set(kinds) - set(KINDS)
    assert not unknown, f"not a kind: {unknown}"
    return [pytest.param(path, id=f"{path.parent.name}/{path.stem}") for kind, path in paths() if kind in kinds]


def read(path: Path) -> Case:
    """A stored run."""
    meta = json.loads(path.read_text())
    weights = {name: named_weight(name, tuple(s), meta["seed"]) for name, s in meta["state_dict_shapes"].items()}
    records = load_file(path.with_suffix(".safetensors"))
    lacks, stored = tuple(meta.get("lacks", ())), path.parent == STORED
    case = Case(meta["case"], path.stem, meta["config"], weights, records, lacks, stored)
    OPENED.append(case)
    return case
