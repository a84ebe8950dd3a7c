"""The head of .npy files, compared with what follows; nothing here unpickles."""

import io
import math
from functools import lru_cache
from typing import IO, Any

import numpy as np

from i2pmae.common.errors import DataError

__all__ = ["DAMAGED", "PICKLED", "Header", "InSteps", "array_of", "check_bytes", "read_npy_header", "shape_of"]

STEP_BYTES = 4096
"""Packed bytes that are unpacked at a time."""

PICKLED = "Python objects, which are never unpickled"
DAMAGED = "the file is damaged or cut short"

Header = tuple[tuple[int, ...], np.dtype]
"""Shape and dtype of an array."""


class InSteps:
    """A member of an archive, read a little at a time.

    Else as many packed bytes as are asked for would be unpacked at once, whatever they become.
    """

    def __init__(self, source: IO[bytes]) -> None:
        self.source = source

    def read(self, count: int = -1) -> bytes:
        """At most ``count`` bytes."""
        return self.source.read(STEP_BYTES if count < 0 else min(count, STEP_BYTES))

    def exactly(self, count: int) -> bytearray:
        """``count`` bytes; fewer at the end."""
        content = bytearray()
        while len(content) < count and (more := self.read(count - len(content))):
            content += more
        return content


def read_npy_header(source: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether columns come first, and dtype, from the head of a .npy stream, which then stands at the data."""
    version = np.lib.format.read_magic(source)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise ValueError(f"format {version} of .npy is unknown")
    try:
        if version == (1, 0):
            head = InSteps(source).exactly(2)
            head += InSteps(source).exactly(int.from_bytes(head, "little"))
            shape, column_major, dtype = _npy_header(bytes(head))
        else:
            shape, column_major, dtype = np.lib.format.read_array_header_2_0(source)
    except (MemoryError, RecursionError):  # Its parser says so of brackets in brackets.
        raise ValueError("its header is nested too deeply") from None
    if any(size < 0 for size in shape):
        raise DataError(f"{DAMAGED}: its header says shape {shape}")
    if dtype.itemsize == 0 and 0 not in shape:
        raise DataError(f"an array has dtype {dtype}, whose values take no bytes")
    return shape, column_major, dtype


@lru_cache(maxsize=64)
def _npy_header(head: bytes) -> tuple[tuple[int, ...], bool, np.dtype]:
    """What a header says. The files of a set have few different ones, and the parser compiles each as Python."""
    return np.lib.format.read_array_header_1_0(io.BytesIO(head))


def check_bytes(name: str, header: Header, held: int) -> None:
    """:class:`DataError` unless an array takes all bytes that are there for it."""
    shape, dtype = header
    needed = math.prod(shape) * dtype.itemsize
    if held != needed and not dtype.hasobject:
        raise DataError(f"{DAMAGED}: {name} of shape {shape} and dtype {dtype} takes {needed} bytes, it holds {held}")


def array_of(name: str, content: bytes) -> np.ndarray:
    """The array of a .npy called ``name``; :class:`DataError` where it holds objects, or other bytes than it says."""
    source = io.BytesIO(content)
    shape, column_major, dtype = read_npy_header(source)
    if dtype.hasobject:
        raise DataError(f"{name} holds {PICKLED}")
    check_bytes(name, (shape, dtype), len(content) - source.tell())
    values = np.frombuffer(content, dtype, math.prod(shape), source.tell()) if math.prod(shape) else np.empty(0, dtype)
    return values.reshape(shape, order="F" if column_major else "C")


def shape_of(head: bytes) -> tuple[int, ...] | None:
    """The shape that the first bytes of a .npy say; None where they say none, as reading it will find."""
    try:
        return read_npy_header(io.BytesIO(head))[0]
    except (DataError, ValueError, EOFError, TypeError):
        return None
