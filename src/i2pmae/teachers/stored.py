"""An array on disk that grows row by row, and goes on after an interruption."""

import contextlib
import io
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from i2pmae.common.files import write_text

__all__ = ["Stored"]


class Stored:
    """An array in half precision in a file of NumPy's format, ``NAME.npy`` of a folder.

    While it is written it is called ``NAME.npy.part``, and ``NAME.json`` says how far it is.
    """

    def __init__(self, folder: Path, name: str, shape: tuple[int | None, ...]) -> None:
        """``shape`` has None where any size will do; it must be known before the array is written."""
        self.folder, self.name, self.shape = folder, name, shape
        self.done, self.seconds = 0, 0.0
        """Rows that are written, and in how many seconds, while it is open."""
        self._file: Any = None

    @property
    def size(self) -> int:
        """Size of the finished file."""
        return len(self._header) + self._row * int(self.shape[0] or 0)

    def finished(self) -> np.ndarray | None:
        """The array, memory-mapped, if all of it is there."""
        try:
            values: np.ndarray = np.load(self.folder / f"{self.name}.npy", mmap_mode="r")
        except (OSError, ValueError, EOFError):
            return None
        fits = values.ndim == len(self.shape) and values.dtype == np.float16
        sizes = zip(values.shape, self.shape, strict=False)
        return values if fits and all(wanted in (None, size) for size, wanted in sizes) else None

    def noted(self) -> tuple[int, float]:
        """How many rows are done, and in how many seconds."""
        try:
            note = json.loads((self.folder / f"{self.name}.json").read_text(encoding="utf-8"))
            return int(note["done"]), float(note["seconds"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return 0, 0.0

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """A block in which rows can be written after those that are :attr:`done`."""
        descriptor = os.open(self._part, os.O_RDWR | os.O_CREAT, 0o666)
        with os.fdopen(descriptor, "r+b") as self._file:
            self.done, self.seconds = self.noted()
            if self._file.seek(0, os.SEEK_END) < len(self._header) + self.done * self._row:
                self.done, self.seconds = 0, 0.0
            yield

    def cut(self, done: int) -> None:
        """Go on after the first ``done`` rows."""
        self.done = done
        self._file.seek(0)
        self._file.write(self._header)
        self._file.truncate(len(self._header) + done * self._row)
        self._file.seek(0, os.SEEK_END)

    def write(self, rows: np.ndarray) -> None:
        """Write the next rows."""
        self._file.write(rows.tobytes())
        self.done += len(rows)

    def note(self, seconds: float) -> None:
        """Write down how far it is, once that much is on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        write_text(self.folder / f"{self.name}.json", json.dumps({"done": self.done, "seconds": seconds}))

    def finish(self) -> None:
        """Give it its name."""
        self._part.replace(self.folder / f"{self.name}.npy")

    @property
    def _part(self) -> Path:
        return self.folder / f"{self.name}.npy.part"

    @property
    def _row(self) -> int:
        return 2 * math.prod(size or 0 for size in self.shape[1:])

    @property
    def _header(self) -> bytes:
        """What a file of half precision numbers of that shape begins with in NumPy's format."""
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "<f2", "fortran_order": False, "shape": self.shape})
        return header.getvalue()
