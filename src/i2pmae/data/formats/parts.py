"""Part labels of points: where a file keeps them, and what their numbers mean."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from i2pmae.common.errors import DataError
from i2pmae.data.formats.base import RawCloud
from i2pmae.data.reasons import os_reason

__all__ = [
    "BESIDE",
    "PART_PROPERTIES",
    "PartSource",
    "are_whole",
    "name_parts",
    "parts_beside",
    "whole_labels",
    "with_parts",
]

PART_PROPERTIES = ("part_label", "part", "label")
"""Names of a column or property that holds part labels."""
BESIDE = (".seg", ".labels")
"""Extensions of a file with one part label per line, beside a file of points."""
PAIR = ("points", "points_label")
"""Folders that hold files of points and files of part labels with the same names."""
MOST_PARTS = 1024
"""More different labels than this are taken for something else, such as colours."""


@dataclass(frozen=True)
class PartSource:
    """Where the part labels of a file's points are, and how they count: index = stored − first + start."""

    path: Path | None = None
    """A file with one label per line; None for the last column of the file of points."""
    first: int = 0
    """The stored number of the first part."""
    start: int = 0
    """The index of the first part."""
    count: int | None = None
    """How many parts there are to tell apart; None where nobody says."""


def with_parts(raw: RawCloud, source: PartSource) -> RawCloud:
    """The cloud with part labels as indices; :class:`DataError` where they do not fit its points or the set's parts.

    ``raw.part_labels`` holds the file's last column where ``source`` names no file.
    """
    stored = raw.part_labels if source.path is None else read_labels(source.path)
    if stored is None:
        raise DataError("the file has no column of part labels (whole numbers, last in each line)")
    if len(stored) != len(raw.points):
        where = "" if source.path is None else f" in {source.path.name}"
        raise DataError(f"there are {len(raw.points)} points, but {len(stored)} part labels{where}")
    if not len(stored):
        raise DataError("there are no points")
    low, high = int(stored.min()), int(stored.max())
    top = None if source.count is None else source.first + source.count - 1
    if low < source.first or (top is not None and high > top):
        expected = f"{source.first} or more" if top is None else f"{source.first} to {top}"
        raise DataError(f"the part labels run from {low} to {high}; expected {expected}")
    return replace(raw, part_labels=stored - source.first + source.start)


def read_labels(path: Path) -> np.ndarray:
    """``(m,)`` int64: the numbers of a text file with one on each line."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split()
        return whole_labels(np.array(lines, dtype=np.float64))
    except OSError as error:
        raise os_reason(error, name=f"its file of part labels {path.name}") from None
    except ValueError:
        raise DataError(f"its part labels {path.name} are not one whole number per line") from None


def whole_labels(values: np.ndarray) -> np.ndarray:
    """``values`` as int64; :class:`DataError` unless all are whole numbers."""
    if values.dtype.kind not in "fiub":
        raise DataError(f"the part labels have dtype {values.dtype}; expected whole numbers")
    if not are_whole(values):
        raise DataError("the part labels are not whole numbers")
    return values.astype(np.int64)


def are_whole(values: np.ndarray) -> bool:
    """Whether all ``values`` are whole numbers that fit into an int64."""
    if values.dtype.kind not in "fiub":
        return False
    if values.dtype.kind == "f" and not (np.isfinite(values) & (values == np.trunc(values))).all():
        return False
    return not values.size or -(2**63) <= int(values.min()) <= int(values.max()) < 2**63


def parts_beside(path: Path) -> PartSource | None:
    """The file of part labels that belongs to a file of points: beside it, or in the folder ``points_label``."""
    places = [path.with_suffix(suffix) for suffix in BESIDE]
    if path.parent.name == PAIR[0]:
        places += [path.parent.with_name(PAIR[1]) / f"{path.stem}{suffix}" for suffix in BESIDE]
    return next((PartSource(place) for place in places if place.is_file()), None)


def name_parts(values: set[int], names: tuple[str, ...] | None) -> tuple[tuple[str, ...], list[int]]:
    """The part names, and the stored number of each part in that order.

    Without names, each number that occurs is a part called by it.
    """
    if names is not None:
        if values and (min(values) < 0 or max(values) >= len(names)):
            raise DataError(
                f"the part labels run from {min(values)} to {max(values)}; expected 0 to {len(names) - 1}, for "
                f"{len(names)} part names"
            )
        return names, list(range(len(names)))
    if min(values) < 0:
        raise DataError(f"there is the part label {min(values)}; expected 0 or more. Leave points without a part out")
    if len(values) > MOST_PARTS:
        raise DataError(f"there are {len(values)} different part labels, which is too many for parts of shapes")
    ordered = sorted(values)
    return tuple(map(str, ordered)), ordered
