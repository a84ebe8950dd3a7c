"""Checks and scalings that every picture needs."""

from collections.abc import Sequence

import numpy as np

from i2pmae.common.errors import UsageError

__all__ = ["checked", "stretch"]


def checked(what: str, values: np.ndarray, shape: Sequence[int | None]) -> np.ndarray:
    """``values`` as a contiguous array, float32 unless boolean, of the given ``shape`` (``None``: any length).

    :class:`UsageError` says which array has another shape or holds NaN or infinity.
    """
    array = np.asarray(values)
    wanted = "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")"
    if array.ndim != len(shape) or any(size not in (None, got) for size, got in zip(shape, array.shape, strict=True)):
        raise UsageError(f"{what}: expected an array of shape {wanted}, got {array.shape}.")
    if array.dtype == bool:
        return np.ascontiguousarray(array)
    array = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise UsageError(f"{what}: {bad} of {array.size} values are NaN or infinite and cannot be drawn.")
    return array


def stretch(values: np.ndarray, tail: float = 1.0, low: float | None = None, high: float | None = None) -> np.ndarray:
    """``values`` moved to [0, 1]: from ``low`` to ``high``, or between the ``tail`` and ``100 − tail`` percentiles.

    Values beyond the ends are clipped; values without any spread become 0.5.
    """
    if values.size == 0:
        return values.astype(np.float32)
    low = float(np.percentile(values, tail)) if low is None else low
    high = float(np.percentile(values, 100 - tail)) if high is None else high
    if high - low <= 1e-6 * max(abs(high), abs(low)):
        return np.full(values.shape, 0.5, np.float32)
    return np.clip((values - low) / (high - low), 0, 1).astype(np.float32)
