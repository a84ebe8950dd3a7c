"""``i2pmae compare``: several recipes at one budget, with the same seeds, in one table and one plot."""

from collections.abc import Sequence
from typing import Annotated

import tyro
from pydantic import ConfigDict

from i2pmae.cli.options import parse, tidy_help
from i2pmae.common.errors import UsageError
from i2pmae.recipes.compare_config import CompareConfig

__all__ = ["CompareOptions", "run"]

Names = Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="RECIPE...")]


class CompareOptions(CompareConfig):
    """Pre-train several recipes on the same data at the same budget, probe each, and compare.

    RECIPE is a name that `i2pmae recipes` lists, such a name with changes
    (tiny@model.mask_ratio=0.6,teacher=vit-tiny), or a set of them: methods,
    guidance-and-semantics, guidance, mask-ratios, teachers, data-fractions. Each
    run is stored in the output folder, which gets table.md, table.csv,
    results.json and comparison.png. Use --resume to go on after a stop.

    Examples:
      i2pmae compare methods --data shapes --clouds 2000 --epochs 6
      i2pmae compare guidance-and-semantics --base paper --data shapenet55=PATH
      i2pmae compare tiny tiny@model.mask_ratio=0.6 --data modelnet40=PATH --seeds 0 1
      i2pmae compare --output runs/compare --resume
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    recipes: Names = ()
    """Recipes, recipes with changes, or sets."""
    resume: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Go on with the comparison in the output folder. Without recipes, its own configuration is used."""


def run(arguments: Sequence[str]) -> None:
    """Train every cell, then print the table and where everything is."""
    config, resume = read_options(arguments)
    from i2pmae.recipes.compare import compare

    result = compare(config, resume=resume)
    print(f"{result.markdown()}\n\n{result.protocol}\n\nplot   {config.output / 'comparison.png'}")
    print(f"runs   {config.output}")


def read_options(arguments: Sequence[str]) -> tuple[CompareConfig, bool]:
    """The comparison that the arguments ask for, and whether to resume.

    :class:`UsageError` where no recipe is named; ``SystemExit`` with status 2 for unknown options.
    """
    tidy_help(CompareOptions)
    options = parse(CompareOptions, "compare", arguments)
    stored = options.output / "config.yaml"
    if options.resume and not options.recipes and stored.is_file():
        return CompareConfig.load(stored).model_copy(update={"output": options.output}), True
    if not options.recipes:
        raise UsageError(
            "Name the recipes to compare, e.g. `i2pmae compare tiny point-mae-tiny`, or a set such as `methods`; "
            "`i2pmae compare --help` lists the sets."
        )
    values = {name: getattr(options, name) for name in CompareConfig.model_fields}
    return CompareConfig(**values), options.resume
