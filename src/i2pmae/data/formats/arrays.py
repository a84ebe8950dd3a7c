"""Array files (.npy, .npz, .h5): one cloud, or a whole set of clouds with labels and splits.

Nothing here unpickles: arrays of Python objects are refused. Sets are read in blocks of rows, so that one larger than
memory can be read.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from i2pmae.common.errors import DataError
from i2pmae.data.formats.base import Block, RawCloud
from i2pmae.data.formats.beside import UNNAMED
from i2pmae.data.formats.containers import BLOCK_ROWS, Container, block_rows, opened
from i2pmae.data.formats.keys import (
    CLASS_KEYS,
    COLUMN_KEYS,
    LABEL_KEYS,
    PART_KEYS,
    PART_NAME_KEYS,
    POINT_KEYS,
    SPLIT_KEYS,
)
from i2pmae.data.formats.parts import are_whole, whole_labels
from i2pmae.data.labels import split_names
from i2pmae.data.npy import PICKLED, Header

__all__ = ["ArraySet", "describe_arrays", "read_single"]

SPLITS = ("train", "val", "test")
BESIDE = frozenset(name for names in COLUMN_KEYS.values() for name in names)
"""Arrays of three columns that are no points."""
LAYOUT = (
    "Expected clouds of shape (clouds, points, 3): x_train, y_train, x_test, y_test[, classes], or points, "
    "labels[, split][, classes][, part_labels][, part_names], or one array."
)


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
    part_arrays: tuple[str, ...] = ()
    """Names of the arrays ``(clouds, n)`` of part labels, one for each array of clouds; none where there are none."""
    parts: tuple[str, ...] | None = None
    """Part names in the order of the part labels."""
    ids: Sequence[str] | None = None
    """Clouds have no names of their own."""
    column_arrays: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Names of the arrays ``(clouds, n, 3)`` of a column, one for each array of clouds."""

    def __len__(self) -> int:
        return sum(shape[0] for shape in self.shapes)

    @property
    def extras(self) -> bool:
        """Whether points have more columns than x, y, z."""
        return bool(self.column_arrays) or any(shape[2] > 3 for shape in self.shapes)

    @property
    def size(self) -> int | None:
        """Points of each cloud; None where they differ."""
        sizes = {shape[1] for shape in self.shapes}
        return sizes.pop() if len(sizes) == 1 else None

    def blocks(self, columns: Sequence[str] = (), rows: int = BLOCK_ROWS) -> Iterator[Block]:
        """The clouds as stored, at most ``rows`` at a time."""
        at = 0
        with opened(self.path) as container:
            headers = container.shapes()
            for index, (name, shape) in enumerate(zip(self.arrays, self.shapes, strict=True)):
                if name not in headers or headers[name][0] != shape:
                    raise DataError("the file changed while it was read")
                rows = block_rows(headers[name], rows)
                beside = {kind: self.column_arrays[kind][index] for kind in columns if kind in self.column_arrays}
                others = [*beside.values(), *(self.part_arrays[index : index + 1])]
                streams = (container.blocks(each, rows) for each in (name, *others))
                for block, *more in zip(*streams, strict=True):
                    found = dict(zip(beside, more, strict=False))
                    if columns and block.shape[-1] == 6:
                        found[UNNAMED] = block[..., 3:]
                    yield Block(at, block[..., :3], whole_labels(more[-1]) if self.part_arrays else None, found)
                    at += len(block)


def describe_arrays(path: Path) -> ArraySet | None:
    """What set of clouds an array file holds, or None where it holds a single cloud ``(n, 3 or more)``.

    :class:`DataError` says what is wrong: no array of clouds, other shapes or dtypes, labels that do not fit.
    """
    with opened(path) as container:
        shapes = container.shapes()
        names, splits = _cloud_arrays(shapes)
        if len(shapes[names[0]][0]) == 2:
            _check_coordinates(names[0], *shapes[names[0]], dims=2)
            return None
        for name in names:
            _check_coordinates(name, *shapes[name], dims=3)
            container.check(name)
        sizes = tuple(shapes[name][0] for name in names)
        total = sum(size[0] for size in sizes)
        if splits is not None:
            split_column: np.ndarray | None = np.repeat(splits, [size[0] for size in sizes])
            label_keys = [f"y_{split}" for split in splits if f"y_{split}" in shapes]
            if label_keys and len(label_keys) < len(splits):
                raise DataError(f"labels are there for {', '.join(label_keys)} only, not for all of {', '.join(names)}")
        else:
            split_column = split_names(_strings(container, shapes, SPLIT_KEYS))
            label_keys = [key for key in LABEL_KEYS if key in shapes][:1]
        _check_count("split", split_column, total)
        class_column = _strings(container, shapes, CLASS_KEYS)
        classes = None if class_column is None else tuple(class_column.tolist())
        if classes is not None and len(set(classes)) < len(classes):
            raise DataError("some class names stand in the list of classes more than once")
        labels, classes = _labels(container, label_keys, sizes, classes)
        part_arrays = _part_arrays(shapes, names, splits)
        for name in part_arrays:
            container.check(name)
        columns = _column_arrays(shapes, names, splits)
        part_names = _strings(container, shapes, PART_NAME_KEYS) if part_arrays else None
    parts = None if part_names is None else tuple(part_names.tolist())
    if parts is not None and len(set(parts)) < len(parts):
        raise DataError("some part names stand in the list of parts more than once")
    dtype = shapes[names[0]][1]
    return ArraySet(path, names, sizes, dtype, labels, classes, split_column, part_arrays, parts, column_arrays=columns)


