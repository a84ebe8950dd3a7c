"""Locks of the operating system: they end with the process that holds them, however it ends."""

import contextlib
import os
from pathlib import Path
from typing import TextIO

try:
    import fcntl
except ImportError:  # Windows: there a file that a process has open cannot be removed, which tells as much
    fcntl = None  # type: ignore[assignment]

__all__ = ["Hold", "Lock", "abandoned", "in_use"]

_held: set[Path] = set()
"""Locks of this process. The operating system grants it each of them again, and forgets it when a second is closed."""


class Lock:
    """A lock that is a file; a process has it from :meth:`take` to :meth:`release`, or to its end."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.file: TextIO | None = None
        self.known = True
        """Whether others would be told of it: some network file systems have no locks."""

    def take(self) -> bool:
        """Take the lock; False where somebody has it. :class:`OSError` where the file cannot be made."""
        if self.path in _held:
            return False
        file = self.path.open("a+", encoding="utf-8")
        if fcntl is not None:
            try:
                # Record locks: unlike those of flock, worker processes do not inherit them.
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                file.close()
                return False
            except OSError:
                self.known = False
            if not self._in_place(file):  # Whoever held it removed the file after it was opened here.
                file.close()
                return self.take()
        self.file = file
        _held.add(self.path)
        return True

    def release(self, remove: bool = False) -> None:
        """Give the lock up, if it was taken, and remove its file or leave it."""
        if self.file is None:
            return
        if remove and fcntl is not None:  # while it is held, so that the file of nobody else is removed
            with contextlib.suppress(OSError):
                self.path.unlink()
        self.file.close()
        self.file = None
        _held.discard(self.path)
        if remove and fcntl is None:
            with contextlib.suppress(OSError):
                self.path.unlink()

    def _in_place(self, file: TextIO) -> bool:
        try:
            return os.path.samestat(os.fstat(file.fileno()), self.path.stat())
        except FileNotFoundError:
            return False


class Hold:
    """Says that a file is in use, as long as this is there: any number of processes may say so at a time.

    Where the file system has no such locks, nothing is said.
    """

    def __init__(self, path: Path) -> None:
        self.number = os.open(path, os.O_RDONLY)
        if fcntl is not None:
            with contextlib.suppress(OSError):
                # Unlike record locks, each is of its own, also within a process.
                fcntl.flock(self.number, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def __del__(self) -> None:
        if hasattr(self, "number"):
            os.close(self.number)


def in_use(path: Path) -> bool:
    """Whether anybody has a :class:`Hold` of a file; False where that cannot be known."""
    if fcntl is None:
        return False
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def abandoned(path: Path) -> bool:
    """Whether the lock ``path`` has no holder any more; then its file is removed, else nothing happens.

    False, too, where that cannot be known.
    """
    lock = Lock(path)
    try:
        if fcntl is None:
            path.unlink()
            return True
        if not lock.take():
            return False
    except OSError:
        return False
    known = lock.known
    lock.release(remove=known)
    return known
