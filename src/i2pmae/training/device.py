"""In which arithmetic a run computes, and how it repeats exactly."""

import contextlib
import logging
import os
import shutil
from collections.abc import Iterator
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment
from lightning_fabric.strategies import DDPStrategy

from i2pmae.common import ranks
from i2pmae.common.errors import UsageError

__all__ = ["Precision", "check_compiler", "make_fabric", "repeatable", "resolve_precision", "runs_ahead"]

Precision = Literal["fp32", "bf16", "fp16"]
FABRIC_PRECISION = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def resolve_precision(name: str, device: torch.device) -> Precision:
    """``auto`` made definite: bf16 on a GPU that has it, fp32 elsewhere. :class:`UsageError` for fp16 without
    CUDA."""
    on_gpu = device.type == "cuda"
    if name == "auto":
        return "bf16" if on_gpu and torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if name == "fp16" and not on_gpu:
        raise UsageError("Precision fp16 needs a GPU with CUDA. Use fp32 or bf16 here.")
    if name not in ("fp32", "bf16", "fp16"):
        raise UsageError(f"Unknown precision {name!r}: use auto, fp32, bf16 or fp16.")
    return name  # type: ignore[return-value]


def runs_ahead(device: torch.device) -> bool:
    """Whether steps are begun on ``device`` before those before them are over: it works by itself, and has the kernels
    for an optimiser that can be told on the device to change nothing."""
    return device.type == "cuda"


def make_fabric(device: torch.device, precision: Precision) -> Fabric:
    """What places batches on ``device`` and computes in ``precision``: autocast, and the loss scale of fp16.

    Its ``setup`` of a model is not used: the wrapper casts what goes into a model and what comes out, while tasks call
    their model themselves, with points that stay float32. Of several processes, which are connected already, each has a
    fabric with the strategy DDP.
    """
    several: dict[str, Any] = {}
    place = ranks.place()
    if place.world > 1:
        # Buffers are the same in all processes: moments are taken over all of them.
        strategy = DDPStrategy(find_unused_parameters=True, broadcast_buffers=False)
        machines = place.world // place.local_world
        several = {"strategy": strategy, "devices": place.local_world, "num_nodes": machines}
    with _without_tips():
        fabric = Fabric(
            accelerator=device.type,
            precision=FABRIC_PRECISION[precision],
            # Where there is one process, it is one also where a batch system runs it.
            plugins=[TorchElasticEnvironment() if several else LightningEnvironment()],
            **(several or {"devices": [device.index] if device.type == "cuda" else 1}),
        )
        fabric.launch()
    return fabric


@contextlib.contextmanager
def _without_tips() -> Iterator[None]:
    """Fabric says what it chose, and how to compute faster with less precision; the user of a run chose otherwise."""
    logger = logging.getLogger("lightning_fabric")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def check_compiler() -> None:
    """:class:`UsageError` where torch.compile would find no C++ compiler."""
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "clang++", "cl"]
    if not any(shutil.which(name) for name in names):
        raise UsageError(
            f"torch.compile needs a C++ compiler, and none was found (looked for {', '.join(names)}). "
            "Install one, name it in the environment variable CXX, or train without compiling."
        )


@contextlib.contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """A block in which the CPU computes the same bits each time; torch's global generators are the same after it.

    Without it, the backward pass of indexing adds up in the order in which threads arrive.
    """
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    deterministic: Any = torch.utils.deterministic
    fill = deterministic.fill_uninitialized_memory
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        try:
            if device.type == "cpu":
                torch.use_deterministic_algorithms(True)
                deterministic.fill_uninitialized_memory = False  # a debugging aid that costs time
            yield
        finally:
            torch.use_deterministic_algorithms(before[0], warn_only=before[1])
            deterministic.fill_uninitialized_memory = fill
