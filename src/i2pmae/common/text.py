"""Text that is shown to people: values cut to a readable length, characters that would harm a terminal spelled out."""

import re
import reprlib
from collections.abc import Sequence
from typing import Any

__all__ = ["columns", "printable", "shortened", "size_in_words"]

SHOWN = 80
"""Characters of a value that a message shows."""
UNITS = ("B", "kB", "MB", "GB", "TB")
HARMFUL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
"""Control characters (new lines and tabs apart), halves of surrogate pairs, and what turns the direction of text."""


class _Shortening(reprlib.Repr):
    """``repr`` that looks at the beginning of a value alone, so that a huge or deep one costs nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = SHOWN
        self.maxlevel = 4
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = 8

    def repr_int(self, x: int, level: int) -> str:
        try:
            return super().repr_int(x, level)
        except ValueError:  # more digits than Python writes
            return f"<whole number of {x.bit_length()} bits>"


def shortened(value: Any, most: int = SHOWN) -> str:
    """``repr(value)`` in at most ``most`` characters; what is cut out is marked by an ellipsis."""
    text = _Shortening().repr(value)
    return text if len(text) <= most else text[: most - 3] + "..."


def printable(text: str, encoding: str = "utf-8") -> str:
    """``text`` as any terminal and file of that encoding takes it: what it cannot show is spelled out (``\\x1b``)."""
    plain = HARMFUL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
    return plain.encode(encoding, "backslashreplace").decode(encoding)


def size_in_words(count: float) -> str:
    """So many bytes, in the unit that suits: ``5.1 MB``."""
    for unit in UNITS[:-1]:
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} {UNITS[-1]}"


def columns(rows: Sequence[Sequence[str]]) -> str:
    """A table for a terminal: a line for each row, its cells below each other."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
