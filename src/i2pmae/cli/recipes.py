"""``i2pmae recipes``: the named configurations."""

import importlib
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from i2pmae.cli.options import otherwise, parse

__all__ = ["run"]


@dataclass(frozen=True)
class Recipes:
    """List the recipes of a command, or print one as YAML, to change and give to the command's --config.

    Examples:
      i2pmae recipes
      i2pmae recipes tiny > mine.yaml
      i2pmae recipes --command finetune
    """

    recipe: Annotated[str | None, tyro.conf.Positional, otherwise("list all", metavar="[RECIPE]")] = None
    """Recipe to print in full."""
    command: Literal["pretrain", "finetune", "segment", "fewshot"] = "pretrain"
    """The command whose recipes are meant."""


def run(arguments: Sequence[str]) -> None:
    """Print all recipes with what they say of themselves, or the YAML of one."""
    options = parse(Recipes, "recipes", arguments)
    from i2pmae.common.errors import pick

    recipes = importlib.import_module(f"i2pmae.cli.{options.command}").COMMAND.recipes()
    if options.recipe is not None:
        print(pick("recipe", options.recipe, recipes)().to_yaml(), end="")
        return
    width = max(map(len, recipes))
    for name, make in recipes.items():
        print(f"{name:{width}}  {' '.join((inspect.getdoc(make) or '').split())}")
