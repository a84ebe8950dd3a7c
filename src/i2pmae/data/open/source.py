"""The one door: from what a person writes after ``--data`` to clouds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from i2pmae.common.errors import UsageError, pick
from i2pmae.data.clouds import CloudSet
from i2pmae.data.open.folder import check_request, open_clouds
from i2pmae.data.open.prepared import open_prepared
from i2pmae.data.read.files import Request
from i2pmae.data.read.plans import open_plan
from i2pmae.data.read.sampling import UP_AXES
from i2pmae.data.shapes import ShapesConfig, make_splits
from i2pmae.data.sources.manifest import is_manifest
from i2pmae.data.sources.named import is_shapes, named, plan_source
from i2pmae.data.sources.plan import Plan
from i2pmae.data.sources.prepared import is_prepared
from i2pmae.data.store.remote import is_remote

__all__ = ["open_source", "request_for"]

SHAPE_COUNT = 4000
"""How many built-in shapes are made where nobody says."""

TEST_SHARE = 0.2


def open_source(
    data: str | Path,
    *,
    points: int = 2048,
    up: Literal["x", "y", "z"] | None = None,
    labels: Literal["none", "folder", "auto"] = "none",
    parts: Literal["none", "named", "column"] = "named",
    clouds: int | None = None,
    cache: Path | None = None,
    workers: int | None = None,
    max_bad_share: float = 0.1,
    seed: int = 0,
    shown: bool = True,
    shapes: ShapesConfig | None = None,
    columns: Sequence[str] = (),
) -> CloudSet:
    """The clouds that ``data`` names.

    ``data`` is ``shapes`` for the built-in ones; ``NAME=PATH`` for a published data set (the names are those of
    :data:`i2pmae.data.sources.benchmarks.READERS`), which brings its labels and splits; a folder that ``i2pmae data
    prepare`` made, or its address on another machine (``https://…``, ``s3://…``, ``gs://…``, ``hf://datasets/…``); a
    manifest, a .csv or .parquet file with the columns path, label and split; else a folder, a file or an array file. Of
    the built-in shapes, a fifth is the test split, the rest the train split. ``up`` is the axis that points up in the
    files: where nobody says, that of the published set, or y. ``clouds`` limits how many are read, in proportion to
    splits and spread over classes, or says how many are made; ``shapes`` says which of the built-in ones, and how hard.
    The other arguments and the errors are those of :func:`i2pmae.data.open_clouds`.
    """
    if is_shapes(data):
        if columns:
            raise UsageError(f"The built-in shapes have no {columns[0]}: leave the columns out.")
        return _shapes(points, up, clouds, seed, shapes, shown)
    check_request(points, max_bad_share, clouds, workers, columns)
    if is_remote(data):
        _check_no_turn(up, f"The prepared folder {data} is y up")
        request = Request(points, "y", seed, clouds, parts != "none", tuple(columns))
        return open_prepared(str(data), request, cache=cache, workers=workers, shown=shown)
    name, path = named(data)
    if name is None and is_prepared(path):
        _check_no_turn(up, f"The prepared folder {path} is y up")
        request = Request(points, "y", seed, clouds, parts != "none", tuple(columns))
        return open_prepared(path, request, cache=cache, workers=workers, shown=shown)
    if name is None and not is_manifest(path):
        return open_clouds(
            path,
            points=points,
            up=up or "y",
            labels=labels,
            parts=parts,
            cache=cache,
            workers=workers,
            max_bad_share=max_bad_share,
            limit=clouds,
            seed=seed,
            shown=shown,
            columns=columns,
        )
    plan = plan_source(data, parts=parts)
    request = request_for(plan, points, up, clouds, parts, seed, columns)
    return open_plan(plan, request, cache=cache, workers=workers, max_bad_share=max_bad_share, shown=shown)


def request_for(
    plan: Plan,
    points: int,
    up: str | None = None,
    clouds: int | None = None,
    parts: str = "named",
    seed: int = 0,
    columns: Sequence[str] = (),
) -> Request:
    """What every cloud of a plan should become; ``up`` is that of the plan where nobody says."""
    if up is not None:
        pick("up axis", up, UP_AXES)
    return Request(points, up or plan.up, seed, clouds, parts != "none", tuple(columns))


def _shapes(
    points: int, up: str | None, clouds: int | None, seed: int, config: ShapesConfig | None, shown: bool
) -> CloudSet:
    _check_no_turn(up, "The built-in shapes are y up")
    count = SHAPE_COUNT if clouds is None else clouds
    if count < 2:
        raise UsageError(f"Expected at least 2 built-in shapes, one to train and one to test, got {count}.")
    held_out = max(1, round(TEST_SHARE * count))
    return make_splits({"train": count - held_out, "test": held_out}, points, seed=seed, config=config, shown=shown)


def _check_no_turn(up: str | None, sentence: str) -> None:
    if up not in (None, "y"):
        raise UsageError(f"{sentence}: leave --up {up} out.")
