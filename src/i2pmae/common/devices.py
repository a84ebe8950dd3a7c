"""Where to compute: one reading of device names for the whole project."""

import re

import torch

from i2pmae.common.errors import UsageError

__all__ = ["resolve_device"]


def resolve_device(name: str | torch.device = "auto") -> torch.device:
    """The device for ``auto`` (a GPU where there is one), ``cpu``, ``cuda`` or ``cuda:N``; else :class:`UsageError`."""
    name = str(name)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cpu":
        return torch.device("cpu")
    match = re.fullmatch(r"cuda(?::(\d+))?", name)
    if not match:
        raise UsageError(f"Unknown device {name!r}: use auto, cpu, cuda or cuda:N (the N-th GPU, from 0).")
    count, index = torch.cuda.device_count() if torch.cuda.is_available() else 0, int(match[1] or 0)
    if index >= count:
        found = f"{count} GPU{'s' if count > 1 else ''}" if count else "no usable GPU"
        raise UsageError(f"Device {name!r} was asked for, but PyTorch sees {found} here. Use auto or cpu.")
    return torch.device("cuda", index)
