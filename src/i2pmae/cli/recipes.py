"""``i2pmae recipes``: the named configurations."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro

from i2pmae.cli.options import otherwise, parse

__all__ = ["run"]


@dataclass(frozen=True)
class Recipes:
    """List the recipes, or print one as YAML, to change and give to pretrain --config.

    Examples:
      i2pmae recipes
      i2pmae recipes tiny > mine.yaml
    """

    recipe: Annotated[str | None, tyro.conf.Positional, otherwise("list all", metavar="[RECIPE]")] = None
    """Recipe to print in full."""


def run(arguments: Sequence[str]) -> None:
    """Print all recipes with what they say of themselves, or the YAML of one."""
    options = parse(Recipes, "recipes", arguments)
    from i2pmae.common.errors import pick
    from i2pmae.recipes import RECIPES

    if options.recipe is not None:
        print(pick("recipe", options.recipe, RECIPES)().to_yaml(), end="")
        return
    width = max(map(len, RECIPES))
    for name, make in RECIPES.items():
        print(f"{name:{width}}  {' '.join((inspect.getdoc(make) or '').split())}")
