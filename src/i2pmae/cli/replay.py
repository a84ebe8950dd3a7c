"""``i2pmae replay``: a step of a run once more."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from i2pmae.cli.arguments import in_order
from i2pmae.cli.options import otherwise, parse

__all__ = ["run"]


@dataclass(frozen=True)
class Replay:
    """Take a step of a run again, and say what was the first in it that was not finite.

    usage: i2pmae replay RUN

    A run that ends in a loss or a gradient that is not finite leaves the state
    before that step in its folder. From there the step is taken again, in the
    run's arithmetic and in double precision, watched by autograd's anomaly
    detection: which loss, which part of the model, which parameter's gradient,
    and which clouds of the batch. Any other step is reached from the last
    checkpoint before it, or from the start. The run stays as it is.

    Examples:
      i2pmae replay runs/scans
      i2pmae replay runs/scans --step 120 --json
    """

    run: Path
    """Folder of a run of pretrain, finetune or segment; the first word, or named."""
    step: Annotated[int | None, tyro.conf.DisallowNone, otherwise("the one that was not finite")] = None
    """Number of the step, from 1."""
    device: Annotated[str | None, tyro.conf.DisallowNone, otherwise("as in the run")] = None
    """auto, cpu, mps, cuda or cuda:N."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print it as JSON; what is not finite is then null."""


def run(arguments: Sequence[str]) -> None:
    """Print what was found."""
    options = parse(Replay, "replay", in_order(Replay, "replay", ("run",), arguments))
    from i2pmae.commands.replay import replay

    found = replay(options.run, step=options.step, device=options.device)
    print(json.dumps(_plain(found.to_dict()), indent=2, allow_nan=False) if options.json else found)


def _plain(value: object) -> object:
    """The same without numbers that JSON does not have."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and (value != value or abs(value) == float("inf")) else value
