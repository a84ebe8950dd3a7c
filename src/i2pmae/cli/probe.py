"""``i2pmae probe``: how well a simple classifier tells classes apart by an encoder's frozen features."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from i2pmae.cli.arguments import in_order
from i2pmae.cli.options import ReadingOptions, otherwise, parse
from i2pmae.cli.spread import print_once
from i2pmae.encoders.pooling import Pooling

if TYPE_CHECKING:
    from i2pmae.runs.record import RunRecord

__all__ = ["run"]


@dataclass(frozen=True)
class Probe:
    """Train a simple classifier on frozen features and score it once on test clouds.

    usage: i2pmae probe [CHECKPOINT] DATA

    Its parameter (C, or k) is chosen by cross-validation on the training clouds
    alone. The test clouds are those of the data's own split (train and test
    folders, or a split in an array file), else a quarter, held out by the seed.

    Examples:
      i2pmae probe folder_of_classes
      i2pmae probe runs/pretrain --data folder_of_classes
      i2pmae probe runs/pretrain modelnet40.npz --up z --output probe.json
      i2pmae probe runs/pretrain shapes --classifier knn
    """

    data: str
    """Folder with a sub-folder per class, or array file with labels; "shapes" for built-in ones. The last word, or
    named."""
    checkpoint: Annotated[str | None, tyro.conf.DisallowNone, otherwise("tiny, in the package")] = None
    """Run folder, weights folder or name (`i2pmae models`); the first of two words, or named."""
    classifier: Literal["svm", "knn", "logistic"] = "svm"
    """Linear SVM, k nearest neighbours by cosine similarity, or logistic regression."""
    output: Annotated[Path | None, tyro.conf.DisallowNone, otherwise("none, the result is only printed")] = None
    """File to write the result to, as JSON; `i2pmae results` reads it."""
    features: Annotated[Path | None, tyro.conf.DisallowNone, otherwise("none")] = None
    """File to write the features of all clouds to, as `i2pmae embed` does: .parquet or .npz."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print the result as JSON instead of a table."""
    folds: int = 5
    """Folds of the cross-validation."""
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
    """Probe, and print the result with its protocol."""
    options = parse(Probe, "probe", in_order(Probe, "probe", ("checkpoint", "data"), arguments, optional=1))
    from i2pmae.commands.probe import probe

    record = probe(
        options.checkpoint,
        options.data,
        classifier=options.classifier,
        output=options.output,
        features=options.features,
        folds=options.folds,
        batch_size=options.batch_size,
        device=options.device,
        pooling=options.pooling,
        copies=options.copies,
        **options.reading.given(),
    )
    print_once(record.model_dump_json(indent=2) if options.json else _table(record))


def _table(record: "RunRecord") -> str:
    """The result for a person: the score first, then what it means."""
    parameter = "k" if "k" in record.selected else "C"
    rows = {
        "accuracy": f"{record.accuracy:.2%}",
        "mean of classes": f"{record.scores['mean_class_accuracy'].mean:.2%}",
        "chance": f"{record.chance:.2%}  (always the most frequent class)",
        parameter: f"{record.selected[parameter]:g}  (chosen on {record.selected['on']})",
        "clouds": f"{record.train_clouds} train, {record.test_clouds} test, {record.points} points each",
        "classes": str(len(record.classes)),
        "features": str(record.selected["features"]),
    }
    weakest = sorted(record.per_class.items(), key=lambda item: item[1])[:3]
    rows["weakest classes"] = ", ".join(f"{name} {accuracy:.0%}" for name, accuracy in weakest)
    width = max(map(len, rows))
    return "\n".join(f"{name:{width}}  {value}" for name, value in rows.items()) + f"\n\n{record.protocol}"
