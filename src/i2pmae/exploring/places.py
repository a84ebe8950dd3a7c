"""Where shapes lie on the map: a plane in which those of like embeddings are near each other."""

import numpy as np

from i2pmae.retrieval.nearest import most_similar, unit
from i2pmae.typing import Float
from i2pmae.viz.charts import plane

__all__ = ["ANCHORS", "between", "map_places"]

ANCHORS = 1500
"""Shapes that t-SNE arranges; of more, so many are chosen, and the others put among those that they are like."""
NEAREST = 4
"""Anchors between which another shape is put."""
SHARPNESS = 60.0
"""How much more a nearer anchor counts: the exponent's factor of a difference of cosines."""

MOST_DRAWN_OUT = 1.5


def map_places(vectors: Float[np.ndarray, "n c"], anchors: int = ANCHORS) -> tuple[Float[np.ndarray, "n 2"], str]:
    """Places in [−1, 1]² of embeddings of length 1, and the name of the method; the same for the same embeddings."""
    count = len(vectors)
    chosen = np.linspace(0, count - 1, min(count, anchors)).round().astype(np.intp)
    known = np.asarray(vectors[chosen], dtype=np.float32)
    placed, method = plane(known, most=anchors)
    places = np.empty((count, 2), np.float32)
    places[chosen] = placed
    others = np.setdiff1d(np.arange(count), chosen)
    if len(others):
        places[others] = between(np.asarray(vectors[others], dtype=np.float32), known, placed)
    middle, reach = (places.max(0) + places.min(0)) / 2, np.ptp(places, axis=0) / 2
    reach = np.maximum(
        reach, reach.max() / MOST_DRAWN_OUT
    )  # the square is filled, but no direction is drawn out by much
    return ((places - middle) / np.where(reach > 0, reach, 1)).astype(np.float32), method


def between(
    queries: Float[np.ndarray, "q c"], known: Float[np.ndarray, "n c"], places: Float[np.ndarray, "n 2"]
) -> Float[np.ndarray, "q 2"]:
    """Places of embeddings among those that are known: between the most similar ones, nearer to the more similar."""
    score, rows, _ = most_similar(unit(queries), known, NEAREST)
    weights = np.exp(SHARPNESS * (score - score.max(1, keepdims=True)))
    weights /= weights.sum(1, keepdims=True)
    found: np.ndarray = np.einsum("qk,qkd->qd", weights, places[rows])
    return found
