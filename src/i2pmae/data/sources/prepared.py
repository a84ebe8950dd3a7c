"""Folders that hold a whole set in the form of :mod:`i2pmae.data.store.stored`: opened as they are, or as a source."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from i2pmae.common.errors import DataError
from i2pmae.data.clouds import CloudSet
from i2pmae.data.formats.base import Block
from i2pmae.data.formats.containers import BLOCK_ROWS
from i2pmae.data.paths import portable, readable
from i2pmae.data.sources.listing import source_file, stratified
from i2pmae.data.sources.plan import Entry, Plan
from i2pmae.data.store.remote import is_remote, read_remote
from i2pmae.data.store.sets import as_clouds
from i2pmae.data.store.stored import Stored, checked
from i2pmae.data.store.summary import SUMMARY, is_stored

__all__ = ["PreparedSet", "chosen", "is_prepared", "plan_prepared", "stored_at"]


@dataclass(frozen=True)
class PreparedSet:
    """The clouds of a prepared folder, as a set to make clouds of another size from."""

    clouds: CloudSet
    extras: bool = False

    @property
    def labels(self) -> np.ndarray | None:
        """The class index of each cloud."""
        return self.clouds.labels

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The class names."""
        return self.clouds.classes

    @property
    def splits(self) -> np.ndarray | None:
        """The split of each cloud."""
        return self.clouds.splits

    @property
    def parts(self) -> tuple[str, ...] | None:
        """The part names."""
        return self.clouds.parts

    @property
    def ids(self) -> Sequence[str]:
        """The name of each cloud."""
        return self.clouds.ids

    @property
    def size(self) -> int:
        """Points of each cloud."""
        return self.clouds.points.shape[1]

    def __len__(self) -> int:
        return len(self.clouds)

    def blocks(self, columns: Sequence[str] = ()) -> Iterator[Block]:
        """The clouds, some at a time."""
        parts = self.clouds.part_labels
        for at in range(0, len(self), BLOCK_ROWS):
            rows = slice(at, at + BLOCK_ROWS)
            beside = {kind: np.asarray(self.clouds.columns[kind][rows]) for kind in columns}
            points = np.asarray(self.clouds.points[rows])
            yield Block(at, points, None if parts is None else np.asarray(parts[rows]), beside)


def is_prepared(path: Path) -> bool:
    """Whether a folder is a prepared one, whole or damaged."""
    with readable(path):
        return is_stored(path)


def plan_prepared(path: Path | str, limit: int | None = None, cache: Path | None = None) -> Plan:
    """A prepared folder, here or at an address, as something to read."""
    stored, folder = stored_at(path, cache)
    clouds = as_clouds(stored, folder)
    entry = Entry(
        source_file(folder / SUMMARY, portable(_name(path))),
        describe=lambda: PreparedSet(clouds),
        rows=chosen(clouds, limit),
    )
    return Plan(
        clouds.name,
        [entry],
        "a prepared folder" if folder == path else "a prepared folder elsewhere",
        notes=tuple(stored.summary["notes"]),
        classes=clouds.classes,
        points=clouds.points.shape[1],
        files_up=clouds.files_up,
    )


def _name(path: Path | str) -> str:
    """What to call a prepared folder: its own name, here or at an address."""
    return (
        str(path).removesuffix(SUMMARY).rstrip("/").rpartition("/")[2]
        if is_remote(path)
        else Path(path).absolute().name
    )


def chosen(clouds: CloudSet, limit: int | None) -> np.ndarray:
    """The rows of at most ``limit`` clouds, of each split its share, spread over classes."""
    nothing: list[None] = [None] * len(clouds)
    return stratified(
        nothing if clouds.splits is None else clouds.splits.tolist(),
        nothing if clouds.labels is None else clouds.labels.tolist(),
        limit,
    )


def stored_at(path: Path | str, cache: Path | None) -> tuple[Stored, Path]:
    """What a prepared folder holds, and the folder on this machine that says so."""
    if is_remote(path):
        return read_remote(str(path), cache)
    path = Path(path)
    stored, found = checked(path)
    if stored is None:
        raise DataError(
            f"The prepared folder {path} is damaged: {'; '.join(found)}. Remove it and prepare the data again."
        )
    return stored, path
