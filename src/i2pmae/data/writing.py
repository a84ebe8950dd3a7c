"""Writing clouds in the form of :mod:`i2pmae.data.cache`: by appending, put into place when whole; and going on."""

import contextlib
import io
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from i2pmae.common.errors import I2PError, UsageError
from i2pmae.common.files import write_text
from i2pmae.data.cache import (
    BAD_FILES,
    CLOUDS,
    FORMAT,
    PARTS,
    POINTS,
    SUMMARY,
    checksums,
    make_private,
    open_cache,
    write_bad_files,
)
from i2pmae.data.locking import Lock, abandoned

__all__ = ["CacheWriter", "ResumableWriter", "Sink"]

ABANDONED = 3600
"""Seconds without a write after which an unfinished build that has no lock is taken for dead, and removed."""
JOURNAL = "progress.jsonl"
LOCK, LOCK_SUFFIX = "lock", ".lock"
PART_SUFFIX = ".part"
RECODED_ROWS = 1024


class Column:
    """One array that grows by rows, in a .npy file."""

    def __init__(self, path: Path, dtype: str, shape: tuple[int, ...], mode: str) -> None:
        self.path, self.dtype, self.shape = path, np.dtype(dtype), shape
        self.file: IO[bytes] = path.open(mode)
        self.row_bytes = int(np.prod(shape)) * self.dtype.itemsize
        self.start = len(self._header(0))
        if mode == "wb":
            self.file.write(self._header(0))

    def append(self, rows: np.ndarray) -> None:
        self.file.write(np.ascontiguousarray(rows, dtype=self.dtype).data)

    def seek(self, rows: int) -> None:
        """Stand behind the first ``rows`` rows, and forget the others; missing ones become zeros."""
        self.file.flush()
        self.file.seek(self.start + rows * self.row_bytes)
        self.file.truncate()

    def sync(self) -> None:
        self.file.flush()
        os.fsync(self.file.fileno())

    def finish(self, rows: int) -> None:
        self.file.seek(0)
        self.file.write(self._header(rows))
        self.sync()
        self.file.close()

    def _header(self, rows: int) -> bytes:
        # NumPy pads the header so that the number of rows can grow in place.
        header = io.BytesIO()
        facts = {"descr": self.dtype.str, "fortran_order": False, "shape": (rows, *self.shape)}
        np.lib.format.write_array_header_1_0(header, facts)
        return header.getvalue()


class Sink:
    """Takes clouds in their order and keeps none of them: for looking at a set only, and the base of what writes."""

    def __init__(self) -> None:
        self.rows = 0

    def append(self, points: np.ndarray, parts: np.ndarray | None = None) -> None:
        """Count clouds."""
        del parts
        self.rows += len(points)

    def rewind(self, rows: int) -> None:
        """Forget all but the first ``rows`` clouds."""
        self.rows = rows

    def checkpoint(self, record: dict[str, Any]) -> None:
        """Nothing is kept, so there is nothing to go on from."""

    def records(self) -> list[dict[str, Any]]:
        """None."""
        return []


