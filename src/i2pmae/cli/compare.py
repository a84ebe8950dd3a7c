"""``i2pmae compare``: several recipes at one budget, with the same seeds, in one table and one plot."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from i2pmae.cli.options import parse
from i2pmae.cli.spread import print_once, spread
from i2pmae.commands.compare_config import CompareConfig
from i2pmae.common.errors import UsageError

__all__ = ["read_options", "run"]


class CompareOptions(CompareConfig):
    """Pre-train several recipes on the same data at the same budget, probe each, and compare.

    RECIPE is a name that `i2pmae recipes` lists, such a name with changes
    (tiny@model.mask_ratio=0.6,teacher=vit-ti16), or a set of them: methods,
    objectives, guidance-and-semantics, guidance, mask-ratios, teachers,
    data-fractions. Each run is stored in the output folder, which gets table.md,
    table.csv, results.json and comparison.png. Use --resume to go on after a stop.

    To choose one of the recipes, take --probe-on held-out: test clouds that a
    choice was made by no longer say how good the chosen one is.

    Examples:
      i2pmae compare methods --data shapes --clouds 2000 --epochs 6
      i2pmae compare objectives --data PATH --labels folder --probe-on held-out
      i2pmae compare guidance-and-semantics --base paper --data shapenet55=PATH
      i2pmae compare tiny tiny@model.mask_ratio=0.6 --data modelnet40=PATH --seeds 0 1
      i2pmae compare --output runs/compare --resume
    """

    recipes: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RECIPE...")] = ()
    """Recipes, recipes with changes, or sets."""
    resume: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Go on with the comparison in the output folder. Without recipes, its own configuration is used."""


def run(arguments: Sequence[str]) -> None:
    """Train every cell, then print the table and where everything is."""
    config, resume = read_options(arguments)
    spread(config.training.devices, config.training.device, "compare", arguments)
    from i2pmae.commands.compare import compare, comparison_table

    record = compare(config, resume=resume)
    folder = config.output.folder
    plot = folder / "comparison.png"
    print_once(f"{comparison_table(record)}\n\n{record.protocol}\n\nplot   {plot}\nruns   {folder}")


def read_options(arguments: Sequence[str]) -> tuple[CompareConfig, bool]:
    """The comparison that the arguments ask for, and whether to resume.

    :class:`UsageError` where no recipe is named; ``SystemExit`` with status 2 for unknown options.
    """
    options = parse(CompareOptions, "compare", arguments)
    stored = Path(options.output.folder) / "config.yaml"
    if options.resume and not options.recipes and stored.is_file():
        return CompareConfig.load(stored).changed(output=options.output.folder), True
    if not options.recipes:
        raise UsageError(
            "Name the recipes to compare, e.g. `i2pmae compare tiny point-mae-tiny`, or a set such as `methods`; "
            "`i2pmae compare --help` lists the sets."
        )
    return CompareConfig(**{name: value for name, value in options if name != "resume"}), options.resume
