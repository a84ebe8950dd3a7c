"""The names of the ways in which the tokens of a cloud become one vector."""

from typing import Literal, get_args

__all__ = ["LEVELS", "POOLINGS", "STANDARDISED", "Pooling", "of_levels", "standardises"]

Pooling = Literal[
    "max",
    "mean+max",
    "mean|max",
    "class|max",
    "levels:max",
    "levels:mean|max",
    "levels:mean|max|deviation",
    "standardised:levels:mean|max",
]
"""How tokens become one vector: ``+`` adds, ``|`` puts side by side, ``class`` is the [CLS] token and ``deviation`` the
standard deviation of each channel over the tokens. ``levels:`` does so at every level and puts the levels side by side,
finest first; all others read the coarsest level alone.
``standardised:`` brings each part that stands beside others to zero mean and unit deviation over its channels, so that
all count the same where vectors are compared by cosine or distance."""
POOLINGS: tuple[str, ...] = get_args(Pooling)
LEVELS = "levels:"
"""What the name of a pooling begins with that reads all levels."""
STANDARDISED = "standardised:"
"""What the name of a pooling begins with whose parts are standardised."""


def of_levels(kind: str) -> tuple[str, bool]:
    """What is done with the tokens of a level, and whether it is done at all levels."""
    plain = kind.removeprefix(STANDARDISED)
    return plain.removeprefix(LEVELS), plain.startswith(LEVELS)


def standardises(kind: Pooling) -> bool:
    """Whether each part is standardised."""
    return kind.startswith(STANDARDISED)
