"""Training with labels: what all downstream tasks share."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Generic, NamedTuple, Self, TypeVar

import numpy as np
import torch
from torch import nn

from i2pmae.common import ranks
from i2pmae.common.errors import UsageError
from i2pmae.data.clouds import CloudSet
from i2pmae.encoders.base import PointModel
from i2pmae.ops import gather
from i2pmae.tasks.config import AugmentConfig, TaskConfig
from i2pmae.training.augment import augment, choose_points, fixed_points, turn
from i2pmae.training.task import Batch, Losses
from i2pmae.typing import Float, Int, Tensor

__all__ = ["Prediction", "SupervisedTask", "changed"]

Model = TypeVar("Model", bound=PointModel)


class Prediction(NamedTuple):
    """What a model says about some clouds of a set."""

    rows: slice
    """Which clouds."""
    points: Int[Tensor, "b m"]
    """Which of their points the model saw."""
    logits: Float[Tensor, "b ..."]
    """Of classes, or of the parts of those points."""


def changed(points: Float[Tensor, "b n 3"], config: AugmentConfig, rng: torch.Generator) -> Float[Tensor, "b n 3"]:
    """The clouds with one random change each, points in their order."""
    if config.kind == "none":
        return points
    if config.kind == "scale-shift":
        return augment(points, rng, config.factors, config.shift)
    return turn(augment(points, rng, config.factors, (0.0, 0.0)), rng, config.degrees)


class SupervisedTask(ABC, Generic[Model]):
    """A model and the losses of its labels. Satisfies :class:`~i2pmae.training.task.Task`."""

    def __init__(self, model: Model, config: TaskConfig) -> None:
        if config.input_points is None:
            raise UsageError("Expected a configuration with the number of points that the model sees.")
        self.model: Model = model
        self.config = config
        self.count = config.input_points
        if config.freeze:
            model.encoder.requires_grad_(False)

    def still(self) -> Iterable[nn.Module]:
        """What stays in evaluation mode in training: a frozen encoder."""
        return [self.model.encoder] if self.config.freeze else []

    @abstractmethod
    def losses(self, batch: Batch, rng: torch.Generator) -> Losses:
        """Named losses and figures of a batch: see :class:`~i2pmae.training.task.Task`."""

    @abstractmethod
    def logits(self, points: Float[Tensor, "b m 3"], label: Int[Tensor, "b"] | None) -> Float[Tensor, "b ..."]:
        """What the model says of the points; ``label`` is what it is told about the clouds, if anything."""

    def told(self, clouds: CloudSet, rows: slice) -> Int[Tensor, "b"] | None:
        """What the model is told about the clouds; by default nothing, and their labels are not read."""
        del clouds, rows
        return None

    def to(self, device: torch.device) -> Self:
        """Itself, with the model on ``device``."""
        self.model.to(device)
        return self

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device

    def draw(self, stored: Float[Tensor, "b n 3"], rng: torch.Generator) -> Int[Tensor, "b m"]:
        """Indices of the points that a training step sees, in random order."""
        return choose_points(stored, self.count, rng, self.config.candidates)

    def fixed(self, stored: Float[Tensor, "b n 3"]) -> Int[Tensor, "b m"]:
        """Indices of the points that a test sees."""
        return fixed_points(stored, self.count, spread=self.config.candidates is not None)

    def train_input(self, batch: Batch, rng: torch.Generator) -> tuple[Float[Tensor, "b m 3"], Int[Tensor, "b m"]]:
        """Drawn and changed points of a step, and which they are."""
        for module in self.still():
            module.eval()  # the engine puts the whole model into train mode
        chosen = self.draw(batch["points"], rng)
        return changed(gather(batch["points"], chosen), self.config.augment, rng), chosen

    def predict(self, clouds: CloudSet, batch_size: int = 32) -> Iterator[Prediction]:
        """Logits of the clouds in order, a batch at a time, in evaluation mode; class labels are read only where the
        model is told them. Processes of one run share the batches out, and each gets all."""
        self.model.eval()
        parts = [slice(start, min(start + batch_size, len(clouds))) for start in range(0, len(clouds), batch_size)]
        several = ranks.world() > 1  # what others computed comes over the CPU

        def predicted(rows: slice) -> Prediction:
            stored = torch.tensor(np.asarray(clouds.points[rows], np.float32), device=self.device)
            # No inference_mode: its tensors could not be used in training.
            with torch.no_grad():
                chosen = self.fixed(stored)
                logits = self.logits(gather(stored, chosen), self.told(clouds, rows)).float()
            return Prediction(rows, chosen.cpu(), logits.cpu()) if several else Prediction(rows, chosen, logits)

        for found in ranks.share_out(parts, predicted):
            yield Prediction(found.rows, found.points.to(self.device), found.logits.to(self.device))
