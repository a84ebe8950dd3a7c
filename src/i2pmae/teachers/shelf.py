"""Rows of numbers on disk, each known by a key, in files that grow row by row and go on after an interruption."""

import contextlib
import io
import json
import math
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from i2pmae.common.files import write_text

__all__ = ["KEY", "KEYS", "SHARD_ROWS", "Shelf", "Where", "counts", "remove_shard"]

KEY = np.dtype("V16")
"""A digest of 16 bytes."""
SHARD_ROWS = 4096
"""Rows of a full shard."""
KEYS, NOTE, PART = ".keys", ".json", ".npy.part"
Where = np.ndarray
"""``(n, 2)`` integers: the shard of each row and its place there, -1 where there is none."""


class _Shard(NamedTuple):
    """Rows that are there, memory-mapped, and their keys."""

    path: Path
    rows: np.ndarray
    keys: np.ndarray
    seconds: float


class Shelf:
    """Rows of half precision under a name, in shards ``NAME-00000.npy`` of a folder.

    Beside each shard ``NAME-00000.keys`` has the keys of its rows, and ``NAME-00000.json`` says how many rows there are
    and in how many seconds they were made. While a shard is written it is called ``NAME-00000.npy.part``; one that an
    interruption left is closed after the last row that was noted. What is finished never changes, so that reading needs
    no lock; writing does.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self._writer: _Writer | None = None
        self.look()

    def look(self) -> None:
        """See which rows are there now; damaged shards count for nothing."""
        found = [shard for path in self._finished() if (shard := _opened(path)) is not None]
        self.row = found[0].rows.shape[1:] if found else None
        """Shape of a row, where there is one."""
        self._shards = [shard for shard in found if shard.rows.shape[1:] == self.row]
        places = [
            np.stack([np.full(len(shard.keys), number), np.arange(len(shard.keys))], axis=1)
            for number, shard in enumerate(self._shards)
        ]
        keys = np.concatenate([shard.keys for shard in self._shards] or [np.empty(0, KEY)])
        order = np.argsort(keys)
        self._keys, self._places = keys[order], np.concatenate(places or [np.empty((0, 2), int)])[order]

    def find(self, keys: np.ndarray) -> Where:
        """Where the rows of keys are, each 16 bytes."""
        if not len(self._keys):
            return np.full((len(keys), 2), -1)
        at = np.searchsorted(self._keys, keys).clip(max=len(self._keys) - 1)
        return np.where((self._keys[at] == keys)[:, None], self._places[at], -1)

    def read(self, where: Where) -> np.ndarray:
        """The rows at places that :meth:`find` gave."""
        assert self.row is not None
        values = np.empty((len(where), *self.row), np.float16)
        for number in np.unique(where[:, 0]):
            chosen = where[:, 0] == number
            values[chosen] = self._shards[number].rows[where[chosen, 1]]
        return values

    def seconds(self, where: Where) -> float:
        """Time in which rows were made: of each shard, the share that they have of it."""
        numbers, counts = np.unique(where[:, 0], return_counts=True)
        return float(
            sum(
                self._shards[number].seconds * count / len(self._shards[number].rows)
                for number, count in zip(numbers, counts, strict=True)
            )
        )

    def paths(self, where: Where) -> list[Path]:
        """The files of the shards that have these rows."""
        return [self._shards[number].path for number in np.unique(where[:, 0]) if number >= 0]

    def mark_used(self, where: Where) -> None:
        """Note that shards were read now; where that is not allowed, as in a cache of somebody else, it stays."""
        for path in self.paths(where):
            with contextlib.suppress(OSError):
                os.utime(path.with_suffix(KEYS))

    def repair(self) -> None:
        """Close what an interruption left open, and remove what is damaged: by one process, which holds the lock."""
        for part in sorted(self.folder.glob(f"{self.name}-*{PART}")):
            _close(part)
        self.look()
        good = {shard.path for shard in self._shards}
        for path in self._finished():
            if path not in good:
                remove_shard(path)

    def write(self, keys: np.ndarray, rows: np.ndarray) -> None:
        """Write rows after those that are there; they are to be found after :meth:`close` and :meth:`look`."""
        if self._writer is None:
            self._writer = _Writer(self.folder / self._next(), rows.shape[1:])
        self._writer.write(keys, rows)

    def note(self) -> None:
        """Have what is written on the disk, and written down, so that no interruption loses it."""
        if self._writer is not None:
            self._writer.note()
            if self._writer.done >= SHARD_ROWS:
                self.close()

    def close(self) -> None:
        """Give what was noted its name."""
        if self._writer is not None:
            part = self._writer.part
            self.abandon()
            _close(part)

    def abandon(self) -> None:
        """Leave what is being written as it is."""
        if self._writer is not None:
            self._writer.end()
            self._writer = None

    def _finished(self) -> list[Path]:
        return sorted(self.folder.glob(f"{self.name}-*.npy"))

    def _next(self) -> str:
        numbers = [int(path.stem.rpartition("-")[2]) for path in self._finished()]
        return f"{self.name}-{max(numbers, default=-1) + 1:05d}"


class _Writer:
    """A shard that grows."""

    def __init__(self, stem: Path, row: tuple[int, ...]) -> None:
        self.part, self.done, self.begun = stem.with_name(stem.name + PART), 0, time.monotonic()
        self._stem = stem
        stem.with_name(stem.name + NOTE).unlink(missing_ok=True)  # of a shard of that name that somebody removed
        self._rows, self._keys = self.part.open("wb"), stem.with_name(stem.name + KEYS).open("wb")
        self._rows.write(_header((0, *row)))

    def write(self, keys: np.ndarray, rows: np.ndarray) -> None:
        self._rows.write(rows.astype("<f2", copy=False).tobytes())
        self._keys.write(keys.tobytes())
        self.done += len(rows)

    def note(self) -> None:
        for file in (self._rows, self._keys):
            file.flush()
            os.fsync(file.fileno())
        seconds = time.monotonic() - self.begun
        write_text(self._stem.with_name(self._stem.name + NOTE), json.dumps({"done": self.done, "seconds": seconds}))

    def end(self) -> None:
        for file in (self._rows, self._keys):
            with contextlib.suppress(OSError):  # of a full disk: what is noted is there
                file.close()


def counts(folder: Path) -> dict[str, int]:
    """How many rows there are in a folder under each name."""
    found: dict[str, int] = {}
    for path in folder.glob(f"*-*{NOTE}"):
        name = path.stem.rpartition("-")[0]
        found[name] = found.get(name, 0) + _noted(path)[0]
    return found


def _opened(path: Path) -> _Shard | None:
    """A finished shard, where it is whole."""
    try:
        rows = np.load(path, mmap_mode="r")
        keys = np.fromfile(path.with_suffix(KEYS), KEY)
    except (OSError, ValueError, EOFError):
        return None
    if rows.dtype != np.float16 or rows.ndim < 2 or len(keys) != len(rows):
        return None
    return _Shard(path, rows, keys, _noted(path.with_suffix(NOTE))[1])


def _noted(path: Path) -> tuple[int, float]:
    """How many rows are done, and in how many seconds."""
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
        return int(note["done"]), float(note["seconds"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return 0, 0.0


def _close(part: Path) -> None:
    """Cut a shard after the last row that was noted and give it its name; one without any is removed."""
    path = part.with_suffix("")
    done, _ = _noted(path.with_suffix(NOTE))
    try:
        with part.open("r+b") as file:
            shape = _shape(file)
            size = file.tell() + 2 * done * math.prod(shape[1:])
            whole = part.stat().st_size >= size and path.with_suffix(KEYS).stat().st_size >= done * KEY.itemsize
            if done and whole:
                file.truncate(size)
                file.seek(0)
                file.write(_header((done, *shape[1:])))
                os.truncate(path.with_suffix(KEYS), done * KEY.itemsize)
    except (ValueError, FileNotFoundError):
        done, whole = 0, False
    if done and whole:
        part.replace(path)
    else:
        remove_shard(path)


def remove_shard(path: Path) -> None:
    """Remove a shard with what belongs to it."""
    for item in (path, path.with_suffix(PART), path.with_suffix(KEYS), path.with_suffix(NOTE)):
        item.unlink(missing_ok=True)


def _header(shape: tuple[int, ...]) -> bytes:
    """What a file of half precision numbers of that shape begins with in NumPy's format: as long for any number of
    rows, for which NumPy leaves room."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f2", "fortran_order": False, "shape": shape})
    return header.getvalue()


def _shape(file: Any) -> tuple[int, ...]:
    """The shape that a file's header says; the file is then at the first row."""
    np.lib.format.read_magic(file)
    shape, _, _ = np.lib.format.read_array_header_1_0(file)
    return tuple(shape)
