"""Columns beside x, y and z that are kept where they are asked for: how files call them, and what they become.

``colour`` is red, green and blue from 0 to 1, ``normal`` is a direction of length 1.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from i2pmae.common.errors import DataError

__all__ = ["UNNAMED", "found_columns", "kept", "named_columns"]

UNNAMED = "unnamed"
"""Stands for three columns of which a file does not say what they are."""
NAMES = {
    "colour": (("red", "green", "blue"), ("r", "g", "b"), ("diffuse_red", "diffuse_green", "diffuse_blue")),
    "normal": (("nx", "ny", "nz"), ("normal_x", "normal_y", "normal_z"), ("n_x", "n_y", "n_z")),
}
"""Names of three columns of numbers."""
SCALES = (1, 255, 65535)
"""What the brightest value may be called."""
NEAR_UNIT = 0.02
"""How far lengths of three columns without names may be from 1 for them to be normals."""


def named_columns(names: Sequence[str]) -> dict[str, tuple[int, int, int]]:
    """Which three of the columns ``names`` are the colour and the normal, where they say so, in any case."""
    words = [name.strip().lower() for name in names]
    found = {}
    for kind, spellings in NAMES.items():
        for first, second, third in spellings:
            if all(words.count(word) == 1 for word in (first, second, third)):
                found[kind] = (words.index(first), words.index(second), words.index(third))
                break
    return found


def found_columns(table: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The colour and the normal ``(m, 3)`` in a table of named columns ``(m,)``, as stored."""
    names = list(table)
    return {
        kind: np.stack([np.asarray(table[names[place]]).reshape(-1) for place in places], axis=-1)
        for kind, places in named_columns(names).items()
    }


def kept(columns: Mapping[str, np.ndarray], wanted: Sequence[str], shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """The ``wanted`` ones of the stored columns of points ``shape``, float32: colours from 0 to 1, normals of length 1.

    Three columns without names are normals where all have length 1, else colours where they can be. :class:`DataError`
    where one is not there, is of another shape, or cannot be what it is called.
    """
    found = {}
    for kind in wanted:
        values = columns.get(kind)
        if values is None and UNNAMED in columns and _unit(columns[UNNAMED]) == (kind == "normal"):
            values = columns[UNNAMED]
        if values is None:
            raise DataError(f"it has no {kind}, which was asked for")
        if values.shape != shape:
            raise DataError(f"the {kind} has shape {values.shape}; expected {shape}, as the points have")
        found[kind] = _colours(values) if kind == "colour" else _unit_normals(values)
    return found


def _unit(values: np.ndarray) -> bool:
    """Whether all have length 1."""
    if values.dtype.kind not in "fiub":
        return False
    with np.errstate(all="ignore"):
        return bool((np.abs(np.linalg.norm(values.astype(np.float64), axis=-1) - 1) < NEAR_UNIT).all())


def _colours(values: np.ndarray) -> np.ndarray:
    """Whole numbers are shares of 255, or of 65535 where one is larger; others are shares of 1 where none is larger."""
    if values.dtype.kind not in "fiub":
        raise DataError(f"the colours have dtype {values.dtype}; expected numbers")
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    scales = SCALES if values.dtype.kind == "f" else SCALES[1:]
    scale = next((scale for scale in scales if high <= scale), None)
    if not low >= 0 or scale is None:  # comparisons with NaN are false
        raise DataError(f"the colours run from {low:g} to {high:g}; expected 0 to 1, to 255 or to 65535")
    return (values / np.float64(scale)).astype(np.float32)


def _unit_normals(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind not in "fiub":
        raise DataError(f"the normals have dtype {values.dtype}; expected numbers")
    values = values.astype(np.float64)
    with np.errstate(all="ignore"):
        length = np.linalg.norm(values, axis=-1, keepdims=True)
    without = int((~(np.isfinite(length) & (length > 0))).sum())
    if without:
        raise DataError(f"{without} of {length.size} normals have no direction (zeros, NaN or infinity)")
    return (values / length).astype(np.float32)
