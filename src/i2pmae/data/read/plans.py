"""From a plan to clouds: read once, kept in the form of :mod:`i2pmae.data.store.stored`, and opened from there."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from i2pmae.common.errors import DataError
from i2pmae.data.clouds import CloudSet
from i2pmae.data.paths import RealPaths, cache_folder, portable
from i2pmae.data.read.build import Build, cured
from i2pmae.data.read.files import Request, default_workers
from i2pmae.data.sources.plan import Plan
from i2pmae.data.store.cache import cache_key, make_private, open_cache, write_bad_files
from i2pmae.data.store.publishing import Share
from i2pmae.data.store.sets import as_clouds, unusable
from i2pmae.data.store.stored import Stored, read_stored
from i2pmae.data.store.writing import CacheWriter

__all__ = [
    "open_plan",
    "plan_key",
    "publish_build",
    "too_many_bad",
    "workers_for",
    "write_plan",
]


def open_plan(
    plan: Plan,
    request: Request,
    *,
    cache: Path | None = None,
    workers: int | None = None,
    max_bad_share: float = 0.1,
    shown: bool = True,
) -> CloudSet:
    """The clouds that a plan lists, from the cache where they were read before.

    :class:`DataError` for faults of the plan, and :class:`UnusableFiles` where more than ``max_bad_share`` of all
    clouds cannot be used.
    """
    plan.checked()
    key = plan_key(plan, request)
    folder = Path(cache or cache_folder()) / key
    stored = open_cache(folder)
    if stored is None or cured(plan, request, stored.summary.get("passing", {})):
        del stored  # Windows replaces no folder whose files are mapped
        writer = CacheWriter(folder, request.points, columns=request.columns)
        stored = write_plan(plan, request, writer, key, workers, shown, sources=plan.sources())
    return as_clouds(stored, folder, max_bad_share)


def write_plan(
    plan: Plan,
    request: Request,
    writer: CacheWriter,
    key: str,
    workers: int | None,
    shown: bool,
    max_bad_share: float = 1,
    sources: Sequence[str] = (),
) -> Stored:
    """Read all that a plan lists into the writer's folder; what is stored there comes back.

    ``key`` is what :func:`plan_key` gives for both; ``sources`` is where the files are, for people who look at the
    folder later.

    Where more than ``max_bad_share`` cannot be used, a :class:`DataError` says so and nothing is put into place.
    """
    build = Build(plan, request)
    with writer:
        build.run(writer, workers_for(plan, workers), shown)
        if publish_build(build, writer, key, max_bad_share, sources):
            return read_stored(writer.folder)
    raise too_many_bad(build, writer)


def workers_for(plan: Plan, workers: int | None) -> int:
    """How many processes read, where ``workers`` does not say."""
    files = (entry.file for entry in plan.entries if entry.describe is None)
    return default_workers(files) if workers is None else workers


def publish_build(
    build: Build,
    writer: CacheWriter,
    key: str,
    max_bad_share: float = 1,
    sources: Sequence[str] = (),
    others: Sequence[Share] = (),
) -> bool:
    """Put what was read into place; False where too much of it cannot be used. ``others`` wrote parts of it."""
    plan, request = build.plan, build.request
    total = len(build.ids) + len(build.bad)
    if not build.ids or len(build.bad) - build.tally["prose"] > max_bad_share * total:
        return False
    known = build.known()
    summary = {
        "key": key,
        "name": portable(plan.name),
        "layout": portable(plan.layout),
        "up_in_files": plan.files_up or request.up,
        "sources": [portable(source) for source in sources],
        "seed": request.seed,
        "classes": known.classes,
        "parts": known.parts,
        "bad": len(build.bad),
        "passing": build.passing,
        "tally": known.tally,
        "notes": [*plan.notes, *_set_notes(plan, build.splits, request)],
    }
    writer.publish(known.columns, summary, build.bad, known.part_numbers, others)
    return True


def too_many_bad(build: Build, writer: CacheWriter) -> DataError:
    """The error where too much cannot be used, after a list of it was written."""
    listed = write_bad_files(writer.folder, build.bad)
    if writer.private:
        make_private(writer.folder)
    return unusable(build.bad, len(build.ids) + len(build.bad), listed)


def plan_key(plan: Plan, request: Request) -> str:
    """A name that follows from the files, their state, and all that is made of them."""
    return cache_key(plan.name, _facts(plan, request))


def _facts(plan: Plan, request: Request) -> Iterator[str]:
    yield f"{plan.name} {plan.layout} {request} {plan.classes} {plan.meaning} {plan.parts}"
    if request.columns:
        yield f"columns {request.columns}"
    real = RealPaths()
    for entry in plan.entries:
        file = entry.file
        rows = "" if entry.rows is None else entry.rows.tobytes().hex()
        yield f"{real.of(file.path)} {file.id} {file.size} {file.mtime_ns} {file.parts}"
        yield f"{entry.label} {entry.split} {rows}"
    for name, reason in plan.problems:
        yield f"{name} {reason}"


def _set_notes(plan: Plan, splits: Iterable[str | None], request: Request) -> Iterator[str]:
    """A sentence for everything in which a published set is other than it should be."""
    if plan.strict and request.up != plan.up:
        yield f"{plan.name} is {plan.up} up in this layout, and is read as {request.up} up, as was asked for."
    found = Counter(splits)
    other = [f"{found[split]} of {count} {split}" for split, count in plan.counts.items() if found[split] != count]
    if plan.missing:
        first = ", ".join(plan.missing[:3]) + (", …" if len(plan.missing) > 3 else "")
        yield f"{len(plan.missing)} things that belong to {plan.name} are missing: {first}."
    if other and request.limit is None:
        yield f"Not all of the official {plan.name}, or more than it: {', '.join(other)} clouds."
