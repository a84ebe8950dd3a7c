"""What a run of pre-training trains, whatever the method."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import nn

from i2pmae.encoders.base import PointModel
from i2pmae.encoders.tokenizer import Hierarchy, point_indices
from i2pmae.methods.config import MethodConfig
from i2pmae.ops import gather
from i2pmae.projection.config import ProjectionConfig
from i2pmae.teachers.lessons import AnyTeacher
from i2pmae.training.augment import augment, draw_points, turn
from i2pmae.training.task import Batch, Losses
from i2pmae.typing import Bool, Float, Tensor
from i2pmae.weights.transfer import Transfer, go_on_from

__all__ = ["PretrainTask", "as_array", "predicted_points", "shown_tokens"]


class PretrainTask(ABC):
    """A model, what it learns from, and the losses of a batch. Satisfies :class:`~i2pmae.training.task.Task`."""

    model: nn.Module
    """All that is optimised and saved in checkpoints."""
    config: MethodConfig
    """The method's configuration."""
    points: int
    """Points per cloud and step."""
    teacher: AnyTeacher | None = None
    """The 2D model, or another one, that it learns from, if any."""
    projection: ProjectionConfig = ProjectionConfig()
    """How clouds are shown to it."""

    @property
    @abstractmethod
    def student(self) -> PointModel:
        """What is stored at the end, and embeds clouds."""

    @abstractmethod
    def losses(self, batch: Batch, rng: torch.Generator) -> Losses:
        """Named losses and figures of a batch: see :class:`~i2pmae.training.task.Task`."""

    def to(self, device: torch.device) -> Self:
        """Itself, with the model and what it learns from on ``device``."""
        self.model.to(device)
        if self.teacher is not None:
            self.teacher.to(device)
        return self

    def drawn(self, batch: Batch, rng: torch.Generator) -> tuple[Float[Tensor, "b n 3"], Float[Tensor, "b n 3"]]:
        """The points of a step as they are stored, and as the model sees them: augmented, if it is asked for.

        What was computed of whole clouds once, such as a teacher's maps, belongs to the points as they are stored.
        """
        canonical = draw_points(batch["points"], self.points, rng)
        points = augment(canonical, rng) if self.config.augment else canonical
        return canonical, turn(points, rng, self.config.turn) if self.config.turn else points

    @torch.no_grad()
    def explain(self, points: Float[Tensor, "1 n 3"], rng: torch.Generator) -> dict[str, np.ndarray]:
        """What pre-training makes of one cloud: fields of :class:`~i2pmae.viz.CloudPictures` by name.

        The masks are those that a step could draw.
        """
        del points, rng
        return {}

    def untrained(self) -> PointModel:
        """A copy of the student as it is, for comparison; called before the first step."""
        return copy.deepcopy(self.student)

    def go_on_from(self, source: PointModel) -> Transfer:
        """Take over the weights of a pre-trained model, after :meth:`untrained` and before the first step.

        :class:`CheckpointError` where its encoder does not fit.
        """
        return go_on_from(self.student, source)

    def facts(self) -> Mapping[str, str]:
        """What is to be said of what it learns from, for the report."""
        return {} if self.teacher is None else {"Teacher": self.teacher.name}

    def earlier(self) -> Mapping[str, tuple[Any, Any]]:
        """Curves of what was trained before it: title to (steps, values)."""
        return {}

    @property
    def earlier_seconds(self) -> float:
        """Training time of what was trained before it."""
        return 0.0

    @property
    def teacher_seconds(self) -> float:
        """Time that the teacher took outside the steps, in whatever process that was."""
        return 0.0


def shown_tokens(
    hierarchy: Hierarchy, visible: Sequence[Bool[Tensor, "1 _"]], points: Float[Tensor, "1 n 3"]
) -> dict[str, np.ndarray]:
    """Which points and coarsest tokens the encoder is shown, given the visible tokens of every level, finest first."""
    members = hierarchy[0].neighbours[0][visible[0][0]].flatten()
    shown = torch.zeros(points.shape[1], dtype=torch.bool, device=points.device)
    shown[members] = True
    return {
        "token_centres": as_array(gather(points, point_indices(hierarchy, -1))),
        "token_visible": as_array(visible[-1]),
        "point_visible": shown.cpu().numpy(),
    }


def predicted_points(
    hierarchy: Hierarchy, level: int, offsets: Float[Tensor, "masked p 3"], masked: Bool[Tensor, "1 m"]
) -> dict[str, np.ndarray]:
    """Predicted and true points of the masked tokens of a level."""
    groups = hierarchy[level]
    centres = groups.centres[masked][:, None]
    return {
        "reconstruction": (offsets + centres).flatten(0, 1).float().cpu().numpy(),
        "masked_truth": (groups.offsets[masked] + centres).flatten(0, 1).cpu().numpy(),
    }


def as_array(values: Tensor) -> np.ndarray:
    """The values of the first cloud of a batch, on the CPU."""
    return values[0].float().cpu().numpy() if values.is_floating_point() else values[0].cpu().numpy()
