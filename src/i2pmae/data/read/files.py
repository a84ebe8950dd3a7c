"""Reading many files in order: in worker processes, with few clouds in flight at a time; array sets in blocks."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import types
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from i2pmae.common.errors import DataError
from i2pmae.data.clouds import normalise
from i2pmae.data.formats.base import Block, SetOfClouds
from i2pmae.data.formats.beside import kept
from i2pmae.data.formats.parts import with_parts
from i2pmae.data.formats.table import describe_set, read_cloud_file
from i2pmae.data.formats.text import Prose
from i2pmae.data.read.sampling import draw_points, make_cloud, three_distinct, to_y_up, turned
from i2pmae.data.reasons import PassingError, reasons
from i2pmae.data.sources.listing import SourceFile

__all__ = ["KILLED", "Batch", "Outcome", "Request", "default_workers", "read_files", "read_set"]

GROUP_FILES, GROUP_BYTES = 16, 8 << 20
"""A worker takes this many files, or files of this size in bytes together, at a time."""
KILLED = "the process that read it was ended from outside, perhaps for lack of memory"
SMALL_FILES, SMALL_BYTES = 64, 32 << 20
"""Fewer files and bytes than this are read faster than worker processes start."""


@dataclass(frozen=True)
class Request:
    """What every cloud should become."""

    points: int
    up: str
    seed: int
    limit: int | None = None
    parts: bool = True
    """Whether part labels are of use."""
    columns: tuple[str, ...] = field(default=(), repr=False)
    """What to keep beside x, y and z, by the names of :mod:`i2pmae.data.formats.beside`."""


class Outcome(NamedTuple):
    """What became of one file: a cloud, a reason why not, or neither for a set of clouds, which is read in blocks."""

    cloud: np.ndarray | None = None
    reason: str | None = None
    available: int = 0
    """Points in the file; 0 for a mesh, whose surface gives any number."""
    extras: bool = False
    parts: np.ndarray | None = None
    """``(points,)`` part labels."""
    prose: bool = False
    """Whether it is a text beside the data, which counts for no share of bad files."""
    passing: bool = False
    """Whether the reason lies around the file, so that it may be read another time."""
    columns: Mapping[str, np.ndarray] = {}
    """``(points, 3)`` what is kept beside the coordinates."""


class Batch(NamedTuple):
    """Some clouds of an array set, by their index in it, and which could not be used."""

    rows: np.ndarray
    points: np.ndarray
    parts: np.ndarray | None
    available: int
    """Points that each of them has in the file."""
    bad: list[tuple[int, str]]
    columns: Mapping[str, np.ndarray] = {}


InFlight = deque[tuple[list[SourceFile], Future[list[Outcome]] | None]]
"""Groups of files that processes read, and what will come of them."""


def default_workers(files: Iterable[SourceFile]) -> int:
    """One worker for each processor that this process may use; none for little work."""
    count = size = 0
    for file in files:
        count, size = count + 1, size + file.size
        if count >= SMALL_FILES or size >= SMALL_BYTES:
            break
    else:
        return 0
    if multiprocessing.current_process().daemon:  # Such a process may have no children.
        return 0
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read_files(files: Iterable[SourceFile], request: Request, workers: int) -> Iterator[Outcome]:
    """The outcome for each file, in order; the same for any number of ``workers`` (0 or 1: in this process)."""
    if workers <= 1:
        for file in files:
            yield read_one(file, cloud_seed(request, file.id), request)
        return
    readers = Readers(workers, request)
    in_flight: InFlight = deque()
    groups = _groups(files)
    try:
        for group in groups:
            in_flight.append((group, readers.submit(group)))
            if len(in_flight) > 2 * workers:
                yield from _finished(readers, in_flight)
        while in_flight:
            yield from _finished(readers, in_flight)
    finally:
        readers.close()


def _finished(readers: "Readers", in_flight: InFlight) -> Iterator[Outcome]:
    """The outcomes of the group that was submitted first, or of all that are in flight where a process died.

    Which file it died of is not known then, so each is read again, alone; the others go on together after that.
    """
    group, future = in_flight.popleft()
    try:
        if future is not None:
            yield from future.result()
            return
    except BrokenProcessPool:
        pass
    suspects = [group, *(other for other, _ in in_flight)]
    in_flight.clear()
    readers.close()
    for suspect in suspects:
        yield from readers.one_by_one(suspect)


class Readers:
    """Worker processes that read groups of files; new ones start where some died."""

    def __init__(self, workers: int, request: Request) -> None:
        self.workers, self.request = workers, request
        self.pool: ProcessPoolExecutor | None = None

    def submit(self, group: Sequence[SourceFile], workers: int | None = None) -> Future[list[Outcome]] | None:
        """The outcomes of a group to come, or None where the processes are dead."""
        seeds = [cloud_seed(self.request, file.id) for file in group]
        try:
            with _main_hidden():
                if self.pool is None:
                    context = multiprocessing.get_context("spawn")
                    self.pool = ProcessPoolExecutor(
                        workers or self.workers, mp_context=context, initializer=_start_worker
                    )
                return self.pool.submit(read_group, group, seeds, self.request)
        except BrokenProcessPool:
            return None
        except OSError as error:
            raise DataError(
                f"Cannot start processes that read files: {error.strerror or error}. Run again with fewer workers."
            ) from None

    def one_by_one(self, group: Sequence[SourceFile]) -> Iterator[Outcome]:
        """The outcome for each file of a group, read by one process at a time.

        The reason of a file of which its process dies is the first that it is given, where processes live at all.
        """
        for file in group:
            future = self.submit([file], workers=1)
            try:
                outcome = None if future is None else future.result()[0]
            except BrokenProcessPool:
                outcome = None
            if outcome is None:
                self.close()
                self._check_alive()
                outcome = Outcome(reason=KILLED, passing=True)
            yield outcome
        self.close()

    def _check_alive(self) -> None:
        """:class:`DataError` where even a process that reads nothing dies."""
        future = self.submit([], workers=1)
        try:
            if future is not None:
                future.result()
                return
        except BrokenProcessPool:
            pass
        raise DataError(
            "The processes that read files are ended from outside, perhaps for lack of memory. "
            "Run again with fewer workers."
        )

    def close(self) -> None:
        """End the processes."""
        if self.pool is not None:
            self.pool.shutdown(wait=True, cancel_futures=True)
        self.pool = None


def read_group(files: Sequence[SourceFile], seeds: Sequence[int], request: Request) -> list[Outcome]:
    """The outcome for each file; what a worker process runs."""
    return [read_one(file, seed, request) for file, seed in zip(files, seeds, strict=True)]


def cloud_seed(request: Request, name: str) -> int:
    """The seed of one cloud's random choices, which follows from the set's seed and the cloud's id alone."""
    # Imported here, and called by the parent only: the module brings torch, which workers need not load.
    from i2pmae.common.seeds import derive

    return derive(request.seed, "cloud", name)


