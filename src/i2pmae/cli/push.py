"""``i2pmae push``: weights on the Hugging Face hub."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from i2pmae.cli.arguments import in_order
from i2pmae.cli.options import otherwise, parse

__all__ = ["run"]


@dataclass(frozen=True)
class Push:
    """Publish weights on the Hugging Face hub, with a model card of what their run measured.

    usage: i2pmae push CHECKPOINT ORG/NAME --licence LICENCE

    Of a pre-trained model the encoder alone, of a classifier or segmenter all
    of it. Others then use it as hf-hub:ORG/NAME wherever a checkpoint is given.
    Without a network the folder is written, and the command that uploads it
    is said.

    Examples:
      i2pmae push runs/scans my-lab/scans --licence apache-2.0
      i2pmae push runs/scans my-lab/scans --licence mit --no-upload
    """

    checkpoint: str
    """Run folder, weights folder or name (`i2pmae models`); the first word, or named."""
    repository: str
    """ORG/NAME on the hub, made where it isn't there; the second word, or named."""
    folder: Annotated[Path | None, tyro.conf.DisallowNone, otherwise("hub/ORG/NAME")] = None
    """Where the files are written; what has the same names there is replaced."""
    licence: Annotated[str, otherwise("none is stated; that of weights with a name")] = ""
    """The hub's name of the terms of the weights, such as apache-2.0."""
    precision: Literal["fp16", "fp32"] = "fp16"
    """Of the weights on disk; what is loaded is fp32 either way."""
    private: tyro.conf.FlagCreatePairsOff[bool] = False
    """Make a new repository private."""
    message: str = "Weights of i2pmae"
    """Of the commit."""
    upload: bool = True
    """Upload; --no-upload only writes the folder."""
    pictures: bool = True
    """Show pictures on the card: those of the run, and features of built-in shapes as colours."""


def run(arguments: Sequence[str]) -> None:
    """Write the folder, upload it, and say where it is."""
    options = parse(Push, "push", in_order(Push, "push", ("checkpoint", "repository"), arguments))
    from i2pmae.commands.push import push

    done = push(**vars(options))
    if done.url is None:
        print(f"{done.folder} is written. Upload it with\n    {done.command}")
    else:
        print(f"{done.url}: use it as hf-hub:{options.repository}")
