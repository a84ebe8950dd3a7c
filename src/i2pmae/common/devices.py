"""Where to compute: one reading of device names for the whole project."""

import contextlib
import re
from collections.abc import Iterator

import torch

from i2pmae.common import ranks
from i2pmae.common.errors import I2PError, UsageError

__all__ = ["explaining_limits", "resolve_device", "where_computed"]


def resolve_device(name: str | torch.device = "auto") -> torch.device:
    """The device for ``auto`` (a GPU where there is one), ``cpu``, ``cuda``, ``cuda:N`` or ``mps`` (Apple's GPUs).

    Of several processes of a run each has a GPU of its own: the N-th on a machine has the N-th.

    :class:`UsageError` for other names and for what is not there.
    """
    name, place = str(name), ranks.place()
    if name == "auto":
        apple = torch.backends.mps.is_available() and place.local_world == 1  # it has one GPU
        name = "cuda" if torch.cuda.is_available() else "mps" if apple else "cpu"
    if place.local_world > 1 and re.fullmatch(r"cuda:[0-9]+|mps(:0)?", name):
        raise UsageError(
            f"Device {name!r} cannot be shared by the {place.local_world} processes of a run. Use auto, cuda or cpu."
        )
    if name == "cpu":
        return torch.device("cpu")
    if re.fullmatch(r"mps(:0)?", name):
        if not torch.backends.mps.is_available():
            raise UsageError("Device 'mps' was asked for, but PyTorch sees no GPU of Apple's here. Use auto or cpu.")
        return torch.device("mps")
    match = re.fullmatch(r"cuda(?::([0-9]{1,4}))?", name)
    if not match:
        raise UsageError(f"Unknown device {name[:40]!r}: use auto, cpu, cuda or cuda:N (the N-th GPU, from 0), or mps.")
    count, index = torch.cuda.device_count() if torch.cuda.is_available() else 0, int(match[1] or place.local_rank)
    if index >= count:
        found = f"{count} GPU{'s' if count > 1 else ''}" if count else "no usable GPU"
        name = name if place.local_world == 1 else f"cuda, one for each of {place.local_world} processes,"
        raise UsageError(f"Device {name!r} was asked for, but PyTorch sees {found} here. Use auto or cpu.")
    return torch.device("cuda", index)


def where_computed(device: torch.device) -> str:
    """The device in words: of several processes of a run, how many they are, and of which kind."""
    count = ranks.world()
    return str(device) if count == 1 else f"{count} processes on {device.type}"


@contextlib.contextmanager
def explaining_limits(device: torch.device) -> Iterator[None]:
    """A block in which :class:`I2PError` says what to do about an operation that Apple's GPUs do not have.

    PyTorch lacks some there, and float64 altogether.
    """
    try:
        yield
    except (NotImplementedError, TypeError, RuntimeError) as error:
        if device.type != "mps" or "mps" not in str(error).lower():
            raise
        raise I2PError(
            f"PyTorch cannot compute this on Apple's GPUs: {str(error).splitlines()[0][:200]} Use the device cpu, or "
            "set PYTORCH_ENABLE_MPS_FALLBACK=1 before the start to compute the missing operations on the CPU."
        ) from error
