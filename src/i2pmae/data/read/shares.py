"""Which share of a plan this process reads, where several were started together."""

import os
from collections.abc import Sequence
from typing import NamedTuple

from i2pmae.common.errors import UsageError
from i2pmae.common.started import heed_slurm
from i2pmae.data.sources.plan import Entry

__all__ = ["ALONE", "Ranks", "here", "share_of"]


class Ranks(NamedTuple):
    """Which of the processes that were started together this one is."""

    rank: int = 0
    """Its number, from 0."""
    world: int = 1
    """How many there are."""
    local: int = 1
    """How many of them are on this machine."""


ALONE = Ranks()


def here() -> Ranks:
    """What torchrun or srun says in the environment (RANK, WORLD_SIZE, LOCAL_WORLD_SIZE), else that it is alone.

    :class:`UsageError` where these are no such numbers.
    """
    heed_slurm()
    texts = [os.environ.get(name) for name in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")]
    if texts[0] is None or texts[1] is None:
        return ALONE
    try:
        rank, count, local = int(texts[0]), int(texts[1]), int(texts[2] or 1)
        if not (0 <= rank < count and local > 0):
            raise ValueError
    except ValueError:
        raise UsageError(
            f"The environment says RANK={texts[0]} and WORLD_SIZE={texts[1]}: expected a number from 0 below the "
            "number of processes. Start them with torchrun or srun, or unset both."
        ) from None
    return Ranks(rank, count, local)


def share_of(entries: Sequence[Entry], ranks: Ranks) -> Sequence[Entry]:
    """The entries that this process reads: consecutive ones, with about its part of all bytes.

    A file with many clouds is read by one process.
    """
    if ranks.world == 1:
        return entries
    total, before, share = sum(1 + entry.file.size for entry in entries), 0, []
    for entry in entries:
        size = 1 + entry.file.size
        if (2 * before + size) * ranks.world // (2 * total) == ranks.rank:  # where the middle of the file lies
            share.append(entry)
        before += size
    return share
