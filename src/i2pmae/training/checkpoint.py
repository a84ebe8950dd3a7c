"""The checkpoint of a run: all that is needed to go on exactly, in plain tensors and containers."""

import io
import pickle
from pathlib import Path
from typing import Any, TypedDict

import torch
from torch import nn

from i2pmae.common.errors import CheckpointError
from i2pmae.common.files import replacing

__all__ = [
    "Checkpoint",
    "check_stamp",
    "checkpoint_path",
    "clear_leftovers",
    "load_checkpoint",
    "load_model",
    "save_checkpoint",
]

FORMAT = 1


class Checkpoint(TypedDict):
    """What a checkpoint holds. Nothing random: that follows from seed and step."""

    format: int
    """Version of this layout."""
    stamp: dict[str, Any]
    """What the run must have in common with the one that wrote it."""
    step: int
    """Optimiser steps done."""
    seconds: float
    """Time spent on them."""
    model: dict[str, torch.Tensor]
    """Parameters and persistent buffers, BatchNorm's statistics among them."""
    optimiser: dict[str, Any]
    """AdamW's state."""
    scaler: dict[str, Any]
    """Loss scale of fp16; empty otherwise."""


def checkpoint_path(folder: Path) -> Path:
    """Where a run folder has its checkpoint."""
    return folder / "checkpoints" / "last.ckpt"


def clear_leftovers(path: Path) -> None:
    """Remove the half-written checkpoints of processes that were killed."""
    for part in path.parent.glob(f".{path.name}.*.part"):
        part.unlink(missing_ok=True)


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all; :class:`I2PError` (full disk) leaves the previous one in place."""
    # Serialised in memory first: torch reports a full disk as an unspecific RuntimeError, plain file writing does not.
    content = io.BytesIO()
    torch.save(checkpoint, content)
    with replacing(path) as part:
        part.write_bytes(content.getbuffer())


def load_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint at ``path``, on the CPU; :class:`CheckpointError` where it is damaged or of another kind."""
    try:
        checkpoint: Checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"Cannot read the checkpoint {path}: {reason}. It is damaged, or no checkpoint of this program: "
            "put back a copy, or start again in another folder."
        ) from None
    if not isinstance(checkpoint, dict) or Checkpoint.__required_keys__ - checkpoint.keys():
        raise CheckpointError(f"{path} is no checkpoint of a training run of this program.")
    if checkpoint["format"] != FORMAT:
        raise CheckpointError(
            f"{path} has checkpoint format {checkpoint['format']}, this version reads {FORMAT}: "
            "go on with the version that wrote it."
        )
    return checkpoint


def check_stamp(path: Path, saved: dict[str, Any], current: dict[str, Any]) -> None:
    """Refuse (:class:`CheckpointError`) to go on where something that decides the run differs from the checkpoint."""
    differing = [
        f"  {name}: {saved.get(name)!r} in the checkpoint, {current.get(name)!r} now"
        for name in sorted({*saved, *current})
        if saved.get(name) != current.get(name)
    ]
    if differing:
        raise CheckpointError(
            f"{path} belongs to another run:\n"
            + "\n".join(differing)
            + "\nUse the same data and settings to go on, or "
            "another folder for a new run."
        )


def load_model(path: Path, model: nn.Module, state: dict[str, torch.Tensor]) -> None:
    """Put saved weights into ``model``; :class:`CheckpointError` lists every name or shape that does not match."""
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    differing = [
        f"  {name}: {found.get(name, 'absent')} in the checkpoint, {expected.get(name, 'absent')} in the model"
        for name in sorted({*expected, *found})
        if expected.get(name) != found.get(name)
    ]
    if differing:
        raise CheckpointError(f"{path} holds the weights of another model:\n" + "\n".join(differing))
    model.load_state_dict(state)
