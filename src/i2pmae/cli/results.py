"""``i2pmae results``: the results of several runs, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from i2pmae.cli.options import otherwise, parse
from i2pmae.common.errors import CheckpointError
from i2pmae.common.files import write_text

__all__ = ["run"]


@dataclass(frozen=True)
class Results:
    """Print the scores of runs with their twins, protocols, seeds and commits.

    A run is the folder of a finished run, of any command, or a JSON file of a
    result (`i2pmae probe --output FILE`); of a comparison, every recipe is a
    line. Runs are listed as given; those that cannot be read are named at the
    end, and the exit status is then 1.

    Examples:
      i2pmae results runs/*
      i2pmae results runs/a runs/b probe.json --format csv --output results.csv
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUNS...")]
    """Run folders and JSON files of results."""
    format: Literal["markdown", "csv", "json"] = "markdown"
    """Markdown for people, CSV with one line per run, or JSON with the whole records."""
    output: Annotated[Path | None, tyro.conf.DisallowNone, otherwise("standard output")] = None
    """File to write to."""


def run(arguments: Sequence[str]) -> None:
    """Print or write the table, then name those that have no result."""
    options = parse(Results, "results", arguments)
    from i2pmae.commands.results import results

    found = results(*options.runs)
    if found and options.output is None:
        print(found.table(options.format), end="")
    elif found and options.output is not None:
        write_text(options.output, found.table(options.format))
        print(f"{options.output}: {len(found)} results")
    if found.problems:
        raise CheckpointError("\n".join(found.problems))
