"""What models in use share: clouds of any size in, one result per cloud out, in the order in which they came."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from i2pmae.common.devices import explaining_limits, resolve_device
from i2pmae.common.errors import CheckpointError, UsageError, pick
from i2pmae.common.memory import keep_freed_memory
from i2pmae.data.read.sampling import UP_AXES
from i2pmae.data.views import Lazy
from i2pmae.encoders.base import PointModel
from i2pmae.typing import Tensor
from i2pmae.weights.clouds import as_clouds, filled_up, prepare
from i2pmae.weights.record import ModelRecord

if TYPE_CHECKING:
    import pyarrow as pa

    from i2pmae.data.clouds import CloudSet

__all__ = ["AppliedModel", "Predictor", "is_single", "like"]

FARTHEST = 5e18
"""Largest coordinate whose squared distances, up to 12 times its square, are finite in float32."""


class AppliedModel:
    """A frozen model: evaluation mode, no gradients, same result whatever else is in the batch."""

    model: PointModel

    def __init__(self, model: PointModel, record: ModelRecord, device: str | torch.device = "auto") -> None:
        self.device = resolve_device(device)
        if self.device.type == "cpu":
            keep_freed_memory()
        self.model = model.eval().to(self.device)
        self.record = record

    @property
    def points(self) -> int:
        """Points per cloud that the model knows best: as many as in training, or what it needs at least."""
        return max(self.record.points, self.min_points)

    @property
    def min_points(self) -> int:
        """Fewest points that the model makes its tokens from; smaller clouds are filled up with points of their own."""
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

        The function gets the prepared clouds of a batch and their places among all. Of a result with one row per point,
        the rows of points with which a small cloud was filled up are left out.
        """
        pick("up axis", up, UP_AXES)
        if batch_size < 1:
            raise UsageError(f"batch_size must be at least 1, got {batch_size}.")
        clouds = as_clouds(points[None] if is_single(points) else points)
        rows: list[Tensor | None] = [None] * len(clouds)
        # Of a set on disk no cloud is read for its size.
        sizes = [clouds.shape[1]] * len(clouds) if isinstance(clouds, Lazy) else [len(cloud) for cloud in clouds]
        least = self.min_points
        with _evaluating(self.model):
            for members in _batches([max(size, least) for size in sizes], batch_size):
                ready = np.stack([prepare(clouds[i], i, least, up, scale) for i in members])
                with explaining_limits(self.device):
                    out = function(torch.from_numpy(ready).to(self.device), members).float().cpu()
                _check_finite(out, ready, members, scale)
                for i, row in zip(members, out, strict=True):
                    rows[i] = _of_own_points(row, len(clouds[i]), least)
        return [row for row in rows if row is not None]


class Predictor(AppliedModel):
    """A frozen model that says something about clouds, as a table too."""

    options: ClassVar[tuple[str, ...]] = ()
    """What :meth:`check` and :meth:`table` take beside the clouds."""

    @property
    def module(self) -> nn.Module:
        """What predicts as a part of your own model, with gradients: points (b, n, 3), y up and in the unit sphere, to
        probabilities."""
        raise NotImplementedError

    def check(self, **options: Any) -> None:
        """:class:`UsageError` for options that don't fit the model, before a cloud is read."""

    def table(self, clouds: "CloudSet", *, batch_size: int, shown: bool = True, **options: Any) -> "pa.Table":
        """One row per cloud, its ``id`` first."""
        raise NotImplementedError


def is_single(points: Any) -> bool:
    """Whether the points are those of one cloud."""
    return isinstance(points, (np.ndarray, Tensor)) and points.ndim == 2


def _check_finite(out: Tensor, ready: NDArray[np.float32], members: list[int], scaled: bool) -> None:
    """An error that names the first cloud whose result is not finite, or whose distances are not.

    :class:`UsageError` where the cloud was taken as it came, :class:`CheckpointError` where it was moved into the unit
    sphere, so that it is not to blame.
    """
    reach = np.abs(ready).max(axis=(1, 2))
    failed = ~torch.isfinite(out).flatten(1).all(1).numpy() | (reach > FARTHEST)
    if not failed.any():
        return
    place = int(failed.argmax())
    cloud = f"Cloud {members[place]}, whose coordinates reach {reach[place]:.3g} in what the model sees,"
    if scaled:
        raise CheckpointError(
            f"{cloud} gives values that are not finite although it lies in the unit sphere: the weights are damaged, "
            "or of a training that diverged. Copy them again, or train again."
        )
    raise UsageError(
        f"{cloud} gives values that are not finite or mean nothing: models know clouds in the unit sphere. Leave "
        "normalise on, or scale the cloud before."
    )


@contextlib.contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while; every part has its own mode again afterwards."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _of_own_points(row: Tensor, count: int, least: int) -> Tensor:
    """One row per point as it came, where there is one per point of a cloud that was filled up."""
    if row.dim() != 2 or count >= least:
        return row
    _, places = np.unique(filled_up(count, least), return_index=True)
    return row[torch.from_numpy(places)]


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
