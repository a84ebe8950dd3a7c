"""``i2pmae embed``: vectors of clouds, as a table on disk."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from i2pmae.cli.arguments import in_order
from i2pmae.cli.options import ReadingOptions, otherwise, parse
from i2pmae.cli.spread import print_once
from i2pmae.encoders.pooling import Pooling

__all__ = ["run"]


@dataclass(frozen=True)
class Embed:
    """Write one row per cloud: id, embedding, and label and split where known.

    usage: i2pmae embed [CHECKPOINT] DATA --output FILE

    Examples:
      i2pmae embed scans/ --output vectors.parquet
      i2pmae embed runs/pretrain scans/ --up z --output vectors.parquet
      i2pmae embed runs/pretrain set.npz --output vectors.npz --point-features
    """

    data: str
    """Folder, file or array file of clouds or meshes; "shapes" for built-in ones. The last word, or named."""
    output: Path
    """File to write: .parquet, or .npz with an array per column."""
    checkpoint: Annotated[str | None, tyro.conf.DisallowNone, otherwise("tiny, in the package")] = None
    """Run folder, weights folder or name (`i2pmae models`); the first of two words, or named."""
    point_features: tyro.conf.FlagCreatePairsOff[bool] = False
    """Also write the points of each cloud and one vector per point."""
    batch_size: int = 64
    """Clouds at a time."""
    device: str = "auto"
    """auto, cpu, mps, cuda or cuda:N."""
    pooling: Annotated[Pooling | None, tyro.conf.DisallowNone, otherwise("as the weights say")] = None
    """How tokens become a vector: of the coarsest level, or of all levels; + adds, | puts side by side."""
    copies: int = 1
    """Copies of each cloud, stretched by up to a tenth, whose vectors are averaged: 4 tell classes better apart, and
    take four times as long."""
    reading: tyro.conf.OmitArgPrefixes[ReadingOptions] = field(default_factory=ReadingOptions)


def run(arguments: Sequence[str]) -> None:
    """Embed, then say what was written."""
    options = parse(Embed, "embed", in_order(Embed, "embed", ("checkpoint", "data"), arguments, optional=1))
    from i2pmae.commands.embed import embed

    found = embed(
        options.checkpoint,
        options.data,
        output=options.output,
        point_features=options.point_features,
        batch_size=options.batch_size,
        device=options.device,
        pooling=options.pooling,
        copies=options.copies,
        **options.reading.given(),
    )
    size = found.clouds.points.shape[1]
    print_once(f"{found.path}: {len(found.clouds)} clouds of {size} points, {found.channels} channels each")
