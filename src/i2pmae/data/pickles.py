"""Pickles of arrays, read without running anything that they may hold."""

import builtins
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from i2pmae.common.errors import DataError

__all__ = ["read_pickle"]

CONTAINERS = ("list", "tuple", "dict", "set", "frozenset", "int", "float", "bool", "str", "bytes", "bytearray")


class Refused(Exception):
    """A pickle that names something other than arrays."""


def encoded(text: str, encoding: str) -> bytes:
    """Bytes as old pickles write them."""
    if encoding != "latin1":
        raise Refused(f"codec {encoding}")
    return text.encode("latin1")


def allowed() -> dict[tuple[str, str], Any]:
    """What a pickle may name: builtin containers and numbers, and what arrays are made with, old names included."""
    numpy = np._core if hasattr(np, "_core") else np.core
    names: dict[tuple[str, str], Any] = {("numpy", "ndarray"): np.ndarray, ("numpy", "dtype"): np.dtype}
    for package in ("numpy.core", "numpy._core"):
        names[f"{package}.multiarray", "_reconstruct"] = numpy.multiarray._reconstruct
        names[f"{package}.multiarray", "scalar"] = numpy.multiarray.scalar
        names[f"{package}.numeric", "_frombuffer"] = numpy.numeric._frombuffer
    for module in ("builtins", "__builtin__"):
        names |= {(module, name): getattr(builtins, name) for name in CONTAINERS}
    names["_codecs", "encode"] = encoded
    return names


class ArrayUnpickler(pickle.Unpickler):
    """Finds nothing but what :func:`allowed` names."""

    def find_class(self, module: str, name: str) -> Any:
        """The named object, or :class:`Refused`."""
        try:
            return allowed()[module, name]
        except KeyError:
            raise Refused(f"{module}.{name}") from None


def read_pickle(path: Path) -> Any:
    """The arrays, numbers and containers that a pickle holds; :class:`DataError` where it is damaged or holds more."""
    try:
        with path.open("rb") as source:
            return ArrayUnpickler(source, encoding="latin1").load()
    except Refused as error:
        raise DataError(
            f"the pickle holds {error}, which could run code of a stranger. Only arrays, numbers and lists are read"
        ) from None
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror or error}") from None
    except MemoryError:
        raise DataError("the file is too large for this machine's memory, or damaged") from None
    except Exception as error:  # A damaged pickle fails in every possible way.
        first_line = (str(error) or type(error).__name__).split("\n")[0]
        raise DataError(f"the pickle is damaged or cut short ({first_line})") from None
