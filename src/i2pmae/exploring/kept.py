"""All that the page shows, put into it: shapes with few points, what is alike, small regions, some pictures."""

import base64
import contextlib
from typing import Any

import numpy as np

from i2pmae.common.errors import I2PError
from i2pmae.common.progress import track
from i2pmae.exploring.looks import Looks
from i2pmae.exploring.page import MAP_SCALE, about, packed_look, packed_places
from i2pmae.exploring.shapes import Shapes
from i2pmae.retrieval.nearest import most_similar
from i2pmae.typing import Float
from i2pmae.viz.packing import packed

__all__ = ["POINTS", "WIDTH", "kept_data", "reduced"]

POINTS = 512
"""Points of a shape that a file keeps."""
FOUND = 12
"""Alike shapes of each."""
WIDTH = 48
"""Numbers of 8 bits that stand for a region."""
PICTURED = 60
"""Shapes whose saliency, masks and parts are kept."""


def kept_data(shapes: Shapes, looks: Looks, most: int, shown: bool = True) -> dict[str, Any]:
    """What the script finds in the page: at most ``most`` shapes, evenly spread over the index."""
    rows = np.array(shapes.spread(most))
    count = min(POINTS, len(shapes.points(0)))
    points = np.stack([shapes.points(row)[:count] for row in rows])
    colours = [
        looks.look("features", shapes.points(row), None, row).scene.colours[:count] for row in _seen(rows, shown)
    ]
    vectors = np.asarray(shapes.index.vectors[rows], dtype=np.float32)
    similarity, alike = _alike(vectors)
    return {
        "about": _about(shapes, looks, rows),
        "points": count,
        "places": packed_places(points),
        "features": packed(np.rint(255 * np.stack(colours)).astype(np.uint8)),
        "found": alike.shape[1],
        "alike": packed(alike.astype(np.int32)),
        "similarity": packed(np.rint((np.clip(similarity, -1, 1) + 1) * 32767).astype(np.uint16)),
        **_regions(shapes, rows),
        "looks": _looks(shapes, looks, rows, count),
    }


def reduced(values: Float[np.ndarray, "n d"], width: int) -> tuple[np.ndarray, Float[np.ndarray, " w"]]:
    """Vectors as whole numbers of 8 bits, ``(n, w)``, and what 1 of each is: their products are nearly the same.

    The main directions of the vectors as they are, without taking their mean out, so that cosines stay cosines.
    """
    from scipy import linalg

    rows = np.asarray(values, dtype=np.float32)
    products = (rows.T @ rows).astype(np.float64)
    size = min(width, rows.shape[1])
    _, directions = linalg.eigh(products, subset_by_index=(rows.shape[1] - size, rows.shape[1] - 1))
    found = rows @ directions[:, ::-1].astype(np.float32)
    scales = np.maximum(np.abs(found).max(0) / 127, 1e-9)
    return np.rint(found / scales).astype(np.int8), scales


def _seen(rows: np.ndarray, shown: bool) -> Any:
    return track(rows.tolist(), "Features as colours", shown=shown)


def _about(shapes: Shapes, looks: Looks, rows: np.ndarray) -> dict[str, Any]:
    found = about(shapes, looks.kinds)
    found["ids"] = [found["ids"][row] for row in rows]
    found["map"] = packed(np.rint(shapes.places[rows] * MAP_SCALE).astype(np.int16))
    if found["labels"] is not None:
        found["labels"] = [found["labels"][row] for row in rows]
    if len(rows) < len(shapes):
        found["left"] = f"{len(rows)} of {len(shapes)} are in this file; i2pmae explore, without --output, has all"
    return found


def _alike(vectors: Float[np.ndarray, "n c"]) -> tuple[np.ndarray, np.ndarray]:
    """Similarities and rows of the nearest of each, without itself."""
    score, rows, _ = most_similar(vectors, vectors, min(FOUND + 1, len(vectors)))
    own = rows == np.arange(len(rows))[:, None]
    own[~own.any(1), -1] = True  # as many as it are equal to it: the last goes
    return score[~own].reshape(len(rows), -1), rows[~own].reshape(len(rows), -1)


def _regions(shapes: Shapes, rows: np.ndarray) -> dict[str, Any]:
    regions, centres = shapes.index.regions, shapes.index.centres
    if regions is None or centres is None:
        return {}
    values = np.asarray(regions[rows], dtype=np.float32)
    whole, scales = reduced(values.reshape(-1, values.shape[-1]), WIDTH)
    return {
        "count": values.shape[1],
        "width": whole.shape[1],
        "regions": packed(whole),
        "scales": [float(scale) for scale in scales],
        "centres": packed_places(np.asarray(centres[rows], dtype=np.float32)),
    }


def _looks(shapes: Shapes, looks: Looks, rows: np.ndarray, count: int) -> dict[str, dict[str, Any]]:
    """Pictures of some shapes, evenly spread; those that a shape can't have are left out."""
    kinds = [kind for kind in looks.kinds if kind != "features"]
    chosen: Any = np.linspace(0, len(rows) - 1, min(PICTURED, len(rows))).round().astype(int) if kinds else ()
    found: dict[str, dict[str, Any]] = {}
    for place in chosen:
        pictures = {}
        for kind in kinds:
            with contextlib.suppress(I2PError):  # the page says that this one is not kept
                pictures[kind] = packed_look(shapes, looks, int(rows[place]), kind)
        for kind, picture in pictures.items():
            picture.setdefault("places", None)
            if picture["places"] is None:  # the first points, as everywhere in the file
                pictures[kind] = picture | {"colours": _first(picture["colours"], 4 * count)}
        found[str(int(place))] = pictures
    return found


def _first(text: str, size: int) -> str:
    return base64.b64encode(base64.b64decode(text)[:size]).decode("ascii")
