"""Short help texts of commands whose options are the fields of a configuration, made without the parser."""

import inspect
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from i2pmae.common.config import Config

__all__ = ["HELP_ALL", "run_one", "short_help"]

HELP_ALL = "--help-all"
WIDTH, INDENT = 100, 24
"""Columns of a help text, and of the options in it."""
ALWAYS = {
    "recipe NAME": "Configuration to start from; every option overrides one of its fields. See `i2pmae recipes`.",
    "config FILE": "Start from a stored configuration instead: the config.yaml of a run repeats that run.",
    "resume": "Go on with the run in the output folder. Without a recipe or --config, its own configuration is used.",
}
"""Options that are no fields."""


def short_help(command: str, about: str, base: Config, names: Sequence[str], usage: str) -> str:
    """The text: usage, what the command does, and the options ``names`` with the values of ``base``."""
    lines = [f"usage: {usage}", "", inspect.cleandoc(about), "", "options:"]
    for name in names:
        lines += _entry(*_described(base, name))
    for name, text in ALWAYS.items():
        lines += _entry(f"--{name}", text)
    lines += ["", f"`i2pmae {command} {HELP_ALL}` explains every option of the recipe, e.g. of the model and losses."]
    return "\n".join(lines)


def _place(name: str) -> str:
    """The field that an option is named after, where its name is another one."""
    return {"data": "data.source", "output": "output.folder"}.get(name, name.replace("-", "_"))


def _described(base: Config, name: str) -> tuple[str, str]:
    """An option as it is spelt, and what the docs of its field and its value in ``base`` say."""
    value: Any = base
    for part in base.resolve(_place(name)):
        field = type(value).model_fields[part]
        value = getattr(value, part)
    text = " ".join((field.description or "").replace("``", "").split())
    if isinstance(value, bool):
        return f"--{'no-' * value}{name}", f"{text} (default: {'yes' if value else 'no'})"
    choices = _choices(field.annotation)
    spelled = f"--{name} {{{','.join(choices)}}}" if choices else f"--{name} {name.rpartition('-')[2].upper()}"
    return spelled, text if value is None else f"{text} (default: {value})"


def _choices(annotation: Any) -> list[str]:
    """The words that a field takes, where it takes no others."""
    if get_origin(annotation) is Literal:
        return [str(word) for word in get_args(annotation)]
    parts = [part for part in get_args(annotation) if part is not type(None)]
    words = [_choices(part) for part in parts]
    return [word for some in words for word in some] if all(words) else []


def _entry(option: str, text: str) -> list[str]:
    filled = textwrap.wrap(text, WIDTH - INDENT, break_on_hyphens=False)
    first = f"  {option}"
    if len(first) < INDENT - 1:
        return [f"{first:{INDENT}}{filled[0]}", *(" " * INDENT + line for line in filled[1:])]
    return [first, *(" " * INDENT + line for line in filled)]


def run_one(
    name: str, commands: Mapping[str, Callable[[Sequence[str]], None]], text: str, arguments: Sequence[str]
) -> None:
    """Run that of a command's own commands which the first argument names; ``text`` is their help."""
    first = arguments[0] if arguments else ""
    if first in ("", "-h", "--help", "help"):
        print(text.rstrip(), file=sys.stdout if first else sys.stderr)
        if not first:
            raise SystemExit(2)
        return
    from i2pmae.common.errors import pick

    pick(f"{name} command", first, commands)(arguments[1:])