class CacheWriter(Sink):
    """Appends clouds to a hidden folder, which :meth:`publish` renames to ``folder``; nothing is left of a failed one.

    Clouds are appended, not written through a map, so a full disk is an error and not a crash.
    """

    advice = (
        "What was written of it is removed. Free some space, or choose another folder with the environment variable "
        "I2PMAE_CACHE, then run again."
    )

    def __init__(self, folder: Path, points: int) -> None:
        super().__init__()
        self.folder = folder
        self.count = points
        self.part = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}{PART_SUFFIX}")
        # Beside the folder, so that it is taken before there is anything that another process could find without it.
        self.lock = Lock(_lock_of(self.part))
        self.part_labels: Column | None = None

    def __enter__(self) -> "CacheWriter":
        with self._writing():
            self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._remove_abandoned()
            try:
                self.lock.take()
                if not self.lock.known:  # Its file would say that somebody is alive, for ever.
                    self.lock.release(remove=True)
                self.part.mkdir(mode=0o700)
                self.points = Column(self.part / POINTS, "<f4", (self.count, 3), "wb")
            except BaseException:
                self.__exit__()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        shutil.rmtree(self.part, ignore_errors=True)
        self.lock.release(remove=True)

    def append(self, points: np.ndarray, parts: np.ndarray | None = None) -> None:
        """Add clouds ``(b, n, 3)`` float32, and part labels ``(b, n)``; where only some have them, 0 for the others."""
        with self._writing():
            self.points.append(points)
            if parts is not None and self.part_labels is None:
                self.part_labels = Column(self.part / PARTS, "<i8", (self.count,), "wb")
                self.part_labels.seek(self.rows)
            if self.part_labels is not None:
                self.part_labels.append(np.zeros((len(points), self.count)) if parts is None else parts)
        self.rows += len(points)

    def rewind(self, rows: int) -> None:
        """Forget all but the first ``rows`` clouds."""
        with self._writing():
            for column in self._columns():
                column.seek(rows)
        self.rows = rows

    def publish(
        self,
        columns: dict[str, Any],
        summary: dict[str, Any],
        bad: Sequence[tuple[str, str]],
        part_numbers: Sequence[int] | None,
    ) -> None:
        """Write what is known about the clouds, and rename the finished folder into place.

        ``part_numbers`` are the stored numbers of the parts, in order; None leaves the part labels out.
        """
        import pyarrow
        import pyarrow.parquet

        with self._writing():
            for column in self._columns():
                column.finish(self.rows)
            if part_numbers is None:
                (self.part / PARTS).unlink(missing_ok=True)
            elif list(part_numbers) != list(range(len(part_numbers))):
                self._recode(np.asarray(part_numbers))
            pyarrow.parquet.write_table(pyarrow.table(columns), self.part / CLOUDS)
            write_bad_files(self.part, bad)
            files = checksums(self.part, (POINTS, PARTS, CLOUDS, BAD_FILES))
            facts = {"format": FORMAT, **summary, "clouds": self.rows, "points": self.count, "files": files}
            write_text(self.part / SUMMARY, json.dumps(facts, indent=1))
            self._tidy()
            if self.private:
                make_private(self.part)
            stored = open_cache(self.folder)
            if stored is None or stored.summary.get("passing"):  # that one lacks files that may be read by now
                del stored  # Windows removes no file that is mapped
                shutil.rmtree(self.folder, ignore_errors=True)
                self.part.replace(self.folder)

    def _recode(self, numbers: np.ndarray) -> None:
        """Put the index of each part for its number."""
        labels = np.load(self.part / PARTS, mmap_mode="r+", allow_pickle=False)
        for at in range(0, len(labels), RECODED_ROWS):
            labels[at : at + RECODED_ROWS] = np.searchsorted(numbers, labels[at : at + RECODED_ROWS])
        labels.flush()

    def _columns(self) -> list[Column]:
        return [self.points] if self.part_labels is None else [self.points, self.part_labels]

    def _close(self) -> None:
        with contextlib.suppress(OSError, AttributeError):  # there is no file where even the folder could not be made
            for column in self._columns():
                column.file.close()

    def _tidy(self) -> None:
        """Remove what belongs to the writing alone."""

    def _remove_abandoned(self) -> None:
        """Remove what builds left whose process is dead, and none that is alive, however long it does nothing."""
        for lock in self.folder.parent.glob(f".*{PART_SUFFIX}{LOCK_SUFFIX}"):
            if abandoned(lock):
                shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
        for part in self.folder.parent.glob(
            f".*{PART_SUFFIX}"
        ):  # of earlier versions, or on a file system without locks
            with contextlib.suppress(OSError):
                newest = max((item.stat().st_mtime for item in part.iterdir()), default=part.stat().st_mtime)
                if part.is_dir() and not _lock_of(part).exists() and time.time() - newest > ABANDONED:
                    shutil.rmtree(part, ignore_errors=True)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise I2PError(
                f"Cannot write {self.what} {self.folder}: {error.strerror or error}. {self.advice}"
            ) from error

    what = "the cache"
    private = True
    """Whether nobody else may look into the folder: data need not be as open as the place of the cache is."""


def _lock_of(part: Path) -> Path:
    return part.with_name(part.name + LOCK_SUFFIX)


class ResumableWriter(CacheWriter):
    """Appends clouds to a hidden folder that stays when the process ends early, with a journal to go on from.

    ``key`` tells what is written: an unfinished folder of another key is begun anew.
    """

    what = "the folder"
    private = False
    advice = "What was written of it is kept: free some space, then run again to go on."

    def __init__(self, folder: Path, points: int, key: str) -> None:
        super().__init__(folder, points)
        self.part = folder.with_name(f".{folder.name}.unfinished")
        self.lock = Lock(self.part / LOCK)
        self.key = key

    def __enter__(self) -> "ResumableWriter":
        with self._writing():
            self.part.mkdir(parents=True, exist_ok=True)
            if not self.lock.take():
                raise UsageError(
                    f"Another process is preparing {self.folder}. Wait for it, stop it, or choose another folder."
                )
            try:
                self._go_on()
            except BaseException:
                self.lock.release()
                raise
        return self

    def _go_on(self) -> None:
        """Open what earlier processes left, where it is of this key, else new files.

        Sets what :meth:`records` gives.
        """
        known = self._read_journal()
        if not known or known[0] != {"key": self.key, "points": self.count}:
            for item in self.part.iterdir():
                if item.name != LOCK:
                    item.unlink()
            known = []
        self.known = known[1:]
        self.journal = (self.part / JOURNAL).open("w" if not known else "a", encoding="utf-8")
        if not known:
            self._note({"key": self.key, "points": self.count})
        mode = "r+b" if self.known else "wb"
        self.points = Column(self.part / POINTS, "<f4", (self.count, 3), mode)
        if self.known and (self.part / PARTS).is_file():
            self.part_labels = Column(self.part / PARTS, "<i8", (self.count,), mode)
        self.rewind(self.known[-1]["rows"] if self.known else 0)

    def __exit__(self, *_: object) -> None:
        self._close()
        self.journal.close()
        self.lock.release()

    def checkpoint(self, record: dict[str, Any]) -> None:
        """Make sure that all clouds so far are on disk, and note what is known about them."""
        with self._writing():
            for column in self._columns():
                column.sync()
            self._note({**record, "rows": self.rows})

    def records(self) -> list[dict[str, Any]]:
        """The records of the checkpoints of earlier processes."""
        return self.known

    def _note(self, record: dict[str, Any]) -> None:
        self.journal.write(json.dumps(record) + "\n")
        self.journal.flush()
        os.fsync(self.journal.fileno())

    def _read_journal(self) -> list[dict[str, Any]]:
        """The whole lines of the journal; a last one that was cut short is taken off the file."""
        path = self.part / JOURNAL
        if not path.is_file():
            return []
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            path.write_bytes(whole)
        try:
            return [json.loads(line) for line in whole.splitlines()]
        except ValueError:
            return []

    def _tidy(self) -> None:
        self.journal.close()
        (self.part / JOURNAL).unlink()
        self.lock.release(remove=True)
