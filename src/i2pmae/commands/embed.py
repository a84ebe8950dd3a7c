"""``embed``: one vector per cloud, and one per point if asked, in memory or as a table on disk."""

from pathlib import Path
from typing import Unpack

import numpy as np

from i2pmae.commands.reading import Reading, given, open_data
from i2pmae.commands.use import encoder_for
from i2pmae.common.errors import UsageError
from i2pmae.data.clouds import CloudSet
from i2pmae.encoders.pooling import Pooling
from i2pmae.evaluation.embed import check_output, embed_to_file
from i2pmae.evaluation.features import embed_set
from i2pmae.training.processes import joined
from i2pmae.typing import Float
from i2pmae.weights.encoder import Encoder

__all__ = ["Embedded", "embed"]


class Embedded:
    """What :func:`embed` made: the clouds, and their vectors or the file that holds them."""

    def __init__(
        self,
        clouds: CloudSet,
        channels: int,
        embeddings: Float[np.ndarray, "clouds c"] | None = None,
        path: Path | None = None,
    ) -> None:
        self.clouds, self.channels, self.path = clouds, channels, path
        self._embeddings = embeddings

    @property
    def embeddings(self) -> Float[np.ndarray, "clouds c"]:
        """One row per cloud, in the order of the clouds; :class:`UsageError` where they went to a file instead."""
        if self._embeddings is None:
            raise UsageError(f"The embeddings were written to {self.path}: read them from there.")
        return self._embeddings

    def __repr__(self) -> str:
        where = "" if self.path is None else f" in {self.path}"
        return f"Embedded({len(self.clouds)} clouds of {self.clouds.name}, {self.channels} channels{where})"


def embed(
    checkpoint: str | Path | Encoder | None = None,
    data: str | Path | CloudSet | None = None,
    *,
    output: str | Path | None = None,
    point_features: bool = False,
    batch_size: int = 64,
    device: str = "auto",
    pooling: Pooling | None = None,
    copies: int = 1,
    shown: bool = True,
    **reading: Unpack[Reading],
) -> Embedded:
    """The embeddings of all clouds that ``data`` names, with the clouds themselves; or a file of them.

    >>> found = i2pmae.embed("runs/pretrain", "scans/", up="z")
    >>> found.embeddings.shape, found.clouds.ids[:3]

    Args:
        checkpoint: a run folder, a weights folder or a name (:func:`i2pmae.list_models`), or an encoder that was
            loaded; the encoder in the package where absent.
        data: folder, file, data set, or clouds that were opened.
        output: a .parquet or .npz file to write one row per cloud to: id, embedding, label and split where known.
        point_features: also write the points of each cloud and one vector per point; needs ``output``.
        batch_size: clouds at a time.
        device: ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
        pooling: how tokens become a vector, as in :meth:`i2pmae.Encoder.embed`; as the weights say where absent.
        copies: of each cloud, whose vectors are averaged, as in :meth:`i2pmae.Encoder.embed`.
        shown: whether progress is shown.
        reading: see :class:`~i2pmae.commands.reading.Reading`.

    Raises:
        UsageError: for options that cannot be. CheckpointError, DataError: for what cannot be read.
    """
    if output is not None:
        check_output(output)
    elif point_features:
        raise UsageError("Features of points are many: name a file for them (output), .parquet or .npz.")
    data = given(data)
    with joined(device):
        encoder, _ = encoder_for(checkpoint, data, device, shown)
        encoder = encoder.read_out(pooling)
        clouds = open_data(data, encoder.points, encoder.record, reading, shown)
        if output is None:
            vectors = embed_set(encoder, clouds, batch_size=batch_size, copies=copies, shown=shown)
            return Embedded(clouds, encoder.embedding_dim, vectors)
        path = embed_to_file(
            encoder,
            clouds,
            output,
            point_features=point_features,
            batch_size=batch_size,
            copies=copies,
            shown=shown,
        )
        return Embedded(clouds, encoder.embedding_dim, path=path)
