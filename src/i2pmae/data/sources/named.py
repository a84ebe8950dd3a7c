"""From what a person writes after ``--data`` to clouds."""

from pathlib import Path
from typing import Literal

from i2pmae.common.errors import UsageError, pick
from i2pmae.data.config import SHAPES
from i2pmae.data.paths import expanded, readable
from i2pmae.data.sources.benchmarks import READERS, plan_benchmark
from i2pmae.data.sources.folder import plan_files
from i2pmae.data.sources.manifest import is_manifest, plan_manifest
from i2pmae.data.sources.plan import Plan
from i2pmae.data.sources.prepared import is_prepared, plan_prepared
from i2pmae.data.store.remote import is_remote

__all__ = ["files_axis", "is_shapes", "named", "plan_source", "prepared_at"]

Axis = Literal["x", "y", "z"]


def is_shapes(data: str | Path) -> bool:
    """Whether ``data`` names the built-in shapes. A folder of that name is meant by ``./shapes``, or a path."""
    return data == SHAPES


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


def prepared_at(data: str | Path) -> Path | str | None:
    """Where the prepared folder that ``data`` names is, here or at its address; None where it names anything else."""
    if is_remote(data):
        return str(data)
    name, path = named(data)
    return path if name is None and is_prepared(path) else None


def files_axis(data: str | Path, asked: Axis | None, trained: Axis | None) -> tuple[Axis | None, str]:
    """The axis that the files of ``data`` are read with, and what is to be said about it, if anything.

    It is the one that is ``asked`` for, else that of the files that a model was ``trained`` on. ``None`` where the data
    knows its own (built-in shapes, published sets, prepared folders), or nobody says.
    """
    if trained is None or is_shapes(data) or prepared_at(data) is not None or named(data)[0] is not None:
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
    """What ``data`` names, before it is read; not for built-in shapes."""
    if is_shapes(data):
        raise UsageError("The built-in shapes are made from a seed: there is nothing to check or to prepare.")
    prepared = prepared_at(data)
    if prepared is not None:
        return plan_prepared(prepared)
    name, path = named(data)
    if name is not None:
        return plan_benchmark(READERS[name], path).once()
    return plan_manifest(path, parts) if is_manifest(path) else plan_files(path, labels, parts)
