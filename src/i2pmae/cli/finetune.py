"""``i2pmae finetune``: an encoder and labelled clouds become a classifier."""

from collections.abc import Sequence

from i2pmae.cli.spread import spread
from i2pmae.cli.tasks import TaskCommand

__all__ = ["COMMAND", "run"]

ABOUT = """
Train a classifier on labelled clouds, from a pre-trained encoder or from scratch.

The epoch is chosen on clouds held out from training; the test clouds are scored once, at the end.
The run folder gets weights (for `i2pmae predict`), config.yaml, metrics.csv, validation.csv,
results.json, confusion.png and report.html.

examples:
  i2pmae finetune runs/pretrain folder_of_classes --up z
  i2pmae finetune runs/tiny --recipe modelnet40-tiny --data modelnet40.npz
  i2pmae finetune scanobjectnn-pb --checkpoint runs/paper --data scanobjectnn-pb=PATH --twin
  i2pmae finetune --output runs/finetune --resume
"""

COMMAND = TaskCommand("finetune", ABOUT, ("head-start", "votes", "freeze"))


def run(arguments: Sequence[str]) -> None:
    """Train and test, then say what came out and where it is."""
    given = COMMAND.read(arguments)
    if given is None:
        return
    spread(given.config.training.devices, given.config.training.device, "finetune", arguments)
    from i2pmae.commands.finetune import finetune

    COMMAND.show(finetune(given.config, resume=given.resume))
