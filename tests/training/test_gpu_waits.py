"""How often the steps of each method and each downstream task wait for a GPU, as CUDA counts it: never."""

import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from i2pmae.data.clouds import CloudSet
from i2pmae.training.batches import BatchPlan, step_loader
from i2pmae.training.device import make_fabric
from i2pmae.training.learner import Learner
from tests.steps import KINDS, PARTS, TASKS, batch
from tests.training.small import settings

WAITED = "called a synchronizing CUDA operation"
"""What CUDA says of an operation that waits."""


def clouds(count: int) -> CloudSet:
    given = {name: values.numpy() for name, values in batch(count).items()}
    ids = [str(row) for row in range(count)]
    return CloudSet(given["points"], ids, given["label"], KINDS, part_labels=given["part_label"], parts=PARTS)


def steps_on(device: torch.device, name: str, precision: str) -> tuple[Counter[str], list[dict[str, float]]]:
    """Where three steps waited, with how often, and what they came to. What the first step prepares is not counted."""
    torch.manual_seed(0)
    chosen, given = settings(batch_size=4, epochs=1), clouds(16)
    plan = BatchPlan(len(given), 4, 1, 1, 0)
    made = Learner(TASKS[name]().to(device), given, plan, chosen, make_fabric(device, precision), ahead=True)
    made.task.model.train()
    first, *others = step_loader(given, plan, 0, 0, pin=device.type == "cuda")
    figures = [made.figures(made.begin(first))]
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            begun = [made.begin(batches) for batches in others]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    figures += [made.figures(step) for step in begun]
    waits = Counter(f"{Path(w.filename).name}:{w.lineno}" for w in said if WAITED in str(w.message))
    return waits, [one.losses for one in figures]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("name", TASKS)
def test_no_step_waits(name: str, precision: str) -> None:
    waits, losses = steps_on(torch.device("cuda", 0), name, precision)
    print(f"{name}, {precision}: {waits.total()} waits in {len(losses) - 1} steps")
    assert not waits
    assert np.isfinite([value for one in losses for value in one.values()]).all()


def test_waits_are_counted_by_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the CPU, where what CUDA says is said by each step instead."""
    asked: list[str] = []
    begin = Learner.begin

    def waiting(self, batches):
        if asked == ["warn"]:
            warnings.warn(f"{WAITED} (Triggered internally)", UserWarning, stacklevel=1)
        return begin(self, batches)

    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", asked.append)
    monkeypatch.setattr(Learner, "begin", waiting)
    waits, losses = steps_on(torch.device("cpu"), "point-bert", "fp32")
    assert list(waits.values()) == [3] and next(iter(waits)).startswith("test_gpu_waits.py:")
    assert asked == ["warn", "default"] and len(losses) == 4
