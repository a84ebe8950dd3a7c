"""Training with labels: classes of clouds, parts of points."""

from collections.abc import Iterator
from typing import Generic, NamedTuple, Self, TypeVar

import numpy as np
import torch

from i2pmae.common.errors import UsageError
from i2pmae.data.clouds import CloudSet
from i2pmae.models import Classifier, Segmenter
from i2pmae.objectives import smoothed_cross_entropy
from i2pmae.ops import gather
from i2pmae.training.augment import augment, choose_points, fixed_points, turn
from i2pmae.training.finetune_config import AugmentConfig, DownstreamConfig
from i2pmae.training.task import Batch
from i2pmae.typing import Float, Int, Tensor

__all__ = ["ClassificationTask", "Prediction", "SegmentationTask", "changed"]

Model = TypeVar("Model", Classifier, Segmenter)


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


class _Supervised(Generic[Model]):
    """What both tasks share. Satisfies :class:`~i2pmae.training.task.Task` with the losses of the task."""

    def __init__(self, model: Model, config: DownstreamConfig) -> None:
        if config.input_points is None:
            raise UsageError("Expected a configuration with the number of points that the model sees.")
        self.model: Model = model
        self.config = config
        self.count = config.input_points
        if config.freeze:
            model.encoder.requires_grad_(False)

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

    def _train_input(self, batch: Batch, rng: torch.Generator) -> tuple[Float[Tensor, "b m 3"], Int[Tensor, "b m"]]:
        """Drawn and changed points, and which they are."""
        if self.config.freeze:
            self.model.encoder.eval()  # the engine puts the whole model into train mode
        chosen = self.draw(batch["points"], rng)
        return changed(gather(batch["points"], chosen), self.config.augment, rng), chosen

    def _logits(self, points: Float[Tensor, "b m 3"], label: Int[Tensor, "b"] | None) -> Float[Tensor, "b ..."]:
        raise NotImplementedError

    # No inference_mode: its tensors could not be used in training.
    @torch.no_grad()
    def predict(self, clouds: CloudSet, batch_size: int = 32) -> Iterator[Prediction]:
        """Logits of the clouds in order, a batch at a time, in evaluation mode; class labels are read only where the
        head is told the category."""
        self.model.eval()
        for start in range(0, len(clouds), batch_size):
            rows = slice(start, min(start + batch_size, len(clouds)))
            stored = torch.tensor(np.asarray(clouds.points[rows], np.float32), device=self.device)
            chosen = self.fixed(stored)
            yield Prediction(rows, chosen, self._logits(gather(stored, chosen), self.category(clouds, rows)).float())

    def category(self, clouds: CloudSet, rows: slice) -> Int[Tensor, "b"] | None:
        """What the head is told about the clouds."""
        if not getattr(self.model.config, "categories", ()) or clouds.labels is None:
            return None
        return torch.tensor(clouds.labels[rows], device=self.device)


class ClassificationTask(_Supervised[Classifier]):
    """A classifier and its smoothed cross-entropy."""

    def __init__(self, model: Classifier, config: DownstreamConfig, smoothing: float = 0.0) -> None:
        super().__init__(model, config)
        self.smoothing = smoothing

    def losses(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """``classification`` and, to watch, the accuracy of the batch."""
        points, _ = self._train_input(batch, rng)
        logits = self._logits(points, None)
        return {
            "classification": smoothed_cross_entropy(logits, batch["label"], self.smoothing),
            "metric/accuracy": (logits.argmax(-1) == batch["label"]).float().mean(),
        }

    def _logits(self, points: Float[Tensor, "b m 3"], label: Int[Tensor, "b"] | None) -> Float[Tensor, "b classes"]:
        del label
        return self.model(points)


class SegmentationTask(_Supervised[Segmenter]):
    """A segmenter and the cross-entropy of its points. A cloud's label is its category."""

    def losses(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """``segmentation`` and, to watch, the share of points whose part is predicted."""
        points, chosen = self._train_input(batch, rng)
        logits = self._logits(points, batch["label"] if self.model.config.categories else None)
        target = batch["part_label"].gather(1, chosen)
        return {
            "segmentation": smoothed_cross_entropy(logits, target),
            "metric/point_accuracy": (logits.argmax(-1) == target).float().mean(),
        }

    def _logits(self, points: Float[Tensor, "b m 3"], label: Int[Tensor, "b"] | None) -> Float[Tensor, "b m parts"]:
        return self.model(points, label)
