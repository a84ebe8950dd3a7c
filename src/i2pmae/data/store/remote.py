"""Stores on other machines: shards are fetched ahead into a bounded folder here, and compared with their checksums.

Addresses are those of fsspec: ``https://…``, ``s3://…``, ``gs://…``, ``hf://datasets/…``; each names a folder that
``i2pmae data prepare`` made, or its ``set.json``.
"""

import contextlib
import errno
import hashlib
import os
import re
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from i2pmae.common.errors import DataError, I2PError, UsageError
from i2pmae.common.files import replacing
from i2pmae.data.paths import cache_folder, printable
from i2pmae.data.store.cache import make_private
from i2pmae.data.store.locking import Lock
from i2pmae.data.store.shards import Places
from i2pmae.data.store.stored import Stored, read_stored
from i2pmae.data.store.summary import BAD_FILES, INDEX, OLD_INDEX, SUMMARY, checked_summary, checksum

__all__ = ["RemotePlaces", "is_remote", "read_remote"]

ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://")
EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
"""The extra of this package that brings what a kind of address needs."""
PAUSES = (0.5, 2.0, 8.0)
"""Seconds before another try."""
GIVEN_UP = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
"""What no other try would cure."""
MOST_SUMMARY = 1 << 28
"""Bytes of the largest ``set.json``."""
GIGABYTES = "I2PMAE_REMOTE_GB"
"""The environment variable that says how much room fetched shards may take."""
DEFAULT_GIGABYTES = 8.0
AHEAD = 8
"""Shards that are fetched before they are asked for."""
THREADS = 2
WAIT = 0.1
"""Seconds between two looks whether another process has fetched a shard."""


def is_remote(data: str | Path) -> bool:
    """Whether ``data`` is an address on another machine, or of another kind than a path."""
    return ADDRESS.match(str(data)) is not None


