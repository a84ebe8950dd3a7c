"""Frozen features of a set of clouds, a batch at a time."""

import numpy as np

from i2pmae.common.errors import UsageError
from i2pmae.common.progress import track
from i2pmae.common.ranks import share_out
from i2pmae.data.clouds import CloudSet
from i2pmae.typing import Float
from i2pmae.weights.encoder import Encoder

__all__ = ["batches", "check_embeddings", "embed_set"]


def batches(clouds: CloudSet, size: int) -> list[slice]:
    """Consecutive rows, ``size`` at a time; :class:`UsageError` for a size below 1."""
    if size < 1:
        raise UsageError(f"The batch size must be at least 1, got {size}.")
    return [slice(start, min(start + size, len(clouds))) for start in range(0, len(clouds), size)]


def embed_set(
    encoder: Encoder, clouds: CloudSet, *, batch_size: int = 64, copies: int = 1, shown: bool = True
) -> Float[np.ndarray, "clouds c"]:
    """One float32 vector per cloud, in their order. The set itself may be larger than memory; the vectors are not.

    All points of the set are used: how many there are was decided on reading it. Vectors are averaged over so many
    ``copies``, as :meth:`i2pmae.Encoder.embed` says. Processes of one run share the batches out, and each has all
    vectors.
    """
    out = np.empty((len(clouds), encoder.embedding_dim), dtype=np.float32)
    parts = batches(clouds, batch_size)

    def embedded(rows: slice) -> Float[np.ndarray, "b c"]:
        return encoder.embed(clouds.points[rows], batch_size=batch_size, max_points=None, copies=copies)

    found = share_out(parts, embedded)
    for rows in track(parts, f"Embedding {clouds.name}", shown=shown):
        out[rows] = next(found)
    return out


def check_embeddings(embeddings: np.ndarray, clouds: CloudSet) -> None:
    """:class:`UsageError` where embeddings are not one vector per cloud of the set."""
    if embeddings.ndim != 2 or len(embeddings) != len(clouds):
        raise UsageError(
            f"Expected one embedding for each of the {len(clouds)} clouds of {clouds.name}, got {embeddings.shape}."
        )
