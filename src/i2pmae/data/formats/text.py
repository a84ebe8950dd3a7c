"""Point clouds in text files (.xyz, .pts, .txt, .csv): any usual delimiter, with or without header and point count."""

import io
from pathlib import Path

import numpy as np

from i2pmae.common.errors import DataError
from i2pmae.data.formats.base import RawCloud
from i2pmae.data.formats.beside import UNNAMED, named_columns
from i2pmae.data.formats.columns import Header, coordinate_columns, split_header
from i2pmae.data.formats.numbers import plain_numbers
from i2pmae.data.formats.parts import PART_PROPERTIES, whole_labels
from i2pmae.data.reasons import check_count

__all__ = ["Prose", "read_text"]

COMMENTS = ("#", "//", "%")


class Prose(DataError):
    """A .txt or .csv without a row of numbers: most likely notes or a list beside the data, not a bad cloud."""


def read_text(path: Path, part_column: bool = False, columns: bool = False) -> RawCloud:
    """The first three columns of a table of numbers, or those that a header names x, y and z in any usual spelling.

    A header that names columns, but not these, is a :class:`DataError`: which ones are meant is not guessed.

    Part labels come from the column that a header names ``label``, ``part`` or ``part_label``, or from the last one
    where ``part_column`` says so. With ``columns``, colours and normals come from the columns that a header calls so,
    or from the three behind the coordinates where there are six and no header.

    Columns stand apart by spaces, tabs, commas or semicolons (then a decimal comma is understood). Comment lines
    (``#``, ``//``, ``%``), a header line and a leading line with the number of points are allowed.
    """
    text = path.read_bytes().decode("utf-8-sig", errors="replace")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\x00" in text:
        raise DataError("the file is not text")
    first, headers, declared = _find_table(text)
    if first is None:
        error = Prose if text.strip() and path.suffix.lower() in (".txt", ".csv") else DataError
        raise error("the file holds no line of at least three numbers")
    start, delimiter, fields = first
    axes, header = coordinate_columns(headers, max(index for index, field in enumerate(fields, 1) if field))
    labels = _label_column(header, fields, delimiter, part_column)
    beside = _columns_beside(header, fields, delimiter, axes) if columns else {}
    read = (*axes, *(() if labels is None else (labels,)), *(place for places in beside.values() for place in places))
    table = text[start:]
    last = max(column for column in range(len(fields)) if _is_number(fields[column], delimiter))
    points = _plain_table(table, read, last) if delimiter is None else None
    if points is None:
        points = _any_table(table, read, last, delimiter)
    if declared is not None:
        check_count("points", declared, len(points))
    return RawCloud(
        points[:, :3],
        extras=len([name for name in fields if name]) > 3 + (labels is not None),
        part_labels=None if labels is None else whole_labels(points[:, 3]),
        columns={
            kind: points[:, start : start + 3]
            for kind, start in zip(beside, range(3 + (labels is not None), len(read), 3), strict=True)
        },
    )


def _columns_beside(
    header: list[str], fields: list[str], delimiter: str | None, axes: tuple[int, int, int]
) -> dict[str, tuple[int, int, int]]:
    """The columns of colours and normals, where they hold numbers."""
    found = named_columns(header) if len(header) == len(fields) else {}
    if not header and len(fields) == 6 and axes == (0, 1, 2):
        found = {UNNAMED: (3, 4, 5)}
    return {
        kind: places for kind, places in found.items() if all(_is_number(fields[each], delimiter) for each in places)
    }


def _plain_table(table: str, columns: tuple[int, ...], last: int) -> np.ndarray | None:
    """What :func:`_any_table` gives for rows of nothing but numbers, as wide as the first; None for other rows."""
    numbers = plain_numbers(table.encode())
    if numbers is None or not len(numbers.widths):
        return None
    width = int(numbers.widths[0])
    rows = numbers.table(len(numbers.widths), width)
    if rows is None or width <= last or numbers.widths.max() > width:
        return None
    return np.stack([rows[:, column] for column in columns], axis=-1)


def _any_table(table: str, columns: tuple[int, ...], last: int, delimiter: str | None) -> np.ndarray:
    """The ``columns`` of a table, line by line; :class:`DataError` where it is none, or a row is cut."""
    if delimiter == ";":
        table = table.replace(",", ".")
    for mark in COMMENTS[1:]:
        table = table.replace(mark, "#")
    _check_rows(table, delimiter, last)
    try:
        return np.loadtxt(
            io.StringIO(table), np.float64, "#", delimiter=delimiter, usecols=columns, ndmin=2, quotechar='"'
        )
    except ValueError as error:
        raise DataError(f"the file is not a table of numbers: {_short(error)}") from None


def _find_table(text: str) -> tuple[tuple[int, str | None, list[str]] | None, list[Header], int | None]:
    """The first row of numbers (offset, delimiter, fields), the lines of text before it, and the declared count."""
    headers: list[Header] = []
    declared = None
    offset = 0
    for line in io.StringIO(text):
        begin, offset = offset, offset + len(line)
        stripped = line.strip()
        if not stripped:
            continue
        comment = stripped.startswith(COMMENTS)
        content = stripped.lstrip("#/%").strip() if comment else line.strip(" \r\n")
        delimiter, fields = _split(content.strip())
        numbers = [_is_number(field, delimiter) for field in fields]
        if comment or not any(numbers):
            headers.append(split_header(content, comment))
        elif len(fields) == 1 and declared is None and fields[0].removeprefix("-").isdecimal():
            declared = int(fields[0])
        elif sum(numbers) >= 3:
            return (begin, delimiter, fields), headers, declared
        else:
            break
    return None, headers, declared


def _check_rows(table: str, delimiter: str | None, last: int) -> None:
    """:class:`DataError` for a row that ends before the last column of numbers of the first, as a cut one does."""
    for number, line in enumerate(io.StringIO(table), 1):
        row = line.partition("#")[0].strip() if "#" in line else line.strip()
        if row and '"' not in row:  # where a field may hold delimiters, which the parser knows about
            width = len(row.split()) if delimiter is None else row.count(delimiter) + 1
            if width <= last:
                raise DataError(f"row {number} of the table has {width} columns, the first one {last + 1}: it is cut")


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


def _short(error: Exception) -> str:
    return str(error).split(";")[0].split("\n")[0].rstrip(".")
