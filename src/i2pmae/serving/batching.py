"""Requests that wait while the model is busy are computed together, next."""

import asyncio
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Batcher", "Busy", "Compute"]

Compute = Callable[[Hashable, list[np.ndarray]], Sequence[Any]]
"""What is wanted and the clouds, to one result for each."""


class Busy(Exception):
    """More clouds are waiting than is reasonable."""


@dataclass(eq=False)
class _Job:
    wanted: Hashable
    clouds: list[np.ndarray]
    done: "asyncio.Future[list[Any]]"


class Batcher:
    """Runs a model in a thread of its own, one batch at a time.

    Nobody is waited for: a request that comes while the model is idle is computed at once, and those that come while it
    computes are its next batches, up to ``most`` clouds each, in order. Nothing is kept of requests that are done or
    were given up.
    """

    def __init__(self, compute: Compute, most: int, waiting: int) -> None:
        """``waiting`` clouds may wait; more are refused."""
        self._compute, self._most, self._most_waiting = compute, most, waiting
        self._jobs: list[_Job] = []
        self._awake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "model")
        self._loop: asyncio.Task[None] | None = None
        self.batches, self.clouds = 0, 0
        """How many were computed."""

    def start(self) -> None:
        """Begin to compute, in the running event loop."""
        self._loop = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Give up what waits, after the batch that is being computed."""
        if self._loop is not None:
            self._loop.cancel()
        for job in self._jobs:
            job.done.cancel()
        self._thread.shutdown(wait=True, cancel_futures=True)

    @property
    def waiting(self) -> int:
        """Clouds that wait."""
        return sum(len(job.clouds) for job in self._jobs)

    async def results(self, wanted: Hashable, clouds: list[np.ndarray]) -> list[Any]:
        """One result for each cloud; :class:`Busy` where too many wait, and whatever computing raises."""
        if self.waiting + len(clouds) > self._most_waiting:
            raise Busy
        job = _Job(wanted, clouds, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        self._awake.set()
        try:
            return await job.done
        finally:
            if job in self._jobs:  # given up while it waited
                self._jobs.remove(job)

    async def _run(self) -> None:
        while True:
            await self._awake.wait()
            batch = self._next()
            if not batch:
                self._awake.clear()
                continue
            clouds = [cloud for job in batch for cloud in job.clouds]
            try:
                found = await asyncio.get_running_loop().run_in_executor(
                    self._thread, self._compute, batch[0].wanted, clouds
                )
            except Exception as error:  # whoever asked is told
                for job in batch:
                    if not job.done.done():
                        job.done.set_exception(error)
                continue
            self.batches, self.clouds = self.batches + 1, self.clouds + len(clouds)
            results = iter(found)
            for job in batch:
                own = [next(results) for _ in job.clouds]
                if not job.done.done():
                    job.done.set_result(own)

    def _next(self) -> list[_Job]:
        """The first that waits and others that want the same, as many as fit."""
        if not self._jobs:
            return []
        batch, count = [self._jobs[0]], len(self._jobs[0].clouds)
        for job in self._jobs[1:]:
            if job.wanted == batch[0].wanted and count + len(job.clouds) <= self._most:
                batch.append(job)
                count += len(job.clouds)
        taken = set(map(id, batch))
        self._jobs = [job for job in self._jobs if id(job) not in taken]
        return batch
