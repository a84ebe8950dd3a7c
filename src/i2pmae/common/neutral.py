"""Fields of a configuration that decide nothing about what a run ends in, and what differs between two of them."""

from collections.abc import Iterator
from typing import Any

from i2pmae.common.config import Config

__all__ = ["NEUTRAL", "differences"]


class _Neutral:
    """Marks a field, in ``Annotated``, that changes where or how fast a run computes, but not its weights."""


NEUTRAL = _Neutral()
"""The mark itself."""


def differences(before: Config, now: Config, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Dotted name and both values of every field that differs and that is not marked as neutral."""
    if type(before) is not type(now):
        yield prefix.rstrip("."), before, now
        return
    for name, field in type(now).model_fields.items():
        if any(isinstance(mark, _Neutral) for mark in field.metadata):
            continue
        theirs, ours = getattr(before, name), getattr(now, name)
        if isinstance(theirs, Config) and isinstance(ours, Config):
            yield from differences(theirs, ours, f"{prefix}{name}.")
        elif theirs != ours:
            yield prefix + name, theirs, ours
