"""One form for every set of point clouds, wherever it came from."""

import hashlib
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple, overload

import numpy as np

from i2pmae.common.errors import DataError, UsageError
from i2pmae.data.views import Chained, Lazy, Names, RowView, chosen_rows, row_digests

__all__ = ["COLUMNS", "Cloud", "CloudSet", "Rows", "lengths", "normalise"]

Rows = slice | Sequence[int] | Sequence[bool] | np.ndarray
"""What names some clouds of a set: a slice, indices (negative ones count from the end), or a boolean mask."""
COLUMNS = ("colour", "normal")
"""What can be kept beside x, y and z."""
DIGEST_BYTES = 16 << 20
"""About so much of an array is read at a time."""


def normalise(points: np.ndarray) -> np.ndarray:
    """Clouds ``(..., n, 3)`` moved to their centroid and scaled into the unit sphere.

    A cloud whose points are all equal has no scale and stays at the origin; readers refuse such clouds.
    """
    points = points - points.mean(-2, keepdims=True)
    radius = lengths(points).max(-1)[..., None, None]
    return points / np.where(radius > 0, radius, 1)


def lengths(vectors: np.ndarray) -> np.ndarray:
    """``(...,)`` lengths of vectors ``(..., 3)``, those of ``np.linalg.norm`` without its slow sum along three."""
    x, y, z = (vectors[..., axis] for axis in range(3))
    return np.sqrt(x * x + y * y + z * z)


class Cloud(NamedTuple):
    """One cloud of a set."""

    points: np.ndarray
    """``(n, 3)``; of a set in memory, a view of its array."""
    id: str
    label: int | None
    """The index of its class."""
    split: str | None
    part_labels: np.ndarray | None
    """``(n,)`` part indices."""
    columns: Mapping[str, np.ndarray] = {}
    """``(n, 3)`` what is kept beside the coordinates, by name."""


