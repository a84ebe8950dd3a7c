"""Words and options of a call: what a command works on may stand first, or be named."""

import dataclasses
import typing
from collections.abc import Sequence
from typing import Any

from i2pmae.common.errors import UsageError

__all__ = ["in_order"]


def in_order(kind: type, command: str, names: Sequence[str], arguments: Sequence[str], optional: int = 0) -> list[str]:
    """The arguments with what ``names`` stand for in front, in this order, whether they were named or not.

    ``--checkpoint RUN --data FOLDER`` is the same as ``RUN FOLDER``. The first ``optional`` of the names may be absent
    where there are fewer words. :class:`UsageError` says what is missing or superfluous, and how the call should read.
    """
    if any(argument in ("-h", "--help") for argument in arguments):
        return ["--help"]
    words, options, named = _sorted(kind, names, arguments)
    free = [name for name in names if name not in named]
    usage = f"i2pmae {command} " + " ".join(name.upper() for name in names) + " [OPTIONS]"
    if len(words) > len(free):
        raise UsageError(f"There is no place for {words[len(free)]!r}: expected `{usage}`.")
    may_lack = sum(name in free for name in names[:optional])
    leave = min(may_lack, len(free) - len(words))
    missing = free[leave + len(words) :]
    if missing:
        raise UsageError(f"Say which {' and '.join(missing)}: `{usage}`.")
    found = named | dict(zip(free[leave:], words, strict=True))
    return [*(part for name in names if name in found for part in (f"--{name}", found[name])), *options]


def _sorted(kind: type, names: Sequence[str], arguments: Sequence[str]) -> tuple[list[str], list[str], dict[str, str]]:
    """Words that belong to no option, the options with their values, and the values of ``names`` that were named."""
    flags, lists = _kinds(kind)
    words: list[str] = []
    options: list[str] = []
    named: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if not argument.startswith("--"):
            words.append(argument)
            continue
        option, equals, value = argument.removeprefix("--").partition("=")
        if option in names:
            if not equals and not rest:
                raise UsageError(f"--{option} needs a value.")
            named[option] = value if equals else rest.pop(0)
            continue
        options.append(argument)
        while rest and not rest[0].startswith("--") and not equals and option not in flags:
            options.append(rest.pop(0))
            if option not in lists:
                break
    return words, options, named


def _kinds(kind: type) -> tuple[set[str], set[str]]:
    """The options that take no value, and those that take several."""
    flags, lists = set(), set()
    hints = typing.get_type_hints(kind, include_extras=False)
    for field in dataclasses.fields(kind):
        hint: Any = hints[field.name]
        option = field.name.replace("_", "-")
        if hint is bool:
            flags |= {option, f"no-{option}"}
        elif typing.get_origin(hint) is tuple:
            lists.add(option)
        elif dataclasses.is_dataclass(hint) and isinstance(hint, type):
            inner = _kinds(hint)
            flags |= inner[0]
            lists |= inner[1]
    return flags, lists
