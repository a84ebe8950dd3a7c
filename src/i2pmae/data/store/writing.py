"""Writing clouds in their one form on disk: by appending, put into place when whole; and going on."""

import contextlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from i2pmae.common.errors import I2PError, UsageError
from i2pmae.data.store.appending import Column, shard_rows
from i2pmae.data.store.cache import make_private, open_cache
from i2pmae.data.store.forms import FORMS, column_form
from i2pmae.data.store.locking import Lock, abandoned
from i2pmae.data.store.publishing import DIGESTS, RAW, Share, digests_kind, write_rest
from i2pmae.data.store.shards import DIGEST_SIZE, digests_of
from i2pmae.data.store.summary import PARTS, POINTS

__all__ = ["JOURNAL", "LOCK", "CacheWriter", "ResumableWriter", "Sink", "read_journal", "unfinished"]

ABANDONED = 3600
"""Seconds without a write after which an unfinished build that has no lock is taken for dead, and removed."""
NOTHING: Mapping[str, np.ndarray] = {}
JOURNAL, LOCK = "progress-{}.jsonl", "lock-{}"
LOCK_SUFFIX, PART_SUFFIX = ".lock", ".part"


class Sink:
    """Takes clouds in their order and keeps none of them: for looking at a set only, and the base of what writes."""

    def __init__(self) -> None:
        self.rows = 0

    def append(
        self, points: np.ndarray, parts: np.ndarray | None = None, columns: Mapping[str, np.ndarray] = NOTHING
    ) -> None:
        """Count clouds."""
        del parts, columns
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
    """Appends clouds to a hidden folder, which :meth:`publish` renames to ``folder``; a failed one leaves nothing."""

    advice = (
        "What was written of it is removed. Free some space, or choose another folder with the environment variable "
        "I2PMAE_CACHE, then run again."
    )
    what = "the cache"
    private = True
    """Whether nobody else may look into the folder: data need not be as open as the place of the cache is."""

    def __init__(
        self, folder: Path, points: int, form: str = "float32", rank: int = 0, columns: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self.beside = tuple(columns)
        """What is kept beside x, y and z."""
        self.folder, self.count, self.form, self.name = folder, points, form, f"{rank:03d}"
        self.part = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}{PART_SUFFIX}")
        # Beside the folder, so that it is taken before there is anything that another process could find without it.
        self.lock = Lock(_lock_of(self.part))
        self.columns: dict[str, Column] = {}

    def __enter__(self) -> "CacheWriter":
        with self._writing():
            self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._remove_abandoned()
            try:
                self.lock.take()
                if not self.lock.known:  # Its file would say that somebody is alive, for ever.
                    self.lock.release(remove=True)
                self.part.mkdir(mode=0o700)
                self._begin()
            except BaseException:
                self.__exit__()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        shutil.rmtree(self.part, ignore_errors=True)
        self.lock.release(remove=True)

    def _begin(self, parts: bool = False) -> None:
        self.columns = {}
        beside = [kind for name in self.beside for kind in (name, digests_kind(name))]
        for kind in (POINTS, DIGESTS, *beside, *([PARTS] if parts else [])):
            self._add(kind)

    def _add(self, kind: str) -> Column:
        form = FORMS[self.form].dtype
        dtype, shape = {
            POINTS: (form.str, (self.count, 3)),
            DIGESTS: ("|u1", (DIGEST_SIZE,)),
            PARTS: ("<i8", (self.count,)),
            **{name: (column_form(name, self.form).dtype.str, (self.count, 3)) for name in self.beside},
            **{digests_kind(name): ("|u1", (DIGEST_SIZE,)) for name in self.beside},
        }[kind]
        most = shard_rows(self.count * 3 * form.itemsize)
        self.columns[kind] = Column(self.part, f"{kind}-{self.name}", dtype, shape, most)
        return self.columns[kind]

    def append(
        self, points: np.ndarray, parts: np.ndarray | None = None, columns: Mapping[str, np.ndarray] = NOTHING
    ) -> None:
        """Add clouds ``(b, n, 3)`` float32, what is kept beside them, of the same shape, and part labels ``(b, n)``;
        where only some have the latter, 0 for the others."""
        stored = FORMS[self.form].encode(points)
        with self._writing():
            self.columns[POINTS].append(stored)
            self.columns[DIGESTS].append(digests_of(stored))
            for name in self.beside if len(points) else ():
                stored = column_form(name, self.form).encode(columns[name])
                self.columns[name].append(stored)
                self.columns[digests_kind(name)].append(digests_of(stored))
            if parts is not None and PARTS not in self.columns:
                self._add(PARTS).seek(self.rows)
            if PARTS in self.columns:
                self.columns[PARTS].append(np.zeros((len(points), self.count)) if parts is None else parts)
        self.rows += len(points)

    def rewind(self, rows: int) -> None:
        """Forget all but the first ``rows`` clouds."""
        with self._writing():
            for column in self.columns.values():
                column.seek(rows)
        self.rows = rows

    def publish(
        self,
        columns: dict[str, Any],
        summary: dict[str, Any],
        bad: Sequence[tuple[str, str]],
        part_numbers: Sequence[int] | None,
        others: Sequence[Share] = (),
    ) -> None:
        """Write what is known about the clouds, and rename the finished folder into place.

        ``part_numbers`` are the stored numbers of the parts, in order; None leaves the part labels out. ``others``
        are the shares of other processes, whose clouds come after those of this one.
        """
        with self._writing():
            for column in self.columns.values():
                column.finish()
            shares = [self.share(), *others]
            facts = {**summary, "points": self.count, "form": self.form, "scale": FORMS[self.form].scale}
            facts |= {"columns": list(self.beside)} if self.beside else {}
            kept = write_rest(self.part, shares, columns, facts, bad, part_numbers)
            if self.private:
                make_private(self.part)
            stored = open_cache(self.folder)
            if stored is None or stored.summary.get("passing"):  # that one lacks files that may be read by now
                del stored  # Windows removes no file that is open
                shutil.rmtree(self.folder, ignore_errors=True)
                self._let_go()
                self.part.replace(self.folder)
                # Only now: a process that ends before has all that it needs to go on.
                for item in self.folder.iterdir():
                    if item.name not in kept:
                        item.unlink()

    def share(self) -> Share:
        """What was written."""
        return Share(self.name, self.rows, self.columns[POINTS].most)

    def _close(self) -> None:
        for column in self.columns.values():
            with contextlib.suppress(OSError):
                column.close()

    def _let_go(self) -> None:
        """Close what is open in the folder."""

    def _remove_abandoned(self) -> None:
        """Remove what builds left whose process is dead, and none that is alive, however long it does nothing."""
        for lock in self.folder.parent.glob(f".*{PART_SUFFIX}{LOCK_SUFFIX}"):
            if abandoned(lock):
                shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
        # Of earlier versions, or on a file system without locks:
        for part in self.folder.parent.glob(f".*{PART_SUFFIX}"):
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


