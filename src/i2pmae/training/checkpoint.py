"""The checkpoint of a run: all that is needed to go on exactly, in plain tensors and containers."""

import hashlib
import io
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import torch
from torch import nn

from i2pmae.common.errors import CheckpointError
from i2pmae.common.files import replacing
from i2pmae.common.text import shortened

__all__ = [
    "Checkpoint",
    "LearnerState",
    "check_stamp",
    "checkpoint_path",
    "clear_leftovers",
    "load_checkpoint",
    "load_model",
    "load_optimiser",
    "not_finite_path",
    "save_checkpoint",
]

FORMAT = 2
MARK = b"i2pmae checkpoint, sha256 "
"""Begins a file; then come the checksum of the rest in hexadecimal digits, the end of the line, and the rest as
``torch.save`` writes it."""
HEADER = len(MARK) + 2 * hashlib.sha256().digest_size + 1
UNMARKED = 1
"""The format of older files, which have no such line."""
ZIP = b"PK\x03\x04"
"""What they begin with."""
SINCE_TWO = ("content",)
"""Parts of a stamp that older files lack."""


class LearnerState(TypedDict):
    """What is trained, and how far it is."""

    step: int
    """Optimiser steps done."""
    model: dict[str, torch.Tensor]
    """Parameters and persistent buffers, BatchNorm's statistics among them."""
    optimiser: dict[str, Any]
    """AdamW's state."""
    scaler: dict[str, Any]
    """Loss scale of fp16; empty otherwise."""
    average: NotRequired[dict[str, torch.Tensor]]
    """The moving average of the model's weights, where one is kept."""
    titles: NotRequired[dict[str, str]]
    """What to call each column of the metrics."""


class Checkpoint(LearnerState):
    """What a checkpoint holds. Nothing random: that follows from seed and step."""

    format: int
    """Version of this layout."""
    stamp: dict[str, Any]
    """What the run must have in common with the one that wrote it."""
    seconds: float
    """Time spent on the steps."""
    arithmetic: NotRequired[str]
    """How it was computed, as far as the last bits depend on it; absent in older files."""


def checkpoint_path(folder: Path) -> Path:
    """Where a run folder has its checkpoint."""
    return folder / "checkpoints" / "last.ckpt"


def not_finite_path(folder: Path) -> Path:
    """Where a run folder has the state before a step that was not finite, from which it can be taken again."""
    return folder / "checkpoints" / "not-finite.ckpt"


def clear_leftovers(path: Path) -> None:
    """Remove the half-written checkpoints of processes that were killed."""
    for part in path.parent.glob(f".{path.name}.*.part"):
        part.unlink(missing_ok=True)


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all; :class:`I2PError` (full disk) leaves the previous one in place."""
    # Serialised in memory first: torch reports a full disk as an unspecific RuntimeError, plain file writing does not.
    content = io.BytesIO(bytes(HEADER))
    content.seek(HEADER)
    torch.save(checkpoint, content)
    with content.getbuffer() as view:
        view[:HEADER] = MARK + hashlib.sha256(view[HEADER:]).hexdigest().encode() + b"\n"
        with replacing(path) as part:
            part.write_bytes(view)


def load_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint at ``path``, on the CPU; :class:`CheckpointError` where it is damaged or of another kind."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None
    marked = content.startswith(MARK)
    if not marked and not content.startswith(ZIP):
        raise _unreadable(path, "it does not begin as one")
    if marked and content[len(MARK) : HEADER] != hashlib.sha256(content[HEADER:]).hexdigest().encode() + b"\n":
        raise _unreadable(path, "its checksum differs")
    return _checked(path, _unpacked(path, content[HEADER:] if marked else content), marked)


def _unpacked(path: Path, content: bytes) -> Any:
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file without a checksum fails anywhere within
        raise _unreadable(path, str(error).split("\n")[0][:200] or type(error).__name__) from None


def _checked(path: Path, checkpoint: Any, marked: bool) -> Checkpoint:
    """The checkpoint, if it is one, and one of a format that is read."""
    needed = Checkpoint.__required_keys__
    if not isinstance(checkpoint, dict) or needed - checkpoint.keys():
        raise CheckpointError(f"{path} is no checkpoint of a training run of this program.")
    if checkpoint["format"] != (FORMAT if marked else UNMARKED):
        raise CheckpointError(
            f"{path} has checkpoint format {shortened(checkpoint['format'])}, this version reads {FORMAT} and "
            f"{UNMARKED}: go on with the version that wrote it."
        )
    kinds = {"stamp": dict, "step": int, "seconds": float, "model": dict, "optimiser": dict, "scaler": dict}
    wrong = [name for name, kind in kinds.items() if not isinstance(checkpoint[name], kind)]
    if wrong or not all(isinstance(value, torch.Tensor) for value in checkpoint["model"].values()):
        raise _unreadable(path, f"{', '.join(wrong or ['model'])} cannot be used")
    return checkpoint  # type: ignore[return-value]


def _unreadable(path: Path, reason: str) -> CheckpointError:
    return CheckpointError(
        f"Cannot read the checkpoint {path}: {reason}. It is damaged, or no checkpoint of this program: "
        "put back a copy, or start again in another folder."
    )


def check_stamp(path: Path, saved: dict[str, Any], current: dict[str, Any]) -> None:
    """Refuse (:class:`CheckpointError`) to go on where something that decides the run differs from the checkpoint."""
    differing = [
        f"  {name}: {shortened(saved.get(name))} in the checkpoint, {shortened(current.get(name))} now"
        for name in sorted({*saved, *current}, key=str)
        if saved.get(name) != current.get(name) and (name in saved or name not in SINCE_TWO)
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


def load_optimiser(path: Path, optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Put a saved state into ``optimiser``; :class:`CheckpointError` where it is that of another one.

    Whether it computes in the fused form stays as it is: that belongs to the device, not to the run.
    """
    try:
        pairs = zip(state["param_groups"], optimiser.param_groups, strict=True)
        groups = [{**saved, "fused": group["fused"]} for saved, group in pairs]
        optimiser.load_state_dict({**state, "param_groups": groups})
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise _unreadable(path, f"the optimiser's state does not fit ({error})") from None
