"""Predictions for a set of clouds as a table, and segmented clouds as coloured files."""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import trimesh

from i2pmae.common.errors import UsageError
from i2pmae.common.files import write_bytes
from i2pmae.common.progress import track
from i2pmae.data.clouds import CloudSet
from i2pmae.evaluation.features import batches
from i2pmae.hub.predictor import CloudClassifier, CloudSegmenter
from i2pmae.viz.colours import distinct

__all__ = ["check_table", "classify_set", "segment_set", "table_text", "write_table"]

LEGEND = "legend.json"
"""File beside the coloured clouds: which colour is which part."""


def classify_set(
    classifier: CloudClassifier, clouds: CloudSet, *, top: int | None = None, batch_size: int = 32, shown: bool = True
) -> pa.Table:
    """One row per cloud, in their order: ``id``, ``label``, ``probability``, then ``p_CLASS`` for every class.

    With ``top``, the columns of classes give way to the runners-up: ``label_2``, ``probability_2`` up to ``top``.
    ``truth`` is the class that the set names, where it does. :class:`UsageError` where there is no cloud, and for a
    ``top`` that is not a number of classes.
    """
    classes = classifier.classes
    if top is not None and not 1 <= top <= len(classes):
        raise UsageError(f"The number of top classes must be from 1 to {len(classes)}, the classes there are: {top}.")
    found = [
        classifier.predict(points, batch_size=batch_size, max_points=None).probabilities
        for _, points in _parts(clouds, batch_size, "Classifying", shown)
    ]
    probabilities = np.concatenate(found)
    order = np.argsort(-probabilities, axis=1, kind="stable")
    columns: dict[str, Any] = {"id": list(clouds.ids)}
    for place in range(top or 1):
        suffix, chosen = f"_{place + 1}" if place else "", order[:, place]
        columns[f"label{suffix}"] = [classes[index] for index in chosen]
        columns[f"probability{suffix}"] = np.take_along_axis(probabilities, chosen[:, None], 1)[:, 0]
    if clouds.labels is not None:
        columns["truth"] = _class_names(clouds)
    if top is None:
        columns |= {f"p_{name}": probabilities[:, index] for index, name in enumerate(classes)}
    return pa.table(columns)


def segment_set(
    segmenter: CloudSegmenter,
    clouds: CloudSet,
    *,
    category: str | None = None,
    ply: Path | None = None,
    batch_size: int = 16,
    shown: bool = True,
) -> pa.Table:
    """One row per cloud, in their order: ``id``, ``category`` if there are any, mean ``probability``, ``n_PART``.

    ``probability`` is that of the points' chosen parts, ``n_PART`` counts points. A segmenter with categories is told
    ``category``, or what the set's own labels say. With ``ply``, a folder, each cloud is written there as a ``.ply``
    file (as the segmenter saw it: y up, in the unit sphere) with a colour and the property ``part`` per point, beside
    ``legend.json``. :class:`UsageError` where a category is missing or unknown.
    """
    told = _categories(segmenter, clouds, category)
    parts = segmenter.parts
    colours = np.rint(255 * distinct(len(parts)).clip(0, 1)).astype(np.uint8)
    files = None if ply is None else _ply_names(clouds.ids)
    if ply is not None:
        shades = [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in colours]
        legend = pa.table({"part": range(len(parts)), "name": list(parts), "colour": shades})
        write_bytes(ply / LEGEND, _json(legend))
    counts = np.zeros((len(clouds), len(parts)), np.int64)
    certainty = np.zeros(len(clouds), np.float32)
    for rows, points in _parts(clouds, batch_size, "Segmenting", shown):
        chosen = None if told is None else told[rows]
        found = segmenter.predict(points, category=chosen, batch_size=batch_size).probabilities
        labels, certainty[rows] = found.argmax(-1), found.max(-1).mean(-1)
        for row, cloud, label in zip(range(rows.start, rows.stop), points, labels, strict=True):
            counts[row] = np.bincount(label, minlength=len(parts))
            if ply is not None and files is not None:
                write_bytes(ply / files[row], _ply(cloud, label, colours))
    columns: dict[str, Any] = {"id": list(clouds.ids)}
    columns |= {} if told is None else {"category": told}
    columns["probability"] = certainty
    return pa.table(columns | {f"n_{name}": counts[:, index] for index, name in enumerate(parts)})


