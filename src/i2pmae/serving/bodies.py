"""What clients send: clouds as JSON or as a NumPy array, read within limits."""

import io
from typing import Any, NamedTuple

import numpy as np

from i2pmae.common.errors import UsageError, pick
from i2pmae.common.yaml import load_json
from i2pmae.data.read.sampling import UP_AXES
from i2pmae.weights.clouds import as_clouds, prepare

__all__ = ["JSON", "NUMPY", "SCHEMA", "Asked", "Limits", "TooLarge", "read_body"]

JSON, NUMPY = "application/json", "application/x-npy"
SCHEMA: dict[str, Any] = {
    JSON: {
        "schema": {
            "type": "object",
            "required": ["points"],
            "additionalProperties": False,
            "properties": {
                "points": {
                    "description": "One cloud, a list of [x, y, z], or a list of clouds, which may differ in size.",
                    "type": "array",
                },
                "up": {"enum": ["x", "y", "z"], "description": "The axis that points up; that of training if absent."},
                "category": {
                    "type": "string",
                    "description": "What the clouds show, for a segmenter that must be told.",
                },
            },
        }
    },
    NUMPY: {"schema": {"type": "string", "format": "binary", "description": "A .npy file of (n, 3) or (b, n, 3)."}},
}
"""Bodies, as OpenAPI describes them."""


class Limits(NamedTuple):
    """How much one request may ask for."""

    body: int
    """Bytes."""
    clouds: int
    points: int
    """Of each cloud."""
    seconds: float
    """Until a request is answered."""


class TooLarge(UsageError):
    """More than one request may ask for."""


class Asked(NamedTuple):
    """A request that was read."""

    clouds: list[np.ndarray]
    """Each y up and in the unit sphere, float32."""
    single: bool
    """Whether it was one cloud rather than a list."""
    category: str | None = None


def read_body(body: bytes, kind: str, query: dict[str, str], limits: Limits, least: int, files_up: str) -> Asked:
    """The clouds of a request; :class:`UsageError` says what is wrong with it, :class:`TooLarge` what is too much."""
    if kind == NUMPY:
        values: dict[str, Any] = {"points": _array(body), **query}
    else:
        values = load_json(_text(body), "The body")
        if not isinstance(values, dict) or "points" not in values:
            raise UsageError('The body must be a JSON object with "points".')
    strange = sorted(values.keys() - {"points", "up", "category"})
    if strange:
        raise UsageError(f"Unknown fields: {', '.join(map(str, strange))[:200]}. Known: points, up, category.")
    up, category = values.get("up", files_up), values.get("category")
    pick("up axis", up, UP_AXES)
    if category is not None and not isinstance(category, str):
        raise UsageError("The category is the name of one.")
    points, single = _clouds(values["points"])
    if len(points) > limits.clouds:
        raise TooLarge(f"A request may hold {limits.clouds} clouds, not {len(points)}.")
    largest = max(map(len, points), default=0)
    if largest > limits.points:
        raise TooLarge(f"A cloud may have {limits.points} points, not {largest}: thin it first.")
    ready = [prepare(cloud, index, least, up, True) for index, cloud in enumerate(as_clouds(points))]
    return Asked(ready, single, category)


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"The body is not UTF-8: send JSON, or a .npy file as {NUMPY}.") from None


def _array(body: bytes) -> np.ndarray:
    try:
        found: np.ndarray = np.load(io.BytesIO(body), allow_pickle=False)
    except Exception as error:  # whatever the bytes of something else make the reader do
        raise UsageError(f"The body is no .npy file of numbers: {str(error)[:200]}") from None
    if not isinstance(found, np.ndarray):
        raise UsageError("The body must be a .npy file with one array, not an archive.")
    return found


def _clouds(given: Any) -> tuple[list[np.ndarray], bool]:
    """The clouds, and whether it was a single one."""
    if isinstance(given, np.ndarray):
        values = given.astype(np.float64) if np.issubdtype(given.dtype, np.integer) else given
        if values.ndim not in (2, 3) or len(values) == 0:
            raise UsageError(f"Expected points of shape (clouds, points, 3) or (points, 3), got {values.shape}.")
        return ([values], True) if values.ndim == 2 else (list(values), False)
    if not isinstance(given, list) or not given:
        raise UsageError("Points are a list of [x, y, z], or a list of such lists, and at least one.")
    try:
        deep = isinstance(given[0], list) and bool(given[0]) and isinstance(given[0][0], list)
        found = [np.array(cloud, dtype=np.float64) for cloud in (given if deep else [given])]
    except (ValueError, TypeError, OverflowError):
        raise UsageError("Points are three numbers each, x, y and z: some are not.") from None
    return found, not deep
