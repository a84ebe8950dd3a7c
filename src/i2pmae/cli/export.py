"""``i2pmae export``: the encoder of a run alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from i2pmae.cli.arguments import in_order
from i2pmae.cli.options import parse

__all__ = ["run"]


@dataclass(frozen=True)
class Export:
    """Store the encoder of a pre-trained model alone, small enough to hand on.

    usage: i2pmae export CHECKPOINT --output FOLDER

    Decoder and heads are left behind. The folder is a weights folder as any: it
    can be embedded with, fine-tuned and pre-trained further. Its record keeps
    the linear probe that the run measured.

    Examples:
      i2pmae export runs/tiny --output weights/tiny
      i2pmae export runs/tiny --output weights/tiny-exact --precision fp32
    """

    checkpoint: str
    """Run folder, weights folder or name (`i2pmae models`) of a pre-trained model; the first word, or named."""
    output: Path
    """Folder to write the weights to."""
    precision: Literal["fp16", "fp32"] = "fp16"
    """Of the weights on disk; what is loaded is fp32 either way."""


def run(arguments: Sequence[str]) -> None:
    """Export, and say what was written."""
    options = parse(Export, "export", in_order(Export, "export", ("checkpoint",), arguments))
    from i2pmae.commands.export import export
    from i2pmae.common.text import size_in_words

    folder = export(options.checkpoint, options.output, precision=options.precision)
    size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    print(f"{folder}: the encoder alone, {options.precision}, {size_in_words(size)}")
