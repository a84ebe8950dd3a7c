"""From what a person writes after ``--data`` to clouds."""

from pathlib import Path
from typing import Literal

from i2pmae.common.errors import UsageError, pick
from i2pmae.data.benchmarks import READERS, plan_benchmark
from i2pmae.data.clouds import CloudSet
from i2pmae.data.folder import PARTS, check_request, open_clouds, plan_files
from i2pmae.data.manifest import is_manifest, plan_manifest
from i2pmae.data.opening import open_plan
from i2pmae.data.paths import expanded, readable
from i2pmae.data.plan import Plan
from i2pmae.data.prepared import is_prepared, open_prepared, plan_prepared
from i2pmae.data.reading import Request
from i2pmae.data.remote import is_remote
from i2pmae.data.sampling import UP_AXES
from i2pmae.data.shapes import ShapesConfig, make_splits

__all__ = ["SHAPES", "files_axis", "is_shapes", "named", "open_source", "plan_source", "request_for"]

Axis = Literal["x", "y", "z"]
SHAPES = "shapes"
"""The name that stands for the built-in shapes."""
SHAPE_COUNT = 4000
"""How many built-in shapes are made where nobody says."""
TEST_SHARE = 0.2


def is_shapes(data: str | Path) -> bool:
    """Whether ``data`` names the built-in shapes. A folder of that name is meant by ``./shapes``."""
    return str(data) == SHAPES


def named(data: str | Path) -> tuple[str | None, Path]:
    """The name of a published data set, where ``data`` is NAME=PATH, and the path.

    A path that is there means itself, whatever it contains. An unknown name is a :class:`UsageError` with near ones.
    """
    text, path = str(data), expanded(data)
    with readable(path):
        if path.exists():
            return None, path
    if text in READERS:
        raise UsageError(f"Say where {READERS[text].title} is: {text}=PATH.")
    name, equals, place = text.partition("=")
    if not equals or "/" in name or "\\" in name:
        return None, path
    pick("data set", name, READERS)
    return name, expanded(place)


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
) -> CloudSet:
    """The clouds that ``data`` names.

    ``data`` is ``shapes`` for the built-in ones; ``NAME=PATH`` for a published data set (the names are those of
    :data:`i2pmae.data.benchmarks.READERS`), which brings its labels and splits; a folder that ``i2pmae data prepare``
    made, or its address on another machine (``https://…``, ``s3://…``, ``gs://…``, ``hf://datasets/…``); a manifest, a
    .csv or .parquet file with the columns path, label and split; else a folder, a file or an array file. Of the
    built-in shapes, a fifth is the test split, the rest the train split. ``up`` is the axis that points up in the
    files: where nobody says, that of the published set, or y. ``clouds`` limits how many are read, in proportion to
    splits and spread over classes, or says how many are made; ``shapes`` says which of the built-in ones, and how hard.
    The other arguments and the errors are those of :func:`i2pmae.data.open_clouds`.
    """
    if is_shapes(data):
        return _shapes(points, up, clouds, seed, shapes, shown)
    check_request(points, max_bad_share, clouds, workers)
    if is_remote(data):
        _check_no_turn(up, f"The prepared folder {data} is y up")
        request = Request(points, "y", seed, clouds, parts != "none")
        return open_prepared(str(data), request, cache=cache, workers=workers, shown=shown)
    name, path = named(data)
    if name is None and is_prepared(path):
        _check_no_turn(up, f"The prepared folder {path} is y up")
        request = Request(points, "y", seed, clouds, parts != "none")
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
        )
    plan = plan_source(data, parts=parts)
    request = request_for(plan, points, up, clouds, parts, seed)
    return open_plan(plan, request, cache=cache, workers=workers, max_bad_share=max_bad_share, shown=shown)


def files_axis(data: str | Path, asked: Axis | None, trained: Axis | None) -> tuple[Axis | None, str]:
    """The axis that the files of ``data`` are read with, and what is to be said about it, if anything.

    It is the one that is ``asked`` for, else that of the files that a model was ``trained`` on. ``None`` where the data
    knows its own (built-in shapes, published sets, prepared folders), or nobody says.
    """
    if trained is None or is_shapes(data) or is_remote(data):
        return asked, ""
    name, path = named(data)
    if name is not None or is_prepared(path):
        return asked, ""
    if asked is None:
        said = f"Files are read as {trained} up, like those that the model was trained on; --up says otherwise."
        return trained, said if trained != "y" else ""
    said = f"Files are read as {asked} up, as asked for; those that the model was trained on were {trained} up."
    return asked, said if asked != trained else ""


def plan_source(
    data: str | Path,
    labels: Literal["none", "folder", "auto"] = "none",
    parts: Literal["none", "named", "column"] = "named",
) -> Plan:
    """What :func:`open_source` reads, before it is read; not for built-in shapes."""
    if is_shapes(data):
        raise UsageError("The built-in shapes are made from a seed: there is nothing to check or to prepare.")
    pick("parts option", parts, dict.fromkeys(PARTS))
    if is_remote(data):
        return plan_prepared(str(data))
    name, path = named(data)
    if name is not None:
        return plan_benchmark(READERS[name], path).once()
    if is_prepared(path):
        return plan_prepared(path)
    return plan_manifest(path, parts) if is_manifest(path) else plan_files(path, labels, parts)


def request_for(
    plan: Plan, points: int, up: str | None = None, clouds: int | None = None, parts: str = "named", seed: int = 0
) -> Request:
    """What every cloud of a plan should become; ``up`` is that of the plan where nobody says."""
    if up is not None:
        pick("up axis", up, UP_AXES)
    return Request(points, up or plan.up, seed, clouds, parts != "none")


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
