"""A trained encoder, ready to use."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from i2pmae.common.devices import resolve_device
from i2pmae.common.errors import UsageError, pick
from i2pmae.data.sampling import UP_AXES
from i2pmae.hub.clouds import as_clouds, prepare, thin
from i2pmae.hub.weights import ModelRecord, load_model
from i2pmae.models.i2p_mae import I2PMAE
from i2pmae.typing import Tensor

__all__ = ["Encoder", "load"]

POOLINGS = ("max", "mean+max")


class Encoder:
    """A frozen encoder of point clouds: evaluation mode, no gradients, same result whatever else is in the batch."""

    def __init__(self, model: I2PMAE, record: ModelRecord, device: str | torch.device = "auto") -> None:
        self.device = resolve_device(device)
        self.model = model.eval().to(self.device)
        self.record = record

    def __repr__(self) -> str:
        return (
            f"Encoder({self.record.method}, {self.embedding_dim} channels, at least {self.min_points} points, "
            f"trained on {self.record.points}, {self.device})"
        )

    @property
    def embedding_dim(self) -> int:
        """Channels of an embedding."""
        return self.record.model.encoder_dims[-1]

    @property
    def points(self) -> int:
        """Points per cloud that the encoder knows best: as many as in training, or what it needs at least."""
        return max(self.record.points, self.min_points)

    @property
    def min_points(self) -> int:
        """Fewest points of a cloud that can be embedded."""
        return self.model.min_points

    def embed(
        self,
        points: Any,
        *,
        batch_size: int = 64,
        up: Literal["y", "z", "x"] = "y",
        normalise: bool = True,
        max_points: int | Literal["trained"] | None = "trained",
        pooling: Literal["max", "mean+max"] = "max",
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
            pooling: maximum over the coarsest tokens (I2P-MAE), or mean plus maximum (Point-M2AE).

        Raises:
            UsageError: for another shape or type, coordinates that are not finite, points that are all equal, or fewer
                points than tokens; it names the cloud.
        """
        if pooling not in POOLINGS:
            raise UsageError(f"Unknown pooling {pooling!r}: expected {' or '.join(POOLINGS)}.")
        most = self._most(max_points)
        rows = self._run(points, batch_size, up, normalise, lambda batch: self.model.embed(thin(batch, most), pooling))
        return _like(points, rows, (self.embedding_dim,))

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
            points, batch_size, up, normalise, lambda batch: self.model.point_features(thin(batch, most), at=batch)
        )
        empty = () if rows else (points.shape[1], sum(self.record.model.encoder_dims))
        return _like(points, rows, empty)

    def _most(self, max_points: int | Literal["trained"] | None) -> int | None:
        most = self.points if max_points == "trained" else max_points
        if most is not None and most < self.min_points:
            raise UsageError(f"max_points={most} is less than the {self.min_points} points that this encoder needs.")
        return most

    # No inference_mode: its results could not be used to train something on top.
    @torch.no_grad()
    def _run(
        self, points: Any, batch_size: int, up: str, scale: bool, function: Callable[[Tensor], Tensor]
    ) -> list[Tensor]:
        """The function's result for every cloud, in order, computed in batches of clouds of equal size."""
        pick("up axis", up, UP_AXES)
        if batch_size < 1:
            raise UsageError(f"batch_size must be at least 1, got {batch_size}.")
        single = isinstance(points, (np.ndarray, Tensor)) and points.ndim == 2
        clouds = as_clouds(points[None] if single else points)
        rows: list[Tensor | None] = [None] * len(clouds)
        for members in _batches([len(cloud) for cloud in clouds], batch_size):
            ready = [prepare(clouds[i], i, self.min_points, up, scale) for i in members]
            out = function(torch.from_numpy(np.stack(ready)).to(self.device)).float().cpu()
            for i, row in zip(members, out, strict=True):
                rows[i] = row
        return [row for row in rows if row is not None]


def _batches(sizes: list[int], batch_size: int) -> Iterator[list[int]]:
    """Indices in batches of equal size, so that no cloud is padded."""
    order = sorted(range(len(sizes)), key=sizes.__getitem__)
    batch: list[int] = []
    for i in order:
        if batch and (len(batch) == batch_size or sizes[i] != sizes[batch[0]]):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _like(points: Any, rows: list[Tensor], empty: tuple[int, ...]) -> Any:
    """The rows in the form of the input: NumPy or tensor; one, stacked, or a list where rows of a list differ in size.

    ``empty`` is the shape of a row for an input without clouds.
    """
    several = isinstance(points, (list, tuple))
    first = points[0] if several else points
    device = first.device if isinstance(first, Tensor) else None

    def convert(value: Tensor) -> Any:
        return value.numpy() if device is None else value.to(device)

    if not several and points.ndim == 2:
        return convert(rows[0])
    if several and rows[0].dim() == 2:
        return [convert(row) for row in rows]
    return convert(torch.stack(rows) if rows else torch.zeros(0, *empty))


def load(path: Path | str, device: str | torch.device = "auto") -> Encoder:
    """The encoder of a run folder or weights folder; :class:`CheckpointError` says what is wrong with the folder."""
    model, record = load_model(path)
    return Encoder(model, record, device)
