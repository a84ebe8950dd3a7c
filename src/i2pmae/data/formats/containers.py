"""Array files (.npy, .npz, .h5) as named arrays, read in blocks of rows; nothing here unpickles.

What a file says of its arrays is compared with what it holds before anything of that size is allocated, and nothing
outside the file is followed.
"""

import math
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from i2pmae.common.errors import DataError
from i2pmae.data.formats.links import check_inside
from i2pmae.data.npy import DAMAGED, PICKLED, Header, InSteps, check_bytes, read_npy_header
from i2pmae.data.reasons import ALWAYS_BYTES, PassingError, check_expansion, reasons

__all__ = [
    "ARRAY_EXTENSIONS",
    "BLOCK_ROWS",
    "Container",
    "block_rows",
    "opened",
]

ARRAY_EXTENSIONS = (".npy", ".npz", ".h5", ".hdf5")
BLOCK_ROWS = 256
"""Clouds that are read at a time,"""
BLOCK_BYTES = 64 << 20
"""and bytes, if there are fewer clouds in so many."""
MOST_LETTERS = 256
"""A longer text is no name."""


class Container(Protocol):
    """An open array file."""

    def shapes(self) -> Mapping[str, Header]:
        """Shape and dtype of every array, read from the headers alone."""

    def check(self, name: str) -> None:
        """:class:`DataError` where an array is larger than what the file can hold, or lies outside."""

    def whole(self, name: str) -> np.ndarray:
        """One array, in memory (for labels and names)."""

    def blocks(self, name: str, rows: int) -> Iterator[np.ndarray]:
        """One array, ``rows`` rows at a time."""


@contextmanager
def opened(path: Path) -> Iterator[Container]:
    """The file as a container; whatever goes wrong in reading it is a :class:`DataError` with the reason."""
    kinds: dict[str, Callable[[Path, ExitStack], Container]] = {
        ".npy": NpyFile,
        ".npz": NpzFile,
        ".h5": Hdf5File,
        ".hdf5": Hdf5File,
    }
    with reasons(DAMAGED), ExitStack() as stack:
        yield kinds[path.suffix.lower()](path, stack)


class NpyFile:
    """One array, memory-mapped; it is called ``points``."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self.source = stack.enter_context(path.open("rb"))
        shape, self.column_major, dtype = read_npy_header(self.source)
        self.start = self.source.tell()
        check_bytes("points", (shape, dtype), os.fstat(self.source.fileno()).st_size - self.start)
        self.header = (shape, dtype)
        self.path = path

    def shapes(self) -> Mapping[str, Header]:
        return {"points": self.header}

    def check(self, name: str) -> None:
        """Nothing more: the size was compared on opening."""

    def whole(self, name: str) -> np.ndarray:
        shape, dtype = self.header
        if dtype.hasobject:
            raise DataError(f"array {name!r} holds {PICKLED}")
        self.source.seek(self.start)
        return np.fromfile(self.source, dtype, math.prod(shape)).reshape(shape, order="F" if self.column_major else "C")

    def blocks(self, name: str, rows: int) -> Iterator[np.ndarray]:  # noqa: ARG002 (there is only one array)
        mapped = np.load(self.path, mmap_mode="r", allow_pickle=False)
        for at in range(0, len(mapped), rows):
            yield np.asarray(mapped[at : at + rows])


class NpzFile:
    """A zip archive of .npy members, read as streams."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self.archive = stack.enter_context(zipfile.ZipFile(path))
        self.size = path.stat().st_size
        self.headers: dict[str, Header] = {}
        for member in self.archive.namelist():
            if member.endswith(".npy"):
                with self.archive.open(member) as source:
                    shape, _, dtype = read_npy_header(InSteps(source))
                    check_bytes(member, (shape, dtype), self.archive.getinfo(member).file_size - source.tell())
                self.headers[member.removesuffix(".npy")] = (shape, dtype)

    def shapes(self) -> Mapping[str, Header]:
        return self.headers

    def check(self, name: str) -> None:
        member = self.archive.getinfo(f"{name}.npy")
        check_expansion(f"array {name!r}", member.file_size, min(member.compress_size, self.size))

    def whole(self, name: str) -> np.ndarray:
        if self.headers[name][1].hasobject:
            raise DataError(f"array {name!r} holds {PICKLED}")
        self.check(name)
        with self.archive.open(f"{name}.npy") as source:
            return np.lib.format.read_array(InSteps(source), allow_pickle=False)

    def blocks(self, name: str, rows: int) -> Iterator[np.ndarray]:
        self.check(name)
        with self.archive.open(f"{name}.npy") as source:
            shape, column_major, dtype = read_npy_header(InSteps(source))
            if column_major:  # Its rows are spread over the whole stream.
                table = self.whole(name)
                yield from (table[at : at + rows] for at in range(0, len(table), rows))
                return
            row_bytes = dtype.itemsize * math.prod(shape[1:])
            for at in range(0, shape[0], rows):
                count = min(rows, shape[0] - at)
                content = InSteps(source).exactly(count * row_bytes)
                if len(content) < count * row_bytes:
                    raise EOFError(f"array {name!r} ends early")
                yield np.frombuffer(content, dtype).reshape(count, *shape[1:])


