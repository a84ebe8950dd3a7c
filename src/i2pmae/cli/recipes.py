"""``i2pmae recipes``: the named configurations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

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
    command: str = "pretrain"
    """The command whose recipes are meant: pretrain, finetune, segment or fewshot."""


def run(arguments: Sequence[str]) -> None:
    """Print all recipes with what they say of themselves, or the YAML of one."""
    options = parse(Recipes, "recipes", arguments)
    from i2pmae.commands.recipes import about, recipe, recipes

    if options.recipe is not None:
        print(recipe(options.recipe, options.command).to_yaml(), end="")
        return
    table = recipes(options.command)
    width = max(map(len, table))
    for name, make in table.items():
        print(f"{name:{width}}  {about(make)}")
