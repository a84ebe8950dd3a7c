"""``i2pmae bench``: how fast this machine is at what the package does."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from i2pmae.cli.arguments import in_order
from i2pmae.cli.options import otherwise, parse

__all__ = ["run"]


@dataclass(frozen=True)
class Bench:
    """Measure operations, projection, lift, teacher, step, embedding, probe and start-up.

    usage: i2pmae bench [CHECKPOINT]

    Each stands beside the rate at which the device multiplies matrices at that
    moment: time, clouds a second, peak memory, FLOPs, and utilisation, the share
    of the time that the matrix products would take at that rate. It needs no
    data. With a checkpoint, its embedding is measured and, of a run of
    pre-training, its teacher and step, in the place of the recipes.

    Examples:
      i2pmae bench
      i2pmae bench --only step embedding --recipes tiny --output speed/
      i2pmae bench runs/pretrain --device cuda --batch-size 256
      i2pmae bench --against speed/2026-01-31-amd-epyc.json
      i2pmae bench new.json --against old.json
    """

    checkpoint: Annotated[str | None, tyro.conf.DisallowNone, otherwise("none, the recipes are measured")] = None
    """Run folder, weights folder or name; or the JSON file of an earlier benchmark, to be shown again. The first word,
    or named."""
    recipes: tuple[str, ...] = ("tiny", "small", "paper")
    """Recipes of pre-training to measure: see `i2pmae recipes`; also with changes, tiny@precision=bf16. The
    CLIP teacher of paper has random weights."""
    only: Annotated[tuple[str, ...], otherwise("all", metavar="NAME [NAME ...]")] = ()
    """What to measure: fps, knn, chamfer, three_nn_interpolate (together: operations), projection, lift, teacher, step,
    embedding, probe, start-up."""
    against: Annotated[Path | None, tyro.conf.DisallowNone, otherwise("none")] = None
    """JSON file of an earlier benchmark to compare with, also at equal matrix rate."""
    output: Annotated[Path | None, tyro.conf.DisallowNone, otherwise("none, the tables are only printed")] = None
    """Folder to write the tables and the record to, as .md and .json named after date and machine."""
    batch_size: Annotated[
        int | None, tyro.conf.DisallowNone, otherwise("4 to 32 on a CPU, by the size of the model; 128 on a GPU")
    ] = None
    """Clouds at a time."""
    repeats: int = 3
    """Most repeats of each; fewer where they take more than six seconds."""
    device: str = "auto"
    """auto, cpu, mps, cuda or cuda:N."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print the record as JSON instead of tables."""


def run(arguments: Sequence[str]) -> None:
    """Measure, and print tables or the record."""
    options = parse(Bench, "bench", in_order(Bench, "bench", ("checkpoint",), arguments, optional=1))
    from i2pmae.commands.bench import bench

    found = bench(
        options.checkpoint,
        recipes=options.recipes,
        only=options.only,
        against=options.against,
        output=options.output,
        batch_size=options.batch_size,
        repeats=options.repeats,
        device=options.device,
    )
    print(found.model_dump_json(indent=1) if options.json else found)