class Hdf5File:
    """The data sets at the top level of an HDF5 file."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        import h5py

        self.file: Any = stack.enter_context(h5py.File(path, "r"))
        self.size = path.stat().st_size
        self.items: dict[str, Any] = {}
        for name in self.file:
            check_inside(self.file, name)
            item = self.file.get(name)
            if isinstance(item, h5py.Dataset):
                self.items[name] = item

    def shapes(self) -> Mapping[str, Header]:
        # Of a null data space, which holds nothing, the shape is None.
        return {name: ((0,) if item.shape is None else item.shape, item.dtype) for name, item in self.items.items()}

    def check(self, name: str) -> None:
        import h5py

        item = self.items[name]
        if item.shape is None:
            raise DataError(f"array {name!r} holds nothing (a null data space)")
        if item.external or item.is_virtual:
            raise DataError(f"array {name!r} lies in another file, and only this one is read")
        settings = item.id.get_create_plist()
        for index in range(settings.get_nfilters()):
            number, _, _, label = settings.get_filter(index)
            if not h5py.h5z.filter_avail(number):
                kind = label.decode("utf-8", "backslashreplace") or number
                raise PassingError(f"array {name!r} is compressed with {kind}: reading it needs a plugin for HDF5")
        # Whole pieces are unpacked, however few rows are asked for.
        needed = max(math.prod(item.shape), math.prod(item.chunks or ())) * item.dtype.itemsize
        check_expansion(f"array {name!r} of shape {item.shape}", needed, min(item.id.get_storage_size(), self.size))

    def whole(self, name: str) -> np.ndarray:
        import h5py

        self.check(name)
        item = self.items[name]
        if h5py.check_string_dtype(item.dtype) is not None:
            return self._texts(name)
        return item[...]

    def _texts(self, name: str) -> np.ndarray:
        """An array of texts. Many may share one that is stored once, so they are looked at a few at a time."""
        shape, item = self.items[name].shape, self.items[name].asstr()
        if not shape:
            raise DataError(f"array {name!r} holds a single text; expected one for each row")
        texts: list[str] = []
        rows = max(1, min(4096, ALWAYS_BYTES // (self.size + 1)))
        for at in range(0, shape[0], rows):
            some = item[at : at + rows].reshape(-1).tolist()
            longest = max(map(len, some), default=0)
            if longest > MOST_LETTERS:
                raise DataError(f"array {name!r} holds a text of {longest} letters; expected names")
            texts += some
        return np.array(texts, dtype=str).reshape(shape)

    def blocks(self, name: str, rows: int) -> Iterator[np.ndarray]:
        self.check(name)
        item = self.items[name]
        for at in range(0, len(item), rows):
            yield item[at : at + rows]


def block_rows(header: Header, rows: int) -> int:
    """At most ``rows``, and so few that they take no more than :data:`BLOCK_BYTES` where one takes less."""
    shape, dtype = header
    return max(1, min(rows, BLOCK_BYTES // max(1, dtype.itemsize * math.prod(shape[1:]))))
