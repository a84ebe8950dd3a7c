"""The processes that work on one run together: how many they are, which one this is, and what they tell each other.

A run has one process unless it was started as several (:func:`~i2pmae.training.processes.joined`). Then every process
does the same things in the same order, each with its part of a batch; the first, of rank 0, writes files and speaks.
With one process nothing here imports PyTorch, and everything returns at once.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Self, TypeVar, cast

from i2pmae.common.errors import I2PError

__all__ = [
    "ALONE",
    "Part",
    "Place",
    "barrier",
    "broadcast",
    "gather",
    "is_main",
    "leave",
    "main_first",
    "on_main",
    "place",
    "placed",
    "rank",
    "share_out",
    "share_out_to_main",
    "world",
]

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741


@dataclass(frozen=True)
class Place:
    """Which of the processes of a run this one is."""

    rank: int
    """Its number, from 0."""
    world: int
    """How many there are."""
    local_rank: int
    """Its number among those on the same machine."""
    local_world: int
    """How many of them are on this machine."""


ALONE = Place(0, 1, 0, 1)
"""The place of the one process of a run."""
_place = ALONE


@dataclass(frozen=True)
class Part:
    """The rows of a batch that one process computes: consecutive ones, in the order of the ranks."""

    first: int
    """Rows of the batch before them."""
    count: int
    """How many they are."""
    total: int
    """Rows of the whole batch."""

    @classmethod
    def of(cls, total: int, rank: int, world: int) -> Self:
        """The part of one of ``world`` processes; no two parts differ by more than one row."""
        first, last = (total * number // world for number in (rank, rank + 1))
        return cls(first, last - first, total)


def place() -> Place:
    """Which of the processes of the run this one is."""
    return _place


def rank() -> int:
    """The number of this process, from 0."""
    return _place.rank


def world() -> int:
    """How many processes the run has."""
    return _place.world


def is_main() -> bool:
    """Whether this is the process that writes files and speaks."""
    return _place.rank == 0


@contextlib.contextmanager
def placed(where: Place) -> Iterator[None]:
    """A block in which this process is one of several, which can reach each other through torch.distributed."""
    global _place
    before, _place = _place, where
    try:
        yield
    finally:
        _place = before


def gather(value: T) -> list[T]:
    """What every process gives, in the order of their ranks, for each of them."""
    if world() == 1:
        return [value]
    import torch.distributed as dist

    found: list[Any] = [None] * world()
    dist.all_gather_object(found, value)
    return found


def broadcast(value: T) -> T:
    """What the main process gives, for each of them; what the others give is not looked at."""
    if world() == 1:
        return value
    import torch.distributed as dist

    given = [value]
    dist.broadcast_object_list(given, 0)
    return given[0]


def barrier() -> None:
    """Return when all processes have come here."""
    gather(None)


def on_main(function: Callable[[], T]) -> T:
    """What ``function`` returns in the main process, which alone calls it, for each process.

    An :class:`I2PError` of it is raised by all.
    """
    if world() == 1:
        return function()
    found: tuple[T | None, I2PError | None] = (None, None)
    if is_main():
        try:
            found = (function(), None)
        except I2PError as error:
            found = (None, error)
    result, failure = broadcast(found)
    if failure is not None:
        raise failure
    return cast(T, result)


@contextlib.contextmanager
def main_first() -> Iterator[None]:
    """A block that the main process goes through before the others, which find what it left in caches."""
    if not is_main():
        barrier()
    yield
    if is_main():
        barrier()


def share_out(items: Sequence[I], compute: Callable[[I], T]) -> Iterator[T]:
    """``compute`` of each item, in order, for each process; every item is computed by one of them.

    All processes must take all results.
    """
    if world() == 1:
        yield from map(compute, items)
        return
    for start in range(0, len(items), world()):
        own = start + rank()
        found = gather(compute(items[own]) if own < len(items) else None)
        yield from cast(list[T], found[: len(items) - start])


def share_out_to_main(items: Sequence[I], compute: Callable[[I], T]) -> Iterator[T | None]:
    """As :func:`share_out`, for the main process alone, which writes what all compute; the others get as many None."""
    if world() == 1:
        yield from map(compute, items)
        return
    import torch.distributed as dist

    for start in range(0, len(items), world()):
        own = start + rank()
        value = compute(items[own]) if own < len(items) else None
        found: list[Any] | None = [None] * world() if is_main() else None
        dist.gather_object(value, found, 0)
        yield from (found or [None] * world())[: len(items) - start]


def leave(status: int) -> NoReturn:
    """End this process with an exit status.

    Where a run of several processes failed, torch.distributed still has threads at work. The interpreter's own end
    would now and then be aborted by these, so the process ends without it.
    """
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)
    sys.exit(status)
