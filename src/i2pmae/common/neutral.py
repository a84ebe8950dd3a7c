"""Fields of a configuration that decide nothing about what a run ends in, and what differs between two of them."""

from collections.abc import Iterator
from typing import Any

from pydantic.fields import FieldInfo

from i2pmae.common.config import Config

__all__ = ["NEUTRAL", "differences", "neutral_fields"]


class _Neutral:
    """Marks a field, in ``Annotated``, that changes where or how fast a run computes, but not its weights."""


NEUTRAL = _Neutral()
"""The mark itself."""


def neutral_fields(config: Config, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted name and documentation of every field that is marked as neutral; of a record that is, its own fields."""
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        if _is_neutral(field):
            inner = type(value).model_fields.items() if isinstance(value, Config) else [(None, field)]
            for own, documented in inner:
                yield prefix + name + ("" if own is None else f".{own}"), documented.description or ""
        elif isinstance(value, Config):
            yield from neutral_fields(value, f"{prefix}{name}.")


def _is_neutral(field: FieldInfo) -> bool:
    return any(isinstance(mark, _Neutral) for mark in field.metadata)


def differences(before: Config, now: Config, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Dotted name and both values of every field that differs and that is not marked as neutral."""
    if type(before) is not type(now):
        yield prefix.rstrip("."), before, now
        return
    for name, field in type(now).model_fields.items():
        if _is_neutral(field):
            continue
        theirs, ours = getattr(before, name), getattr(now, name)
        if isinstance(theirs, Config) and isinstance(ours, Config):
            yield from differences(theirs, ours, f"{prefix}{name}.")
        elif theirs != ours:
            yield prefix + name, theirs, ours
