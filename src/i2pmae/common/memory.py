"""How the C library handles freed memory."""

import ctypes
import os
import sys

__all__ = ["keep_freed_memory"]

TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4
"""Names of settings in glibc's malloc.h."""
LARGEST = 2**31 - 1
PAD = 256 * 2**20
SWITCH = "I2PMAE_KEEP_MEMORY"
"""The environment variable that leaves the C library as it is where it is 0."""


def keep_freed_memory() -> bool:
    """Whether freed memory now stays with the process to be used again, which only glibc (Linux) can be told.

    It would give back large blocks at once. A training step frees and takes the same tensors over and over, and the
    system clears every page anew: docs/results.md has what that costs. The process keeps its peak of memory.

    Training and models in use call it themselves where they compute on the CPU; once more does no harm. The environment
    variable ``I2PMAE_KEEP_MEMORY=0`` turns it off.
    """
    if os.environ.get(SWITCH) == "0" or not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library, e.g. musl
        return False
    settings = ((TRIM_THRESHOLD, LARGEST), (TOP_PAD, PAD), (MMAP_MAX, 0))
    taken = [mallopt(name, value) for name, value in settings]
    return all(taken)