def _lock_of(part: Path) -> Path:
    return part.with_name(part.name + LOCK_SUFFIX)


class ResumableWriter(CacheWriter):
    """Appends clouds to a hidden folder that stays when the process ends early, with a journal to go on from.

    ``key`` tells what is written: what was written under another key is begun anew. Several processes, each of its own
    ``rank``, write their shares of a set to the same folder.
    """

    what = "the folder"
    private = False
    advice = "What was written of it is kept: free some space, then run again to go on."

    def __init__(
        self,
        folder: Path,
        points: int,
        key: str,
        form: str = "float32",
        rank: int = 0,
        columns: Sequence[str] = (),
    ) -> None:
        super().__init__(folder, points, form, rank, columns)
        self.part = unfinished(folder)
        self.lock = Lock(self.part / LOCK.format(self.name))
        self.head = {"key": key, "points": points, "form": form}

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
        """Open what earlier processes left, where it is of this key and whole, else new files.

        Sets what :meth:`records` gives.
        """
        path = self.part / JOURNAL.format(self.name)
        known = read_journal(path)
        rows = known[-1]["rows"] if len(known) > 1 else 0
        for raw in self.part.glob(f"{RAW}-{self.name}-*.npy"):  # of a process that ended when it was almost done
            raw.replace(raw.with_name(raw.name.replace(RAW, PARTS, 1)))
        self._begin(parts=any(self.part.glob(f"{PARTS}-{self.name}-*.npy")))
        fits = bool(known) and known[0] == self.head
        if not fits or not all(column.holds(rows) for kind, column in self.columns.items() if kind != PARTS):
            path.unlink(missing_ok=True)
            for item in self.part.glob(f"*-{self.name}-*.npy"):
                item.unlink()
            known, rows = [], 0
            self._begin()
        self.known = known[1:]
        self.journal = path.open("a" if known else "w", encoding="utf-8")
        if not known:
            self._note(self.head)
        self.rewind(rows)

    def __exit__(self, *_: object) -> None:
        self._close()
        self.journal.close()
        self.lock.release()

    def checkpoint(self, record: dict[str, Any]) -> None:
        """Make sure that all clouds so far are on disk, and note what is known about them."""
        with self._writing():
            for column in self.columns.values():
                column.sync()
            self._note({**record, "rows": self.rows})

    def finish(self, record: dict[str, Any]) -> Share:
        """Note that this process has written its share, which comes back."""
        with self._writing():
            for column in self.columns.values():
                column.finish()
            self._note({**record, "rows": self.rows})
        return self.share()

    def records(self) -> list[dict[str, Any]]:
        """The records of the checkpoints of earlier processes."""
        return self.known

    def _note(self, record: dict[str, Any]) -> None:
        self.journal.write(json.dumps(record) + "\n")
        self.journal.flush()
        os.fsync(self.journal.fileno())

    def _let_go(self) -> None:
        self.journal.close()
        self.lock.release(remove=True)


def unfinished(folder: Path) -> Path:
    """The hidden folder in which a prepared one is written."""
    return folder.with_name(f".{folder.name}.unfinished")


def read_journal(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a journal, the first of which says what is written; none where they cannot be read."""
    if not path.is_file():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    try:
        return [json.loads(line) for line in whole.splitlines()]
    except ValueError:
        return []
