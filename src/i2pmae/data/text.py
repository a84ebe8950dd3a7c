"""Point clouds in text files (.xyz, .pts, .txt, .csv): any usual delimiter, with or without header and point count."""

import io
import re
from pathlib import Path

import numpy as np

from i2pmae.common.errors import DataError
from i2pmae.data.parts import PART_PROPERTIES, whole_labels
from i2pmae.data.sampling import RawCloud

__all__ = ["Prose", "read_text"]

COMMENTS = ("#", "//", "%")


class Prose(DataError):
    """A .txt or .csv without a row of numbers: most likely notes or a list beside the data, not a bad cloud."""


def read_text(path: Path, part_column: bool = False) -> RawCloud:
    """The first three columns of a table of numbers, or those that a header names x, y and z.

    Part labels come from the column that a header names ``label``, ``part`` or ``part_label``, or from the last one
    where ``part_column`` says so.

    Columns stand apart by spaces, tabs, commas or semicolons (then a decimal comma is understood). Comment lines
    (``#``, ``//``, ``%``), a header line and a leading line with the number of points are allowed.
    """
    text = path.read_bytes().decode("utf-8-sig", errors="replace")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\x00" in text:
        raise DataError("the file is not text")
    first, header, declared = _find_table(text)
    if first is None:
        error = Prose if text.strip() and path.suffix.lower() in (".txt", ".csv") else DataError
        raise error("the file holds no line of at least three numbers")
    start, delimiter, fields = first
    columns = _columns(header, len(fields))
    labels = _label_column(header, fields, delimiter, part_column)
    if labels is not None:
        columns = (*columns, labels)
    table = text[start:]
    if delimiter == ";":
        table = table.replace(",", ".")
    for mark in COMMENTS[1:]:
        table = table.replace(mark, "#")
    try:
        points = np.loadtxt(
            io.StringIO(table), np.float64, "#", delimiter=delimiter, usecols=columns, ndmin=2, quotechar='"'
        )
    except ValueError as error:
        raise DataError(f"the file is not a table of numbers: {_short(error)}") from None
    if declared is not None and declared > len(points):
        raise DataError(f"the file is cut short: its first line says {declared} points, it holds {len(points)}")
    return RawCloud(
        points[:, :3],
        extras=len([name for name in fields if name]) > len(columns),
        part_labels=None if labels is None else whole_labels(points[:, 3]),
    )


def _find_table(text: str) -> tuple[tuple[int, str | None, list[str]] | None, list[str], int | None]:
    """The first row of numbers (offset, delimiter, fields), the header's names before it, and the declared count."""
    header: list[str] = []
    declared = None
    offset = 0
    for line in io.StringIO(text):
        begin, offset = offset, offset + len(line)
        stripped = line.strip()
        if not stripped:
            continue
        comment = stripped.startswith(COMMENTS)
        delimiter, fields = _split(stripped.lstrip("#/%").strip() if comment else stripped)
        numbers = [_is_number(field, delimiter) for field in fields]
        if comment or not any(numbers):
            header = fields
        elif len(fields) == 1 and declared is None and fields[0].isdigit():
            declared = int(fields[0])
        elif sum(numbers) >= 3:
            return (begin, delimiter, fields), header, declared
        else:
            break
    return None, header, declared


def _split(line: str) -> tuple[str | None, list[str]]:
    delimiter = ";" if ";" in line else "," if "," in line else None
    return delimiter, [field.strip().strip("\"'") for field in line.split(delimiter)]


def _is_number(field: str, delimiter: str | None) -> bool:
    try:
        float(field.replace(",", ".") if delimiter == ";" else field)
    except ValueError:
        return False
    return True


def _label_column(header: list[str], fields: list[str], delimiter: str | None, last: bool) -> int | None:
    """The index of the column with part labels, if there is one; a column of words says something else."""
    if last:
        if len(fields) < 4:
            raise DataError("there are three columns only, so none of them holds part labels")
        return len(fields) - 1
    names = [name.lower().strip() for name in header]
    found = [names.index(name) for name in PART_PROPERTIES if names.count(name) == 1]
    return found[0] if found and len(names) == len(fields) and _is_number(fields[found[0]], delimiter) else None


def _columns(header: list[str], width: int) -> tuple[int, ...]:
    names = [re.sub(r"[^a-z]", "", name.lower()) for name in header]
    if len(names) == width and all(names.count(axis) == 1 for axis in "xyz"):
        return tuple(names.index(axis) for axis in "xyz")
    return (0, 1, 2)


def _short(error: Exception) -> str:
    return str(error).split(";")[0].split("\n")[0].rstrip(".")
