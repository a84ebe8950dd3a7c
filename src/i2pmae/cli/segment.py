"""``i2pmae segment``: an encoder and clouds with a label per point become a part segmenter."""

from collections.abc import Sequence

from i2pmae.cli.spread import spread
from i2pmae.cli.tasks import TaskCommand

__all__ = ["COMMAND", "run"]

ABOUT = """
Train a segmenter that names the part of every point, from a pre-trained encoder or from scratch.

The category of a cloud is its class; the parts are those of the set. The epoch is chosen on clouds
held out from training; the test clouds are scored once, at the end. The run folder gets weights
(for `i2pmae predict`), config.yaml, metrics.csv, validation.csv, results.json, parts.png and
report.html.

examples:
  i2pmae segment runs/tiny parts.npz --recipe tiny
  i2pmae segment shapenetpart --checkpoint runs/paper --data shapenetpart=PATH --twin
  i2pmae segment --output runs/segment --resume
"""

COMMAND = TaskCommand("segment", ABOUT, ("unseen-parts", "freeze"))


def run(arguments: Sequence[str]) -> None:
    """Train and test, then say what came out and where it is."""
    given = COMMAND.read(arguments)
    if given is None:
        return
    spread(given.config.training.devices, given.config.training.device, "segment", arguments)
    from i2pmae.commands.segment import segment

    COMMAND.show(segment(given.config, resume=given.resume))
