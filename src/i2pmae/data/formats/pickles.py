"""Pickles of arrays, read without running anything that they may hold, and in memory in proportion to the file."""

import io
import math
import pickle
import re
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import numpy as np

from i2pmae.common.errors import DataError
from i2pmae.data.reasons import reasons

__all__ = ["read_pickle"]

NUMBERS = re.compile(r"[fiub]\d{1,2}|O8")
"""What dtypes of numbers are called; and of objects, which are refused later, with the array that has them."""
KEYS = (str, bytes, int, float, bool, type(None))
"""Keys of a dict that take no time to compare; nested tuples can take time that is exponential in their size."""


def refuse(what: str) -> NoReturn:
    """Say what a pickle holds that is not read."""
    raise DataError(f"the pickle holds {what}. Only arrays, numbers and lists are read")


class ArrayType:
    """Stands for ``numpy.ndarray``, which a pickle names, and could make an array of any size with."""

    def __new__(cls, *_: Any) -> "ArrayType":
        """Never."""
        refuse("an array without its content")


def make_dtype(name: Any, *_: Any) -> np.dtype:
    """A dtype of numbers; a new one, since a pickle may change it."""
    if not isinstance(name, str) or not NUMBERS.fullmatch(name):
        refuse("a dtype that is none of numbers")
    return np.dtype(name, copy=True)


def reconstruct(kind: Any, *_: Any) -> np.ndarray:
    """The empty array that a pickle fills."""
    if kind is not ArrayType:
        refuse("an array of an unknown kind")
    return np.empty(0)


def from_buffer(buffer: Any, kind: Any, shape: Any, order: Any) -> np.ndarray:
    """The array that newer pickles hold as bytes."""
    if not isinstance(kind, np.dtype) or not isinstance(buffer, (bytes, bytearray)):
        refuse("an array without its dtype and bytes")
    return np.frombuffer(buffer, kind).reshape(shape, order=order)


def scalar(kind: Any, content: Any = None) -> Any:
    """A number of NumPy."""
    if not isinstance(kind, np.dtype) or not isinstance(content, (bytes, str)):
        refuse("a number without its dtype and bytes")
    return np.frombuffer(content.encode("latin1") if isinstance(content, str) else content, kind)[0]


ARRAYS = {
    ("numpy", "ndarray"): ArrayType,
    ("numpy", "dtype"): make_dtype,
    **{
        (f"{package}.{module}", name): function
        for package in ("numpy.core", "numpy._core")
        for module, name, function in (
            ("multiarray", "_reconstruct", reconstruct),
            ("multiarray", "scalar", scalar),
            ("numeric", "_frombuffer", from_buffer),
        )
    },
}
"""What arrays are made with, by the names that pickles of older and newer versions of NumPy use."""


PythonUnpickler: Any = pickle._Unpickler


class ArrayUnpickler(PythonUnpickler):
    """Finds nothing but what arrays are made with.

    Written in Python: the one in C allocates what a damaged or hostile pickle only says that it holds.
    """

    dispatch: ClassVar[dict[int, Any]] = dict(PythonUnpickler.dispatch)

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content), encoding="latin1")
        # Each text and each content of an array stands in the file once, so copies of them take no more together.
        self.left = 2 * len(content)

    def find_class(self, module: str, name: str) -> Any:
        """The named object; :class:`DataError` for anything that is not needed for arrays."""
        if (module, name) == ("_codecs", "encode") or (module.strip("_"), name) in BYTES:
            return self.copied
        if (module, name) in ARRAYS:
            return ARRAYS[module, name]
        raise DataError(
            f"the pickle holds {module}.{name}, which could run code of a stranger. "
            "Only arrays, numbers and lists are read"
        )

    def copied(self, text: Any = b"", encoding: Any = "latin1") -> bytes:
        """Bytes as old pickles write them."""
        if not isinstance(text, (str, bytes)) or encoding not in ("latin1", "latin-1"):
            refuse("bytes in an unknown code")
        self.spend(len(text))
        return text.encode("latin1") if isinstance(text, str) else text

    def spend(self, count: int) -> None:
        """Count copied bytes."""
        self.left -= count
        if self.left < 0:
            refuse("the same bytes again and again")

    def load_bytes(self) -> None:
        """Bytes after their number."""
        size = int.from_bytes(self.read(8), "little")
        content = self.read(size)
        if len(content) < size:
            raise EOFError
        self.append(bytearray(content))

    def load_state(self) -> None:
        """Fill an array or a dtype."""
        target, state = self.stack[-2:]
        if not isinstance(state, tuple) or len(state) < 5:
            refuse("an array of an unknown form")
        if isinstance(target, np.dtype):
            if any(field is not None for field in state[2:5]):
                refuse("a dtype that is none of numbers")
        elif isinstance(target, np.ndarray) and isinstance(state[2], np.dtype) and isinstance(state[4], HELD):
            held = len(state[4]) * (state[2].itemsize if isinstance(state[4], list) else 1)
            self.spend(held if not isinstance(state[4], list) else 0)
            if math.prod(state[1]) * state[2].itemsize != held or min(state[1], default=0) < 0:
                refuse(f"an array of shape {state[1]} with {held} bytes")
        else:
            refuse("an array of an unknown form")
        super().load_build()

    def load_entry(self) -> None:
        """Fill a dict with one entry."""
        self.check_keys(self.stack[-2:-1])
        super().load_setitem()

    def load_entries(self) -> None:
        """Fill a dict."""
        self.check_keys(self.stack[::2])
        super().load_setitems()

    def load_table(self) -> None:
        """Make a dict, in old pickles."""
        self.check_keys(self.stack[::2])
        super().load_dict()

    def check_keys(self, keys: list[Any]) -> None:
        """Refuse keys that are no simple values."""
        for key in keys:
            if not isinstance(key, KEYS):
                refuse(f"a dict with keys of type {type(key).__name__}")

    def load_other(self) -> None:
        """Refuse what arrays never need."""
        refuse("sets or buffers")

    dispatch[pickle.BUILD[0]] = load_state
    dispatch[pickle.SETITEM[0]] = load_entry
    dispatch[pickle.SETITEMS[0]] = load_entries
    dispatch[pickle.DICT[0]] = load_table
    dispatch[pickle.BYTEARRAY8[0]] = load_bytes
    for _code in (pickle.EMPTY_SET, pickle.ADDITEMS, pickle.FROZENSET, pickle.NEXT_BUFFER):
        dispatch[_code[0]] = load_other


BYTES = (("builtin", "bytes"), ("builtins", "bytes"), ("builtin", "bytearray"), ("builtins", "bytearray"))
HELD = (bytes, str, list)
"""What the content of an array may be in a pickle."""


def read_pickle(path: Path) -> Any:
    """The arrays, numbers and containers that a pickle holds; :class:`DataError` where it is damaged or holds more."""
    with reasons("the pickle is damaged or cut short"):
        return ArrayUnpickler(path.read_bytes()).load()