def read_one(file: SourceFile, seed: int, request: Request) -> Outcome:
    """One file as a cloud, with ``seed`` for its random choices."""
    try:
        with reasons("it cannot be made a cloud"):
            if file.size and describe_set(file.path, file.id) is not None:
                return Outcome()
            raw = read_cloud_file(file.path, file.parts is not None and file.parts.path is None, bool(request.columns))
            if not request.parts or raw.faces is not None:
                raw = replace(raw, part_labels=None)
            elif file.parts is not None:
                raw = with_parts(raw, file.parts)
            made = make_cloud(raw, request.points, request.up, np.random.default_rng(seed), request.columns)
    except DataError as error:
        return Outcome(reason=str(error), prose=isinstance(error, Prose), passing=isinstance(error, PassingError))
    available = 0 if raw.faces is not None else len(raw.points)
    return Outcome(made.points, available=available, extras=raw.extras, parts=made.parts, columns=made.columns)


def read_set(source: SetOfClouds, name: str, request: Request, rows: np.ndarray) -> Iterator[Batch]:
    """The clouds ``rows`` (ascending) of a set, block by block, as :func:`read_one` makes them."""
    wanted = np.zeros(len(source), dtype=bool)
    wanted[rows] = True
    last = rows.max(initial=-1)
    with reasons("its clouds cannot be read"):  # What the caller does with a batch raises nothing in here.
        for block in source.blocks(request.columns):
            if block.first > last:
                return
            bad = [(row, reason) for row, reason in block.bad if wanted[row]]
            if bad:
                yield Batch(np.arange(0), np.empty((0, request.points, 3), np.float32), None, 0, bad)
            inside = np.flatnonzero(wanted[block.first : block.first + len(block.points)])
            if len(inside):
                yield _batch(_chosen(block, inside, request), block.first + inside, name, request)


