"""Rows of many files of one form, read when they are asked for, and compared with what was written."""

import hashlib
import math
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from i2pmae.common.errors import DataError
from i2pmae.data.npy import read_npy_header
from i2pmae.data.reasons import reasons
from i2pmae.data.store.locking import Hold
from i2pmae.data.views import Lazy

__all__ = ["DIGEST_SIZE", "Places", "Shards", "digests_of", "shard_header"]

DIGEST_SIZE = 16
"""Bytes of the digest of a row."""


def digests_of(rows: np.ndarray) -> np.ndarray:
    """``(rows, 16)`` bytes: the digest of each row as it is stored."""
    if not rows.size:
        return np.zeros((len(rows), DIGEST_SIZE), np.uint8)
    content = np.ascontiguousarray(rows).reshape(len(rows), -1).view(np.uint8)
    found = b"".join(hashlib.blake2b(row.data, digest_size=DIGEST_SIZE).digest() for row in content)
    return np.frombuffer(found, np.uint8).reshape(-1, DIGEST_SIZE)


def shard_header(source: IO[bytes]) -> tuple[tuple[int, ...], np.dtype, int]:
    """Shape, dtype and first byte of the values of an open shard; :class:`DataError` where it holds no such array."""
    with reasons("its header is damaged"):
        shape, column_major, dtype = read_npy_header(source)
        start = source.tell()
        held = os.fstat(source.fileno()).st_size - start
    if column_major or dtype.hasobject or held != math.prod(shape) * dtype.itemsize:
        raise DataError(f"its header says shape {shape} of {dtype}, it holds {held} bytes")
    return shape, dtype, start


class Places:
    """Where the files of a set are: in a folder of this machine."""

    far = False
    """Whether files come from elsewhere, so that it costs to go from one to another."""
    most_open = 64
    """Files that are kept open; a process may often have no more than 1024."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hold: Hold | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "hold": None}

    def hold_on(self, name: str) -> None:
        """Say by a lock of that file that the folder is in use, for as long as this is there."""
        self.hold = Hold(self.folder / name)

    def path(self, name: str) -> Path:
        """The file of that name, on this machine."""
        return self.folder / name

    def expect(self, names: Sequence[str]) -> None:
        """Be told which files will be asked for next, in that order."""


class Shards(Lazy):
    """The rows of a set's shards as one array.

    They are read by asking the operating system for bytes, and not through a map: a file that is cut, or a disk that
    fails, is a :class:`DataError` and not the end of the process, and what was read takes no memory of it.
    """

    def __init__(
        self,
        places: Places,
        names: Sequence[str],
        at: tuple[np.ndarray, np.ndarray],
        row_shape: tuple[int, ...],
        stored: np.dtype,
        decode: Callable[[np.ndarray], np.ndarray],
        dtype: np.dtype,
        digests: np.ndarray | None,
    ) -> None:
        """``at`` is the shard of each row, as an index of ``names``, and its row in it."""
        self.places, self.names, self.stored, self.decode, self.digests = places, tuple(names), stored, decode, digests
        self.shard, self.row = at
        self.shape, self.dtype = (len(self.shard), *row_shape), dtype
        self.row_bytes = math.prod(row_shape) * stored.itemsize
        self._files: OrderedDict[int, _File] = OrderedDict()
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_files": OrderedDict(), "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lock = threading.Lock()

    def read(self, rows: np.ndarray) -> np.ndarray:
        """The rows of these indices; :class:`DataError` where one is not what was written."""
        out = np.empty((len(rows), *self.shape[1:]), self.stored)
        shard, row = self.shard[rows], self.row[rows]
        breaks = np.flatnonzero((np.diff(shard) != 0) | (np.diff(row) != 1)) + 1
        for start, stop in zip([0, *breaks], [*breaks, len(rows)], strict=True):
            if stop > start:
                self._read_run(int(shard[start]), int(row[start]), out[start:stop])
        if self.digests is not None:
            wrong = (digests_of(out) != self.digests[rows]).any(1)
            if wrong.any():
                place = int(wrong.argmax())
                raise self._damaged(int(shard[place]), f"row {row[place]} has another content than was written")
        return self.decode(out)

    def _read_run(self, shard: int, row: int, out: np.ndarray) -> None:
        """Fill ``out`` with rows of one shard that lie side by side."""
        try:
            file = self._opened(shard)
            left = memoryview(out.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
            at = file.start + row * self.row_bytes
            while len(left):
                count = file.read_into(left, at)
                if count == 0:
                    raise self._damaged(shard, f"it ends before row {row + len(out) - 1}")
                left, at = left[count:], at + count
        except OSError as error:
            path = self.places.folder / self.names[shard]
            raise DataError(f"Cannot read {path}: {error.strerror or error}.") from error

    def _opened(self, shard: int) -> "_File":
        """The open file of a shard."""
        with self._lock:
            if shard in self._files:
                self._files.move_to_end(shard)
                return self._files[shard]
        file = self._open(shard)
        shape, dtype = file.header
        if shape[1:] != self.shape[1:] or dtype != self.stored:
            raise self._damaged(shard, f"it holds shape {shape} of {dtype}, not of {self.stored} as set.json says")
        with self._lock:
            self._files[shard] = file
            while len(self._files) > self.places.most_open:
                self._files.popitem(last=False)
        return file

    def _open(self, shard: int) -> "_File":
        """A shard; once more where another process removed it, to make room, before it was open here."""
        for again in (False, True):
            path = self.places.path(self.names[shard])
            try:
                return _File(path)
            except FileNotFoundError:
                if again:
                    raise
            except DataError as error:
                raise self._damaged(shard, str(error)) from None
        raise AssertionError

    def _damaged(self, shard: int, reason: str) -> DataError:
        folder = self.places.folder
        return DataError(
            f"{folder / self.names[shard]} is damaged: {reason}. `i2pmae data check {folder}` lists all damage; remove "
            "the folder and prepare the data again, or let it be read again if it is a cache."
        )

    def expect(self, rows: np.ndarray) -> None:
        """Be told which rows will be read, in that order, so that files from elsewhere can be fetched ahead."""
        if self.places.far:
            shards = self.shard[rows]
            firsts = np.sort(np.unique(shards, return_index=True)[1])
            self.places.expect([self.names[shard] for shard in shards[firsts].tolist()])

    def far_shards(self) -> np.ndarray | None:
        """The shard of each row, where shards come from elsewhere; None where they are here."""
        return self.shard if self.places.far else None


class _File:
    """An open shard; closed when nobody has it any more, so threads need not agree on when."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as source:
            shape, dtype, self.start = shard_header(source)
            self.header = (shape, dtype)
            self.number = os.dup(source.fileno())
        self.lock = threading.Lock()

    def __del__(self) -> None:
        if hasattr(self, "number"):
            os.close(self.number)

    def read_into(self, out: memoryview, at: int) -> int:
        """Read from byte ``at`` on; the number of bytes comes back, 0 at the end of the file."""
        if hasattr(os, "preadv"):  # has no place of its own in the file, so processes and threads may share it
            return os.preadv(self.number, [out], at)
        with self.lock:
            os.lseek(self.number, at, os.SEEK_SET)
            content = os.read(self.number, len(out))
        out[: len(content)] = content
        return len(content)
