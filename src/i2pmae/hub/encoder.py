"""A trained encoder, ready to use."""

from pathlib import Path
from typing import Any, Literal

import torch

from i2pmae.common.errors import UsageError
from i2pmae.hub.applied import AppliedModel, like
from i2pmae.hub.clouds import thin
from i2pmae.hub.weights import load_model
from i2pmae.models.tokens import POOLINGS, Pooling

__all__ = ["Encoder", "load"]


class Encoder(AppliedModel):
    """A frozen encoder of point clouds: evaluation mode, no gradients, same result whatever else is in the batch."""

    def __repr__(self) -> str:
        return (
            f"Encoder({self.record.method}, {self.embedding_dim} channels, at least {self.min_points} points, "
            f"trained on {self.record.points}, {self.device})"
        )

    @property
    def embedding_dim(self) -> int:
        """Channels of an embedding, pooled as the record says."""
        return self.model.embedding_dim(self.pooling)

    @property
    def pooling(self) -> Pooling:
        """How the tokens of a cloud become its embedding, unless a call says otherwise."""
        return self.record.embedding_pooling

    def embed(
        self,
        points: Any,
        *,
        batch_size: int = 64,
        up: Literal["y", "z", "x"] = "y",
        normalise: bool = True,
        max_points: int | Literal["trained"] | None = "trained",
        pooling: Pooling | None = None,
    ) -> Any:
        """One vector per cloud, float32, in the kind of array that came: ``(b, c)``, or ``(c,)`` for a single cloud.

        Args:
            points: ``(b, n, 3)``, a single cloud ``(n, 3)``, or a list of ``(n_i, 3)`` clouds of different sizes, as
                NumPy arrays or PyTorch tensors of any floating-point type. A tensor's result is on the tensor's device.
            batch_size: clouds at a time; changes speed and memory, not the result.
            up: the axis that points up in the clouds; the encoder was trained with y up.
            normalise: move each cloud into the unit sphere, as in training.
            max_points: clouds with more points are thinned to so many, by a choice that depends on their size alone.
                ``trained`` is the number seen in training, whose density the encoder knows best; None uses all.
            pooling: how the coarsest tokens become one vector: ``max``, ``mean+max`` (their sum), ``mean|max`` (side by
                side) or ``class|max`` (with the [CLS] token, where the encoder has one). As :attr:`pooling` says where
                absent.

        Raises:
            UsageError: for another shape or type, coordinates that are not finite, points that are all equal, or fewer
                points than tokens; it names the cloud.
        """
        kind = pooling or self.pooling
        if kind not in POOLINGS:
            raise UsageError(f"Unknown pooling {kind!r}: expected {' or '.join(POOLINGS)}.")
        most = self._most(max_points)
        rows = self._run(points, batch_size, up, normalise, lambda batch, _: self.model.embed(thin(batch, most), kind))
        return like(points, rows, (self.model.embedding_dim(kind),))

    def point_features(
        self,
        points: Any,
        *,
        batch_size: int = 16,
        up: Literal["y", "z", "x"] = "y",
        normalise: bool = True,
        max_points: int | Literal["trained"] | None = "trained",
    ) -> Any:
        """One vector per point, float32: ``(b, n, d)``, ``(n, d)`` for a single cloud, or a list for a list.

        The tokens of all levels, each interpolated from the three nearest centres to the points, side by side. Every
        point gets its features, also where the tokens are made from fewer (``max_points``). Arguments and errors are
        those of :meth:`embed`.
        """
        most = self._most(max_points)
        rows = self._run(
            points, batch_size, up, normalise, lambda batch, _: self.model.point_features(thin(batch, most), at=batch)
        )
        empty = () if rows else (points.shape[1], self.model.point_feature_dim)
        return like(points, rows, empty)


def load(path: Path | str, device: str | torch.device = "auto") -> Encoder:
    """The encoder of a run folder or weights folder; :class:`CheckpointError` says what is wrong with the folder."""
    model, record = load_model(path)
    return Encoder(model, record, device)
