"""``i2pmae probe``: how well a simple classifier tells classes apart by an encoder's frozen features."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from i2pmae.cli.options import Checkpoint, DataOptions, otherwise, parse

if TYPE_CHECKING:
    from i2pmae.evaluation import Result

__all__ = ["run"]


@dataclass(frozen=True)
class ProbeData(DataOptions):
    """Reading of the clouds."""

    labels: Literal["folder", "none"] = "folder"
    """Whether the folder of a file names its class; "none" where a folder holds array files with labels inside."""
    seed: int = 0
    """Decides which points are sampled, the folds, and which clouds are held out where the data has no test split."""


@dataclass(frozen=True)
class Probe:
    """Train a simple classifier on frozen features and score it once on test clouds.

    Its parameter (C, or k) is chosen by cross-validation on the training clouds
    alone. The test clouds are those of the data's own split (train and test
    folders, or a split in an array file), else a quarter, held out by the seed.

    Examples:
      i2pmae probe runs/pretrain --data folder_of_classes
      i2pmae probe runs/pretrain --data modelnet40.npz --up z --output probe.json
      i2pmae probe runs/pretrain --data shapes --classifier knn
    """

    checkpoint: Checkpoint
    """Run folder or weights folder."""
    data: Annotated[str, tyro.conf.arg(metavar="PATH")]
    """Folder with a sub-folder per class, or array file with labels; "shapes" for built-in ones."""
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
    """auto, cpu, cuda or cuda:N."""
    reading: tyro.conf.OmitArgPrefixes[ProbeData] = field(default_factory=ProbeData)


def run(arguments: Sequence[str]) -> None:
    """Embed the clouds, probe, print the result with its protocol, and write it where asked for."""
    options = parse(Probe, "probe", arguments)
    from i2pmae.data.sources import is_shapes
    from i2pmae.evaluation import embed_set, embed_to_file, probe_encoder
    from i2pmae.evaluation.embed import check_output
    from i2pmae.hub import load

    if options.features is not None:
        check_output(options.features)
    reading = replace(options.reading, labels="none") if is_shapes(options.data) else options.reading
    encoder = load(options.checkpoint, options.device)
    clouds = reading.open(options.data, encoder.points)
    embeddings = None
    if options.features is not None:
        embeddings = embed_set(encoder, clouds, batch_size=options.batch_size)
        embed_to_file(encoder, clouds, options.features, embeddings=embeddings, shown=False)
    result = probe_encoder(
        encoder,
        clouds,
        classifier=options.classifier,
        seed=reading.seed,
        folds=options.folds,
        batch_size=options.batch_size,
        embeddings=embeddings,
    )
    result = result.model_copy(update={"data": options.data, "encoder": str(options.checkpoint)})
    if options.output is not None:
        result.save(options.output)
    print(result.model_dump_json(indent=2) if options.json else _table(result))


def _table(result: "Result") -> str:
    """The result for a person: the score first, then what it means."""
    parameter = "k" if result.task == "knn" else "C"
    rows = {
        "accuracy": f"{result.accuracy:.2%}",
        "mean of classes": f"{result.scores['mean_class_accuracy'].mean:.2%}",
        "chance": f"{result.chance:.2%}  (always the most frequent class)",
        parameter: f"{result.selected[parameter]:g}  (chosen on {result.selected['on']})",
        "clouds": f"{result.train_clouds} train, {result.test_clouds} test, {result.points} points each",
        "classes": str(len(result.classes)),
        "features": str(result.selected["features"]),
    }
    weakest = sorted(result.per_class.items(), key=lambda item: item[1])[:3]
    rows["weakest classes"] = ", ".join(f"{name} {accuracy:.0%}" for name, accuracy in weakest)
    width = max(map(len, rows))
    return "\n".join(f"{name:{width}}  {value}" for name, value in rows.items()) + f"\n\n{result.protocol}"
