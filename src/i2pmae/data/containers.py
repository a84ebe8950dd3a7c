"""Array files (.npy, .npz, .h5) as named arrays, read in blocks of rows; nothing here unpickles."""

import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from i2pmae.common.errors import DataError, I2PError

__all__ = ["ARRAY_EXTENSIONS", "BLOCK_ROWS", "PICKLED", "Container", "Header", "opened", "read_npy_header"]

ARRAY_EXTENSIONS = (".npy", ".npz", ".h5", ".hdf5")
BLOCK_ROWS = 256
"""Clouds that are read at a time."""
PICKLED = "Python objects, which are never unpickled"

Header = tuple[tuple[int, ...], np.dtype]
"""Shape and dtype of an array."""


class Container(Protocol):
    """An open array file."""

    def shapes(self) -> Mapping[str, Header]:
        """Shape and dtype of every array, read from the headers alone."""

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
    try:
        with ExitStack() as stack:
            yield kinds[path.suffix.lower()](path, stack)
    except I2PError:
        raise
    except (OSError, EOFError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        reason = str(getattr(error, "strerror", None) or error or type(error).__name__).split("\n")[0]
        raise DataError(f"the file is damaged or cut short ({reason})") from None


class NpyFile:
    """One array, memory-mapped; it is called ``points``."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        del stack
        with path.open("rb") as source:
            shape, _, dtype = read_npy_header(source)
        self.header = (shape, dtype)
        self.path = path

    def shapes(self) -> Mapping[str, Header]:
        return {"points": self.header}

    def whole(self, name: str) -> np.ndarray:  # noqa: ARG002 (there is only one array)
        return np.load(self.path, allow_pickle=False)

    def blocks(self, name: str, rows: int) -> Iterator[np.ndarray]:  # noqa: ARG002
        mapped = np.load(self.path, mmap_mode="r", allow_pickle=False)
        for at in range(0, len(mapped), rows):
            yield np.asarray(mapped[at : at + rows])


class NpzFile:
    """A zip archive of .npy members, read as streams."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self.archive = stack.enter_context(zipfile.ZipFile(path))

    def shapes(self) -> Mapping[str, Header]:
        found = {}
        for member in self.archive.namelist():
            if member.endswith(".npy"):
                with self.archive.open(member) as source:
                    shape, _, dtype = read_npy_header(source)
                found[member.removesuffix(".npy")] = (shape, dtype)
        return found

    def whole(self, name: str) -> np.ndarray:
        if self.shapes()[name][1].hasobject:
            raise DataError(f"array {name!r} holds {PICKLED}")
        with self.archive.open(f"{name}.npy") as source:
            return np.lib.format.read_array(source, allow_pickle=False)

    def blocks(self, name: str, rows: int) -> Iterator[np.ndarray]:
        with self.archive.open(f"{name}.npy") as source:
            shape, column_major, dtype = read_npy_header(source)
            if column_major:  # Its rows are spread over the whole stream.
                table = self.whole(name)
                yield from (table[at : at + rows] for at in range(0, len(table), rows))
                return
            row_bytes = dtype.itemsize * int(np.prod(shape[1:]))
            for at in range(0, shape[0], rows):
                count = min(rows, shape[0] - at)
                content = source.read(count * row_bytes)
                if len(content) < count * row_bytes:
                    raise EOFError(f"array {name!r} ends early")
                yield np.frombuffer(content, dtype).reshape(count, *shape[1:])


class Hdf5File:
    """The data sets at the top level of an HDF5 file."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        import h5py

        self.file: Any = stack.enter_context(h5py.File(path, "r"))

    def shapes(self) -> Mapping[str, Header]:
        return {name: (item.shape, item.dtype) for name, item in self.file.items() if hasattr(item, "shape")}

    def whole(self, name: str) -> np.ndarray:
        import h5py

        item = self.file[name]
        if h5py.check_string_dtype(item.dtype) is not None:
            return np.asarray(item.asstr()[...], dtype=str)
        return item[...]

    def blocks(self, name: str, rows: int) -> Iterator[np.ndarray]:
        item = self.file[name]
        for at in range(0, len(item), rows):
            yield item[at : at + rows]


def read_npy_header(source: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether columns come first, and dtype, from the head of a .npy stream, which then stands at the data."""
    version = np.lib.format.read_magic(source)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(source)
