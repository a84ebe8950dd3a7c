"""Batches whose order follows from seed and epoch alone, so that a run can start at any step."""

import math
import multiprocessing
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from i2pmae.common import ranks
from i2pmae.common.errors import DataError, I2PError, UsageError
from i2pmae.common.ranks import Part
from i2pmae.common.seeds import numpy_generator
from i2pmae.data.clouds import CloudSet
from i2pmae.data.order import windowed
from i2pmae.data.views import Lazy
from i2pmae.training.task import Batch

__all__ = ["BatchPlan", "StepBatches", "check_batch", "step_loader"]


@dataclass(frozen=True)
class BatchPlan:
    """Which clouds each optimiser step of a run sees.

    The last, incomplete batch of an epoch is left out where there is a full one. A step takes ``accumulate`` batches;
    the last step of an epoch takes those that are left, so steps never reach across epochs.
    """

    clouds: int
    """Clouds in the set."""
    batch_size: int
    """Clouds per batch."""
    accumulate: int
    """Batches per optimiser step."""
    epochs: int
    """Passes over the set."""
    seed: int
    """Decides the order."""
    shards: np.ndarray | None = field(default=None, compare=False, repr=False)
    """``(clouds,)`` which clouds are fetched together from elsewhere; None where all are here."""

    @property
    def batches_per_epoch(self) -> int:
        """Batches of an epoch."""
        return max(1, self.clouds // self.batch_size)

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of an epoch."""
        return math.ceil(self.batches_per_epoch / self.accumulate)

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole run."""
        return self.epochs * self.steps_per_epoch

    @property
    def clouds_per_batch(self) -> int:
        """Clouds in each batch: all of a set that is smaller than one."""
        return min(self.batch_size, self.clouds)

    def part(self) -> Part | None:
        """What this process has of each batch; None where it is the only one."""
        return None if ranks.world() == 1 else Part.of(self.clouds_per_batch, ranks.rank(), ranks.world())

    def order(self, epoch: int) -> np.ndarray:
        """``(clouds,)`` int64: the permutation of an epoch (0 is the first); one within windows of far shards."""
        generator = numpy_generator(self.seed, "order", epoch)
        return generator.permutation(self.clouds) if self.shards is None else windowed(self.shards, generator)

    def rows(self, step: int, order: np.ndarray) -> list[np.ndarray]:
        """Rows of the set for each batch of a step, given the :meth:`order` of the step's epoch."""
        first = (step % self.steps_per_epoch) * self.accumulate
        last = min(first + self.accumulate, self.batches_per_epoch)
        return [order[batch * self.batch_size : (batch + 1) * self.batch_size] for batch in range(first, last)]


def check_batch(plan: BatchPlan) -> None:
    """:class:`UsageError` where a batch has fewer clouds than the run has processes."""
    if plan.clouds_per_batch < ranks.world():
        raise UsageError(
            f"A batch of {plan.clouds_per_batch} clouds cannot be shared out over {ranks.world()} processes: raise "
            "--batch-size, use more clouds, or start fewer processes."
        )


class StepBatches(Dataset[list[Batch]]):
    """Item ``step`` is the list of batches of that optimiser step; it keeps nothing but a copy of the latest order.

    Of each batch it reads the part of this process.
    """

    def __init__(self, clouds: CloudSet, plan: BatchPlan) -> None:
        self.clouds = clouds
        self.plan = plan
        self.part = plan.part()  # noted here: a process that loads batches does not know its place
        self._order: tuple[int, np.ndarray] | None = None

    def __len__(self) -> int:
        return self.plan.steps

    def __getitem__(self, step: int) -> list[Batch]:
        epoch = step // self.plan.steps_per_epoch
        if self._order is None or self._order[0] != epoch:
            self._order = (epoch, self.plan.order(epoch))
            coming = self._order[1][self.plan.rows(step, np.arange(self.plan.clouds))[0][0] :]
            for values in (self.clouds.points, self.clouds.part_labels):
                if isinstance(values, Lazy):
                    values.expect(coming)
        return [self._read(rows) for rows in self.plan.rows(step, self._order[1])]

    def _read(self, whole: np.ndarray) -> Batch:
        part = self.part
        rows = whole if part is None else whole[part.first : part.first + part.count]
        # torch.tensor copies into memory that torch aligned: the same alignment always, hence the same rounding.
        batch = {
            "points": torch.tensor(np.asarray(self.clouds.points[rows], dtype=np.float32)),
            "index": torch.tensor(rows, dtype=torch.int64),
        }
        if part is not None:
            batch["whole"] = torch.tensor(whole, dtype=torch.int64)
        if self.clouds.labels is not None:
            batch["label"] = torch.tensor(self.clouds.labels[rows], dtype=torch.int64)
        if self.clouds.part_labels is not None:
            batch["part_label"] = torch.tensor(np.asarray(self.clouds.part_labels[rows]), dtype=torch.int64)
        return batch


@dataclass(frozen=True)
class _Unread:
    """A step whose clouds could not be read."""

    error: I2PError


class _Told(StepBatches):
    """Gives errors for people instead of raising them: what a process raises comes to another as a traceback."""

    def __getitem__(self, step: int) -> Any:
        try:
            return super().__getitem__(step)
        except I2PError as error:
            return _Unread(error)


class _Loader(DataLoader[list[Batch]]):
    """Raises the errors of :class:`_Told` in the process that wants the batches."""

    def __iter__(self) -> Any:
        for found in super().__iter__():
            if isinstance(found, _Unread):
                raise found.error
            yield found


class _StepsFrom(Sampler[int]):
    """The steps from ``start`` to the end of the run."""

    def __init__(self, start: int, end: int) -> None:
        self.steps = range(start, end)

    def __iter__(self) -> Iterator[int]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)


def _leave_signals_to_parent(_worker: int) -> None:
    """Ctrl-C and SIGTERM reach the whole process group; the main process decides when its workers end."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def step_loader(clouds: CloudSet, plan: BatchPlan, start: int, workers: int, pin: bool) -> DataLoader[list[Batch]]:
    """A loader of the steps from ``start`` on, each a list of batches; :class:`DataError` for an empty set."""
    if not len(clouds):
        raise DataError(f"{clouds.name} holds no clouds to train on.")
    # A forked worker shares a memory-mapped set with its parent; a spawned one would copy it.
    context = multiprocessing.get_context("fork") if workers and sys.platform == "linux" else None
    return _Loader(
        _Told(clouds, plan),
        batch_size=None,
        sampler=_StepsFrom(start, plan.steps),
        num_workers=workers,
        pin_memory=pin,
        worker_init_fn=_leave_signals_to_parent if workers else None,
        multiprocessing_context=context,
    )
