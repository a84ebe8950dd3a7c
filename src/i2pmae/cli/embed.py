"""``i2pmae embed``: vectors of clouds, as a table on disk."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tyro

from i2pmae.cli.options import Checkpoint, DataOptions, Source, parse

__all__ = ["run"]


@dataclass(frozen=True)
class Embed:
    """Write one row per cloud: id, embedding, and label and split where known.

    Examples:
      i2pmae embed runs/pretrain scans/ --up z --output vectors.parquet
      i2pmae embed runs/pretrain set.npz --output vectors.npz --point-features
    """

    checkpoint: Checkpoint
    """Run folder or weights folder."""
    path: Source
    """Folder, file or array file of clouds or meshes; "shapes" for built-in ones."""
    output: Path
    """File to write: .parquet, or .npz with an array per column."""
    point_features: tyro.conf.FlagCreatePairsOff[bool] = False
    """Also write the points of each cloud and one vector per point."""
    batch_size: int = 64
    """Clouds at a time."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    data: tyro.conf.OmitArgPrefixes[DataOptions] = field(default_factory=DataOptions)


def run(arguments: Sequence[str]) -> None:
    """Read the clouds, embed them, write the table, say what was written."""
    options = parse(Embed, "embed", arguments)
    from i2pmae.evaluation.embed import check_output, embed_to_file
    from i2pmae.hub import load

    check_output(options.output)
    encoder = load(options.checkpoint, options.device)
    clouds = options.data.open(options.path, encoder.points)
    path = embed_to_file(
        encoder, clouds, options.output, point_features=options.point_features, batch_size=options.batch_size
    )
    print(f"{path}: {len(clouds)} clouds of {clouds.points.shape[1]} points, {encoder.embedding_dim} channels each")
