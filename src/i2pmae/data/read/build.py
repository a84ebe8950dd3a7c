"""Reading what a plan lists into one set: from any number of processes, in order, and going on where it stopped."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from i2pmae.common.errors import DataError
from i2pmae.common.progress import track
from i2pmae.data.formats.base import SetOfClouds
from i2pmae.data.formats.table import describe_set
from i2pmae.data.paths import portable
from i2pmae.data.read.files import KILLED, Batch, Outcome, Request, read_files, read_set
from i2pmae.data.read.noted import COLUMNS, Noted
from i2pmae.data.read.shares import ALONE, Ranks, share_of
from i2pmae.data.reasons import PassingError, reasons
from i2pmae.data.sources.listing import stratified
from i2pmae.data.sources.plan import Entry, Plan
from i2pmae.data.store.writing import Sink

__all__ = ["Build", "cured"]

CHECKPOINT_ROWS = 1024
"""After so many clouds, an unfinished set is in a state from which it can go on."""


@dataclass
class Build(Noted):
    """A set that is being read: what is known about its clouds so far, and what comes next."""

    ranks: Ranks = ALONE
    """Which share of the plan it reads."""
    bad: list[tuple[str, str]] = field(default_factory=list)
    passing: dict[str, str] = field(default_factory=dict)
    """The files among them that may be read another time, with the reasons, which lie around them."""
    done: int = 0
    """Entries that are finished."""
    row: int = 0
    """Clouds of the set of the current entry that are finished, of those that are wanted."""
    begin: tuple[int, int, dict[str, int], dict[int, int]] | None = None
    """State before the set of the current entry: clouds, bad ones, tallies of both kinds."""
    noted: tuple[int, int] = (0, 0)
    """Clouds and bad ones that the last checkpoint holds."""

    def __post_init__(self) -> None:
        problems = self.plan.problems if self.ranks.rank == 0 else ()
        self.bad = [(portable(name), portable(reason)) for name, reason in problems]

    def run(self, sink: Sink, workers: int, shown: bool) -> None:
        """Read everything that ``sink`` does not hold yet."""
        self._go_on(sink)
        entries, rest = self._entries(), slice(self.done, None)
        outcomes = self._outcomes(_those(entries, rest), workers)
        progress = track(outcomes, "Reading clouds", len(entries) - self.done, shown)
        for entry, outcome in zip(_those(entries, rest), progress, strict=True):
            if outcome.reason is not None:
                self._leave_out(entry, outcome.reason, outcome.passing)
                self.tally["prose"] += outcome.prose
            elif outcome.cloud is not None:
                self._add_cloud(entry, outcome, sink)
            else:
                self._add_set(entry, sink)
            self.done += 1
            self._checkpoint(sink)

    def _entries(self) -> Sequence[Entry]:
        """The entries of its share. Where the number of clouds is limited, the first process reads alone: how many
        clouds a file holds is known only then."""
        entries = self.plan.limited(self.request.limit)
        if self.request.limit is not None and self.ranks.world > 1:
            return entries if self.ranks.rank == 0 else []
        return share_of(entries, self.ranks)

    def joined(self, others: Sequence["Build"]) -> "Build":
        """What is known about the clouds of all shares, those of this one first."""
        whole = Build(self.plan, self.request)
        whole.bad = []
        for each in (self, *others):
            for name in ("bad", *COLUMNS):
                getattr(whole, name).extend(getattr(each, name))
            whole.passing |= each.passing
            whole.orders |= each.orders
            whole.part_orders |= each.part_orders
            whole.part_points += each.part_points
            whole.tally += each.tally
        return whole

    @classmethod
    def of_records(cls, plan: Plan, request: Request, ranks: Ranks, records: Sequence[dict[str, Any]]) -> "Build":
        """What a process noted about its share."""
        build = cls(plan, request, ranks)
        for record in records:
            build._restore(record)
        return build

    def _go_on(self, sink: Sink) -> None:
        """Take over what the sink holds; of what came after a file that can be read by now, nothing."""
        records = sink.records()
        again = bool(records) and cured(self.plan, self.request, records[-1].get("passing", {}))
        for record in itertools.takewhile(lambda record: not (again and record.get("passing")), records):
            self._restore(record)
        if again:
            sink.rewind(len(self.ids))
            self._checkpoint(sink, needed=True)

    def _leave_out(self, entry: Entry, reason: str, passing: bool) -> None:
        self.bad.append((entry.file.id, portable(reason)))
        if passing:
            self.passing[entry.file.id] = reason

    def _outcomes(self, entries: Iterable[Entry], workers: int) -> Iterator[Outcome]:
        """The outcome for each entry; that of one that is known to hold a set is empty, and takes no process."""
        ours, theirs = itertools.tee(entries)
        single = read_files((entry.file for entry in theirs if entry.describe is None), self.request, workers)
        return (next(single) if entry.describe is None else Outcome() for entry in ours)

    def _add_cloud(self, entry: Entry, outcome: Outcome, sink: Sink) -> None:
        assert outcome.cloud is not None
        parts = None if outcome.parts is None else outcome.parts[None]
        sink.append(outcome.cloud[None], parts, {kind: each[None] for kind, each in outcome.columns.items()})
        self.note([entry.file.id], None, [entry.label], [entry.split], parts)
        self.count(1, outcome.available or self.request.points, outcome.extras)

    def _add_set(self, entry: Entry, sink: Sink) -> None:
        """All clouds of a set, or none of them where the file turns out to be damaged."""
        name = entry.file.id
        if self.begin is None:
            self.begin = (sink.rows, len(self.bad), dict(self.tally), dict(self.part_points))
        try:
            with reasons("it cannot be read"):
                source = entry.describe() if entry.describe is not None else describe_set(entry.file.path, name)
            if source is None:
                raise DataError("the file changed while it was read")
            rows = self._rows(entry, source)
            for batch in read_set(source, name, self.request, rows[self.row :]):
                sink.append(batch.points, batch.parts, batch.columns)
                self._add_batch(entry, source, batch)
                self._checkpoint(sink)
            self.orders |= {source.classes} if source.classes is not None else set()
            self.part_orders |= {source.parts} if source.parts is not None else set()
        except DataError as error:
            if self.plan.strict:
                raise DataError(f"{entry.file.path}: {error}.") from None
            self._forget(sink)
            self._leave_out(entry, str(error), isinstance(error, PassingError))
        self.row, self.begin = 0, None

    def _rows(self, entry: Entry, source: SetOfClouds) -> np.ndarray:
        """Which clouds of a set to read: those of the entry, or as many as the limit leaves room for."""
        if entry.rows is not None:
            return entry.rows
        assert self.begin is not None
        count = len(source)
        room = count if self.request.limit is None else max(0, self.request.limit - self.begin[0])
        splits = [None] * count if source.splits is None else source.splits.tolist()
        labels = [None] * count if source.labels is None else source.labels.tolist()
        return stratified(splits, labels, room) if room else np.arange(0)

    def _add_batch(self, entry: Entry, source: SetOfClouds, batch: Batch) -> None:
        name, rows = entry.file.id, batch.rows
        ids = source.ids

        def called(row: int) -> str:
            return f"{name}/{row:06d}" if ids is None else ids[row]

        self.bad += [(portable(called(row)), portable(reason)) for row, reason in batch.bad]
        splits = [None] * len(rows) if source.splits is None else source.splits[rows].tolist()
        self.note(
            [called(row) for row in rows.tolist()],
            name,
            self._class_of(source, rows) if entry.label is None else [entry.label] * len(rows),
            splits if entry.split is None else [entry.split] * len(rows),
            batch.parts,
        )
        self.count(len(rows), batch.available, source.extras)
        self.row += len(rows) + len(batch.bad)

    def _class_of(self, source: SetOfClouds, rows: np.ndarray) -> list[Any]:
        if source.labels is None:
            return [None] * len(rows)
        labels = source.labels[rows].tolist()
        names = source.classes or self.plan.meaning
        return [None if label < 0 else label if names is None else names[label] for label in labels]

    def _forget(self, sink: Sink) -> None:
        """Go back to the state before the current set."""
        assert self.begin is not None
        rows, bad, tally, part_points = self.begin
        sink.rewind(rows)
        for name in COLUMNS:
            getattr(self, name).cut(rows)
        del self.bad[bad:]
        self.tally, self.part_points = Counter(tally), Counter(part_points)
        self.noted = (min(self.noted[0], rows), min(self.noted[1], bad))

    def _checkpoint(self, sink: Sink, needed: bool = False) -> None:
        """Have the sink note all that is new, if that is enough by now or ``needed``."""
        if len(self.ids) - self.noted[0] < CHECKPOINT_ROWS and not needed:
            return
        sink.checkpoint(self.record())
        self.noted = (len(self.ids), len(self.bad))

    def record(self) -> dict[str, Any]:
        """What is known by now and the last checkpoint does not hold, as a record of a journal."""
        rows, bad = self.noted
        return {
            "since": self.noted,
            **{name: getattr(self, name)[rows:] for name in COLUMNS},
            "bad": self.bad[bad:],
            "passing": self.passing,
            "orders": sorted(self.orders),
            "part_orders": sorted(self.part_orders),
            "part_points": sorted(self.part_points.items()),
            "tally": self.tally,
            "done": self.done,
            "row": self.row,
            "begin": None if self.begin is None else [*self.begin[:3], sorted(self.begin[3].items())],
        }

    def _restore(self, record: dict[str, Any]) -> None:
        """Go on from what :meth:`_checkpoint` noted."""
        rows, bad = record["since"]
        for name in COLUMNS:
            getattr(self, name).cut(rows)
            getattr(self, name).extend(record[name])
        self.bad[bad:] = [(name, reason) for name, reason in record["bad"]]
        self.passing = dict(record.get("passing", {}))
        self.orders = {tuple(order) for order in record["orders"]}
        self.part_orders = {tuple(order) for order in record["part_orders"]}
        self.part_points = Counter(dict(record["part_points"]))
        self.tally = Counter(record["tally"])
        self.done, self.row = record["done"], record["row"]
        begin = record["begin"]
        self.begin = None if begin is None else (begin[0], begin[1], begin[2], dict(begin[3]))
        self.noted = (len(self.ids), len(self.bad))


def _those(entries: Sequence[Entry], rows: slice) -> Iterator[Entry]:
    """Some entries, one by one: a list of all would hold as many objects."""
    return (entries[row] for row in range(len(entries))[rows])


def cured(plan: Plan, request: Request, passing: Mapping[str, str]) -> bool:
    """Whether a file of those that could not be read for reasons around them (``passing``) can be read by now."""
    entries = [entry for entry in plan.entries if entry.file.id in passing] if passing else []
    if not entries:
        return False
    trial = Build(replace(plan, entries=entries, problems=()), replace(request, limit=None))
    # A file that ended the process that read it must not end this one.
    workers = 2 if KILLED in passing.values() else 0
    try:
        trial.run(Sink(), workers, shown=False)
    except DataError:
        return False
    return len(trial.passing) < len(entries)
