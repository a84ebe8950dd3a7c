"""``recipes``: the named configurations of a command."""

import inspect
from collections.abc import Callable, Mapping

from i2pmae import methods, tasks
from i2pmae.common.config import Config
from i2pmae.common.errors import pick

__all__ = ["about", "recipe", "recipes"]


def recipes(command: str = "pretrain") -> Mapping[str, Callable[[], Config]]:
    """The recipes of ``pretrain`` or of a downstream task's command, by name; :class:`UsageError` for another name."""
    tables = {"pretrain": methods.recipes, **tasks.recipe_tables()}
    return pick("command with recipes", command, tables)()


def recipe(name: str, command: str = "pretrain") -> Config:
    """The full configuration of that name, to be changed and run.

    >>> config = i2pmae.recipe("tiny").changed(data="my/scans", epochs=50)
    """
    return pick("recipe", name, recipes(command))()


def about(make: Callable[[], Config]) -> str:
    """What a recipe says of itself: data, hardware, time and the number to expect."""
    return " ".join((inspect.getdoc(make) or "").split())