def read_single(path: Path) -> RawCloud:
    """The one cloud of an array file with an array ``(n, 3 or more)``."""
    with opened(path) as container:
        shapes = container.shapes()
        (name, *_), _ = _cloud_arrays(shapes)
        _check_coordinates(name, *shapes[name], dims=2)
        points = container.whole(name)
        fitting = [key for key in shapes if shapes[key][0] == (len(points),) and shapes[key][1].kind in "fiub"]
        key = next((key for key in (*PART_KEYS, *LABEL_KEYS) if key in fitting), None)
        part_labels = None if key is None else whole_labels(container.whole(key))
        columns = {UNNAMED: points[:, 3:]} if points.shape[1] == 6 else {}
        columns |= {
            kind: container.whole(key)
            for kind, keys in COLUMN_KEYS.items()
            for key in keys[::-1]
            if key != name and key in shapes and shapes[key][0] == (len(points), 3) and shapes[key][1].kind in "fiub"
        }
    extras = bool(columns) or points.shape[1] > 3
    return RawCloud(points[:, :3].astype(np.float64), extras=extras, part_labels=part_labels, columns=columns)


def _part_arrays(
    shapes: Mapping[str, Header], names: tuple[str, ...], splits: tuple[str, ...] | None
) -> tuple[str, ...]:
    """The names of the arrays of part labels that belong to the arrays of clouds ``names``."""
    for key in PART_KEYS:
        keys = (key,) if splits is None else tuple(f"{key}_{split}" for split in splits)
        found = [name for name in keys if name in shapes]
        if not found:
            continue
        if len(found) < len(keys):
            raise DataError(f"part labels are there for {', '.join(found)} only, not for all of {', '.join(names)}")
        for name, clouds in zip(keys, names, strict=True):
            if shapes[name][0] != shapes[clouds][0][:2]:
                raise DataError(
                    f"{clouds} has shape {shapes[clouds][0]}, but {name} has shape {shapes[name][0]}; "
                    f"expected {shapes[clouds][0][:2]}, one part label for each point"
                )
        return keys
    return ()


def _column_arrays(
    shapes: Mapping[str, Header], names: tuple[str, ...], splits: tuple[str, ...] | None
) -> dict[str, tuple[str, ...]]:
    """The names of the arrays of colours and normals; what does not fit the clouds is something else."""
    found: dict[str, tuple[str, ...]] = {}
    for kind, spellings in COLUMN_KEYS.items():
        for key in spellings:
            keys = (key,) if splits is None else tuple(f"{key}_{split}" for split in splits)
            expected = [(*shapes[name][0][:2], 3) for name in names]
            if key not in names and [shapes[each][0] for each in keys if each in shapes] == expected:
                found.setdefault(kind, keys)
    return found


def _cloud_arrays(
    shapes: Mapping[str, Header],
) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """The names of the arrays of clouds, and the split that each one is, where the names say so."""
    splits = tuple(split for split in SPLITS if f"x_{split}" in shapes)
    if splits:
        return tuple(f"x_{split}" for split in splits), splits
    named = [key for key in POINT_KEYS if key in shapes]
    if named:
        return (named[0],), None
    for dims in (3, 2):
        fitting = [
            name for name, (shape, _) in shapes.items() if len(shape) == dims and shape[-1] >= 3 and name not in BESIDE
        ]
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


def _strings(container: Container, shapes: Mapping[str, Header], keys: tuple[str, ...]) -> np.ndarray | None:
    name = next((key for key in keys if key in shapes), None)
    if name is None:
        return None
    values = container.whole(name)
    if values.dtype.kind not in "SU":
        raise DataError(f"array {name!r} holds {values.dtype}; expected strings, e.g. np.array(names, dtype=str)")
    return _texts(name, values)


def _texts(name: str, values: np.ndarray) -> np.ndarray:
    """Strings as text; :class:`DataError` where they are none that can be written again."""
    try:
        values = np.char.decode(values, "utf-8") if values.dtype.kind == "S" else values
        "".join(values.reshape(-1).tolist()).encode("utf-8")
    except ValueError:
        raise DataError(f"array {name!r} holds text that is not UTF-8") from None
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
        columns.append(_texts(key, column) if column.dtype.kind in "SU" else column)
    labels = np.concatenate(columns)
    if labels.dtype.kind == "U":
        known = classes or tuple(np.unique(labels).tolist())
        unknown = sorted(set(labels.tolist()) - set(known))
        if unknown:
            raise DataError(f"label {unknown[0]!r} is none of the {len(known)} classes")
        index = {name: label for label, name in enumerate(known)}
        return np.array([index[label] for label in labels.tolist()], dtype=np.int64), known
    if not are_whole(labels):
        raise DataError(f"the labels have dtype {labels.dtype}; expected whole numbers or strings, one for each cloud")
    labels = labels.astype(np.int64)
    top = None if classes is None else len(classes)
    if labels.min() < 0 or (top is not None and labels.max() >= top):
        expected = "0 or more" if top is None else f"between 0 and {top - 1}, for {top} classes"
        raise DataError(f"the labels run from {labels.min()} to {labels.max()}; expected {expected}")
    return labels, classes
