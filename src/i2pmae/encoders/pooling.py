"""The names of the ways in which the tokens of a cloud become one vector."""

from typing import Literal, get_args

__all__ = ["LEVELS", "POOLINGS", "Pooling", "of_levels"]

Pooling = Literal["max", "mean+max", "mean|max", "class|max", "levels:max", "levels:mean|max"]
"""How tokens become one vector: ``+`` adds, ``|`` puts side by side, ``class`` is the [CLS] token. ``levels:`` does so
at every level and puts the levels side by side, finest first; all others read the coarsest level alone."""
POOLINGS: tuple[str, ...] = get_args(Pooling)
LEVELS = "levels:"
"""What the name of a pooling begins with that reads all levels."""


def of_levels(kind: Pooling) -> tuple[str, bool]:
    """What is done with the tokens of a level, and whether it is done at all levels."""
    return kind.removeprefix(LEVELS), kind.startswith(LEVELS)
