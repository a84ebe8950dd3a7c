"""Tables of plain decimal numbers as arrays, many times as fast as line by line; whatever else is left to others."""

from typing import NamedTuple

import numpy as np

__all__ = ["Numbers", "plain_numbers"]

PLAIN = b"0123456789+-.eE \t\n"
ENDS = (b"\r", b"\v", b"\f")
"""What ends lines for some, and is a space for the parser of numbers."""
SENTINEL = 7
"""Stands behind the numbers: parsing stops without a word at what is none, and does not come to it then."""
MOST_DECIMALS = 22
EXACT = 2**53
"""A whole number below this, divided by 10 to the power of at most 22, is rounded once, so as a parser rounds it."""
POWERS = np.array([float(f"1e{exponent}") for exponent in range(MOST_DECIMALS + 1)])
FEW = 16
"""Numbers with exponents are parsed one by one where they are one in so many or fewer."""


class Numbers(NamedTuple):
    """The numbers of a text with their places in its lines; lines without any do not count."""

    values: np.ndarray
    """``(numbers,)`` float64, in order, each the nearest to what is written."""
    whole: np.ndarray
    """``(numbers,)`` whether each is written as a whole number, without point and exponent."""
    firsts: np.ndarray
    """``(lines,)`` the index of the first number of each line."""
    widths: np.ndarray
    """``(lines,)`` how many numbers each line has."""

    def polygons(self, sizes: np.ndarray) -> list[np.ndarray] | None:
        """The corners ``(polygons, corners)`` int64 of all polygons with as many corners, for each number of them.

        ``sizes`` are the indices of the numbers that say how many corners follow in the line. None where one of these
        or of the corners is no whole number.
        """
        counts = np.take(self.values, sizes)
        if not np.take(self.whole, sizes).all():
            return None
        found = []
        alike = bool((counts == counts[0]).all())
        for count in map(int, counts[:1] if alike else np.unique(counts)):
            chosen = sizes if alike else sizes[counts == count]
            places = chosen[:, None] + np.arange(1, count + 1)
            if not np.take(self.whole, places).all():
                return None
            found.append(np.take(self.values, places).astype(np.int64))
        return found


def plain_numbers(text: bytes) -> Numbers | None:
    """All numbers of a text; None where anything in it is not a plain decimal number.

    Each value is the one of ``float``. Comments, names, NaN and infinity are for slower readers, which can say what is
    wrong with them.
    """
    scientific = b"e" in text or b"E" in text
    if any(mark in text for mark in ENDS) or (scientific and text.translate(None, PLAIN)):
        return None
    text = b"%b\n%d\n" % (text.strip(), SENTINEL)
    letters = np.frombuffer(text, np.uint8)
    starts, ends, before = _words(letters)
    exponents = _owners(starts, ends, np.flatnonzero(letters | 32 == ord("e"))) if scientific else None
    dots = np.flatnonzero(letters == ord("."))
    dotted = _owners(starts, ends, dots)
    values = _parsed(text, letters, (starts, ends), (dots, dotted), exponents)
    if values is None:
        return None
    whole = np.ones(len(values), dtype=bool)
    whole[dotted] = False
    if exponents is not None:
        whole[exponents] = False
    widths = np.diff(before, prepend=0)[:-1]
    if not widths.all():
        widths = widths[widths > 0]
    return Numbers(values[:-1], whole[:-1], np.cumsum(widths) - widths, widths)


def _words(letters: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where words start and end, and how many stand before the end of each line."""
    ends = np.flatnonzero(letters <= ord(" "))
    starts = np.concatenate([[0], ends[:-1] + 1])
    breaks = letters[ends] == ord("\n")
    words = ends > starts
    if words.all():  # always one space between two words
        return starts, ends, np.flatnonzero(breaks) + 1
    return starts[words], ends[words], np.cumsum(words)[breaks]


def _owners(starts: np.ndarray, ends: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Which number each place belongs to."""
    count = len(places)
    if count <= len(starts) and (places >= starts[:count]).all() and (places < ends[:count]).all():
        return np.arange(count)  # the first numbers have one each, as coordinates have before the corners of faces
    return np.searchsorted(starts, places, side="right") - 1


def _parsed(
    text: bytes,
    letters: np.ndarray,
    bounds: tuple[np.ndarray, np.ndarray],
    points: tuple[np.ndarray, np.ndarray],
    exponents: np.ndarray | None,
) -> np.ndarray | None:
    """The values of the numbers between ``bounds``, with decimal points at given places, and some with exponents."""
    starts, ends = bounds
    if exponents is not None:
        if len(exponents) * FEW > len(starts):
            return _read(text, np.float64, len(starts))
        return _with_exponents(text, bounds, exponents)
    whole = _read(text.replace(b".", b""), np.int64, len(starts))
    if whole is None:
        return None
    dots, dotted = points
    decimals = ends[dotted] - dots - 1
    if (dotted[1:] == dotted[:-1]).any() or (ends[dotted] - starts[dotted] == 1).any():
        return None
    if not -EXACT < whole.min() <= whole.max() < EXACT or decimals.max(initial=0) > MOST_DECIMALS:
        return _read(text, np.float64, len(starts))
    values = whole.astype(np.float64)
    values[dotted] /= POWERS[decimals]
    zeros = np.flatnonzero(whole == 0)
    values[zeros[letters[starts[zeros]] == ord("-")]] = -0.0
    return values


def _with_exponents(text: bytes, bounds: tuple[np.ndarray, np.ndarray], exponents: np.ndarray) -> np.ndarray | None:
    """The values where a few numbers have exponents: these by Python, and the others without them."""
    without = bytearray(text)
    few = []
    for start, end in zip(*(bound[exponents].tolist() for bound in bounds), strict=True):
        try:
            few.append(float(text[start:end]))
        except ValueError:
            return None
        without[start:end] = b"0" * (end - start)
    letters = np.frombuffer(without, np.uint8)
    dots = np.flatnonzero(letters == ord("."))
    values = _parsed(bytes(without), letters, bounds, (dots, _owners(*bounds, dots)), None)
    if values is not None:
        values[exponents] = few
    return values


def _read(text: bytes, dtype: type, count: int) -> np.ndarray | None:
    """``count`` numbers apart by spaces, or None where there are others, or what is no number."""
    if dtype is np.float64 and text.translate(None, PLAIN):  # NaN and infinity
        return None
    try:
        values: np.ndarray = np.fromstring(text, dtype, sep=" ")
    except (ValueError, DeprecationWarning):
        return None
    # As many numbers as there are words, and all words were read: so each word is one number.
    return values if len(values) == count and values[-1] == SENTINEL else None
