"""Arrays and names that are read when they are asked for: choosing some of them costs no copy of the others."""

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np

__all__ = ["Chained", "Lazy", "Names", "RowView", "chosen_rows", "extent", "row_digests"]

NAMES = 8192
"""Names that are taken at a time,"""
BLOCK_BYTES = 16 << 20
"""and about so many bytes, where all is looked at."""


class Lazy(np.lib.mixins.NDArrayOperatorsMixin):
    """What stands for an array ``(rows, ...)`` and reads of it what is indexed; NumPy's functions read all of it.

    An index gives arrays, never views of what is stored: nothing that is written to them reaches a file.
    """

    shape: tuple[int, ...]
    dtype: np.dtype

    @abstractmethod
    def read(self, rows: np.ndarray) -> np.ndarray:
        """The rows of these indices, from 0 and within bounds, in that order."""

    def expect(self, rows: np.ndarray) -> None:
        """Be told which rows will be read, in that order."""

    def far_shards(self) -> np.ndarray | None:
        """``(rows,)`` whole numbers: which rows are fetched together from elsewhere; None where all are here."""
        return None

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes that all values take in memory."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[row] for row in range(len(self)))

    def __getitem__(self, key: Any) -> np.ndarray:
        """The indexed rows, as an array; of a tuple, the first says which rows, the others go on from there."""
        if isinstance(key, tuple):
            if not key or key[0] is Ellipsis:
                return self[:][key]
            found = self[key[0]]
            return found[key[1:]] if isinstance(key[0], int | np.integer) else found[(slice(None), *key[1:])]
        if isinstance(key, int | np.integer):
            if not -len(self) <= key < len(self):
                raise IndexError(f"index {key} is out of bounds for {len(self)} rows")
            return self.read(np.array([int(key) % len(self)]))[0]
        return self.read(np.arange(len(self))[key])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("What is read from a file cannot be had without a copy.")
        return np.asarray(self[:], dtype=dtype)

    def __array_ufunc__(self, function: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        read = [np.asarray(value) if isinstance(value, Lazy) else value for value in inputs]
        return getattr(function, method)(*read, **options)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={self.shape}, dtype={self.dtype})"


class RowView(Lazy):
    """Some rows of an array, in any order, read from it when they are asked for; the array is not copied."""

    def __init__(self, base: np.ndarray | Lazy, rows: np.ndarray) -> None:
        self.base: np.ndarray | Lazy = base.base if isinstance(base, RowView) else base
        self.rows: np.ndarray = base.rows[rows] if isinstance(base, RowView) else rows
        self.shape, self.dtype = (len(rows), *base.shape[1:]), base.dtype

    def read(self, rows: np.ndarray) -> np.ndarray:
        """The rows of these indices."""
        found = self.rows[rows]
        return self.base.read(found) if isinstance(self.base, Lazy) else np.asarray(self.base[found])

    def expect(self, rows: np.ndarray) -> None:
        """Be told which rows will be read, in that order."""
        if isinstance(self.base, Lazy):
            self.base.expect(self.rows[rows])

    def far_shards(self) -> np.ndarray | None:
        """Which rows are fetched together from elsewhere."""
        shards = self.base.far_shards() if isinstance(self.base, Lazy) else None
        return None if shards is None else shards[self.rows]


