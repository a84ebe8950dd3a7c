"""The files that authors release: read without executing anything in them."""

import hashlib
import pickle
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from i2pmae.common.errors import CheckpointError, near_names
from i2pmae.weights.released.torch_pointcloud import as_published

__all__ = ["Released", "read_released"]

CONTAINERS = ("base_model", "model_state_dict", "state_dict", "model", "net")
"""Entries under which training scripts store weights, besides optimisers and counters."""
PREFIXES = re.compile(r"^(?:(?:module|base_model|model)\.)+")
"""What wrappers of a model put before the names of its parameters."""
SCALARS = [np.dtype(kind).type(0) for kind in ("f4", "f8", "i4", "i8")]
"""Numbers that NumPy's functions return: scores that stand beside the weights."""


class Released(NamedTuple):
    """The weights in a released file."""

    path: Path
    tensors: dict[str, Tensor]
    """By name, without the prefixes of wrappers."""
    others: tuple[str, ...]
    """Entries beside the weights that are no tensors."""
    sha256: str
    """Checksum of the file."""


def read_released(path: Path | str) -> Released:
    """The weights in a file that was written by ``torch.save``, or in safetensors, with nothing in it executed.

    :class:`CheckpointError` where there is no such file, it is damaged or something else, it would need code to be run,
    or holds no weights.
    """
    path = Path(path)
    _check_file(path)
    found = _load_safetensors(path) if path.suffix == ".safetensors" else _find_weights(path, _load(path))
    tensors: dict[str, Tensor] = {}
    others = []
    for name, value in found.items():
        if not isinstance(value, Tensor):
            others.append(str(name))
            continue
        if value.layout != torch.strided or value.is_complex() or value.is_quantized:
            raise CheckpointError(f"{path}: {name} is no plain tensor of numbers ({value.dtype}, {value.layout}).")
        bare = PREFIXES.sub("", str(name))
        if bare in tensors:
            raise CheckpointError(f"{path} holds {bare} twice, with and without a prefix: which to use is not clear.")
        tensors[bare] = value
    with path.open("rb") as file:
        return Released(path, as_published(tensors), tuple(others), hashlib.file_digest(file, "sha256").hexdigest())


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise CheckpointError(
            f"{path} is a folder: expected the file that the authors released (.pth). A weights folder needs no "
            "conversion."
        )
    if not path.is_file():
        siblings = [file.name for file in path.parent.glob("*.*t*")] if path.parent.is_dir() else []
        hint = f" {near_names(path.name, siblings)}" if 0 < len(siblings) <= 50 else ""
        raise CheckpointError(f"There is no file {path}.{hint}")
    if path.stat().st_size == 0:
        raise CheckpointError(f"{path} is empty: download it again.")


def _load_safetensors(path: Path) -> dict[Any, Any]:
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, ValueError):
        raise CheckpointError(f"{path} is damaged or not a safetensors file. Download it again.") from None


def _load(path: Path) -> Any:
    scalar = SCALARS[0].__reduce__()[0]
    # NumPy 2 moved the function; files remember the place of the version that wrote them.
    safe: list[Any] = [(scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
    safe += [np.dtype, *{type(value.dtype) for value in SCALARS}]
    try:
        with torch.serialization.safe_globals(safe):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        code = re.search(r"GLOBAL ([\w.]+)", str(error))
        if code:
            raise CheckpointError(
                f"{path} is more than weights: reading it would run code ({code[1]}), which is never done here. If you "
                "trust the file, load it where that code is installed and save its state_dict() alone."
            ) from None
        raise _damaged(path) from None
    except Exception:  # whatever the bytes of a file that is something else make the reader do
        raise _damaged(path) from None


def _damaged(path: Path) -> CheckpointError:
    return CheckpointError(f"{path} is damaged or not a file of PyTorch weights (.pth). Download it again.")


def _find_weights(path: Path, content: Any) -> dict[Any, Any]:
    """The dictionary that holds the weights themselves, out of whatever it is wrapped in."""
    while isinstance(content, dict):
        if any(isinstance(value, Tensor) for value in content.values()):
            return content
        inner = next((content[name] for name in CONTAINERS if isinstance(content.get(name), dict)), None)
        if inner is None:
            held = ", ".join(str(name) for name in list(content)[:8]) or "nothing"
            raise CheckpointError(
                f"{path} holds no weights: expected tensors by name, bare or under {', '.join(CONTAINERS)}; it holds "
                f"{held}."
            )
        content = inner
    raise CheckpointError(f"{path} holds {type(content).__name__}, not weights: expected tensors by name.")
