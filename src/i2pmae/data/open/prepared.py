"""Folders that hold a whole set: opened as they are, or as a source of clouds of another size; and written."""

from dataclasses import replace
from pathlib import Path

from i2pmae.common.errors import DataError, UsageError, pick
from i2pmae.data.clouds import CloudSet
from i2pmae.data.read.files import Request
from i2pmae.data.read.plans import open_plan, plan_key, workers_for, write_plan
from i2pmae.data.read.shares import here
from i2pmae.data.read.sharing import write_share
from i2pmae.data.sources.plan import Plan
from i2pmae.data.sources.prepared import chosen, is_prepared, plan_prepared, stored_at
from i2pmae.data.store.cache import open_cache
from i2pmae.data.store.forms import FORMS
from i2pmae.data.store.sets import as_clouds
from i2pmae.data.store.summary import BAD_FILES
from i2pmae.data.store.writing import ResumableWriter

__all__ = ["open_prepared", "prepare"]


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
    stored, folder = stored_at(path, cache)
    clouds = as_clouds(stored, folder)
    if not request.parts:
        clouds = replace(clouds, part_labels=None, parts=None)
    missing = [kind for kind in request.columns if kind not in clouds.columns]
    if missing:
        raise DataError(
            f"The prepared folder {path} has no {missing[0]}: prepare the data again with --columns {missing[0]}."
        )
    if clouds.points.shape[1] == request.points:
        rows = chosen(clouds, request.limit)
        return clouds if len(rows) == len(clouds) else clouds.subset(rows)
    request = replace(request, columns=tuple(clouds.columns))
    plan = plan_prepared(path, request.limit, cache)
    return open_plan(plan, request, cache=cache, workers=workers, shown=shown)


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

    ``form`` is one of :data:`~i2pmae.data.store.forms.FORMS`. Where torchrun or srun started several processes, each
    reads its share of the files, the first puts all together, and every one of them gets the whole set. Nothing is done
    where the folder holds it already. :class:`UsageError` where it holds anything else.
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
    writer = ResumableWriter(output, request.points, key, form, columns=request.columns)
    return as_clouds(write_plan(plan, request, writer, key, workers, shown, max_bad_share), output)
