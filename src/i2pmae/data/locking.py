"""Locks of the operating system: they end with the process that holds them, however it ends."""

import contextlib
import os
from pathlib import Path
from typing import TextIO

try:
    import fcntl
except ImportError:  # Windows: there a file that a process has open cannot be removed, which tells as much
    fcntl = None  # type: ignore[assignment]

__all__ = ["Lock", "abandoned"]

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
