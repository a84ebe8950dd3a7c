"""``i2pmae show``: what weights or a run are."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import tyro

from i2pmae.cli.arguments import in_order
from i2pmae.cli.options import parse

__all__ = ["run"]


@dataclass(frozen=True)
class Show:
    """Say what weights or a run are, were trained on, reached, and may be used for.

    usage: i2pmae show RUN

    A run may be of any command, and need not be finished: how far it is, and
    how to go on, is then said. In Python: i2pmae.show, and encoder.info.

    Examples:
      i2pmae show tiny
      i2pmae show runs/finetune
      i2pmae show hf-hub:my-lab/scans --json
    """

    checkpoint: str
    """Run folder, weights folder, name (`i2pmae models`) or hf-hub:ORG/NAME; the first word, or named."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print it as JSON."""


def run(arguments: Sequence[str]) -> None:
    """Print the description."""
    options = parse(Show, "show", in_order(Show, "show", ("checkpoint",), arguments))
    from i2pmae.commands.show import show

    found = show(options.checkpoint)
    print(json.dumps(found.to_dict(), indent=2) if options.json else found)
