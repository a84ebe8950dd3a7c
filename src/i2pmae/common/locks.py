"""Locks on folders: of the operating system, so that they end with the process, however it dies."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from i2pmae.common.errors import I2PError, UsageError

try:
    import fcntl
except ImportError:  # Windows: no locks between processes there
    fcntl = None  # type: ignore[assignment]

__all__ = ["lock"]

_held: dict[Path, int] = {}
"""Locks of this process and the threads that hold them: the operating system's locks are between processes only."""
_changed = threading.Condition()


@contextlib.contextmanager
def lock(
    path: Path, *, blocking: bool, what: str, advice: str = "", say: Callable[[str], object] | None = None
) -> Iterator[None]:
    """A block in which nobody else holds the lock file ``path``, which is made where it is absent, with its folder.

    Where another process or thread holds it, the block begins when that is done (``blocking``), which ``say`` is told
    before; or :class:`UsageError` says which process is working on ``what``, and gives the ``advice``. Inside the block
    the file may be removed. :class:`I2PError` where the folder cannot be used.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path = path.parent.resolve() / path.name
    except OSError as error:
        raise _unusable(path, error) from error
    except ValueError as error:  # a NUL or half a surrogate pair within
        raise UsageError(f"{str(path.parent)!r} cannot be the path of a folder: {error}.") from None
    # First within the process: closing any file of that name ends the process's own lock on it.
    _enter(path, blocking, what, say)
    try:
        with _taken(path, blocking, what, advice, say):
            yield
    finally:
        with _changed:
            del _held[path]
            _changed.notify_all()


def _unusable(path: Path, error: OSError) -> I2PError:
    return I2PError(f"Cannot use the folder {path.parent}: {error.strerror or error}. Choose another one.")


def _enter(path: Path, blocking: bool, what: str, say: Callable[[str], object] | None) -> None:
    with _changed:
        if path in _held:
            if not blocking or _held[path] == threading.get_ident():
                raise UsageError(f"This process ({os.getpid()}) is already working on {what}.")
            if say is not None:
                say(f"Waiting for another thread, which is working on {what}.")
            _changed.wait_for(lambda: path not in _held)
        _held[path] = threading.get_ident()


@contextlib.contextmanager
def _taken(path: Path, blocking: bool, what: str, advice: str, say: Callable[[str], object] | None) -> Iterator[None]:
    """A block in which this process holds the file's lock and has its number written in it."""
    while True:
        try:
            file = path.open("a+", encoding="utf-8")
        except OSError as error:
            raise _unusable(path, error) from error
        with file:
            _wait(file, path, blocking, what, advice, say)
            if not _is_at(file, path):
                continue  # its last holder removed it: others would lock a new file of that name
            try:
                file.truncate(0)
                file.write(f"{os.getpid()}\n")
                file.flush()
            except OSError as error:
                raise _unusable(path, error) from error
            yield
            return


def _wait(
    file: TextIO, path: Path, blocking: bool, what: str, advice: str, say: Callable[[str], object] | None
) -> None:
    """Lock the file, at once or when it becomes free."""
    if fcntl is None:
        return
    try:
        # Record locks: unlike those of flock, worker processes do not inherit them and so cannot outlive the holder.
        with contextlib.suppress(BlockingIOError, PermissionError):
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        file.seek(0)
        holder = file.read(100).strip() or "(unknown)"
        if not blocking:
            raise UsageError(f"Process {holder} is working on {what}.{' ' * bool(advice)}{advice}")
        if say is not None:
            say(f"Waiting for process {holder}, which is working on {what}.")
        fcntl.lockf(file, fcntl.LOCK_EX)
    except OSError as error:
        raise I2PError(f"Cannot lock {path}: {error.strerror or error}. Choose a folder on another disk.") from error


def _is_at(file: TextIO, path: Path) -> bool:
    """Whether the open file is the one of that name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
