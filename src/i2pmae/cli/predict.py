"""``i2pmae predict``: classes of clouds, or parts of their points, by a fine-tuned model."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from i2pmae.cli.arguments import in_order
from i2pmae.cli.options import ReadingOptions, otherwise, parse
from i2pmae.cli.spread import print_once

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["run"]

MOST = 10
"""Classes that the summary names."""


@dataclass(frozen=True)
class Predict:
    """Name the class of each cloud, or the part of each point, with probabilities.

    usage: i2pmae predict CHECKPOINT DATA

    A classifier gives one row per cloud: id, label, probability, and the
    probability of every class (p_CLASS). A segmenter gives id, mean
    probability and the number of points of every part (n_PART), and with
    --ply a coloured file per cloud.

    Examples:
      i2pmae predict runs/finetune scans/ --up z
      i2pmae predict runs/finetune scans/ --output labels.json --top 3
      i2pmae predict runs/finetune new/ --as-manifest more.csv --labelled scans/
      i2pmae predict runs/segment chair.obj --category Chair --ply parts/
    """

    checkpoint: str
    """Run folder, weights folder or name of a classifier or segmenter; the first word, or named."""
    data: str
    """Folder, file or array file of clouds or meshes; "shapes" for built-in ones. The second word, or named."""
    output: Annotated[Path | None, tyro.conf.DisallowNone, otherwise("CSV on standard output")] = None
    """File to write: .csv, .parquet or .json."""
    top: Annotated[int | None, tyro.conf.DisallowNone, otherwise("the most probable one, and every p_CLASS")] = None
    """Write the so many most probable classes of each cloud, without a column for every class."""
    category: Annotated[str | None, tyro.conf.DisallowNone, otherwise("as the labels of the data say")] = None
    """What the clouds show, for a segmenter that was trained with categories."""
    ply: Annotated[Path | None, tyro.conf.DisallowNone, otherwise("none")] = None
    """New or empty folder to write segmented clouds to, as .ply files with a colour and the property "part" per
    point."""
    as_manifest: Annotated[Path | None, tyro.conf.DisallowNone, otherwise("none")] = None
    """File to write, .csv or .parquet: the clouds whose class is confident, for another round of `i2pmae finetune`."""
    confidence: float = 0.9
    """The least probability of a class that is taken for one there."""
    labelled: Annotated[str | None, tyro.conf.DisallowNone, otherwise("none")] = None
    """Folder of classes or manifest whose clouds stand there too; the test clouds are then among these alone."""
    batch_size: int = 32
    """Clouds at a time."""
    device: str = "auto"
    """auto, cpu, mps, cuda or cuda:N."""
    reading: tyro.conf.OmitArgPrefixes[ReadingOptions] = field(default_factory=ReadingOptions)


def run(arguments: Sequence[str]) -> None:
    """Predict, and print the table or where it was written."""
    options = parse(Predict, "predict", in_order(Predict, "predict", ("checkpoint", "data"), arguments))
    from i2pmae.commands.predict import predict
    from i2pmae.evaluation.written import table_text

    table = predict(
        options.checkpoint,
        options.data,
        output=options.output,
        top=options.top,
        category=options.category,
        ply=options.ply,
        as_manifest=options.as_manifest,
        confidence=options.confidence,
        labelled=options.labelled,
        batch_size=options.batch_size,
        device=options.device,
        **options.reading.given(),
    )
    if options.output is None and options.as_manifest is not None:
        return  # what was written has been said
    print_once(table_text(table) if options.output is None else f"{options.output}: {_summary(table)}\n", end="")


def _summary(table: "pa.Table") -> str:
    """How many clouds, and how many of each class."""
    if "label" not in table.column_names:
        return f"{table.num_rows} clouds"
    counts = Counter(table["label"].to_pylist()).most_common()
    rest = f" and {len(counts) - MOST} more classes" if len(counts) > MOST else ""
    return f"{table.num_rows} clouds: {', '.join(f'{count} {name}' for name, count in counts[:MOST])}{rest}"
