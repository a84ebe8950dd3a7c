"""Tables of plain decimal numbers as arrays, many times as fast as line by line; whatever else is left to others."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Numbers", "plain_numbers"]

OTHERS = (b"n", b"N")
"""NaN and infinity, in any spelling, are the only words that are numbers for a parser."""
BROKEN = (b".", b"e", b"E")
"""What no whole number has."""


@dataclass(frozen=True)
class Numbers:
    """The numbers of a text with their places in its lines; lines without any do not count."""

    values: np.ndarray
    """``(numbers,)`` float64, in order, each the nearest to what is written."""
    firsts: np.ndarray
    """``(lines,)`` the index of the first number of each line."""
    widths: np.ndarray
    """``(lines,)`` how many numbers each line has."""
    text: bytes
    starts: np.ndarray
    """``(numbers,)`` where each begins in the text."""

    def table(self, lines: int, columns: int) -> np.ndarray | None:
        """``(lines, columns)`` the first numbers of the first lines, or None where there are fewer in some of them."""
        widths, firsts = self.widths[:lines], self.firsts[:lines]
        if len(widths) < lines or widths.min(initial=columns) < columns:
            return None
        if widths.max(initial=columns) == columns:
            return self.values[: lines * columns].reshape(lines, columns)
        return np.take(self.values, firsts[:, None] + np.arange(columns))

    def polygons(self, sizes: np.ndarray) -> list[np.ndarray] | None:
        """The corners ``(polygons, corners)`` int64 of all polygons with as many corners, for each number of them.

        ``sizes`` are the indices, ascending, of the numbers that say how many corners follow in the line. None where a
        number from the first of them on is written with a point or an exponent.
        """
        rest = self.text[self.starts[sizes[0]] :]
        if any(mark in rest for mark in BROKEN):
            return None
        counts = np.take(self.values, sizes)
        alike = bool((counts == counts[0]).all())
        found = []
        for count in map(int, counts[:1] if alike else np.unique(counts)):
            chosen = sizes if alike else sizes[counts == count]
            places = chosen[:, None] + np.arange(1, count + 1)
            found.append(np.take(self.values, places).astype(np.int64))
        return found


def plain_numbers(text: bytes) -> Numbers | None:
    """All numbers of a text; None where anything in it is not a plain decimal number.

    Each value is the one of ``float``. Comments, names, NaN and infinity are for slower readers, which can say what is
    wrong with them.
    """
    if any(mark in text for mark in OTHERS):
        return None
    text = text.strip(b" \t\n") + b"\n"
    letters = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(letters <= ord(" "))
    spaces = letters[ends]
    breaks = spaces == ord("\n")
    if not (breaks | (spaces == ord(" ")) | (spaces == ord("\t"))).all():  # what ends a line for some and not for all
        return None
    starts = np.concatenate([[0], ends[:-1] + 1])
    words = ends > starts
    if words.all():  # always one space between two words
        before = np.flatnonzero(breaks) + 1
    else:
        before, starts, ends = np.cumsum(words)[breaks], starts[words], ends[words]
    values = _parsed(text, starts, ends)
    if values is None:
        return None
    widths = np.diff(before, prepend=0)
    widths = widths if widths.all() else widths[widths > 0]
    return Numbers(values, np.cumsum(widths) - widths, widths, text, starts)


def _parsed(text: bytes, starts: np.ndarray, ends: np.ndarray) -> np.ndarray | None:
    """The values of words of a text, or None where one is no number."""
    import pyarrow

    # For Arrow the text is a column of words and what is between them, without a copy; the latter are called missing.
    bounds = np.empty(2 * len(starts) + 1, dtype=np.int64)
    bounds[:-1:2], bounds[1::2], bounds[-1] = starts, ends, len(text)
    there = np.full(len(starts) // 4 + 1, 0b01010101, dtype=np.uint8)
    column = pyarrow.LargeStringArray.from_buffers(2 * len(starts), *map(pyarrow.py_buffer, (bounds, text, there)))
    try:
        values = column.cast(pyarrow.float64())
    except ValueError:
        return None
    return np.frombuffer(values.buffers()[1], np.float64, 2 * len(starts))[::2].copy()
