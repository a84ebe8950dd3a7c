"""Array files (.npy, .npz, .h5): one cloud, or a whole set of clouds with labels and splits.

Nothing here unpickles: arrays of Python objects are refused. Sets are read in blocks of rows, so that one larger than
memory can be read.
"""

import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from i2pmae.common.errors import DataError, I2PError
from i2pmae.data.sampling import RawCloud

__all__ = ["ARRAY_EXTENSIONS", "ArraySet", "describe_arrays", "read_single"]

ARRAY_EXTENSIONS = (".npy", ".npz", ".h5", ".hdf5")
SPLITS = ("train", "val", "test")
POINT_KEYS = ("points", "data", "x", "clouds")
LABEL_KEYS = ("labels", "label", "y")
SPLIT_KEYS = ("split", "splits")
CLASS_KEYS = ("classes", "class_names")
PICKLED = "Python objects, which are never unpickled"
LAYOUT = (
    "Expected clouds of shape (clouds, points, 3): x_train, y_train, x_test, y_test[, classes], or points, "
    "labels[, split][, classes], or one array."
)


class Container(Protocol):
    """An open array file."""

    def shapes(self) -> Mapping[str, tuple[tuple[int, ...], np.dtype]]:
        """Shape and dtype of every array, read from the headers alone."""

    def whole(self, name: str) -> np.ndarray:
        """One array, in memory (for labels and names)."""

    def blocks(self, name: str, rows: int) -> Iterator[np.ndarray]:
        """One array, ``rows`` rows at a time."""


@dataclass(frozen=True)
class ArraySet:
    """A set of clouds in one file: which arrays hold them, and what is known about each cloud."""

    path: Path
    arrays: tuple[str, ...]
    """Names of the arrays of clouds, in the order of the clouds."""
    shapes: tuple[tuple[int, ...], ...]
    """Their shapes, ``(clouds, n, 3 or more)``."""
    dtype: np.dtype
    labels: np.ndarray | None = None
    """``(clouds,)`` int64."""
    classes: tuple[str, ...] | None = None
    splits: np.ndarray | None = None
    """``(clouds,)`` strings."""

    def __len__(self) -> int:
        return sum(shape[0] for shape in self.shapes)

    @property
    def extras(self) -> bool:
        """Whether points have more columns than x, y, z."""
        return any(shape[2] > 3 for shape in self.shapes)

    def blocks(self, rows: int = 256) -> Iterator[tuple[int, np.ndarray]]:
        """The index of the first cloud of each block, and the block ``(at most rows, n, 3)`` as stored."""
        at = 0
        with _opened(self.path) as container:
            for name in self.arrays:
                for block in container.blocks(name, rows):
                    yield at, block[..., :3]
                    at += len(block)


def describe_arrays(path: Path) -> ArraySet | None:
    """What set of clouds an array file holds, or None where it holds a single cloud ``(n, 3 or more)``.

    :class:`DataError` says what is wrong: no array of clouds, other shapes or dtypes, labels that do not fit.
    """
    with _opened(path) as container:
        shapes = container.shapes()
        names, splits = _cloud_arrays(shapes)
        if len(shapes[names[0]][0]) == 2:
            _check_coordinates(names[0], *shapes[names[0]], dims=2)
            return None
        for name in names:
            _check_coordinates(name, *shapes[name], dims=3)
        sizes = tuple(shapes[name][0] for name in names)
        total = sum(size[0] for size in sizes)
        if splits is not None:
            split_column: np.ndarray | None = np.repeat(splits, [size[0] for size in sizes])
            label_keys = [f"y_{split}" for split in splits if f"y_{split}" in shapes]
            if label_keys and len(label_keys) < len(splits):
                raise DataError(f"labels are there for {', '.join(label_keys)} only, not for all of {', '.join(names)}")
        else:
            split_column = _strings(container, shapes, SPLIT_KEYS)
            label_keys = [key for key in LABEL_KEYS if key in shapes][:1]
        _check_count("split", split_column, total)
        class_column = _strings(container, shapes, CLASS_KEYS)
        classes = None if class_column is None else tuple(class_column.tolist())
        if classes is not None and len(set(classes)) < len(classes):
            raise DataError("some class names stand in the list of classes more than once")
        labels, classes = _labels(container, label_keys, sizes, classes)
    return ArraySet(path, names, sizes, shapes[names[0]][1], labels, classes, split_column)


def read_single(path: Path) -> RawCloud:
    """The one cloud of an array file with an array ``(n, 3 or more)``."""
    with _opened(path) as container:
        shapes = container.shapes()
        (name, *_), _ = _cloud_arrays(shapes)
        _check_coordinates(name, *shapes[name], dims=2)
        points = container.whole(name)
    return RawCloud(points[:, :3].astype(np.float64), extras=points.shape[1] > 3)


