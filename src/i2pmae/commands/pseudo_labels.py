"""Confident predictions as labels: a manifest for another round of fine-tuning."""

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from i2pmae.common.errors import UsageError
from i2pmae.data.clouds import CloudSet
from i2pmae.data.config import DataConfig
from i2pmae.data.open.source import open_clouds
from i2pmae.evaluation.splits import class_names, three_splits

if TYPE_CHECKING:
    import pyarrow as pa

    from i2pmae.weights.applied import Predictor

__all__ = ["check_manifest", "labelled_rows", "pseudo_labels", "summary"]

SUFFIXES = (".csv", ".parquet")
VALIDATION_SHARE = 0.2
"""Of the labelled training clouds, held out to choose the epoch by: what the recipes of `finetune` hold out."""
Row = dict[str, Any]


def check_manifest(output: Path, predictor: "Predictor", data: object, confidence: float, labelled: object) -> None:
    """:class:`UsageError` for what cannot become a manifest, before a cloud is read."""
    if output.suffix.lower() not in SUFFIXES:
        raise UsageError(f"A manifest is written as {' or '.join(SUFFIXES)}, not {output.suffix!r}: rename {output}.")
    if not 0 < confidence <= 1:
        raise UsageError(f"The confidence is a probability above 0 and at most 1, got {confidence:g}.")
    if predictor.record.task != "classification" or not hasattr(predictor, "classes"):
        raise UsageError(f"A manifest has a class for every cloud, which {predictor.record.kind.holds} does not give.")
    if isinstance(data, CloudSet):
        raise UsageError("A manifest lists files: give the folder or manifest that the clouds are read from.")
    given = [Path(str(value)).absolute() for value in (data, labelled) if value is not None]
    if output.absolute() in given:
        raise UsageError(f"{output} is what is read: write the manifest to another file, so that nothing is lost.")


def pseudo_labels(
    table: "pa.Table", clouds: CloudSet, data: str | Path, confidence: float, known: list[Row], output: Path
) -> "pa.Table":
    """The manifest: ``path``, ``label``, ``probability``, ``source`` (labelled or predicted), and ``split`` where
    labelled rows are ``known``; predicted rows are for training alone.

    :class:`UsageError` where no prediction is confident, and where clouds are not files of their own.
    """
    import pyarrow as pa

    paths, probabilities = _files(clouds, data), table["probability"].to_numpy()
    taken = {os.path.realpath(row["path"]) for row in known}
    sure = [
        row for row in np.flatnonzero(probabilities >= confidence).tolist() if os.path.realpath(paths[row]) not in taken
    ]
    if not sure:
        raise UsageError(_none(probabilities, confidence, len(taken)))
    labels = table["label"].to_pylist()
    rows: list[Row] = [*known]
    for row in sure:
        split = {"split": "train"} if known else {}
        found = {"path": paths[row], "label": labels[row], "probability": float(probabilities[row])}
        rows.append({**found, "source": "predicted", **split})
    home = output.absolute().parent
    return pa.Table.from_pylist([{**row, "path": _told(Path(row["path"]), home)} for row in rows])


def labelled_rows(labelled: str | Path, config: DataConfig, shown: bool) -> list[Row]:
    """A row for each labelled cloud: in the splits that the data have, or those that `finetune` would draw.

    Test and validation clouds are thus labelled by people, and test clouds those of a round without pseudo-labels.
    """
    clouds = open_clouds(config.changed(source=labelled), shown=shown)
    if clouds.labels is None:
        raise UsageError(f"{labelled} has no labels: expected a folder of classes, or a manifest with a column label.")
    names, parts = class_names(clouds), three_splits(clouds, VALIDATION_SHARE, 0)
    rows = []
    for split, part in (("train", parts.train), ("val", parts.validation), ("test", parts.test)):
        assert part.labels is not None
        files = _files(part, labelled)
        rows += [
            {"path": path, "label": names[int(label)], "probability": 1.0, "source": "labelled", "split": split}
            for path, label in zip(files, part.labels, strict=True)
        ]
    return rows


def summary(manifest: "pa.Table", clouds: int) -> str:
    """How many clouds got a label, and which; and how many were labelled already."""
    rows = manifest.to_pylist()
    counts = Counter(row["label"] for row in rows if row["source"] == "predicted").most_common()
    known = sum(row["source"] == "labelled" for row in rows)
    beside = f", beside {known} labelled ones" if known else ""
    told = ", ".join(f"{count} {name}" for name, count in counts[:10])
    rest = f" and {len(counts) - 10} more classes" if len(counts) > 10 else ""
    return f"{len(rows) - known} of {clouds} clouds with a confident label{beside}: {told}{rest}"


def _none(probabilities: np.ndarray, confidence: float, taken: int) -> str:
    most = float(probabilities.max())
    if most >= confidence:
        return f"Every cloud with a probability of at least {confidence:g} is among the {taken} labelled ones already."
    return (
        f"No prediction has a probability of at least {confidence:g} (the largest is {most:.3f}): lower --confidence, "
        "or fine-tune on more labels first."
    )


def _files(clouds: CloudSet, data: str | Path) -> list[str]:
    """The file of every cloud; :class:`UsageError` where clouds are not files of their own."""
    root = Path(data)
    base = root if root.is_dir() else root.parent
    places = [base / name for name in clouds.ids]
    missing = next((name for name, place in zip(clouds.ids, places, strict=True) if not place.is_file()), None)
    if missing is not None:
        raise UsageError(
            f"A manifest lists files, and the cloud {missing} of {data} is no file of its own: use a folder of files "
            "or a manifest, not an archive or a prepared folder."
        )
    return [str(place.absolute()) for place in places]


def _told(path: Path, home: Path) -> str:
    """A path as the manifest has it: relative to its folder where it lies below, so that both can be moved."""
    return path.relative_to(home).as_posix() if path.is_relative_to(home) else str(path)
