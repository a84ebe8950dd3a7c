"""How loops are compiled, and how they are spread over threads.

Importing this module imports Numba, which takes a third of a second: import kernels where they are called.
"""

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numba
import numpy as np

__all__ = ["Kernel", "inlined", "kernel", "spread"]

inlined = numba.njit(nogil=True, forceinline=True)
"""A part of kernels of the same file. (Of what another file holds, Numba's cache wouldn't notice a change.)"""


class Kernel:
    """A function compiled once for each kind of coordinates, when they are first met.

    ``signature`` holds ``F`` where the kind stands and ``I`` for integers of its width. Sums are neither reordered nor
    contracted to fused multiply-adds, so results are those of the same operations elsewhere.
    """

    def __init__(self, function: Callable[..., None], signature: str) -> None:
        self.function, self.signature = function, signature
        self.of = functools.cache(self._compile)
        self.__doc__ = function.__doc__

    def _compile(self, kind: np.dtype[Any]) -> Callable[..., None]:
        width = kind.itemsize
        signature = self.signature.replace("F", f"f{width}").replace("I", f"i{width}")
        try:
            return numba.njit(signature, nogil=True, cache=True)(self.function)
        except (OSError, RuntimeError):  # no folder to keep the result in: neither the package's nor the user's
            return numba.njit(signature, nogil=True)(self.function)


def kernel(signature: str) -> Callable[[Callable[..., None]], Kernel]:
    """Makes a function a :class:`Kernel`."""
    return functools.partial(Kernel, signature=signature)


def spread(call: Callable[[int, int], None], items: int, threads: int, least: int = 1) -> None:
    """``call(first, last)`` for ranges that cover ``items``: one a thread, each of ``least`` items or more."""
    parts = max(1, min(threads, items // max(1, least)))
    if parts == 1:
        call(0, items)
        return
    own, *ranges = pairwise(items * part // parts for part in range(parts + 1))
    others = [_pool(os.getpid(), threads).submit(call, *part) for part in ranges]
    try:
        call(*own)
    finally:
        for other in others:
            other.result()


@functools.cache
def _pool(process: int, threads: int) -> ThreadPoolExecutor:  # noqa: ARG001 (threads don't survive a fork)
    return ThreadPoolExecutor(threads - 1, thread_name_prefix="i2pmae")
