"""Errors for people: what was expected, what came, what to do.

Every failure that a user can cause is an :class:`I2PError`; the command line prints its message without a traceback and
exits with status 1 (2 for :class:`UsageError`). Anything else that escapes is a bug.
"""

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

__all__ = [
    "CheckpointError",
    "DataError",
    "I2PError",
    "TeacherError",
    "TrainingError",
    "TrainingInterrupted",
    "UsageError",
    "near_names",
    "pick",
]


T = TypeVar("T")

MOST_NAMES = 24
"""Names that an error lists."""


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


def near_names(name: str, known: Iterable[str]) -> str:
    """A sentence that names the nearest known names, or all of them (of many, the first) where none is near."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        return "Did you mean " + " or ".join(repr(n) for n in near) + "?"
    rest = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"Known: {', '.join(names[:MOST_NAMES])}{rest}."


def pick(kind: str, name: str, table: Mapping[str, T]) -> T:
    """``table[name]``; an unknown name raises :class:`UsageError` with the nearest ones."""
    try:
        return table[name]
    except KeyError:
        raise UsageError(f"Unknown {kind} {name!r}. {near_names(name, table)}") from None
