"""Users' own data: a folder, a file or an array file becomes a set of clouds, read once and cached."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from i2pmae.common.errors import DataError, UsageError, pick
from i2pmae.common.progress import track
from i2pmae.data.arrays import ARRAY_EXTENSIONS, ArraySet, describe_arrays
from i2pmae.data.cache import (
    BAD_FILES,
    CacheWriter,
    Stored,
    cache_folder,
    cache_key,
    open_cache,
    read_bad_files,
    write_bad_files,
)
from i2pmae.data.clouds import CloudSet
from i2pmae.data.listing import SourceFile, find_files, folder_labels, spread
from i2pmae.data.reading import Outcome, Request, default_workers, read_files, read_set
from i2pmae.data.sampling import UP_AXES, three_distinct

__all__ = ["open_clouds"]

LABELS = {"none": False, "folder": True}
IN_FORM = 1e-4
"""How far centroid and radius of a stored array may be from 0 and 1 for it to count as normalised."""


def open_clouds(
    path: str | Path,
    *,
    points: int = 2048,
    up: Literal["x", "y", "z"] = "y",
    labels: Literal["none", "folder"] = "none",
    cache: Path | None = None,
    workers: int | None = None,
    max_bad_share: float = 0.1,
    limit: int | None = None,
    seed: int = 0,
    shown: bool = True,
) -> CloudSet:
    """The clouds at ``path``: ``points`` points each, y up, in the unit sphere, sorted by path, memory-mapped.

    ``path`` is a folder (read recursively, formats mixed), one file, or an array file with many clouds, labels and
    splits. Meshes are sampled uniformly on their surface; of clouds with more points a random subset is drawn, of
    those with fewer some points are repeated; all of it follows from ``seed`` and the path alone. ``up`` names the
    axis that points up in the files. ``labels="folder"`` makes the name of a file's folder its class. ``limit`` reads
    at most so many clouds, evenly spread. What is read is kept in ``cache`` (default: the user's cache folder) until
    the files or the options change. ``workers`` processes read (default: one for each processor).

    Files without a usable shape are left out, counted in the notes and listed with reasons beside the cache;
    :class:`DataError` if they are more than ``max_bad_share`` of all, or if there is nothing to read;
    :class:`UsageError` for options that cannot be; :class:`I2PError` where the cache cannot be written.
    """
    pick("up axis", up, UP_AXES)
    from_folders = pick("labels option", labels, LABELS)
    _check_numbers(points, max_bad_share, limit, workers)
    path = Path(path).expanduser()
    request = Request(points, up, seed, limit)
    files, problems = find_files(path)
    lone = path.is_file()
    source = _describe_lone(files[0]) if lone else None
    if source is not None:
        from_folders = False
        mapped = _already_in_form(source, files[0].id, request)
        if mapped is not None:
            return mapped
    names = [f"{path.absolute().parent.name}/{file.id}" if lone else file.id for file in files]
    classes, splits = folder_labels(path, names) if from_folders else (None, None)
    folder = Path(cache or cache_folder()) / cache_key(
        path.absolute().name, _facts(path, files, problems, labels, request)
    )
    stored = open_cache(folder)
    if stored is None:
        build = Build(files, request, classes, splits, problems)
        stored = build.run(folder, default_workers(files) if workers is None else workers, shown)
    return _as_clouds(stored, path, folder, request, max_bad_share, lone)


def _check_numbers(points: int, max_bad_share: float, limit: int | None, workers: int | None) -> None:
    if points < 3:
        raise UsageError(f"points must be at least 3, not {points}.")
    if not 0 <= max_bad_share <= 1:
        raise UsageError(f"max_bad_share must be between 0 and 1, not {max_bad_share}.")
    if limit is not None and limit < 1:
        raise UsageError(f"limit must be at least 1, not {limit}.")
    if workers is not None and workers < 0:
        raise UsageError(f"workers must be 0 or more, not {workers}.")


def _facts(
    path: Path, files: list[SourceFile], problems: list[tuple[str, str]], labels: str, request: Request
) -> Iterator[str]:
    """All that the content of the cache depends on, for its key."""
    yield f"{path.resolve()} {labels} {request}"
    for file in files:
        yield f"{file.id} {file.size} {file.mtime_ns}"
    for name, reason in problems:
        yield f"{name} {reason}"


def _describe_lone(file: SourceFile) -> ArraySet | None:
    if file.path.suffix.lower() not in ARRAY_EXTENSIONS:
        return None
    try:
        return describe_arrays(file.path)
    except DataError as error:
        raise DataError(f"{file.path}: {error}.") from None


def _already_in_form(source: ArraySet, name: str, request: Request) -> CloudSet | None:
    """The array itself, memory-mapped, where nothing would have to be done to it; so it is not copied."""
    in_form = ((len(source), request.points, 3), np.dtype("<f4"), "y")
    if source.path.suffix.lower() != ".npy" or (source.shapes[0], source.dtype, request.up) != in_form:
        return None
    if request.limit is not None and request.limit < len(source):
        return None
    for _, block in source.blocks():
        radius = np.linalg.norm(block, axis=-1).max(-1)
        # Comparisons with NaN are false, so clouds that are not finite fail here as well.
        if not ((abs(block.mean(1)) < IN_FORM).all() and (abs(radius - 1) < IN_FORM).all()):
            return None
        if not three_distinct(block).all():
            return None
    points = np.load(source.path, mmap_mode="c", allow_pickle=False)
    return CloudSet(points, [f"{name}/{row:06d}" for row in range(len(points))], name=source.path.name)


@dataclass
class Build:
    """Reading files into a cache: what is known about the clouds so far."""

    files: list[SourceFile]
    request: Request
    file_classes: list[str] | None
    file_splits: list[str] | None
    bad: list[tuple[str, str]]
    ids: list[str] = field(default_factory=list)
    classes: list[str | int | None] = field(default_factory=list)
    """The class of each cloud: a name, a bare index, or None."""
    splits: list[str | None] = field(default_factory=list)
    orders: set[tuple[str, ...]] = field(default_factory=set)
    """The orders of class names that array files give."""
    tally: Counter[str] = field(default_factory=Counter)

    def run(self, folder: Path, workers: int, shown: bool) -> Stored:
        """Read everything and write the cache; what it holds comes back."""
        chosen = spread(len(self.files), self.request.limit).tolist()
        with CacheWriter(folder, self.request.points) as writer:
            outcomes = read_files([self.files[index] for index in chosen], self.request, workers)
            for index, outcome in zip(chosen, track(outcomes, "Reading clouds", len(chosen), shown), strict=True):
                if outcome.reason is not None:
                    self.bad.append((self.files[index].id, outcome.reason))
                    self.tally["prose"] += outcome.prose
                elif outcome.cloud is not None:
                    self._add_cloud(index, outcome, writer)
                else:
                    self._add_set(index, writer)
            if writer.rows:
                writer.publish(*self._known(), self.bad)
        stored = open_cache(folder) if writer.rows else None
        if stored is None:
            raise self._nothing(folder)
        return stored

    def _add_cloud(self, index: int, outcome: Outcome, writer: CacheWriter) -> None:
        assert outcome.cloud is not None
        writer.append(outcome.cloud[None])
        self._note([self.files[index].id], [None], [None], index)
        self._count(1, outcome.available or self.request.points, outcome.extras)

    def _add_set(self, index: int, writer: CacheWriter) -> None:
        """All clouds of an array file, or none of them where the file turns out to be damaged."""
        file = self.files[index]
        rows, bad, tally = writer.rows, len(self.bad), self.tally.copy()
        try:
            source = describe_arrays(file.path)
            if source is None:
                raise DataError("the file changed while it was read")
            room = None if self.request.limit is None else self.request.limit - rows
            if room == 0:
                return
            for batch in read_set(source, file.id, replace(self.request, limit=room)):
                writer.append(batch.points)
                self.bad += [(f"{file.id}/{row:06d}", reason) for row, reason in batch.bad]
                self._note(
                    [f"{file.id}/{row:06d}" for row in batch.rows],
                    _class_of(source, batch.rows),
                    [None] * len(batch.rows) if source.splits is None else source.splits[batch.rows].tolist(),
                    index,
                )
                self._count(len(batch.rows), batch.available, source.extras)
            if source.classes is not None:
                self.orders.add(source.classes)
        except DataError as error:
            writer.rewind(rows)
            for column in (self.ids, self.classes, self.splits):
                del column[rows:]
            del self.bad[bad:]
            self.tally = tally
            self.bad.append((file.id, str(error)))

    def _note(self, ids: list[str], classes: list[Any], splits: list[Any], index: int) -> None:
        self.ids += ids
        self.classes += classes if self.file_classes is None else [self.file_classes[index]] * len(ids)
        self.splits += splits if self.file_splits is None else [self.file_splits[index]] * len(ids)

    def _count(self, clouds: int, available: int, extras: bool) -> None:
        self.tally["more"] += clouds * (available > self.request.points)
        self.tally["fewer"] += clouds * (available < self.request.points)
        self.tally["extras"] += clouds * extras

    def _known(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The columns and the summary to store."""
        columns: dict[str, Any] = {"id": self.ids}
        order: list[str] | None = None
        labelled = [value for value in self.classes if value is not None]
        if len(labelled) == len(self.classes) and len({type(value) for value in labelled}) == 1:
            if isinstance(labelled[0], str):
                if self.file_classes is not None:
                    order = sorted(set(self.file_classes))
                elif len(self.orders) == 1:
                    order = list(next(iter(self.orders)))
                else:
                    order = sorted({name for names in self.orders for name in names})
                index = {name: label for label, name in enumerate(order)}
                columns["label"] = [index[str(value)] for value in labelled]
            else:
                columns["label"] = labelled
        elif labelled:
            self.tally["unlabelled"] = len(self.classes) - len(labelled)
        if None not in self.splits:
            columns["split"] = self.splits
        return columns, {"classes": order, "bad": len(self.bad), "tally": dict(self.tally)}

    def _nothing(self, folder: Path) -> DataError:
        return _too_many_bad(self.bad, len(self.bad), write_bad_files(folder, self.bad))


def _class_of(source: ArraySet, rows: np.ndarray) -> list[Any]:
    if source.labels is None:
        return [None] * len(rows)
    labels = source.labels[rows].tolist()
    return labels if source.classes is None else [source.classes[label] for label in labels]


def _too_many_bad(bad: list[tuple[str, str]], total: int, listed: Path) -> DataError:
    first = "".join(f"\n  {name}: {reason}" for name, reason in bad[:5]) + ("\n  …" if len(bad) > 5 else "")
    return DataError(
        f"{len(bad)} of {total} files or clouds cannot be used:{first}\n"
        f"The list is in {listed}. Repair or remove them, or allow a larger share of bad ones."
    )


def _as_clouds(
    stored: Stored, path: Path, folder: Path, request: Request, max_bad_share: float, lone: bool
) -> CloudSet:
    summary, columns = stored.summary, stored.columns
    total = summary["clouds"] + summary["bad"]
    if summary["bad"] - summary["tally"].get("prose", 0) > max_bad_share * total:
        raise _too_many_bad(read_bad_files(folder), total, folder / BAD_FILES)
    names = summary["classes"]
    return CloudSet(
        stored.points,
        columns["id"],
        labels=np.array(columns["label"], dtype=np.int64) if "label" in columns else None,
        classes=None if names is None else tuple(names),
        splits=np.array(columns["split"]) if "split" in columns else None,
        name=path.name if lone else path.absolute().name,
        notes=tuple(_sentences(summary, total, request.points, folder / BAD_FILES)),
    )


def _sentences(summary: dict[str, Any], total: int, points: int, listed: Path) -> Iterator[str]:
    tally, clouds = Counter(summary["tally"]), summary["clouds"]
    if tally["more"]:
        yield f"{tally['more']} of {clouds} clouds have more than {points} points: a random {points} of each are used."
    if tally["fewer"]:
        yield (
            f"{tally['fewer']} of {clouds} clouds have fewer than {points} points: they are sampled with replacement, "
            "so that some points are used more than once."
        )
    if tally["extras"]:
        yield f"{tally['extras']} of {clouds} clouds have more than coordinates (normals, colours): that is left aside."
    if tally["unlabelled"]:
        yield f"{tally['unlabelled']} of {clouds} clouds have no label, or another kind of it, so no labels are used."
    if summary["bad"]:
        yield f"{summary['bad']} of {total} files or clouds could not be used and are left out; the reasons: {listed}"
