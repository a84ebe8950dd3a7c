"""``i2pmae fewshot``: how well an encoder learns classes from a few clouds of each."""

from collections.abc import Sequence

from i2pmae.cli.spread import spread
from i2pmae.cli.tasks import TaskCommand

__all__ = ["COMMAND", "run"]

ABOUT = """
Learn a few classes from a few clouds of each, many times over: mean and deviation of the accuracy.

The folds are drawn by the seed, or are the published ones of ModelNet40 with
--data modelnet-fewshot=PATH. With --mode linear an SVM learns from frozen features. A run that was
stopped goes on with the fold it was in.

examples:
  i2pmae fewshot runs/pretrain folder_of_classes --ways 5 --shots 10
  i2pmae fewshot runs/pretrain shapes --mode linear --twin
  i2pmae fewshot modelnet40-5w10s --checkpoint runs/paper --data modelnet-fewshot=PATH
"""

COMMAND = TaskCommand("fewshot", ABOUT, ("ways", "shots", "queries", "folds", "mode"))


def run(arguments: Sequence[str]) -> None:
    """Train and test, then say what came out and where it is."""
    given = COMMAND.read(arguments)
    if given is None:
        return
    spread(given.config.training.devices, given.config.training.device, "fewshot", arguments)
    from i2pmae.commands.fewshot import fewshot

    COMMAND.show(fewshot(given.config, resume=given.resume))
