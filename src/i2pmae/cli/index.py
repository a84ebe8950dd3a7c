"""``i2pmae index``: clouds embedded once, to be searched."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from i2pmae.cli.arguments import in_order
from i2pmae.cli.options import ReadingOptions, otherwise, parse
from i2pmae.encoders.pooling import Pooling

__all__ = ["run"]


@dataclass(frozen=True)
class Index:
    """Embed clouds once, so that `i2pmae search` finds what is like a shape or a part of it.

    usage: i2pmae index [CHECKPOINT] DATA --output INDEX

    Examples:
      i2pmae index scans/ --output scans.index
      i2pmae index runs/pretrain scans/ --up z --output scans.index
      i2pmae search scans.index chair.obj
    """

    data: str
    """Folder, file or array file of clouds or meshes; "shapes" for built-in ones. The last word, or named."""
    output: Path
    """New or empty folder for the index."""
    checkpoint: Annotated[str | None, tyro.conf.DisallowNone, otherwise("tiny, in the package")] = None
    """Run folder, weights folder or name (`i2pmae models`); the first of two words, or named."""
    regions: int = 32
    """Places of each cloud that its parts are searched by; 0 for an index of whole shapes alone."""
    radius: float = 0.25
    """Of a region, where a cloud lies in the unit sphere."""
    graph: Literal["auto", "yes", "no"] = "auto"
    """Whether vectors are kept in a graph too, for fast search among many; auto: from 50 000 clouds on, where usearch
    is installed (pip install 'i2pmae[search]')."""
    batch_size: int = 32
    """Clouds at a time."""
    device: str = "auto"
    """auto, cpu, mps, cuda or cuda:N."""
    pooling: Annotated[Pooling | None, tyro.conf.DisallowNone, otherwise("as the weights say")] = None
    """How tokens become a vector: of the coarsest level, or of all levels; + adds, | puts side by side."""
    reading: tyro.conf.OmitArgPrefixes[ReadingOptions] = field(default_factory=ReadingOptions)


def run(arguments: Sequence[str]) -> None:
    """Index, then say what was written."""
    options = parse(Index, "index", in_order(Index, "index", ("checkpoint", "data"), arguments, optional=1))
    from i2pmae.commands.index import index
    from i2pmae.common.text import size_in_words

    made = index(
        options.checkpoint,
        options.data,
        output=options.output,
        regions=options.regions,
        radius=options.radius,
        graph=options.graph,
        batch_size=options.batch_size,
        device=options.device,
        pooling=options.pooling,
        **options.reading.given(),
    )
    size = sum(file.stat().st_size for file in made.folder.iterdir())
    parts = f", {made.record.regions} regions each" if made.record.regions else ""
    print(f"{made.folder}: {len(made)} clouds, {made.record.channels} channels{parts}, {size_in_words(size)}")