class Chained(Lazy):
    """The rows of several arrays, one array after the other, none of them copied."""

    def __init__(self, bases: Sequence[np.ndarray | Lazy]) -> None:
        self.bases = tuple(bases)
        self.shape, self.dtype = (sum(map(len, bases)), *bases[0].shape[1:]), bases[0].dtype
        self._ends = np.cumsum([len(base) for base in bases])

    def _shares(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray | Lazy, np.ndarray, np.ndarray]]:
        """Each array that has some of the rows, which of the rows these are, and which of its own."""
        found = np.searchsorted(self._ends, rows, side="right")
        for number, base in enumerate(self.bases):
            chosen = np.flatnonzero(found == number)
            if len(chosen):
                yield base, chosen, rows[chosen] - (self._ends[number] - len(base))

    def read(self, rows: np.ndarray) -> np.ndarray:
        """The rows of these indices."""
        values = np.empty((len(rows), *self.shape[1:]), self.dtype)
        for base, chosen, own in self._shares(rows):
            values[chosen] = base.read(own) if isinstance(base, Lazy) else base[own]
        return values

    def expect(self, rows: np.ndarray) -> None:
        """Be told which rows will be read, in that order."""
        for base, _, own in self._shares(rows):
            if isinstance(base, Lazy):
                base.expect(own)

    def far_shards(self) -> np.ndarray | None:
        """Which rows are fetched together from elsewhere: those that are here are spread evenly over the shards of the
        others, so that each window of an order has its part of them."""
        shards = [base.far_shards() if isinstance(base, Lazy) else None for base in self.bases]
        if all(found is None for found in shards):
            return None
        last, places = 0, []
        for found in shards:
            places.append(None if found is None else found + last)
            last += 0 if found is None else int(found.max(initial=-1)) + 1
        kinds = np.unique(np.concatenate([found for found in places if found is not None]))
        return np.concatenate(
            [
                kinds[np.arange(len(base)) % len(kinds)] if found is None else found
                for base, found in zip(self.bases, places, strict=True)
            ]
        )

    @property
    def digests(self) -> np.ndarray | None:
        """A digest of each row, where they are known of all arrays without reading them."""
        known = [row_digests(base) for base in self.bases]
        found = [digests for digests in known if digests is not None]
        return np.concatenate(found) if len(found) == len(known) else None


def chosen_rows(values: np.ndarray | Lazy, rows: slice | np.ndarray) -> np.ndarray | Lazy:
    """``values[rows]`` without a copy: a view of an array in memory where the rows are evenly spaced."""
    if isinstance(values, np.ndarray):
        if isinstance(rows, slice):
            return values[rows]
        spaced = _as_slice(rows)
        if spaced is not None:
            return values[spaced]
        return RowView(values, rows)
    return RowView(values, np.arange(len(values))[rows])


def row_digests(values: np.ndarray | Lazy) -> np.ndarray | None:
    """``(rows, 16)`` bytes, a digest of each row as it is stored, where they are known without reading it."""
    if isinstance(values, RowView):
        found = row_digests(values.base)
        return None if found is None else found[values.rows]
    return getattr(values, "digests", None)


def extent(values: np.ndarray | Lazy) -> tuple[int, int]:
    """The smallest and the largest of whole numbers ``(rows, ...)``, 0 at most and -1 at least; a piece is read at a
    time."""
    step = max(1, BLOCK_BYTES // max(1, values.dtype.itemsize * math.prod(values.shape[1:])))
    low, high = [0], [-1]
    for at in range(0, len(values) if values.size else 0, step):
        piece = values[at : at + step]
        low.append(int(piece.min()))
        high.append(int(piece.max()))
    return min(low), max(high)


def _as_slice(rows: np.ndarray) -> slice | None:
    """Indices that count up one by one, such as those of a split, as a slice."""
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all():
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return None


class Names(Sequence[str]):
    """Names, or some of them, without a copy: of a list, or of a column of Arrow, of which each takes its letters."""

    def __init__(self, base: Any, rows: np.ndarray | None = None) -> None:
        if isinstance(base, Names) and base.rows is not None:
            rows = base.rows if rows is None else base.rows[rows]
        self.base: Any = base.base if isinstance(base, Names) else base
        self.rows: np.ndarray | None = rows

    def __len__(self) -> int:
        return len(self.base) if self.rows is None else len(self.rows)

    @overload
    def __getitem__(self, key: int) -> str: ...

    @overload
    def __getitem__(self, key: slice) -> list[str]: ...

    def __getitem__(self, key: int | slice) -> str | list[str]:
        if isinstance(key, slice):
            return [self._name(row) for row in range(len(self))[key]]
        if not -len(self) <= key < len(self):
            raise IndexError(f"index {key} is out of bounds for {len(self)} names")
        return self._name(key % len(self))

    def __iter__(self) -> Iterator[str]:
        """All of them; of a column of Arrow, many at a time, which is ten times as fast."""
        for at in range(0, len(self), NAMES):
            if not hasattr(self.base, "to_pylist"):
                yield from self[at : at + NAMES]
            elif self.rows is None:
                yield from self.base.slice(at, NAMES).to_pylist()
            else:
                yield from self.base.take(self.rows[at : at + NAMES]).to_pylist()

    def _name(self, row: int) -> str:
        return str(self.base[row if self.rows is None else int(self.rows[row])])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(name == its for name, its in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        first = ", ".join(map(repr, self[:3]))
        return f"[{first}{', …' if len(self) > 3 else ''}] ({len(self)} names)"
