"""Looking at a set without keeping it: what is there, what is missing, damaged or other than it should be."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from i2pmae.common.errors import DataError, pick
from i2pmae.data.config import DataConfig
from i2pmae.data.labels import by_number
from i2pmae.data.open.fitness import TASKS, Facts, Task, refusals
from i2pmae.data.open.source import request_for
from i2pmae.data.read.build import Build
from i2pmae.data.read.files import default_workers
from i2pmae.data.sources.benchmarks import READERS
from i2pmae.data.sources.named import named, plan_source, prepared_at
from i2pmae.data.sources.plan import Plan
from i2pmae.data.store.stored import damage
from i2pmae.data.store.writing import NOTHING, Sink

__all__ = ["Report", "check_source"]

CHECKED_POINTS = 1024


@dataclass(frozen=True)
class Report:
    """What a look at every file of a set found."""

    name: str
    layout: str
    files: int
    clouds: int
    points: int | None
    """Points of each cloud in the files; None where they differ, or for meshes."""
    up: str
    splits: dict[str, int]
    """Clouds of each split; one split without a name where there is none."""
    classes: dict[str, dict[str, int]]
    """Clouds of each class, by split."""
    official: dict[str, int]
    """How many clouds each split should have; empty where nobody says."""
    parts: dict[str, int]
    """Points of each part."""
    missing: tuple[str, ...]
    damaged: tuple[tuple[str, str], ...]
    """What cannot be used, with reasons."""
    notes: tuple[str, ...]
    obtained: str = ""
    """Where a published set is obtained."""
    task: Task | None = None
    """The task that the set was checked for."""
    refusals: tuple[str, ...] = ()
    """Why that task would refuse the set, one sentence each."""

    @property
    def whole(self) -> bool:
        """Whether nothing is missing or damaged."""
        fewer = any(self.splits.get(split, 0) < count for split, count in self.official.items())
        return not (self.missing or self.damaged or fewer)


class _Occurring(Sink):
    """Keeps which parts occur in each cloud, by their stored numbers, and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[np.ndarray] = []
        """Empty arrays for clouds without part labels."""

    def append(
        self, points: np.ndarray, parts: np.ndarray | None = None, columns: Mapping[str, np.ndarray] = NOTHING
    ) -> None:
        """Note the parts of some clouds."""
        super().append(points, parts, columns)
        self.parts += [np.arange(0)] * len(points) if parts is None else [np.unique(each) for each in parts]

    def rewind(self, rows: int) -> None:
        """Forget all but the first ``rows`` clouds."""
        super().rewind(rows)
        del self.parts[rows:]


def check_source(
    data: str | Path,
    *,
    labels: Literal["none", "folder", "auto"] = "auto",
    parts: Literal["none", "named", "column"] = "named",
    workers: int | None = None,
    task: Task | None = None,
    points: int | None = None,
    shown: bool = True,
) -> Report:
    """The report on all that ``data`` names, every file read once; :class:`DataError` where there is no such set.

    With ``task`` it says, too, what that task would refuse about the set (see
    :func:`i2pmae.data.open.fitness.refusals`). Files are read as the task reads them if it has clouds of ``points``
    points: which of the rarest parts are among them may depend on it. The other arguments are fields of
    :class:`~i2pmae.data.config.DataConfig`.
    """
    if task is not None:
        pick("task", task, dict.fromkeys(TASKS))
    given = {} if points is None else {"points": points}
    config = DataConfig().changed(given, source=data, labels=labels, parts=parts, workers=workers)
    prepared = prepared_at(config.source)
    if isinstance(prepared, Path):
        found = damage(prepared, fully=True)
        if found:
            raise DataError(f"The prepared folder {prepared} is damaged: {'; '.join(found)}. Prepare the data again.")
    name = named(config.source)[0] if prepared is None else None
    plan = plan_source(config.source, config.labels, config.parts)
    plan = replace(plan, strict=False)  # to list what is damaged, and not to stop there
    build = Build(plan, replace(request_for(config, plan.up), points=points or plan.points or CHECKED_POINTS))
    damaged = [("", fault) for fault in plan.faults]
    files = (entry.file for entry in plan.entries if entry.describe is None)
    sink = _Occurring()
    build.run(sink, default_workers(files) if workers is None else workers, shown)
    report = _report(plan, build, damaged, READERS[name].obtained if name is not None else "")
    if task is None:
        return report
    wrong, more = refusals(task, _facts(build, sink))
    return replace(report, task=task, refusals=tuple(wrong), notes=(*report.notes, *more))


def _facts(build: Build, sink: _Occurring) -> Facts:
    """What is known about the clouds that were read; nothing about labels and parts that don't fit together."""
    try:
        known = build.known()
    except DataError:  # The report lists it as damage.
        return Facts(len(build.ids), None, None, None, None, None)
    labels, numbers = known.columns.get("label"), known.part_numbers
    return Facts(
        len(build.ids),
        None if labels is None else np.asarray(labels, dtype=np.int64),
        known.classes,
        [split or "" for split in build.splits] if "split" in known.columns else None,
        None if numbers is None else [np.searchsorted(numbers, parts) for parts in sink.parts],
        known.parts,
    )


def _report(plan: Plan, build: Build, damaged: list[tuple[str, str]], obtained: str) -> Report:
    part_points: dict[str, int] = {}
    notes = list(plan.notes)
    order: list[str] = []
    try:
        known = build.known()
        order = known.classes or []
        if known.parts is not None and known.part_numbers is not None:
            part_points = {
                part: build.part_points[number] for part, number in zip(known.parts, known.part_numbers, strict=True)
            }
        for kind, what in (("unlabelled", "label"), ("unparted", "part labels")):
            if known.tally.get(kind):
                notes.append(f"{known.tally[kind]} of {len(build.ids)} clouds have no {what}.")
    except DataError as error:
        damaged.append(("", str(error)))
    names = ["" if label is None else str(label) for label in build.classes]
    splits = [split or "" for split in build.splits]
    by_class = {label: dict[str, int]() for label in [*order, *sorted(set(names) - set(order) - {""}, key=by_number)]}
    for (label, split), count in Counter(zip(names, splits, strict=True)).items():
        if label:
            by_class[label][split] = count
    return Report(
        plan.name,
        plan.layout,
        len(plan.entries),
        len(build.ids),
        plan.points,
        plan.up,
        {**dict.fromkeys(plan.counts, 0), **Counter(splits)},
        by_class,
        dict(plan.counts),
        part_points,
        tuple(plan.missing),
        (*damaged, *build.bad),
        tuple(notes),
        obtained,
    )
