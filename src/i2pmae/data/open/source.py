"""The one door: from what a person names to clouds."""

from pathlib import Path
from typing import Any

from i2pmae.common.errors import UsageError
from i2pmae.data.clouds import CloudSet
from i2pmae.data.config import DataConfig
from i2pmae.data.open.arrays import in_form_already
from i2pmae.data.open.prepared import open_prepared
from i2pmae.data.read.files import Request
from i2pmae.data.read.plans import open_plan
from i2pmae.data.shapes import make_splits
from i2pmae.data.sources.named import is_shapes, plan_source, prepared_at

__all__ = ["open_clouds", "request_for"]

SHAPE_COUNT = 4000
"""How many built-in shapes are made where nobody says."""

TEST_SHARE = 0.2


def open_clouds(source: DataConfig | str | Path, *, seed: int = 0, shown: bool = True, **changes: Any) -> CloudSet:
    """The clouds that ``source`` names: of equal size, y up, in the unit sphere.

    >>> i2pmae.open_clouds("my/scans", points=1024, up="z", labels="folder")
    >>> i2pmae.open_clouds(config.data, seed=config.training.seed)

    ``source`` is a folder, which is read recursively, formats mixed; a file; an array file with many clouds, labels and
    splits; a manifest, a .csv or .parquet file with the columns path, label and split; ``NAME=PATH`` for a published
    data set (the names are those of :data:`i2pmae.data.sources.benchmarks.READERS`), which brings its labels, splits
    and axis; a folder that ``i2pmae data prepare`` made, or its address on another machine (``https://…``, ``s3://…``,
    ``gs://…``, ``hf://datasets/…``); or ``shapes`` for the built-in ones, a fifth of which is the test split, the rest
    the train split (a folder of that name is ``./shapes``, or a :class:`Path`). It may be a
    :class:`~i2pmae.data.config.DataConfig` instead, which says how it is read, too.

    ``changes`` are fields of :class:`~i2pmae.data.config.DataConfig` by name, in whose words each is explained; what
    is not named is as in the configuration, or has its default. ``seed`` decides which points are drawn and which
    shapes are made, ``shown`` whether progress is.

    Meshes are sampled uniformly on their surface; of clouds with more points a random subset is drawn, of those with
    fewer some points are repeated; all of it follows from ``seed`` and the path alone. What is read is kept in
    ``cache`` (default: the user's cache folder) until the files or the options change, and is sorted by path.

    Part labels are read where a file names them: an array ``part_labels``; a column or property ``label``, ``part`` or
    ``part_label``; a file ``x.seg`` or ``x.labels`` with one number per line beside ``x``, or in ``points_label``
    beside ``points``. ``parts="column"`` takes the last column of text files, ``"none"`` reads none.

    ``columns`` are kept beside the coordinates, in :attr:`CloudSet.columns`. They come from the named properties,
    columns or arrays of a file, or from three columns without names behind x, y and z: normals where all have length 1,
    else colours. A mesh has the normals of its triangles where it stores none. A file without one that is asked for
    counts as one that cannot be used, since a cloud has all columns or the set has none.

    Files without a usable shape are left out, counted in the notes and listed with reasons beside the cache.

    Raises:
        UsageError: for a field that there is not, with those of near names, and for values that cannot be.
        DataError: where there is nothing to read, or more than ``max_bad_share`` of it cannot be used.
        I2PError: where the cache cannot be written.
    """
    if "fraction" in changes:
        raise UsageError("fraction is the share that a run trains on, and all clouds are opened: limit them by clouds.")
    config = source.changed(changes) if isinstance(source, DataConfig) else DataConfig().changed(changes, source=source)
    if is_shapes(config.source):
        return _shapes(config, seed, shown)
    prepared = prepared_at(config.source)
    if prepared is not None:
        _check_no_turn(config, f"The prepared folder {prepared} is y up")
        request = request_for(config, "y", seed)
        return open_prepared(prepared, request, cache=config.cache, workers=config.workers, shown=shown)
    plan = plan_source(config.source, config.labels, config.parts)
    request = request_for(config, plan.up, seed)
    found = in_form_already(plan, request)
    if found is not None:
        return found
    return open_plan(
        plan, request, cache=config.cache, workers=config.workers, max_bad_share=config.max_bad_share, shown=shown
    )


def request_for(config: DataConfig, own: str = "y", seed: int = 0) -> Request:
    """What every cloud should become; ``own`` is the axis of the set, for where the configuration names none."""
    return Request(config.points, config.up or own, seed, config.clouds, config.parts != "none", config.columns)


def _shapes(config: DataConfig, seed: int, shown: bool) -> CloudSet:
    if config.columns:
        raise UsageError(f"The built-in shapes have no {config.columns[0]}: leave the columns out.")
    _check_no_turn(config, "The built-in shapes are y up")
    count = SHAPE_COUNT if config.clouds is None else config.clouds
    if count < 2:
        raise UsageError(f"Expected at least 2 built-in shapes, one to train and one to test, got {count}.")
    held_out = max(1, round(TEST_SHARE * count))
    counts = {"train": count - held_out, "test": held_out}
    return make_splits(counts, config.points, seed=seed, config=config.shapes, shown=shown)


def _check_no_turn(config: DataConfig, sentence: str) -> None:
    if config.up not in (None, "y"):
        raise UsageError(f"{sentence}: leave --up {config.up} out.")
