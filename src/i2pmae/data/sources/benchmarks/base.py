"""What the readers of published data sets share: how a layout is described and found, and lists and array files."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from i2pmae.common.errors import DataError
from i2pmae.data.formats.arrays import ArraySet, describe_arrays
from i2pmae.data.formats.parts import PartSource
from i2pmae.data.paths import portable
from i2pmae.data.sources.listing import check_there, source_file
from i2pmae.data.sources.plan import Entry, Plan

__all__ = ["Benchmark", "Gathered", "Layout", "listed_arrays", "natural", "places", "read_list"]

MOST_SHOWN = 8


class Layout(NamedTuple):
    """One form in which people have a data set on disk."""

    expects: str
    """Its files and folders, in words."""
    find: Callable[[Path], Plan | None]
    """What is to be read if a path has this layout; None if it has not."""


@dataclass(frozen=True)
class Benchmark:
    """A published data set."""

    name: str
    """What stands before the path in NAME=PATH."""
    title: str
    about: str
    """One sentence."""
    obtained: str
    """Where it is officially obtained."""
    layouts: tuple[Layout, ...]

    def find(self, path: Path) -> Plan | None:
        """What is to be read at ``path``, in the first layout that fits."""
        return next((plan for layout in self.layouts if (plan := layout.find(path)) is not None), None)

    def plan(self, path: Path) -> Plan:
        """The same; :class:`DataError` says what was expected and what is there where no layout fits."""
        try:
            check_there(path if not path.is_file() else path.parent)
            plan = self.find(path)
            held = [] if plan is not None or path.is_file() else sorted(item.name for item in path.iterdir())
        except OSError as error:
            raise DataError(f"Cannot read {path}: {error.strerror or error}.") from None
        if plan is not None:
            return plan
        more = ", …" if len(held) > MOST_SHOWN else ""
        there = f"It holds {', '.join(held[:MOST_SHOWN])}{more}." if held else "It is a file or empty."
        expected = "".join(f"\n  {layout.expects}" for layout in self.layouts)
        raise DataError(
            f"{path} is no {self.title} in a known layout. {there} Expected one of:{expected}\n"
            f"The data set is obtained from {self.obtained}"
        )


@dataclass
class Gathered:
    """What a reader found so far."""

    root: Path
    entries: list[Entry] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    points: int | None = None

    def add_file(self, path: Path, label: str, split: str, parts: PartSource | None = None, listed: str = "") -> None:
        """One cloud; if its file is not there, that is noted."""
        name = self.name(path)
        try:
            self.entries.append(Entry(source_file(path, name, parts), label, split))
        except (OSError, ValueError) as error:  # ValueError for what can be no name of a file
            missing = Path(getattr(error, "filename", None) or path)
            where = f"listed in {listed}, but " if listed else ""
            reason = getattr(error, "strerror", None) or error
            self.problems.append((name, portable(f"{where}{self.name(missing)} cannot be read: {reason}")))

    def add_arrays(
        self, path: Path, split: str, meaning: Sequence[str], kept: Sequence[str] | None = None, parts: bool = False
    ) -> None:
        """The clouds of an array file whose labels index ``meaning``, those of the classes ``kept`` only."""
        name = self.name(path)
        try:
            file = source_file(path, name)
            described = describe_arrays(path)
            if described is None or described.labels is None:
                raise DataError("expected arrays data (clouds, points, 3) and label (clouds,)")
            if parts and not described.part_arrays:
                raise DataError("expected an array pid (clouds, points) with the part of each point")
            labels = _in_range(described, meaning)
        except DataError as error:
            self.faults.append(f"{name}: {error}")
            return
        except (OSError, ValueError) as error:
            self.faults.append(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}")
            return
        wanted = np.isin(labels, [meaning.index(label) for label in kept]) if kept else np.ones(len(labels), bool)
        self.points = described.shapes[0][1]
        self.entries.append(Entry(file, split=split, describe=lambda: described, rows=np.flatnonzero(wanted)))

    def name(self, path: Path) -> str:
        """The id of a file: its path below the root."""
        return portable(path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else path.name)

    def plan(
        self,
        title: str,
        layout: str,
        counts: Mapping[str, int],
        *,
        classes: tuple[str, ...],
        meaning: tuple[str, ...] | None = None,
        parts: tuple[str, ...] | None = None,
        up: str = "y",
        points: int | None = None,
    ) -> Plan:
        """The plan; a split without clouds is a fault."""
        for split in counts:
            if not any(entry.split == split and len(entry) for entry in self.entries):
                self.faults.append(f"there is no cloud of the {split} split")
        return Plan(
            title,
            self.entries,
            f"{layout}, {portable(str(self.root))}",
            self.problems,
            self.faults,
            self.notes,
            classes,
            meaning,
            parts,
            up,
            points or self.points,
            counts,
            self.missing,
            strict=True,
        )


def _in_range(described: ArraySet, meaning: Sequence[str]) -> np.ndarray:
    assert described.labels is not None
    low, high = described.labels.min(), described.labels.max()
    if low < 0 or high >= len(meaning):
        raise DataError(f"the labels run from {low} to {high}; expected 0 to {len(meaning) - 1}")
    return described.labels


def places(path: Path, *names: str) -> list[Path]:
    """The folders to look at for a layout: ``path`` itself and those of its sub-folders that have the usual names."""
    return [place for place in (path, *(path / name for name in names)) if place.is_dir()]


def read_list(path: Path) -> list[str] | None:
    """The lines of a list that are not empty; None where there is no such file."""
    if not path.is_file():
        return None
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    return [line.strip() for line in lines if line.strip()]


def natural(paths: Iterable[Path]) -> list[Path]:
    """Paths sorted by name, numbers in them by value: 2 before 10."""
    return sorted(
        paths, key=lambda path: [(int(t), "") if t.isdecimal() else (-1, t) for t in re.split(r"(\d+)", path.name)]
    )


def listed_arrays(place: Path, lists: Mapping[str, str], pattern: str) -> list[tuple[Path, str]]:
    """The array files of each split: those that its list names, or where there is no list, those of usual names."""
    found = []
    for split, name in lists.items():
        lines = read_list(place / name)
        paths = (
            natural(place.glob(pattern.format(split))) if lines is None else [place / Path(line).name for line in lines]
        )
        found += [(path, split) for path in paths]
    return found