def _cloud_arrays(
    shapes: Mapping[str, tuple[tuple[int, ...], np.dtype]],
) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """The names of the arrays of clouds, and the split that each one is, where the names say so."""
    splits = tuple(split for split in SPLITS if f"x_{split}" in shapes)
    if splits:
        return tuple(f"x_{split}" for split in splits), splits
    named = [key for key in POINT_KEYS if key in shapes]
    if named:
        return (named[0],), None
    for dims in (3, 2):
        fitting = [name for name, (shape, _) in shapes.items() if len(shape) == dims and shape[-1] >= 3]
        if len(fitting) == 1:
            return (fitting[0],), None
    if len(shapes) == 1:  # The check of its shape says what is wrong with it.
        return tuple(shapes), None
    held = ", ".join(f"{name} {shape}" for name, (shape, _) in list(shapes.items())[:8]) or "no arrays"
    raise DataError(f"the file holds {held}. {LAYOUT}")


def _check_coordinates(name: str, shape: tuple[int, ...], dtype: np.dtype, dims: int) -> None:
    if dtype.kind not in "fiu":
        kind = PICKLED if dtype.hasobject else f"dtype {dtype}"
        raise DataError(f"array {name!r} holds {kind}; expected numbers such as float32")
    if len(shape) != dims or shape[-1] < 3:
        hint = " (transpose it: coordinates come last)" if len(shape) in (2, 3) and shape[-2] == 3 else ""
        raise DataError(f"array {name!r} has shape {shape}; expected (clouds, points, 3) or (points, 3){hint}")
    if 0 in shape:
        raise DataError(f"array {name!r} has shape {shape}: there are no points")


def _check_count(what: str, values: np.ndarray | None, total: int) -> None:
    if values is not None and values.shape != (total,):
        raise DataError(f"there are {total} clouds, but {what} has shape {values.shape}")


def _strings(
    container: Container, shapes: Mapping[str, tuple[tuple[int, ...], np.dtype]], keys: tuple[str, ...]
) -> np.ndarray | None:
    name = next((key for key in keys if key in shapes), None)
    if name is None:
        return None
    values = container.whole(name)
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8")
    if values.dtype.kind != "U":
        raise DataError(f"array {name!r} holds {values.dtype}; expected strings, e.g. np.array(names, dtype=str)")
    return values


def _labels(
    container: Container,
    keys: list[str],
    sizes: tuple[tuple[int, ...], ...],
    classes: tuple[str, ...] | None,
) -> tuple[np.ndarray | None, tuple[str, ...] | None]:
    """Class indices of all clouds, checked, and the class names."""
    if not keys:
        return None, classes
    columns = []
    for key, count in zip(keys, (size[0] for size in sizes), strict=True):
        column = container.whole(key)
        if column.shape == (count, 1):
            column = column[:, 0]
        if column.shape != (count,):
            raise DataError(f"there are {count} clouds, but {key} has shape {column.shape}")
        columns.append(np.char.decode(column, "utf-8") if column.dtype.kind == "S" else column)
    labels = np.concatenate(columns)
    if labels.dtype.kind == "U":
        known = classes or tuple(np.unique(labels).tolist())
        unknown = sorted(set(labels.tolist()) - set(known))
        if unknown:
            raise DataError(f"label {unknown[0]!r} is none of the {len(known)} classes")
        return np.array([known.index(label) for label in labels.tolist()]), known
    if labels.dtype.kind not in "fiub" or (labels.dtype.kind == "f" and not np.equal(labels, np.trunc(labels)).all()):
        raise DataError(f"the labels have dtype {labels.dtype}; expected whole numbers or strings, one for each cloud")
    labels = labels.astype(np.int64)
    top = None if classes is None else len(classes)
    if labels.min() < 0 or (top is not None and labels.max() >= top):
        expected = "0 or more" if top is None else f"between 0 and {top - 1}, for {top} classes"
        raise DataError(f"the labels run from {labels.min()} to {labels.max()}; expected {expected}")
    return labels, classes


@contextmanager
def _opened(path: Path) -> Iterator[Container]:
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

    def shapes(self) -> Mapping[str, tuple[tuple[int, ...], np.dtype]]:
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

    def shapes(self) -> Mapping[str, tuple[tuple[int, ...], np.dtype]]:
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

    def shapes(self) -> Mapping[str, tuple[tuple[int, ...], np.dtype]]:
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