def read_remote(address: str, cache: Path | None = None) -> tuple[Stored, Path]:
    """The set at an address, and the folder in which its index and, for a time, its shards are kept.

    Its description and index are fetched, and no shard. :class:`DataError` where it is no whole set or cannot be
    reached; :class:`UsageError` where a package is missing; :class:`I2PError` for a full disk.
    """
    address = address.removesuffix(SUMMARY).rstrip("/")
    place = Path(cache or cache_folder())
    source = Source(address)
    with _writing(place):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=place) as scratch:
            source.fetch(SUMMARY, Path(scratch, SUMMARY), MOST_SUMMARY)
            content = Path(scratch, SUMMARY).read_bytes()
    try:
        summary = checked_summary(content)
    except ValueError as error:
        raise DataError(f"{address} is damaged: {error}.") from None
    key = hashlib.blake2b(address.encode() + b"\n" + content, digest_size=10).hexdigest()
    folder = place / f"remote-{key}"
    with _writing(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        places = RemotePlaces(folder, source, summary)
        for name in (INDEX if summary["format"] > 2 else OLD_INDEX, BAD_FILES):
            places.path(name)
        with replacing(folder / SUMMARY) as part:
            part.write_bytes(content)
        make_private(folder)
    try:
        return read_stored(folder, places), folder
    except (DataError, ValueError) as error:
        raise DataError(f"{address} is damaged: {error}.") from None


class Source:
    """Files at an address, fetched whole."""

    def __init__(self, address: str) -> None:
        self.address = address

    def fetch(self, name: str, to: Path, most: int) -> None:
        """Fetch a file of at most so many bytes, trying again where that may help; :class:`DataError` where not."""
        for pause in (*PAUSES, None):
            try:
                self._get(name, to, most)
                return
            except I2PError:
                raise
            except Exception as error:  # Each kind of connection fails in ways of its own.
                if isinstance(error, OSError) and not isinstance(error, GIVEN_UP) and _is_local(error, to):
                    raise
                if isinstance(error, GIVEN_UP) or pause is None:
                    raise self._unreachable(name, error, pause is None) from None
                time.sleep(pause)

    def _get(self, name: str, to: Path, most: int) -> None:
        from fsspec.callbacks import Callback
        from fsspec.core import url_to_fs

        class Limited(Callback):
            """Ends what sends more than it should."""

            def relative_update(self, inc: int = 1) -> None:
                super().relative_update(inc)
                if self.value > most:
                    raise DataError(f"{name} at {address} sends more than the {most} bytes that it should have")

        address = printable(self.address)
        try:
            # Anew each time: what a process opened is of no use in one that was forked from it; fsspec keeps the rest.
            system, root = url_to_fs(self.address)
        except ImportError as error:
            extra = EXTRAS.get(self.address.partition(":")[0])
            how = f"pip install 'i2pmae[{extra}]'" if extra else str(error)
            raise UsageError(f"Reading {address} needs one more package: {how}") from None
        except ValueError as error:
            raise UsageError(f"{address} cannot be read: {error}") from None
        system.get_file(f"{root}/{name}", str(to), callback=Limited())

    def _unreachable(self, name: str, error: Exception, tried: bool) -> DataError:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        what = "there is no such file" if isinstance(error, FileNotFoundError) else f"{type(error).__name__}: {reason}"
        often = f" It was tried {len(PAUSES) + 1} times." if tried else ""
        return DataError(
            f"Cannot fetch {name} from {printable(self.address)}: {printable(what)}.{often} Check the address, the "
            "connection and what you may read there, then run again: what was fetched stays."
        )


class RemotePlaces(Places):
    """Where the shards of a remote set are: in a folder here for as long as there is room, fetched when not."""

    most_open = 16
    far = True

    def __init__(self, folder: Path, source: Source, summary: dict[str, Any]) -> None:
        super().__init__(folder)
        self.source, self.files = source, summary["files"]
        self.room = _room()
        self.order: dict[str, list[str]] = {}
        for name in self.files:
            self.order.setdefault(name.partition("-")[0], []).append(name)
        self._begin()

    def _begin(self) -> None:
        self.coming: dict[str, threading.Thread] = {}
        self.turn = threading.Semaphore(THREADS)
        self.guard = threading.Lock()
        self.process = os.getpid()

    def __getstate__(self) -> dict[str, Any]:
        left = ("coming", "turn", "guard", "process")
        return {name: value for name, value in super().__getstate__().items() if name not in left}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._begin()

    def expect(self, names: Sequence[str]) -> None:
        """Be told which shards of a kind will be asked for next, in that order."""
        if names:
            self.order[names[0].partition("-")[0]] = list(names)

    def path(self, name: str) -> Path:
        """The file, fetched where it is not here; the next that will be asked for are fetched meanwhile."""
        if self.process != os.getpid():  # threads do not come along into a process that was forked
            self._begin()
        known = self.order.get(name.partition("-")[0], [])
        at = known.index(name) if name in known else len(known)
        ahead = known[at + 1 : at + 1 + AHEAD]
        with self.guard:
            coming = self.coming.get(name)
            for other in ahead:
                if other not in self.coming and not self._is_here(other):
                    self.coming[other] = self._start(other)
        if coming is not None:
            coming.join()
        with _writing(self.folder):
            self._fetch(name)
            with contextlib.suppress(OSError):
                os.utime(self.folder / name)
            self._make_room({name, *ahead})
        with self.guard:
            self.coming.pop(name, None)
        return self.folder / name

    def _start(self, name: str) -> threading.Thread:
        """A thread that fetches a shard, a few at a time; it does not keep the process from ending."""

        def fetch() -> None:
            # What fails is tried again when the shard is asked for, which says what is wrong.
            with self.turn, contextlib.suppress(Exception):
                self._fetch(name)

        thread = threading.Thread(target=fetch, daemon=True)
        thread.start()
        return thread

    def _is_here(self, name: str) -> bool:
        try:
            return (self.folder / name).stat().st_size == self.files[name]["bytes"]
        except FileNotFoundError:
            return False

    def _fetch(self, name: str) -> None:
        """Have a file here, fetched by one process at a time; one that arrives damaged is fetched once more."""
        while not self._is_here(name):
            lock = Lock(self.folder / f"{name}.lock")
            if not lock.take():
                time.sleep(WAIT)
                continue
            try:
                if self._is_here(name):
                    return
                facts = self.files[name]
                with replacing(self.folder / name) as part:
                    for last in (False, True):
                        self.source.fetch(name, part, facts["bytes"])
                        if checksum(part) == facts["blake2b"]:
                            break
                        if last:
                            raise DataError(
                                f"{name} from {printable(self.source.address)} has another content than {SUMMARY} "
                                "there says (checksum): it is damaged, or was changed. Prepare the set again."
                            )
            finally:
                lock.release(remove=True)

    def _make_room(self, wanted: set[str]) -> None:
        """Remove the shards that were used least recently, and none that is wanted, until the others fit the room."""
        held = []
        for item in self.folder.glob("*.npy"):
            with contextlib.suppress(FileNotFoundError):
                status = item.stat()
                held.append((status.st_mtime, item, status.st_size))
        taken = sum(size for _, _, size in held)
        for _, item, size in sorted(held, key=lambda entry: entry[0]):
            if taken <= self.room:
                return
            if item.name not in wanted:
                item.unlink(missing_ok=True)
                taken -= size


def _room() -> int:
    """Bytes that fetched shards of a set may take."""
    text = os.environ.get(GIGABYTES, "")
    try:
        room = float(text or DEFAULT_GIGABYTES)
        if not 0 < room < 1e9:
            raise ValueError
    except ValueError:
        raise UsageError(f"The environment says {GIGABYTES}={text}: expected a number of gigabytes above 0.") from None
    return int(room * 1e9)


def _is_local(error: OSError, to: Path) -> bool:
    """Whether an error is of the disk here, not of the connection."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG) or error.filename == str(to)


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise I2PError(
            f"Cannot keep what is fetched in {folder}: {error.strerror or error}. Free some space, set {GIGABYTES} to "
            "fewer gigabytes, or choose another folder with the environment variable I2PMAE_CACHE, then run again."
        ) from error