@dataclass(frozen=True, eq=False, repr=False)
class CloudSet:
    """Point clouds of equal size, y up, in the unit sphere, with what is known about them.

    A set need not fit into memory: ``points`` may be on disk, and of what is indexed so much is read. Index it by rows,
    a batch at a time; ``np.asarray(points)`` reads all. An integer index gives a :class:`Cloud`, any other (see
    :data:`Rows`) the set of these clouds, which copies none of them; iterating gives each cloud.
    """

    points: np.ndarray | Lazy
    """``(clouds, n, 3)`` float32 (or float16): an array, possibly a memory map, or what reads its rows from a store."""
    ids: Sequence[str]
    """One name per cloud, unique: the path below the folder, or ``name/index`` for arrays."""
    labels: np.ndarray | None = None
    """``(clouds,)`` int64 class indices, where known."""
    classes: tuple[str, ...] | None = None
    """Class names in the order of the indices."""
    splits: np.ndarray | None = None
    """``(clouds,)`` strings such as ``train`` and ``test``, where the source has a split."""
    part_labels: np.ndarray | Lazy | None = None
    """``(clouds, n)`` int64 part indices, where known; as ``points``, in memory or read when asked for."""
    parts: tuple[str, ...] | None = None
    """Part names in the order of the indices."""
    name: str = "clouds"
    """What to call the set in messages and reports."""
    notes: tuple[str, ...] = field(default=())
    """What a reader had to do or leave out, one sentence each, for the user to see once."""
    files_up: Literal["x", "y", "z"] = "y"
    """The axis that pointed up in the files; the clouds were turned so that it is y."""
    bad_files: Path | None = None
    """A .csv file that lists what could not be used, with reasons; None where nothing was left out."""
    columns: Mapping[str, np.ndarray | Lazy] = field(default_factory=dict)
    """What is kept beside x, y and z, each ``(clouds, n, 3)`` float32 in the order of the points: ``colour`` (red,
    green, blue from 0 to 1) and ``normal`` (of length 1, turned as the clouds are); as ``points``, in memory or read
    when asked for. Empty unless it was asked for."""

    def __post_init__(self) -> None:
        """Check that the fields fit together."""
        if self.points.ndim != 3 or self.points.shape[-1] != 3:
            raise DataError(f"{self.name}: expected points of shape (clouds, n, 3), got {self.points.shape}.")
        for what, values in (("ids", self.ids), ("labels", self.labels), ("splits", self.splits)):
            if values is not None and len(values) != len(self.points):
                raise DataError(f"{self.name}: {len(self.points)} clouds but {len(values)} {what}.")
        if self.part_labels is not None and self.part_labels.shape != self.points.shape[:2]:
            raise DataError(
                f"{self.name}: part labels have shape {self.part_labels.shape}, points {self.points.shape[:2]}."
            )

        for kind, column in self.columns.items():
            if column.shape != self.points.shape:
                raise DataError(f"{self.name}: {kind} has shape {column.shape}, points {self.points.shape}.")

    def __len__(self) -> int:
        return len(self.points)

    def __repr__(self) -> str:
        """One line: name, size, classes, splits and parts."""
        facts = [f"{len(self)} clouds of {self.points.shape[1]} points"]
        if self.labels is not None:
            kinds = len(np.unique(self.labels)) if self.classes is None else len(self.classes)
            facts.append(_number(kinds, "class", "classes"))
        if self.splits is not None:
            counts = Counter(self.splits.tolist())
            facts.append("splits " + ", ".join(f"{split} {count}" for split, count in counts.items()))
        if self.part_labels is not None:
            facts.append("part labels" if self.parts is None else _number(len(self.parts), "part", "parts"))
        facts += self.columns
        return f"CloudSet({self.name!r}: {'; '.join(facts)})"

    @overload
    def __getitem__(self, rows: int) -> Cloud: ...

    @overload
    def __getitem__(self, rows: Rows) -> "CloudSet": ...

    def __getitem__(self, rows: int | Rows) -> "Cloud | CloudSet":
        """One cloud, or the set of several; :class:`IndexError` where there is none of that index."""
        if isinstance(rows, int | np.integer):
            return self._cloud(int(rows))
        return self.subset(rows)

    def __iter__(self) -> Iterator[Cloud]:
        """Every cloud, in order."""
        return map(self._cloud, range(len(self)))

    def _cloud(self, row: int) -> Cloud:
        if not -len(self) <= row < len(self):
            raise IndexError(f"{self.name} has {len(self)} clouds: there is none of index {row}.")
        return Cloud(
            self.points[row],
            self.ids[row % len(self)],
            None if self.labels is None else int(self.labels[row]),
            None if self.splits is None else str(self.splits[row]),
            None if self.part_labels is None else self.part_labels[row],
            {kind: values[row] for kind, values in self.columns.items()},
        )

    def digest(self) -> str:
        """A hexadecimal number of 32 digits that follows from the content: ids, points, labels, part labels and what is
        kept beside the coordinates.

        Two sets with the same digest hold the same clouds in the same order; names of sets, classes and parts, splits
        and notes don't count. The same clouds in memory and in a store, or in stores of different forms, have different
        digests. What a store holds is known by the digests in its index, and not read. Else all points are read once,
        a piece at a time, at 0.3 to 1 GB a second where the disk is no slower, and only at the first call: what is
        written to the arrays afterwards is not noticed.
        """
        return self._digest

    @cached_property
    def _digest(self) -> str:
        found = hashlib.blake2b(digest_size=16)
        for name in self.ids:
            content = name.encode("utf-8", "surrogatepass")
            found.update(len(content).to_bytes(8, "little") + content)
        labels = None if self.labels is None else self.labels.astype(np.int64)
        for values in (self.points, labels, self.part_labels, *(self.columns[kind] for kind in sorted(self.columns))):
            if values is None:
                found.update(b"none;")
                continue
            kind = values.dtype.newbyteorder("<")
            known = row_digests(values)
            if known is not None:
                found.update(f"stored {values.shape};".encode())
                found.update(np.ascontiguousarray(known).data)
                continue
            found.update(f"{kind.str} {values.shape};".encode())
            rows = max(1, DIGEST_BYTES // max(1, values.dtype.itemsize * int(np.prod(values.shape[1:]))))
            for at in range(0, len(values), rows):
                found.update(np.ascontiguousarray(values[at : at + rows], dtype=kind).data)
        return found.hexdigest()

    def digests(self) -> np.ndarray:
        """``(clouds, 16)`` bytes that follow from the points of each cloud alone, so that sets that have clouds in
        common have digests in common. As :meth:`digest`, it reads nothing of what is in a store, and the same cloud in
        memory and in a store has two digests."""
        return _digests(self.points)

    def subset(self, rows: Rows, name: str | None = None) -> "CloudSet":
        """The clouds at ``rows``, in that order, none of them copied: what is asked of the set is read from this one.

        :class:`IndexError` for indices that are not there, or a mask of another length; :class:`UsageError` for what
        is neither.
        """
        chosen = rows if isinstance(rows, slice) else self._indices(rows)
        indices = np.arange(len(self))[chosen]
        return replace(
            self,
            points=chosen_rows(self.points, chosen),
            ids=Names(self.ids, indices),
            labels=None if self.labels is None else self.labels[chosen],
            splits=None if self.splits is None else self.splits[chosen],
            part_labels=None if self.part_labels is None else chosen_rows(self.part_labels, chosen),
            columns={kind: chosen_rows(values, chosen) for kind, values in self.columns.items()},
            name=name or self.name,
        )

    def joined(self, other: "CloudSet") -> "CloudSet":
        """These clouds and after them those of ``other``, none of them copied, for what needs no labels: points and
        ids are all that the joint set has. :class:`DataError` where the clouds differ in size."""
        if other.points.shape[1:] != self.points.shape[1:]:
            raise DataError(
                f"{self.name} has clouds of {self.points.shape[1]} points, {other.name} of {other.points.shape[1]}: "
                "they can be joined where both have as many."
            )
        name = f"{self.name} and {len(other)} {other.name}"
        return CloudSet(Chained([self.points, other.points]), Names([*self.ids, *other.ids]), name=name)

    def _indices(self, rows: Sequence[int] | Sequence[bool] | np.ndarray) -> np.ndarray:
        """``rows`` as indices from 0, checked."""
        chosen = np.asarray(rows)
        if chosen.ndim == 1 and chosen.dtype == bool:
            if len(chosen) != len(self):
                raise IndexError(f"{self.name} has {len(self)} clouds, the mask {len(chosen)} values.")
            return np.flatnonzero(chosen)
        if chosen.ndim != 1 or (chosen.dtype.kind not in "iu" and len(chosen)):
            raise UsageError(
                f"{self.name}: expected the index of a cloud, a slice, a list of indices or a mask of {len(self)} "
                f"values, got {rows!r:.60}."
            )
        chosen = chosen.astype(np.int64)
        wrong = chosen[(chosen < -len(self)) | (chosen >= len(self))]
        if len(wrong):
            raise IndexError(f"{self.name} has {len(self)} clouds: there is none of index {wrong[0]}.")
        return chosen % max(1, len(self))

    def notes_in(self, folder: Path) -> tuple[str, ...]:
        """The notes for a run in ``folder``, into which the list of files that could not be used is copied."""
        if self.bad_files is None or not self.bad_files.exists():
            return self.notes
        listed = Path(folder) / self.bad_files.name
        shutil.copyfile(self.bad_files, listed)
        return tuple(note.replace(str(self.bad_files), str(listed)) for note in self.notes)

    def split(self, name: str) -> "CloudSet":
        """The clouds of one split; :class:`DataError` names the splits that exist where there is no such one."""
        if self.splits is None or name not in self.splits:
            known = "none" if self.splits is None else ", ".join(sorted(set(self.splits.tolist())))
            raise DataError(f"{self.name} has no split {name!r} (splits: {known}).")
        return self.subset(self.splits == name, f"{self.name} ({name})")


def _digests(points: np.ndarray | Lazy) -> np.ndarray:
    """The digests of clouds; each of sets in a row is known as it is alone."""
    if isinstance(points, Chained):
        return np.concatenate([_digests(base) for base in points.bases])
    if isinstance(points, RowView) and isinstance(points.base, Chained):
        return _digests(points.base)[points.rows]
    known = row_digests(points)
    kind = f"{'memory' if known is None else 'stored'} {points.dtype.str} {points.shape[1]};".encode()
    size = max(1, points.dtype.itemsize * int(np.prod(points.shape[1:])))
    step = len(points) if known is not None else max(1, DIGEST_BYTES // size)
    found = bytearray()
    for at in range(0, len(points), max(1, step)):
        rows = np.ascontiguousarray((points if known is None else known)[at : at + step])
        for row in rows.reshape(len(rows), -1).view(np.uint8):
            found += hashlib.blake2b(kind + row.tobytes(), digest_size=16).digest()
    return np.frombuffer(bytes(found), np.uint8).reshape(-1, 16)


def _number(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
