"""Which columns of a table are coordinates, by the names that its header gives them."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from i2pmae.common.errors import DataError
from i2pmae.data.paths import printable

__all__ = ["Header", "coordinate_columns", "split_header"]

MOST_COLUMNS = 12
"""Columns that an error lists."""
POSITIONS = frozenset(
    {
        "pos",
        "position",
        "positions",
        "point",
        "points",
        "pt",
        "pts",
        "coord",
        "coords",
        "coordinate",
        "coordinates",
        "p",
        "loc",
        "location",
        "xyz",
        "vertex",
        "vertices",
        "cartesian",
    }
)
"""Words beside an axis, or a number from 0 to 2, that say that a column is a coordinate."""
DIRECTIONS = frozenset(
    {
        "n",
        "normal",
        "normals",
        "v",
        "vel",
        "velocity",
        "acc",
        "acceleration",
        "orientation",
        "rotation",
        "direction",
        "color",
        "colour",
        "error",
        "std",
        "sigma",
    }
)
"""Words beside an axis that say that a column is something else."""
UNITS = frozenset({"m", "mm", "cm", "km", "um", "ft", "in", "inch", "inches", "meter", "meters", "metre", "metres"})
OTHERS = frozenset(
    {
        "timestamp",
        "time",
        "index",
        "id",
        "intensity",
        "label",
        "class",
        "red",
        "green",
        "blue",
        "r",
        "g",
        "b",
        "nx",
        "ny",
        "nz",
    }
)
"""Names of columns that are no coordinates: a comment with one of them is a header, and no sentence."""
AXES = {"x": 0, "y": 1, "z": 2}
BRACKETED = re.compile(r"[\[(][^\])]*[\])]")
"""A unit, mostly."""


class Header(NamedTuple):
    """A line before the first row of numbers."""

    names: list[str]
    delimiter: str | None
    """What stands between the names; None for spaces."""
    comment: bool
    """Whether it is marked as a comment, so that it may be a sentence as well."""


def split_header(line: str, comment: bool) -> Header:
    """The names in a line, apart by semicolons, commas or tabs, else by spaces; units in brackets belong to names."""
    delimiter = next((mark for mark in ";,\t" if line.count(mark) >= (2 if mark == "\t" else 1)), None)
    # An index in brackets is a part of the name, and a unit after a space no name of its own.
    line = re.sub(r"\[([0-3])\]", r":\1", line)
    fields = (line if delimiter else BRACKETED.sub("", line)).split(delimiter)
    return Header([field.strip().strip("\"'").strip() for field in fields], delimiter, comment)


def coordinate_columns(headers: Sequence[Header], width: int) -> tuple[tuple[int, int, int], list[str]]:
    """The columns of x, y and z in rows of ``width`` fields, and the names of all columns, if the header gives them.

    Without a header, the first three. The header is the last line that names x, y and z in one of the usual spellings
    (``x``, ``pos_x``, ``Points:0``, ``X [m]``), else the last one before the rows. :class:`DataError` where it names
    the columns, and which of them are coordinates cannot be told.
    """
    for header in reversed(headers):
        found = _triples(header.names)
        fits = len(_trimmed(header.names)) == width
        if len(found) == 1 and (fits or (header.comment and found[0] == (0, 1, 2) and len(header.names) < width)):
            return found[0], header.names if fits else []
    if headers and _names_columns(header := headers[-1], width):
        names = [name or "(no name)" for name in _trimmed(header.names)]
        listed = ", ".join(map(printable, names[:MOST_COLUMNS])) + (", …" if len(names) > MOST_COLUMNS else "")
        what = f"names the columns {listed}"
        what = what if len(names) == width else f"has {len(names)} names ({listed}), but the first row {width} columns"
        raise DataError(
            f"the header {what}: which of them are the coordinates cannot be told. Call these x, y and z, with one "
            "name for each column, or remove the line if the first three columns are meant"
        )
    return (0, 1, 2), []


def _names_columns(header: Header, width: int) -> bool:
    """Whether a line without three clear coordinates is a list of names, and no sentence about the file."""
    names = _trimmed(header.names)
    words = {name.lower() for name in names}
    telling = bool(words & OTHERS or len(words & set(AXES)) > 1 or _triples(header.names))
    if len(names) != width:
        return telling and not header.comment
    return telling or not header.comment or header.delimiter is not None


def _trimmed(names: list[str]) -> list[str]:
    """The names without those of columns that a delimiter at the end of a line makes."""
    last = max((index for index, name in enumerate(names) if name), default=-1)
    return names[: last + 1]


def _triples(names: list[str]) -> list[tuple[int, int, int]]:
    """The columns of x, y and z, in each way to read them; those called so and nothing else go first and alone."""
    groups: dict[str, dict[int, list[int]]] = {}
    for column, name in enumerate(names):
        for group, axis in _readings(name):
            groups.setdefault(group, {}).setdefault(axis, []).append(column)
    plain = groups.pop("", None)
    whole = [axes for axes in ([plain] if plain is not None else groups.values()) if len(axes) >= 3]
    found = []
    for axes in whole:
        first = 0 if 0 in axes else 1  # of numbers that count from 1
        columns = [axes.get(first + axis, []) for axis in range(3)]
        if len(axes) == 3 and all(len(each) == 1 for each in columns):
            found.append((columns[0][0], columns[1][0], columns[2][0]))
    return found


def _readings(name: str) -> list[tuple[str, int]]:
    """The axes that a name could stand for, each with what else it says, which is the same for the three of a kind."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", BRACKETED.sub("", name))
    words = re.findall(r"[a-z]+|\d+", name.lower())
    if len(words) == 1 and words[0] not in AXES:  # written as one word: posx, xcoord
        word = words[0]
        if word[-1] in AXES and word[:-1] in POSITIONS:
            words = [word[:-1], word[-1]]
        elif word[0] in AXES and word[1:] in POSITIONS:
            words = [word[0], word[1:]]
    axes = [word for word in words if word in AXES]
    others = [word for word in words if word not in AXES and word not in UNITS]
    if len(axes) == 1:
        said = set(others)
        fits = not said or (bool(said & POSITIONS) and not said & DIRECTIONS) or all(map(str.isdigit, others))
        return [(" ".join(others), AXES[axes[0]])] if fits else []
    if not axes and len(words) > 1 and words[-1] in {"0", "1", "2", "3"} and any(word in POSITIONS for word in words):
        return [(f"{' '.join(words[:-1])} #", int(words[-1]))]
    return []
