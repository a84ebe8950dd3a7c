"""``i2pmae predict``: classes of clouds, or parts of their points, by a fine-tuned model."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from i2pmae.cli.options import Checkpoint, DataOptions, Source, otherwise, parse
from i2pmae.common.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["run"]

MOST = 10
"""Classes that the summary names."""


@dataclass(frozen=True)
class Predict:
    """Name the class of each cloud, or the part of each point, with probabilities.

    A classifier gives one row per cloud: id, label, probability, and the
    probability of every class (p_CLASS). A segmenter gives id, mean
    probability and the number of points of every part (n_PART), and with
    --ply a coloured file per cloud.

    Examples:
      i2pmae predict runs/finetune scans/ --up z
      i2pmae predict runs/finetune scans/ --output labels.json --top 3
      i2pmae predict runs/segment chair.obj --category Chair --ply parts/
    """

    checkpoint: Checkpoint
    """Run folder or weights folder of a classifier or segmenter."""
    path: Source
    """Folder, file or array file of clouds or meshes; "shapes" for built-in ones."""
    output: Annotated[Path | None, tyro.conf.DisallowNone, otherwise("CSV on standard output")] = None
    """File to write: .csv, .parquet or .json."""
    top: Annotated[int | None, tyro.conf.DisallowNone, otherwise("the most probable one, and every p_CLASS")] = None
    """Write the so many most probable classes of each cloud, without a column for every class."""
    category: Annotated[str | None, tyro.conf.DisallowNone, otherwise("as the labels of the data say")] = None
    """What the clouds show, for a segmenter that was trained with categories."""
    ply: Annotated[Path | None, tyro.conf.DisallowNone, otherwise("none")] = None
    """Folder to write segmented clouds to, as .ply files with a colour and the property "part" per point."""
    batch_size: int = 32
    """Clouds at a time."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    data: tyro.conf.OmitArgPrefixes[DataOptions] = field(default_factory=DataOptions)


def run(arguments: Sequence[str]) -> None:
    """Read the clouds, predict, and write or print the table."""
    options = parse(Predict, "predict", arguments)
    from i2pmae.evaluation.predict import check_table, classify_set, segment_set, table_text, write_table
    from i2pmae.hub import CloudClassifier, load_predictor

    if options.output is not None:
        check_table(options.output)
    predictor = load_predictor(options.checkpoint, options.device)
    if isinstance(predictor, CloudClassifier):
        _refuse(options, "classifier, which names no parts", "category", "ply")
        clouds = options.data.open(options.path, predictor.points)
        table = classify_set(predictor, clouds, top=options.top, batch_size=options.batch_size)
    else:
        _refuse(options, "segmenter, which names parts, not classes", "top")
        predictor.check_category(options.category, required=False)
        clouds = options.data.open(options.path, predictor.points)
        table = segment_set(
            predictor, clouds, category=options.category, ply=options.ply, batch_size=options.batch_size
        )
    if options.output is None:
        print(table_text(table), end="")
        return
    write_table(table, options.output)
    print(f"{options.output}: {_summary(table)}")


def _refuse(options: Predict, what: str, *names: str) -> None:
    """:class:`UsageError` for options that the checkpoint has no use for."""
    for name in names:
        if getattr(options, name) is not None:
            raise UsageError(f"{options.checkpoint} holds a {what}: leave --{name} out.")


def _summary(table: "pa.Table") -> str:
    """How many clouds, and how many of each class."""
    if "label" not in table.column_names:
        return f"{table.num_rows} clouds"
    counts = Counter(table["label"].to_pylist()).most_common()
    rest = f" and {len(counts) - MOST} more classes" if len(counts) > MOST else ""
    return f"{table.num_rows} clouds: {', '.join(f'{count} {name}' for name, count in counts[:MOST])}{rest}"
