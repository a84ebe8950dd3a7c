"""Arrays that grow on disk by appending rows, in shards of equal form."""

import io
import math
import os
from pathlib import Path
from typing import IO

import numpy as np

__all__ = ["Column", "shard_rows"]

SHARD_BYTES, MOST_IN_SHARD = 64 << 20, 8192
"""A shard has as many clouds as a power of two that stays within both."""


def shard_rows(row_bytes: int) -> int:
    """Clouds of a shard, each of so many bytes."""
    return 1 << int(math.log2(max(1, min(MOST_IN_SHARD, SHARD_BYTES // row_bytes))))


class Column:
    """One array that grows by rows, in .npy files called ``STEM-00000.npy`` and so on, of ``most`` rows each.

    Rows are appended, not written through a map, so a full disk is an error and not a crash.
    """

    def __init__(self, folder: Path, stem: str, dtype: str, shape: tuple[int, ...], most: int) -> None:
        self.folder, self.stem, self.dtype, self.shape, self.most = folder, stem, np.dtype(dtype), shape, most
        self.row_bytes = math.prod(shape) * self.dtype.itemsize
        self.start = len(self._header(0))
        self.rows = 0
        self.file: IO[bytes] | None = None

    def path(self, shard: int) -> Path:
        """The file of a shard."""
        return self.folder / f"{self.stem}-{shard:05d}.npy"

    def append(self, rows: np.ndarray) -> None:
        """Add rows at the end."""
        rows = np.ascontiguousarray(rows, dtype=self.dtype)
        while len(rows):
            if self.file is None:
                self.file = self.path(self.rows // self.most).open("wb")
                self.file.write(self._header(0))
            room = self.most - self.rows % self.most
            self.file.write(rows[:room].data)
            self.rows += min(room, len(rows))
            rows = rows[room:]
            if self.rows % self.most == 0:
                self.finish()

    def seek(self, rows: int) -> None:
        """Stand behind the first ``rows`` rows, and forget the others; missing ones become zeros."""
        self.close()
        shard = rows // self.most
        later = (int(path.stem.rpartition("-")[2]) for path in self.folder.glob(f"{self.stem}-*.npy"))
        for number in [number for number in later if number >= shard + (rows % self.most > 0)]:
            self.path(number).unlink()
        for number in range(shard):
            if not self.path(number).exists():
                self._cut(number, self.most)
        self.rows = rows
        if rows % self.most:
            self._cut(shard, rows % self.most)
            self.file = self.path(shard).open("r+b")
            self.file.seek(0, os.SEEK_END)

    def holds(self, rows: int) -> bool:
        """Whether the files have the bytes of so many rows."""
        counts = [self.most] * (rows // self.most) + [rows % self.most] * (rows % self.most > 0)
        sizes = [self.path(shard).stat().st_size if self.path(shard).exists() else 0 for shard in range(len(counts))]
        return all(size >= self.start + count * self.row_bytes for size, count in zip(sizes, counts, strict=True))

    def sync(self) -> None:
        """Make sure that all rows are on disk; shards that are full are already."""
        if self.file is not None:
            self.file.flush()
            os.fsync(self.file.fileno())

    def finish(self) -> None:
        """Say in the last shard how many rows it has."""
        if self.file is not None:
            self.file.seek(0)
            self.file.write(self._header((self.rows - 1) % self.most + 1))
            self.sync()
            self.close()

    def close(self) -> None:
        """Close the file, if one is open."""
        if self.file is not None:
            self.file.close()
        self.file = None

    def _cut(self, shard: int, rows: int) -> None:
        """Make a shard have so many rows, those that it lacks zeros."""
        with self.path(shard).open("r+b" if self.path(shard).exists() else "wb") as file:
            file.write(self._header(rows))
            file.truncate(self.start + rows * self.row_bytes)

    def _header(self, rows: int) -> bytes:
        # NumPy pads the header so that the number of rows can grow in place.
        header = io.BytesIO()
        facts = {"descr": self.dtype.str, "fortran_order": False, "shape": (rows, *self.shape)}
        np.lib.format.write_array_header_1_0(header, facts)
        return header.getvalue()
