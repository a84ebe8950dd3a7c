"""Errors for people: what was expected, what came, what to do.

Every failure that a user can cause is an :class:`I2PError`; the command line prints its message without a traceback and
exits with status 1 (2 for :class:`UsageError`). Anything else that escapes is a bug.
"""

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

from i2pmae.common.text import printable, shortened

__all__ = [
    "CheckpointError",
    "DataError",
    "I2PError",
    "TeacherError",
    "ToldElsewhere",
    "TrainingError",
    "TrainingInterrupted",
    "UsageError",
    "near_names",
    "pick",
]


T = TypeVar("T")

MOST_NAMES = 24
"""Names that an error lists."""
LONGEST_NAME = 100
"""Characters of a name that an error shows, and that are compared."""


class I2PError(Exception):
    """Base of all errors that a person can act on."""


class UsageError(I2PError, ValueError):
    """A wrong call: an unknown name, option or value, or a tensor of the wrong shape or type."""


class DataError(I2PError):
    """Files or arrays that cannot be used as point clouds."""


class TeacherError(I2PError):
    """A 2D model that cannot be found, loaded or used."""


class CheckpointError(I2PError):
    """Weights or a run folder that cannot be read, or that belong to another model."""


class TrainingError(I2PError):
    """A run that cannot go on, for instance for a loss that is not finite."""


class TrainingInterrupted(I2PError):
    """A run that was asked to stop (Ctrl-C or SIGTERM) and did, after a checkpoint; the message says how to go on."""

    again = False
    """Whether it was a scheduler that asked (SIGTERM), to whom the command says to try again."""


class ToldElsewhere(I2PError):
    """An error of one of several processes of a run, of which another one tells the user."""

    status = 1
    """The exit status of this process."""


def near_names(name: str, known: Iterable[str]) -> str:
    """A sentence that names the nearest known names, or all of them (of many, the first) where none is near."""
    names = sorted({str(n) for n in known})
    # Of huge names the beginning is enough: comparing takes time in the square of the length.
    near = difflib.get_close_matches(str(name)[:LONGEST_NAME], names, n=3, cutoff=0.5)
    if near:
        return "Did you mean " + " or ".join(shortened(n) for n in near) + "?"
    if not names:
        return "There are none."
    rest = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"Known: {', '.join(printable(n[:LONGEST_NAME]) for n in names[:MOST_NAMES])}{rest}."


def pick(kind: str, name: str, table: Mapping[str, T]) -> T:
    """``table[name]``; an unknown name, or what is no name at all, raises :class:`UsageError` with the nearest ones."""
    if isinstance(name, str) and name in table:
        return table[name]
    raise UsageError(f"Unknown {kind} {shortened(name)}. {near_names(name, table)}")
