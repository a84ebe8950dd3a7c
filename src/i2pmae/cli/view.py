"""``i2pmae view``: pictures of chosen clouds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from i2pmae.cli.arguments import in_order
from i2pmae.cli.options import ReadingOptions, otherwise, parse

__all__ = ["run"]


@dataclass(frozen=True)
class View:
    """Draw clouds: their depth maps and what the teacher finds salient in them.

    usage: i2pmae view [CHECKPOINT] DATA

    With a checkpoint also the encoder's features as colours and, of a run of
    pre-training, what would be masked and reconstructed.

    Examples:
      i2pmae view scans/ --up z --count 8
      i2pmae view runs/pretrain scans/ --select "chairs/*" --output chairs.png
    """

    data: str
    """Folder, file or array file of clouds or meshes; "shapes" for built-in ones. The last word, or named."""
    checkpoint: Annotated[str | None, tyro.conf.DisallowNone, otherwise("none, only what the teacher sees")] = None
    """Run folder, weights folder or name (`i2pmae models`); the first of two words, or named."""
    output: Path = Path("view.html")
    """File to write: .html, a page whose clouds can be turned, or .png, one sheet."""
    count: int = 6
    """Most clouds to draw; spread over the classes where there are labels."""
    select: Annotated[tuple[str, ...], otherwise("any", metavar="NAME [NAME ...]")] = ()
    """Names of clouds to draw, or patterns such as "chairs/*"."""
    teacher: Annotated[
        str | None, tyro.conf.DisallowNone, otherwise("that of the checkpoint, if any; embedded without")
    ] = None
    """2D model: see `i2pmae teachers`."""
    device: str = "auto"
    """auto, cpu, mps, cuda or cuda:N."""
    reading: tyro.conf.OmitArgPrefixes[ReadingOptions] = field(default_factory=ReadingOptions)


def run(arguments: Sequence[str]) -> None:
    """Draw, then say what was written."""
    options = parse(View, "view", in_order(View, "view", ("checkpoint", "data"), arguments, optional=1))
    from i2pmae.commands.view import view

    path = view(
        options.data,
        options.checkpoint,
        output=options.output,
        count=options.count,
        select=options.select,
        teacher=options.teacher,
        device=options.device,
        **options.reading.given(),
    )
    print(f"Drawn: {path}")
