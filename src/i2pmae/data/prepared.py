"""Folders that hold a whole set in the form of :mod:`i2pmae.data.store`: opened as they are, or as a source."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from i2pmae.common.errors import DataError, UsageError, pick
from i2pmae.data.cache import open_cache
from i2pmae.data.clouds import CloudSet
from i2pmae.data.containers import BLOCK_ROWS
from i2pmae.data.listing import source_file, stratified
from i2pmae.data.opening import as_clouds, open_plan, plan_key, workers_for, write_plan
from i2pmae.data.paths import portable, readable
from i2pmae.data.plan import Entry, Plan
from i2pmae.data.reading import Request
from i2pmae.data.remote import is_remote, read_remote
from i2pmae.data.shares import here
from i2pmae.data.sharing import write_share
from i2pmae.data.store import BAD_FILES, FORMS, SUMMARY, Stored, checked, is_stored
from i2pmae.data.writing import ResumableWriter

__all__ = ["PreparedSet", "is_prepared", "open_prepared", "plan_prepared", "prepare"]


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

    def __len__(self) -> int:
        return len(self.clouds)

    def blocks(self) -> Iterator[tuple[int, np.ndarray, np.ndarray | None]]:
        """The clouds, some at a time."""
        parts = self.clouds.part_labels
        for at in range(0, len(self), BLOCK_ROWS):
            rows = slice(at, at + BLOCK_ROWS)
            yield at, np.asarray(self.clouds.points[rows]), None if parts is None else np.asarray(parts[rows])


def is_prepared(path: Path) -> bool:
    """Whether a folder is a prepared one, whole or damaged."""
    with readable(path):
        return is_stored(path)


def open_prepared(
    path: Path | str,
    request: Request,
    *,
    cache: Path | None = None,
    workers: int | None = None,
    shown: bool = True,
) -> CloudSet:
    """The clouds of a prepared folder, read as they are used where their number of points is the one that is wanted.

    ``path`` may be the address of a folder on another machine, whose shards are then fetched as they are used. Else
    each becomes a cloud of that number, as in :func:`i2pmae.data.open_clouds`: of more points, a random subset that
    follows from the seed, centred and scaled anew.
    """
    stored, folder = _stored(path, cache)
    clouds = as_clouds(stored, folder)
    if not request.parts:
        clouds = replace(clouds, part_labels=None, parts=None)
    if clouds.points.shape[1] == request.points:
        rows = _chosen(clouds, request.limit)
        return clouds if len(rows) == len(clouds) else clouds.subset(rows)
    plan = plan_prepared(path, request.limit, cache)
    return open_plan(plan, request, cache=cache, workers=workers, shown=shown)


def plan_prepared(path: Path | str, limit: int | None = None, cache: Path | None = None) -> Plan:
    """A prepared folder, here or at an address, as something to read."""
    stored, folder = _stored(path, cache)
    clouds = as_clouds(stored, folder)
    entry = Entry(
        source_file(folder / SUMMARY, portable(_name(path))),
        describe=lambda: PreparedSet(clouds),
        rows=_chosen(clouds, limit),
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


def prepare(
    plan: Plan,
    output: Path,
    request: Request,
    *,
    form: str = "fixed16",
    workers: int | None = None,
    max_bad_share: float = 0.1,
    shown: bool = True,
) -> CloudSet:
    """The clouds of a plan, written to the folder ``output``; a call that was stopped goes on where it was.

    ``form`` is one of :data:`~i2pmae.data.store.FORMS`. Where torchrun started several processes, each reads its share
    of the files, the first puts all together, and every one of them gets the whole set. Nothing is done where the
    folder holds it already. :class:`UsageError` where it holds anything else.
    """
    pick("form", form, FORMS)
    plan.checked()
    key = f"{plan_key(plan, request)}-{form}"
    stored = open_cache(output) if is_prepared(output) else None
    if stored is not None and str(stored.summary.get("key")).split("-of-")[0] == key:
        return as_clouds(stored, output)
    if output.is_file() or (output.is_dir() and any(item.name != BAD_FILES for item in output.iterdir())):
        held = "another prepared set, or a damaged one" if is_prepared(output) else "something else"
        raise UsageError(f"{output} holds {held}. Remove it, or choose a new folder with --output.")
    ranks = here()
    if ranks.world > 1:
        workers = max(1, workers_for(plan, None) // ranks.local) if workers is None else workers
        stored = write_share(plan, request, output, key, form, ranks, workers, max_bad_share, shown)
        return as_clouds(stored, output)
    writer = ResumableWriter(output, request.points, key, form)
    return as_clouds(write_plan(plan, request, writer, key, workers, shown, max_bad_share), output)


def _name(path: Path | str) -> str:
    """What to call a prepared folder: its own name, here or at an address."""
    return (
        str(path).removesuffix(SUMMARY).rstrip("/").rpartition("/")[2]
        if is_remote(path)
        else Path(path).absolute().name
    )


def _chosen(clouds: CloudSet, limit: int | None) -> np.ndarray:
    nothing: list[None] = [None] * len(clouds)
    return stratified(
        nothing if clouds.splits is None else clouds.splits.tolist(),
        nothing if clouds.labels is None else clouds.labels.tolist(),
        limit,
    )


def _stored(path: Path | str, cache: Path | None) -> tuple[Stored, Path]:
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