def _parts(clouds: CloudSet, size: int, doing: str, shown: bool) -> Iterator[tuple[slice, np.ndarray]]:
    """Rows and points of a set, some at a time; :class:`UsageError` for a set without clouds."""
    if len(clouds) == 0:
        raise UsageError(f"{clouds.name} holds no clouds: there is nothing to predict.")
    for rows in track(batches(clouds, size), f"{doing} {clouds.name}", shown=shown):
        yield rows, np.asarray(clouds.points[rows], dtype=np.float32)


def _class_names(clouds: CloudSet) -> list[str]:
    """The class of each cloud as the set names it."""
    assert clouds.labels is not None
    names = clouds.classes
    return [str(int(label)) if names is None else names[int(label)] for label in clouds.labels]


def _categories(segmenter: CloudSegmenter, clouds: CloudSet, category: str | None) -> list[str] | None:
    """What each cloud shows, for a segmenter that must be told."""
    known = segmenter.categories
    if category is not None or not known:
        segmenter.check_category(category)
        return None if category is None else [category] * len(clouds)
    listed = ", ".join(known)
    if clouds.labels is None or clouds.classes is None:
        raise UsageError(
            "This segmenter was trained on clouds whose category it was told: name it with --category, or, where the "
            f"folders of the files name it, give --labels folder. Known: {listed}."
        )
    names = _class_names(clouds)
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise UsageError(
            f"{clouds.name} has clouds of {', '.join(unknown)}, which this segmenter does not know. Known: {listed}. "
            "Name what the clouds show with --category."
        )
    return names


def _ply_names(ids: Sequence[str]) -> list[Path]:
    """A file for each cloud, inside the folder whatever the ids say, and a different one for each."""
    safe = [[part for part in PurePosixPath(str(name)).parts if part not in ("/", "..")] or ["cloud"] for name in ids]
    plain = [Path(*parts).with_suffix(".ply") for parts in safe]
    whole = [Path(*parts[:-1], f"{parts[-1]}.ply") for parts in safe]
    names = plain if len(set(plain)) == len(plain) else whole
    if len(set(names)) == len(names):
        return names
    return [Path(f"{row:06d}-{name.name}") for row, name in enumerate(whole)]


def _ply(points: np.ndarray, parts: np.ndarray, colours: np.ndarray) -> bytes:
    """A cloud as a binary PLY file with a colour and a part per point."""
    cloud = trimesh.PointCloud(points, colors=colours[parts])
    cloud.vertex_attributes = {"part": parts.astype(np.uint16)}  # what the writer looks for, though clouds have none
    return bytes(cloud.export(file_type="ply"))


def table_text(table: pa.Table) -> str:
    """The table as CSV."""
    buffer = io.BytesIO()
    pa_csv.write_csv(table, buffer)
    return buffer.getvalue().decode("utf-8")


def _parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def _json(table: pa.Table) -> bytes:
    return (json.dumps(table.to_pylist(), indent=1, ensure_ascii=False) + "\n").encode("utf-8")


WRITERS: dict[str, Callable[[pa.Table], bytes]] = {
    ".csv": lambda table: table_text(table).encode("utf-8"),
    ".parquet": _parquet,
    ".json": _json,
}
"""How each format is written, by suffix."""


def check_table(output: Path) -> str:
    """The format that a file name asks for; :class:`UsageError` where it is none of those that can be written."""
    suffix = output.suffix.lower()
    if suffix not in WRITERS:
        raise UsageError(f"Predictions are written as {', '.join(WRITERS)}, not {suffix!r}: rename {output}.")
    return suffix


def write_table(table: pa.Table, output: Path) -> None:
    """Write a table as CSV, Parquet or JSON by the suffix of the file, whole or not at all."""
    write_bytes(output, WRITERS[check_table(output)](table))
