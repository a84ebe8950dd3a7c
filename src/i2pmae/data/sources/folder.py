"""Users' own data: a folder, a file or an array file becomes a set of clouds, read once and cached."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, overload

from i2pmae.common.errors import DataError
from i2pmae.data.formats.arrays import ArraySet
from i2pmae.data.formats.base import SetOfClouds
from i2pmae.data.formats.parts import PartSource
from i2pmae.data.formats.table import describe_set
from i2pmae.data.sources.listing import Files, SourceFile, find_files, folder_labels
from i2pmae.data.sources.plan import Entry, Plan

__all__ = ["plan_files"]


@dataclass(frozen=True)
class Entries(Sequence[Entry]):
    """A cloud or a set of clouds in each of many files; each entry is made when it is asked for."""

    files: Sequence[SourceFile]
    labels: Sequence[str] | None = None
    splits: Sequence[str] | None = None
    column: bool = False
    """Whether the last column of text files holds part labels."""

    def __len__(self) -> int:
        return len(self.files)

    @overload
    def __getitem__(self, key: int) -> Entry: ...

    @overload
    def __getitem__(self, key: slice) -> list[Entry]: ...

    def __getitem__(self, key: int | slice) -> Entry | list[Entry]:
        if isinstance(key, slice):
            return [self[row] for row in range(len(self))[key]]
        file = self.files[key]
        if self.column and file.parts is None:
            file = replace(file, parts=PartSource())
        return Entry(
            file,
            None if self.labels is None else self.labels[key],
            None if self.splits is None else self.splits[key],
        )


def plan_files(
    path: Path, labels: Literal["none", "folder", "auto"] = "none", parts: Literal["none", "named", "column"] = "named"
) -> Plan:
    """All files at or below ``path``."""
    files, problems = find_files(path, part_files=parts != "none")
    column = parts == "column"
    if isinstance(files, Files):
        return _planned(path.absolute().name, path, files, files.ids(), problems, labels, column)
    source = _describe_lone(files[0])
    if source is None:
        ids = [f"{path.absolute().parent.name}/{files[0].id}" if labels == "folder" else files[0].id]
        return _planned(path.name, path, files, ids, problems, labels, column)
    layout = "one array file" if isinstance(source, ArraySet) else "one file with a set of clouds"
    return Plan(path.name, [Entry(files[0], describe=lambda: source)], layout, points=source.size)


def _planned(
    name: str,
    root: Path,
    files: Sequence[SourceFile],
    ids: Iterable[str],
    problems: list[tuple[str, str]],
    kind: str,
    column: bool,
) -> Plan:
    if kind == "none":
        return Plan(name, Entries(files, column=column), problems=problems)
    labels, splits = folder_labels(root, ids, needed=kind == "folder")
    entries = Entries(files, labels, splits, column)
    if labels is None:
        notes = ["No sub-folders name classes, so the files have no labels but those that they hold themselves."]
        plan = Plan(name, entries, problems=problems, notes=notes)
    else:
        plan = Plan(name, entries, "a folder for each class", problems, classes=tuple(sorted(labels.different())))
    return plan if splits is None else plan.once()


def _describe_lone(file: SourceFile) -> SetOfClouds | None:
    try:
        return describe_set(file.path, file.id)
    except DataError as error:
        raise DataError(f"{file.path}: {error}.") from None