def _chosen(block: Block, inside: np.ndarray, request: Request) -> Block:
    """Some rows of a block, with part labels only where they are of use."""
    parts = block.parts[inside] if block.parts is not None and request.parts else None
    columns = {kind: values[inside] for kind, values in block.columns.items()}
    return Block(block.first, block.points[inside], parts, columns)


def _kept(block: Block, request: Request) -> tuple[dict[str, np.ndarray], dict[int, str]]:
    """The columns of a block that are wanted, and which of its rows lack them, with reasons."""
    columns = {kind: np.zeros(block.points.shape, np.float32) for kind in request.columns}
    wrong = {}
    for row in range(len(block.points)) if columns else ():
        stored = {kind: values[row] for kind, values in block.columns.items()}
        try:
            for kind, values in kept(stored, request.columns, block.points.shape[1:]).items():
                columns[kind][row] = values
        except DataError as error:
            wrong[row] = str(error)
    return columns, wrong


def _batch(block: Block, rows: np.ndarray, name: str, request: Request) -> Batch:
    columns, wrong = _kept(block, request)
    finite = np.isfinite(block.points).all((1, 2))
    bad = [(int(row), "some coordinates are NaN or infinite") for row in rows[~finite]]
    bad += [(int(rows[row]), reason) for row, reason in wrong.items() if finite[row]]
    finite[list(wrong)] = False
    good, points = rows[finite], block.points[finite].astype(np.float64)
    parts = None if block.parts is None else block.parts[finite]
    columns = {kind: values[finite] for kind, values in columns.items()}
    available = block.points.shape[1]
    if available != request.points:
        generators = [np.random.default_rng(cloud_seed(request, f"{name}/{row:06d}")) for row in good]
        drawn = np.reshape(
            [draw_points(available, request.points, generator) for generator in generators], (-1, request.points)
        ).astype(np.int64)
        points = np.take_along_axis(points, drawn[..., None], axis=1)
        parts = None if parts is None else np.take_along_axis(parts, drawn, axis=1)
        columns = {kind: np.take_along_axis(values, drawn[..., None], axis=1) for kind, values in columns.items()}
    with np.errstate(all="ignore"):
        clouds = normalise(to_y_up(points, request.up)).astype(np.float32)
    usable = np.isfinite(clouds).all((1, 2)) & three_distinct(clouds)
    bad += [(int(row), "there are fewer than 3 different points") for row in good[~usable]]
    columns = turned({kind: values[usable] for kind, values in columns.items()}, request.up)
    parts = None if parts is None else parts[usable]
    return Batch(good[usable], clouds[usable], parts, available, sorted(bad), columns)


def _groups(files: Iterable[SourceFile]) -> Iterator[list[SourceFile]]:
    group: list[SourceFile] = []
    for file in files:
        group.append(file)
        if len(group) == GROUP_FILES or sum(member.size for member in group) > GROUP_BYTES:
            yield group
            group = []
    if group:
        yield group


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, and end with it, even where it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


@contextlib.contextmanager
def _main_hidden() -> Iterator[None]:
    """Start workers without the caller's script.

    Spawned processes would run it again, which fails for a script that has no ``if __name__ == "__main__"`` guard or
    that came from standard input; they need nothing of it.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
