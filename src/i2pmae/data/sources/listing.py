"""Which files a path stands for, and what their folders say about class and split."""

import errno
import os
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import overload

import numpy as np

from i2pmae.common.errors import DataError, near_names
from i2pmae.data.compact import Codes, Texts
from i2pmae.data.formats.gltf import buffers_beside
from i2pmae.data.formats.parts import BESIDE, PartSource, parts_beside
from i2pmae.data.formats.table import EXTENSIONS, known_formats
from i2pmae.data.labels import SPLIT_NAMES, near_split
from i2pmae.data.paths import portable, readable

__all__ = [
    "Files",
    "SourceFile",
    "check_there",
    "find_files",
    "folder_labels",
    "source_file",
    "spread",
    "stratified",
]

DOCUMENTS = ("readme", "license", "licence", "copying", "notice", "changelog", "citation", "requirements")
"""First words of the names of texts that lie beside data and hold none."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to read, with what tells whether it changed."""

    id: str
    """Its path below the opened folder, with forward slashes."""
    path: Path
    size: int
    """Bytes of it and of the files that belong to it."""
    mtime_ns: int
    """The sum of the times when they were changed."""
    parts: PartSource | None = None
    """Where the part labels of its points are, where not in a named array or column of the file."""


def source_file(path: Path, name: str, parts: PartSource | None = None) -> SourceFile:
    """A file under the id ``name``; :class:`OSError` where it, or its file of part labels, is not there."""
    try:
        status = path.stat()
    except ValueError as error:  # a NUL or half a character, from a damaged list
        raise OSError(errno.EINVAL, f"no file can have that name ({error})") from None
    others = [] if parts is None or parts.path is None else [parts.path.stat()]
    size, changed = _state(path, status, others)
    return SourceFile(portable(name), path, size, changed, parts)


