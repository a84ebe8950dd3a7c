"""How what is stored of a cloud becomes numbers of its points, and the reverse."""

from typing import NamedTuple

import numpy as np

__all__ = ["FORMS", "Form", "column_form"]


class Form(NamedTuple):
    """How coordinates are stored."""

    dtype: np.dtype
    scale: float
    """What a stored value is multiplied with."""

    def encode(self, points: np.ndarray) -> np.ndarray:
        """Coordinates as they are stored, the nearest ones that there are."""
        if self.dtype.kind == "f":
            return points.astype(self.dtype)
        top = np.iinfo(self.dtype).max
        low = 0 if self.dtype.kind == "u" else -top
        return np.clip(np.rint(points / np.float32(self.scale)), low, top).astype(self.dtype)

    def decode(self, stored: np.ndarray) -> np.ndarray:
        """Coordinates, float32."""
        if self.dtype.kind == "f":
            return stored.astype(np.float32, copy=False)
        return stored * np.float32(self.scale)


FORMS = {"fixed16": Form(np.dtype("<i2"), 1 / 32767), "float32": Form(np.dtype("<f4"), 1.0)}
"""``fixed16`` takes 6 bytes for a point; its coordinates, between -1 and 1, are off by 1.6e-5 at most, where half
precision of the same size is off by 2.4e-4. ``float32`` takes 12 and keeps every bit."""

COLOUR = Form(np.dtype("|u1"), 1 / 255)
"""Colours take 3 bytes for a point, as many as almost every file has."""


def column_form(name: str, form: str) -> Form:
    """How a column beside x, y and z is stored in a set whose coordinates are of ``form``: normals as these are."""
    return COLOUR if name == "colour" else FORMS[form]
