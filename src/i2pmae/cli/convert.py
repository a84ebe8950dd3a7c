"""``i2pmae convert``: a weights folder from a checkpoint that a method's authors released."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from i2pmae.cli.options import otherwise, parse

__all__ = ["run"]

PUBLISHED = "as in the published settings"
LEVELS = otherwise(PUBLISHED, metavar="FINEST ... COARSEST")


@dataclass(frozen=True)
class Convert:
    """Make a weights folder from a checkpoint that a method's authors released.

    Pre-trained, fine-tuned and part segmentation files are told apart by
    their names, and sizes are read off the shapes. Every tensor is
    accounted for: used, dropped or missing. Nothing in the file is executed.

    Examples:
      i2pmae convert pre-train.pth --from i2p-mae --output weights/i2p-mae
      i2pmae convert modelnet40.pth --from point-mae --output weights/mae-mn40
      i2pmae convert pb.pth --from i2p-mae --settings scanobjectnn-pb --output weights/pb
      i2pmae convert dVAE.pth --from point-bert --output weights/dvae
    """

    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """The released file (.pth)."""
    method: Annotated[str, tyro.conf.arg(name="from", prefix_name=False)]
    """The method that the weights belong to."""
    output: Path
    """Folder to write the weights to."""
    settings: Annotated[
        str | None,
        tyro.conf.DisallowNone,
        otherwise("told from the task and the number of classes"),
    ] = None
    """Published settings that the weights were trained with: neighbourhoods, radii, points."""
    group_counts: Annotated[tuple[int, ...] | None, tyro.conf.DisallowNone, LEVELS] = None
    """Tokens per level, finest first."""
    group_sizes: Annotated[tuple[int, ...] | None, tyro.conf.DisallowNone, LEVELS] = None
    """Neighbours per token of every level."""
    attention_radii: Annotated[tuple[float, ...] | None, tyro.conf.DisallowNone, LEVELS] = None
    """How far a token attends, per level; zeros for no limit."""
    heads: Annotated[int | None, tyro.conf.DisallowNone, otherwise(PUBLISHED)] = None
    """Attention heads."""
    points: Annotated[int | None, tyro.conf.DisallowNone, otherwise(PUBLISHED)] = None
    """Points per cloud in training."""
    classes: Annotated[str | None, tyro.conf.DisallowNone, otherwise("those of the settings, or numbers")] = None
    """Names of the classes, or of the parts of a segmenter: modelnet40, scanobjectnn, or a file with one per line."""
    encoder_only: tyro.conf.FlagCreatePairsOff[bool] = False
    """Convert the encoder alone and leave its head behind."""


def run(arguments: Sequence[str]) -> None:
    """Convert, and say what became of every tensor."""
    options = parse(Convert, "convert", arguments)
    from i2pmae.commands.convert import convert

    print(convert(**vars(options)))
