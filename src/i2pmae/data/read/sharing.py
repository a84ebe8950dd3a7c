"""Preparing one folder by several processes, on one machine or on many, which wait for each other by files.

Nothing but the folder is needed: the processes need not reach each other in another way.
"""

import contextlib
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from i2pmae.common.errors import I2PError
from i2pmae.common.files import write_text
from i2pmae.data.read.build import Build
from i2pmae.data.read.files import Request
from i2pmae.data.read.plans import publish_build, too_many_bad
from i2pmae.data.read.shares import Ranks
from i2pmae.data.sources.plan import Plan
from i2pmae.data.store.cache import open_cache
from i2pmae.data.store.locking import Lock
from i2pmae.data.store.publishing import Share
from i2pmae.data.store.stored import Stored, read_stored
from i2pmae.data.store.writing import JOURNAL, LOCK, ResumableWriter, read_journal, unfinished

__all__ = ["write_share"]

T = TypeVar("T")

PATIENCE = 120.0
"""Seconds without a change, and without anybody at work, after which a process is taken for dead."""
PAUSE = 0.2
"""Seconds between two looks."""
DONE = "done-{}.json"
"""Says that a process has written all of its share."""


def write_share(
    plan: Plan,
    request: Request,
    output: Path,
    key: str,
    form: str,
    ranks: Ranks,
    workers: int,
    max_bad_share: float,
    shown: bool,
) -> Stored:
    """What is in the folder ``output`` once all processes have written their shares of a plan, and the first the rest.

    A share that was written before is not written again; one that another number of processes began is begun anew.
    """
    key = f"{key}-of-{ranks.world}"
    part, name = unfinished(output), f"{ranks.rank:03d}"
    stored = _found(output, key)
    if stored is not None:
        return stored
    if ranks.rank and _done(part, ranks.rank, key) is not None:  # the first may be using it by now
        return _published(part, output, key)
    writer = ResumableWriter(output, request.points, key, form, ranks.rank, request.columns)
    build = Build(plan, request, ranks)
    with writer:
        (part / DONE.format(name)).unlink(missing_ok=True)  # of other data
        build.run(writer, workers, shown and ranks.rank == 0)
        share = writer.finish(build.record())
        if ranks.rank:
            write_text(part / DONE.format(name), json.dumps({"key": key, "rows": share.rows, "most": share.most}))
        else:
            builds, shares = [], []
            for rank in range(1, ranks.world):
                shares.append(_awaited(part, rank, key))
                records = read_journal(part / JOURNAL.format(f"{rank:03d}"))[1:]
                builds.append(Build.of_records(plan, request, Ranks(rank, ranks.world), records))
            build = build.joined(builds)
            if publish_build(build, writer, key, max_bad_share, others=shares):
                return read_stored(output)
    if ranks.rank == 0:
        raise too_many_bad(build, writer)
    return _published(part, output, key)


def _done(part: Path, rank: int, key: str) -> Share | None:
    """The share of a process, where it has written all of it."""
    name = f"{rank:03d}"
    try:
        facts = json.loads((part / DONE.format(name)).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return Share(name, facts["rows"], facts["most"]) if facts["key"] == key else None


def _awaited(part: Path, rank: int, key: str) -> Share:
    return _wait_for(
        lambda: _done(part, rank, key), part / LOCK.format(f"{rank:03d}"), f"The process of rank {rank}", part
    )


def _found(output: Path, key: str) -> Stored | None:
    """The set in the folder, if it is this one."""
    stored = open_cache(output) if output.is_dir() else None
    return stored if stored is not None and stored.summary.get("key") == key else None


def _published(part: Path, output: Path, key: str) -> Stored:
    """The whole set, once the first process has put it into place."""

    stored = _wait_for(lambda: _found(output, key), part / LOCK.format("000"), "The process of rank 0", part)
    with contextlib.suppress(OSError):  # what a process wrote that started when all was done
        shutil.rmtree(part)
    return stored


def _wait_for(found: Callable[[], T | None], lock: Path, who: str, part: Path) -> T:
    """What ``found`` gives, as soon as it gives anything but None.

    :class:`I2PError` where nobody has the ``lock`` of ``who`` for some minutes, in which nothing in ``part`` changes: a
    process may start so much later than the others.
    """
    last: dict[str, int] | None = None
    since = time.monotonic()
    while True:
        result = found()
        if result is not None:
            return result
        state = _sizes(part)
        if state != last or _held(lock):
            last, since = state, time.monotonic()
        elif time.monotonic() - since > PATIENCE:
            raise I2PError(f"{who} has ended before its work was done. Run all processes again to go on.")
        time.sleep(PAUSE)


def _sizes(folder: Path) -> dict[str, int]:
    """The files of a folder that other processes write to and at last remove, with their sizes.

    What is gone between the look at the folder and the look at the file is left out.
    """
    found = {}
    with contextlib.suppress(FileNotFoundError):
        for item in folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                found[item.name] = item.stat().st_size
    return found


def _held(path: Path) -> bool:
    """Whether somebody has the lock."""
    if not path.exists():
        return False
    lock = Lock(path)
    try:
        if not lock.take():
            return True
    except OSError:
        return False
    lock.release()
    return False
