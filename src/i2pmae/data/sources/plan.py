"""What is to be read, before it is: the files, what is known about each of them, and what their numbers mean."""

import os
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from i2pmae.common.errors import DataError
from i2pmae.data.formats.base import SetOfClouds
from i2pmae.data.paths import RealPaths, printable
from i2pmae.data.sources.listing import SourceFile, stratified

__all__ = ["Entry", "Plan"]

MOST_FAULTS = 8
"""Faults that an error lists."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file to read: a cloud, or a set of clouds."""

    file: SourceFile
    label: str | None = None
    """The class of all its clouds; None for what the file says."""
    split: str | None = None
    """The split of all its clouds; None for what the file says."""
    describe: Callable[[], SetOfClouds] | None = None
    """Looks at the set of clouds that the file is known to hold; None where that has to be found out."""
    rows: np.ndarray | None = None
    """Which clouds of the set to read, ascending; None for all."""
    place: str = ""
    """Where a list names the file, in words such as ``line 3``, for messages."""

    def __len__(self) -> int:
        return 1 if self.rows is None else len(self.rows)


@dataclass(frozen=True)
class Plan:
    """All that a path stands for."""

    name: str
    """What to call the set."""
    entries: Sequence[Entry]
    layout: str = "files"
    """In which of its forms the set was found, in words."""
    problems: Sequence[tuple[str, str]] = ()
    """What is left out, with reasons: a file in a list that is not there, a folder that cannot be read."""
    faults: Sequence[str] = ()
    """What makes the set unusable, one sentence each."""
    notes: Sequence[str] = ()
    """What the user should know, one sentence each."""
    classes: tuple[str, ...] | None = None
    """Class names in their official order; None for those that occur, sorted."""
    meaning: tuple[str, ...] | None = None
    """Class names that the numbers inside the files stand for."""
    parts: tuple[str, ...] | None = None
    """Part names in their official order."""
    up: str = "y"
    points: int | None = None
    """Points of each cloud in the files; None where they differ, or for meshes."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Official number of clouds of each split."""
    missing: Sequence[str] = ()
    """What a complete set has and this one has not, where that is no single cloud."""
    strict: bool = False
    """Whether a set of clouds that breaks half-way makes all unusable, as it does in a published data set."""
    files_up: str | None = None
    """The axis that pointed up in the original files, where what is read here was turned before; None for the same."""

    def checked(self) -> "Plan":
        """The same; :class:`DataError` with its faults, if it has any."""
        if self.faults:
            more = f"\n  … and {len(self.faults) - MOST_FAULTS} more" if len(self.faults) > MOST_FAULTS else ""
            listed = "".join(f"\n  {fault}" for fault in self.faults[:MOST_FAULTS])
            raise DataError(f"{self.name} ({self.layout}) cannot be used:{listed}{more}")
        return self

    def once(self) -> "Plan":
        """The plan without clouds that are listed twice, of which a note tells.

        A file that is of two splits or classes under two names, or under one, becomes a fault: a cloud to train on must
        not be one to test on.
        """
        real, first, kept = RealPaths(), dict[str, list[int]](), array("q")
        faults, repeated = list(self.faults), list[str]()
        for place, entry in enumerate(self.entries):
            others = first.setdefault(str(real.of(entry.file.path)), [])
            other = next((each for each in map(self.entries.__getitem__, others) if _share_clouds(entry, each)), None)
            if other is None:
                others.append(place)
                kept.append(place)
            elif (entry.label, entry.split) == (other.label, other.split):
                repeated.append(entry.file.id)
            else:
                both = f"{_told(other, entry)} and {_told(entry, other)}"
                faults.append(f"{both} are one file, which cannot be both")
        entries = self.entries
        if len(kept) < len(entries):
            entries = [self.entries[place] for place in kept]
        if repeated:
            more = f" and {len(repeated) - 3} more" if len(repeated) > 3 else ""
            listed = f"Listed more than once, and taken once: {', '.join(map(printable, repeated[:3]))}{more}."
            return replace(self, entries=entries, faults=faults, notes=[*self.notes, listed])
        return self if len(faults) == len(self.faults) else replace(self, entries=entries, faults=faults)

    def sources(self) -> list[str]:
        """Where the files are: the one that there is, or the innermost folder that holds them all."""
        first = self.entries[0].file.path.absolute() if len(self.entries) else None
        folders, alone = set[str](), first is not None
        for entry in self.entries:
            path = entry.file.path.absolute()
            folders.add(str(path.parent))
            alone = alone and path == first
        if alone:
            return [str(first)]
        try:
            return [os.path.commonpath(folders)]
        except ValueError:  # on several drives
            return sorted(folders)

    def limited(self, limit: int | None) -> Sequence[Entry]:
        """The entries with at most ``limit`` clouds together, in proportion to splits and spread over classes.

        Sets of which the number of clouds is not known yet count as one here.
        """
        if limit is None:
            return self.entries
        sizes = [len(entry) for entry in self.entries]
        owners = np.repeat(np.arange(len(sizes)), sizes)
        each = [self.entries[owner] for owner in owners.tolist()]
        chosen = stratified([entry.split for entry in each], [entry.label for entry in each], limit)
        starts = np.cumsum(sizes) - sizes
        kept = []
        for owner in np.unique(owners[chosen]).tolist():
            entry = self.entries[owner]
            if entry.rows is not None:
                entry = replace(entry, rows=entry.rows[chosen[owners[chosen] == owner] - starts[owner]])
            kept.append(entry)
        return kept


def _share_clouds(one: Entry, other: Entry) -> bool:
    """Whether two entries of one file take some clouds twice."""
    if one.rows is None or other.rows is None:
        return True
    return bool(np.isin(one.rows, other.rows).any())


def _told(entry: Entry, other: Entry) -> str:
    """How a list names a file, with what it says of it other than ``other`` says."""
    facts = [entry.place] if entry.place else []
    facts += [entry.split or "no split"] if entry.split != other.split else []
    facts += [f"class {entry.label!r}"] if entry.label != other.label else []
    return printable(f"{entry.file.id} ({', '.join(facts)})")
