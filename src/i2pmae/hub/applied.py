"""What models in use share: clouds of any size in, one result per cloud out, in the order in which they came."""

from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
import torch

from i2pmae.common.devices import resolve_device
from i2pmae.common.errors import UsageError, pick
from i2pmae.data.sampling import UP_AXES
from i2pmae.hub.clouds import as_clouds, prepare
from i2pmae.hub.record import ModelRecord
from i2pmae.models.base import PointModel
from i2pmae.typing import Tensor

__all__ = ["AppliedModel", "like"]


class AppliedModel:
    """A frozen model: evaluation mode, no gradients, same result whatever else is in the batch."""

    model: PointModel

    def __init__(self, model: PointModel, record: ModelRecord, device: str | torch.device = "auto") -> None:
        self.device = resolve_device(device)
        self.model = model.eval().to(self.device)
        self.record = record

    @property
    def points(self) -> int:
        """Points per cloud that the model knows best: as many as in training, or what it needs at least."""
        return max(self.record.points, self.min_points)

    @property
    def min_points(self) -> int:
        """Fewest points of a cloud that the model takes."""
        return self.model.min_points

    def _most(self, max_points: int | Literal["trained"] | None) -> int | None:
        most = self.points if max_points == "trained" else max_points
        if most is not None and most < self.min_points:
            raise UsageError(f"max_points={most} is less than the {self.min_points} points that this encoder needs.")
        return most

    # No inference_mode: its results could not be used to train something on top.
    @torch.no_grad()
    def _run(
        self, points: Any, batch_size: int, up: str, scale: bool, function: Callable[[Tensor, list[int]], Tensor]
    ) -> list[Tensor]:
        """The function's result for every cloud, in order, computed in batches of clouds of equal size.

        The function gets the prepared clouds of a batch and their places among all.
        """
        pick("up axis", up, UP_AXES)
        if batch_size < 1:
            raise UsageError(f"batch_size must be at least 1, got {batch_size}.")
        clouds = as_clouds(points[None] if is_single(points) else points)
        rows: list[Tensor | None] = [None] * len(clouds)
        for members in _batches([len(cloud) for cloud in clouds], batch_size):
            ready = [prepare(clouds[i], i, self.min_points, up, scale) for i in members]
            out = function(torch.from_numpy(np.stack(ready)).to(self.device), members).float().cpu()
            for i, row in zip(members, out, strict=True):
                rows[i] = row
        return [row for row in rows if row is not None]


def is_single(points: Any) -> bool:
    """Whether the points are those of one cloud."""
    return isinstance(points, (np.ndarray, Tensor)) and points.ndim == 2


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


def like(points: Any, rows: list[Tensor], empty: tuple[int, ...]) -> Any:
    """The rows in the form of the input: NumPy or tensor; one, stacked, or a list where rows of a list differ in size.

    ``empty`` is the shape of a row for an input without clouds.
    """
    several = isinstance(points, (list, tuple))
    first = points[0] if several else points
    device = first.device if isinstance(first, Tensor) else None

    def convert(value: Tensor) -> Any:
        return value.numpy() if device is None else value.to(device)

    if is_single(points):
        return convert(rows[0])
    if several and rows[0].dim() == 2:
        return [convert(row) for row in rows]
    return convert(torch.stack(rows) if rows else torch.zeros(0, *empty))