class Files(Sequence[SourceFile]):
    """Files below one folder in order of their ids; each is made when it is asked for, and takes its name and twenty
    bytes until then."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.names, self.sizes, self.times = Texts(), array("q"), array("q")
        self.order = np.arange(0)
        self.others: dict[int, SourceFile] = {}
        """What takes more to say, by its place before sorting."""

    def add(self, name: str, size: int, changed: int) -> None:
        """A file of the path ``name`` below the folder, with forward slashes."""
        if not -(2**63) <= changed < 2**63:  # the sum of many times
            self.others[len(self.sizes)] = SourceFile(portable(name), self.root / name, size, changed)
            changed = 0
        self.names.extend([name])
        self.sizes.append(size)
        self.times.append(changed)

    def sort(self) -> None:
        """Bring them into the order of their ids."""
        ids = sorted(range(len(self.names)), key=lambda place: portable(self.names[place]))
        self.order = np.array(ids, dtype=np.int64)

    def note_parts(self) -> None:
        """Look for the file of part labels of each."""
        for place in range(len(self.names)):
            file = self._made(place)
            parts = parts_beside(file.path)
            if parts is not None:
                self.others[place] = source_file(file.path, file.id, parts)

    def ids(self) -> Iterator[str]:
        """Their names."""
        return (portable(self.names[place]) for place in self.order.tolist())

    def __len__(self) -> int:
        return len(self.order)

    @overload
    def __getitem__(self, key: int) -> SourceFile: ...

    @overload
    def __getitem__(self, key: slice) -> list[SourceFile]: ...

    def __getitem__(self, key: int | slice) -> SourceFile | list[SourceFile]:
        if isinstance(key, slice):
            return [self._made(place) for place in self.order[key].tolist()]
        return self._made(int(self.order[key]))

    def _made(self, place: int) -> SourceFile:
        if place in self.others:
            return self.others[place]
        name = self.names[place]
        return SourceFile(portable(name), self.root / name, self.sizes[place], self.times[place])


def _state(path: Path, status: os.stat_result, others: Sequence[os.stat_result] = ()) -> tuple[int, int]:
    """Size and time of change of a file and all that belongs to it, as sums: any change of one changes them."""
    if path.suffix.lower() == ".gltf":
        others = [*others, *buffers_beside(path)]
    each = [status, *others]
    return sum(one.st_size for one in each), sum(one.st_mtime_ns for one in each)


def find_files(path: Path, part_files: bool = False) -> tuple[Sequence[SourceFile], list[tuple[str, str]]]:
    """All readable files at or below ``path``, sorted by id, and what could not be looked at, with reasons.

    Hidden files, READMEs and unknown formats are passed over. :class:`DataError` where there is no such path, where a
    single file has an unknown format, or where a folder holds nothing that can be read. With ``part_files``, a file of
    part labels that belongs to one of points is noted with it.
    """
    with readable(path):
        if path.is_file():
            if path.suffix.lower() not in EXTENSIONS:
                raise DataError(f"{path}: unknown file format {path.suffix!r}. Known: {known_formats()}.")
            return [source_file(path, path.name, parts_beside(path) if part_files else None)], []
        check_there(path)
        next(path.iterdir(), None)
    files, problems, others = _walk(path)
    files.sort()
    if part_files and any(others[suffix] for suffix in BESIDE):
        files.note_parts()
    if not len(files) and not problems:
        held = ", ".join(f"{count} × {suffix or 'no extension'}" for suffix, count in others.most_common(5))
        raise DataError(f"{path} holds no file in a known format ({held or 'it is empty'}). Known: {known_formats()}.")
    return files, sorted(problems)


def check_there(path: Path) -> None:
    """:class:`DataError` with near names where there is no folder ``path``."""
    if path.is_dir():
        return
    siblings = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
    near = f" {near_names(path.name, siblings)}" if 0 < len(siblings) <= 1000 else ""
    raise DataError(f"There is no file or folder {path}.{near}")


def folder_labels(root: Path, ids: Iterable[str], needed: bool = True) -> tuple[Codes[str] | None, Codes[str] | None]:
    """The class name of each file, which is its folder's, and its split where every path has a train or test level.

    Both ``CLASS/train/x.off`` and ``train/CLASS/x.off`` are understood. Where labels are not ``needed`` and no file at
    all has a class folder, there are none. :class:`DataError` for files without a class folder, and where only some
    paths have a level of the split.
    """
    names, splits = Codes[str](), Codes[str]()
    loose, without = list[str](), list[str]()
    count = 0
    for count, name in enumerate(ids, 1):  # noqa: B007 (how many there are)
        parents = list(PurePosixPath(name).parent.parts)
        levels = [level for level, parent in enumerate(parents) if parent.lower() in SPLIT_NAMES]
        if levels:
            splits.extend([SPLIT_NAMES[parents.pop(levels[-1]).lower()]])
        else:
            without.append(name)
        if parents:
            names.extend([parents[-1]])
        else:
            loose.append(name)
    if loose and (needed or names):
        raise DataError(
            f"{root}: labels from folders were asked for, but there is no class folder around {_some(loose)}. "
            "Put every file into a folder named after its class, or open the folder without labels."
        )
    if splits and without:
        raise DataError(
            f"{root}: {len(splits)} of {count} files are in train or test folders, but not {_some(without)}. "
            f"Put all files below such folders, or none.{_misspelt(without)}"
        )
    return names if len(names) else None, splits if len(splits) else None


def _misspelt(names: Sequence[str]) -> str:
    """A sentence on a folder that was perhaps meant to be a split."""
    folders = dict.fromkeys(folder for name in names for folder in PurePosixPath(name).parent.parts)
    meant = next(((folder, split) for folder in folders if (split := near_split(folder)) is not None), None)
    return f" Did you mean {meant[1]!r} by {meant[0]!r}?" if meant is not None else ""


def spread(available: int, limit: int | None) -> np.ndarray:
    """At most ``limit`` of the indices below ``available``, evenly spread, ascending."""
    if limit is None or limit >= available:
        return np.arange(available)
    return np.arange(limit) * available // limit


def stratified(splits: Sequence[str | None], labels: Sequence[int | str | None], limit: int | None) -> np.ndarray:
    """At most ``limit`` of the indices of the clouds, ascending: of each split its share, spread over its classes.

    Every split has one at least where ``limit`` allows it.
    """
    if limit is None or limit >= len(labels):
        return np.arange(len(labels))
    groups = np.unique([str(split) for split in splits], return_inverse=True)[1]
    classes = np.unique([str(label) for label in labels], return_inverse=True)[1]
    chosen = []
    for group, share in enumerate(_shares(np.bincount(groups), limit)):
        members = np.flatnonzero(groups == group)
        members = members[np.argsort(classes[members], kind="stable")]
        chosen.append(members[spread(len(members), int(share))])
    return np.sort(np.concatenate(chosen))


def _shares(counts: np.ndarray, limit: int) -> np.ndarray:
    """Whole numbers that add up to ``limit``, in proportion to ``counts`` up to rounding."""
    exact = limit * counts / counts.sum()
    shares = np.maximum(np.floor(exact).astype(int), int(limit >= len(counts)))
    while shares.sum() < limit:
        shares[np.argmax(exact - shares)] += 1
    while shares.sum() > limit:
        shares[np.argmax(np.where(shares > 1, shares - exact, -np.inf))] -= 1
    return shares


def _walk(root: Path) -> tuple[Files, list[tuple[str, str]], Counter[str]]:
    files = Files(root)
    others: Counter[str] = Counter()
    problems: list[tuple[str, str]] = []

    def report(error: OSError) -> None:
        place = Path(error.filename or root)
        problems.append((portable(os.path.relpath(place, root)), f"cannot be read: {error.strerror or error}"))

    visited = {os.path.realpath(root)}
    for place, folders, names in os.walk(root, followlinks=True, onerror=report):
        folders[:] = [name for name in sorted(folders) if not name.startswith((".", "__"))]
        folders[:] = [name for name in folders if _first_visit(Path(place, name), visited)]
        for name in names:
            path = Path(place, name)
            suffix = path.suffix.lower()
            if name.startswith(".") or suffix not in EXTENSIONS or name.lower().startswith(DOCUMENTS):
                others[suffix] += not name.startswith(".")
                continue
            try:
                status = path.stat()
            except OSError as error:
                report(error)
                continue
            files.add(path.relative_to(root).as_posix(), *_state(path, status))
    return files, problems, +others


def _first_visit(folder: Path, visited: set[str]) -> bool:
    """Whether a folder was not seen before under another name: links may lead in a circle."""
    real = os.path.realpath(folder)
    if real in visited:
        return False
    visited.add(real)
    return True


def _some(names: list[str]) -> str:
    first = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return f"{len(names)} {'file' if len(names) == 1 else 'files'} ({first})"
