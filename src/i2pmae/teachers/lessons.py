"""What is to be learnt of clouds: what a 2D model says of their views, or what anything else says of their points.

A :class:`~i2pmae.teachers.base.Teacher` sees images, a :class:`PointTeacher` sees clouds. A method that learns at
points asks the second; :class:`Projected` makes one of the first.
"""

from typing import Protocol, runtime_checkable

import torch

from i2pmae.projection.config import ProjectionConfig
from i2pmae.projection.views import parse_views
from i2pmae.teachers.base import Teacher
from i2pmae.teachers.maps import Lifted, look
from i2pmae.typing import Bool, Float, Int, Tensor

__all__ = ["AnyTeacher", "KeptLessons", "Lesson", "PointTeacher", "Projected", "as_point_teacher"]


class Lesson(Protocol):
    """What a teacher says of a batch of clouds."""

    @property
    def pooled(self) -> Float[Tensor, "b v d"] | None:
        """Vectors of the whole cloud, one for each of its views; absent where the teacher gives none."""
        ...

    def features(self, at: Float[Tensor, "b m 3"]) -> Float[Tensor, "b m v c"]:
        """2D features of points of the clouds, as the teacher saw them."""
        ...

    def saliency(self, at: Float[Tensor, "b m 3"]) -> Float[Tensor, "b m"] | None:
        """How much points matter to the teacher; absent where it does not say."""
        ...

    def seen(self, cloud: Float[Tensor, "b n 3"], at: Float[Tensor, "b m 3"]) -> Bool[Tensor, "b m v"] | None:
        """Which of the features of points were seen rather than those of what hides the point; all where None."""
        ...


@runtime_checkable
class PointTeacher(Protocol):
    """A frozen model that says of clouds what is to be learnt. Not a ``torch.nn.Module``, for a teacher's reasons."""

    name: str
    """What to call it in configurations and reports."""
    views: int
    """Features that a point has, one beside the other."""
    feature_dim: int
    """Channels of each; 0 where it gives none."""
    salient: bool
    """Whether it says how much points matter."""
    summarises: bool
    """Whether it gives vectors of whole clouds."""

    def teach(self, points: Float[Tensor, "b n 3"]) -> Lesson:
        """What it says of clouds, on their device and without gradient."""
        ...

    def to(self, device: torch.device | str) -> "PointTeacher":
        """The teacher itself, moved to a device."""
        ...

    def fingerprint(self) -> str:
        """A short string that changes with whatever it says: the key of caches."""
        ...


AnyTeacher = Teacher | PointTeacher
"""What a run can learn from: a model that sees images, or one that sees points."""


class KeptLessons(Protocol):
    """What a teacher said of all clouds of a set, once."""

    @property
    def seconds(self) -> float:
        """Time that it took."""
        ...

    def lesson(self, index: Int[Tensor, " b"], points: Float[Tensor, "b n 3"]) -> Lesson:
        """What it said of the clouds at rows ``index``, which is on the CPU, and whose ``points`` are as stored."""
        ...

    def pooled(self, index: Int[Tensor, " b"], device: torch.device | str = "cpu") -> Float[Tensor, "b v d"]:
        """The vectors of whole clouds of these rows."""
        ...


class Projected:
    """A 2D model as a teacher of points: it looks at depth maps of the clouds, and is read at their pixels."""

    salient = summarises = True

    def __init__(self, teacher: Teacher, projection: ProjectionConfig) -> None:
        self.teacher, self.projection = teacher, projection
        self.name, self.feature_dim = teacher.name, teacher.feature_dim
        self.views = len(parse_views(projection.views))

    def teach(self, points: Float[Tensor, "b n 3"]) -> Lifted:
        """What it says of the views of clouds."""
        return Lifted(*look(self.teacher, points, self.projection)[:2])

    def to(self, device: torch.device | str) -> "Projected":
        """Itself, with the 2D model on a device."""
        self.teacher.to(device)
        return self

    def fingerprint(self) -> str:
        """That of the 2D model with the projection."""
        return f"{self.teacher.fingerprint()} {self.projection.model_dump_json()}"


def as_point_teacher(teacher: AnyTeacher, projection: ProjectionConfig) -> PointTeacher:
    """What says of clouds what is to be learnt: a 2D model through its depth maps, another one itself."""
    return teacher if isinstance(teacher, PointTeacher) else Projected(teacher, projection)
