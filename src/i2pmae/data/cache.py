"""Clouds that were read once, on disk: memory-mapped on opening, written by appending, whole or not at all."""

import contextlib
import csv
import hashlib
import io
import json
import os
import shutil
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from i2pmae.common.errors import I2PError
from i2pmae.common.files import write_text

__all__ = ["BAD_FILES", "CacheWriter", "cache_folder", "cache_key", "open_cache", "read_bad_files", "write_bad_files"]

FORMAT = 1
"""Part of every key: raise it when what is stored changes."""
POINTS = "points.npy"
CLOUDS = "clouds.parquet"
SUMMARY = "set.json"
BAD_FILES = "bad_files.csv"
ABANDONED = 3600
"""Seconds without a write after which an unfinished build is taken for dead, and removed."""


class Stored(NamedTuple):
    """What a cache folder holds."""

    points: np.ndarray
    columns: dict[str, list[Any]]
    summary: dict[str, Any]


def cache_folder() -> Path:
    """Where caches live unless told otherwise: ``$I2PMAE_CACHE``, else ``i2pmae`` in the user's cache folder."""
    chosen = os.environ.get("I2PMAE_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return (Path(base) if base else Path.home() / "AppData" / "Local") / "i2pmae" / "cache"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "i2pmae"


def cache_key(name: str, facts: Iterator[str]) -> str:
    """A folder name that follows from everything the content depends on."""
    digest = hashlib.blake2b(f"format {FORMAT}\n".encode(), digest_size=10)
    for fact in facts:
        digest.update(fact.encode("utf-8", "surrogateescape") + b"\n")
    readable = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)[:40].strip(".")
    return f"{readable or 'clouds'}-{digest.hexdigest()}"


def open_cache(folder: Path) -> Stored | None:
    """The clouds stored in ``folder``, their points memory-mapped; None where there are none, or not whole.

    The map is copy-on-write: it costs no memory until written to, and what is written never reaches the file.
    """
    import pyarrow.parquet

    if not (folder / SUMMARY).is_file():
        return None
    try:
        summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        points = np.load(folder / POINTS, mmap_mode="c", allow_pickle=False)
        columns = pyarrow.parquet.read_table(folder / CLOUDS).to_pydict()
    except Exception:  # A damaged cache, however it came about, is as good as none: it is built anew.
        return None
    return Stored(points, columns, summary) if len(points) == len(columns["id"]) == summary["clouds"] else None


def write_bad_files(folder: Path, bad: Sequence[tuple[str, str]]) -> Path:
    """Write the list of what could not be used, with reasons; its path comes back."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("path", "reason"), *bad])
    write_text(folder / BAD_FILES, text.getvalue())
    return folder / BAD_FILES


def read_bad_files(folder: Path) -> list[tuple[str, str]]:
    """The list that :func:`write_bad_files` wrote."""
    with (folder / BAD_FILES).open(encoding="utf-8", newline="") as source:
        return [(row[0], row[1]) for row in list(csv.reader(source))[1:]]


class CacheWriter:
    """Appends clouds to a hidden folder, which :meth:`publish` renames to ``folder``; nothing is left of a failed one.

    Points are appended, not written through a map, so a full disk is an error and not a crash.
    """

    def __init__(self, folder: Path, points: int) -> None:
        self.folder = folder
        self.shape = (points, 3)
        self.rows = 0
        self.part = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.part")

    def __enter__(self) -> "CacheWriter":
        with self._writing():
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            self._remove_abandoned()
            self.part.mkdir()
            self.file = (self.part / POINTS).open("wb")
            self.file.write(self._header())
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self.file.close()
        shutil.rmtree(self.part, ignore_errors=True)

    def append(self, points: np.ndarray) -> None:
        """Add clouds ``(b, n, 3)`` float32."""
        with self._writing():
            self.file.write(np.ascontiguousarray(points, dtype="<f4").data)
        self.rows += len(points)

    def rewind(self, rows: int) -> None:
        """Forget all but the first ``rows`` clouds."""
        with self._writing():
            self.file.flush()
            self.file.seek(len(self._header()) + rows * self.shape[0] * 12)
            self.file.truncate()
        self.rows = rows

    def publish(self, columns: dict[str, Any], summary: dict[str, Any], bad: Sequence[tuple[str, str]]) -> None:
        """Write what is known about the clouds, and rename the finished folder into place."""
        import pyarrow
        import pyarrow.parquet

        with self._writing():
            self.file.seek(0)
            self.file.write(self._header())
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()
            pyarrow.parquet.write_table(pyarrow.table(columns), self.part / CLOUDS)
            write_bad_files(self.part, bad)
            write_text(self.part / SUMMARY, json.dumps({**summary, "clouds": self.rows}, indent=1))
            if open_cache(self.folder) is None:
                shutil.rmtree(self.folder, ignore_errors=True)
                self.part.replace(self.folder)

    def _header(self) -> bytes:
        # NumPy pads the header so that the number of rows can grow in place.
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": "<f4", "fortran_order": False, "shape": (self.rows, *self.shape)}
        )
        return header.getvalue()

    def _remove_abandoned(self) -> None:
        for part in self.folder.parent.glob(".*.part"):
            with contextlib.suppress(OSError):
                newest = max((item.stat().st_mtime for item in part.iterdir()), default=part.stat().st_mtime)
                if part.is_dir() and time.time() - newest > ABANDONED:
                    shutil.rmtree(part, ignore_errors=True)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise I2PError(
                f"Cannot write the cache {self.folder}: {error.strerror or error}. What was written of it is removed. "
                "Free some space, or choose another folder with the environment variable I2PMAE_CACHE, then run again."
            ) from error
