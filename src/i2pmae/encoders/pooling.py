"""The names of the ways in which the tokens of a cloud become one vector."""

from typing import Literal, get_args

__all__ = ["POOLINGS", "Pooling"]

Pooling = Literal["max", "mean+max", "mean|max", "class|max"]
"""How tokens become one vector: ``+`` adds, ``|`` puts side by side, ``class`` is the [CLS] token."""
POOLINGS: tuple[str, ...] = get_args(Pooling)
