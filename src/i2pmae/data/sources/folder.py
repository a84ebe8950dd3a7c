"""Users' own data: a folder, a file or an array file becomes a set of clouds, read once and cached."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from i2pmae.common.errors import DataError, pick
from i2pmae.data.formats.arrays import ArraySet
from i2pmae.data.formats.base import SetOfClouds
from i2pmae.data.formats.parts import PartSource
from i2pmae.data.formats.table import describe_set
from i2pmae.data.sources.listing import SourceFile, find_files, folder_labels
from i2pmae.data.sources.plan import Entry, Plan

__all__ = ["LABELS", "PARTS", "plan_files"]

LABELS = ("none", "folder", "auto")
PARTS = ("none", "named", "column")


def plan_files(
    path: Path, labels: Literal["none", "folder", "auto"] = "none", parts: Literal["none", "named", "column"] = "named"
) -> Plan:
    """What :func:`open_clouds` reads: all files at or below ``path``."""
    pick("labels option", labels, dict.fromkeys(LABELS))
    pick("parts option", parts, dict.fromkeys(PARTS))
    files, problems = find_files(path, part_files=parts != "none")
    if parts == "column":
        files = [file if file.parts else replace(file, parts=PartSource()) for file in files]
    if not path.is_file():
        return _planned(path.absolute().name, path, files, [file.id for file in files], problems, labels)
    source = _describe_lone(files[0])
    if source is None:
        ids = [f"{path.absolute().parent.name}/{files[0].id}" if labels == "folder" else files[0].id]
        return _planned(path.name, path, files, ids, problems, labels)
    layout = "one array file" if isinstance(source, ArraySet) else "one file with a set of clouds"
    return Plan(path.name, [Entry(files[0], describe=lambda: source)], layout, points=source.size)


def _planned(
    name: str, root: Path, files: list[SourceFile], ids: list[str], problems: list[tuple[str, str]], kind: str
) -> Plan:
    if kind == "none":
        return Plan(name, [Entry(file) for file in files], problems=problems)
    labels, splits = folder_labels(root, ids, needed=kind == "folder")
    entries = [
        Entry(file, None if labels is None else labels[row], None if splits is None else splits[row])
        for row, file in enumerate(files)
    ]
    if labels is None:
        notes = ["No sub-folders name classes, so the files have no labels but those that they hold themselves."]
        plan = Plan(name, entries, problems=problems, notes=notes)
    else:
        plan = Plan(name, entries, "a folder for each class", problems, classes=tuple(sorted(set(labels))))
    return plan if splits is None else plan.once()


def _describe_lone(file: SourceFile) -> SetOfClouds | None:
    try:
        return describe_set(file.path, file.id)
    except DataError as error:
        raise DataError(f"{file.path}: {error}.") from None
