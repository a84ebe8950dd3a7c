"""The checker behind the shape annotations; as in Python's own numeric tower, an int is a float."""

from typing import Any

from beartype import BeartypeConf, beartype
from beartype.roar import BeartypeDecorHintException

__all__ = ["check_types"]

_check = beartype(conf=BeartypeConf(is_pep484_tower=True))


def check_types(function: Any) -> Any:
    """``function`` checked at every call; one whose annotations can't be (``Self``, a protocol) is left as it is."""
    try:
        return _check(function)
    except BeartypeDecorHintException:
        return function
