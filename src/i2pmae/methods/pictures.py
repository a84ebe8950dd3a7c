"""What a model and its teacher make of a cloud, as arrays that can be drawn."""

from collections.abc import Mapping

import numpy as np
import torch

from i2pmae.data.clouds import CloudSet
from i2pmae.encoders.base import PointModel
from i2pmae.methods.task import PretrainTask, as_array
from i2pmae.projection.config import ProjectionConfig
from i2pmae.projection.lift import lift
from i2pmae.projection.views import parse_views
from i2pmae.teachers.base import Teacher
from i2pmae.teachers.lessons import AnyTeacher, PointTeacher
from i2pmae.teachers.maps import look
from i2pmae.viz import CloudPictures

__all__ = ["explained", "pictured", "teacher_view"]


def explained(
    clouds: CloudSet, row: int, task: PretrainTask, rng: torch.Generator, untrained: PointModel | None = None
) -> CloudPictures:
    """Pictures of one cloud in pre-training: what the teacher sees, what is masked and predicted, and the features."""
    return pictured(clouds, row, task.student, task=task, rng=rng, untrained=untrained, projection=task.projection)


@torch.no_grad()
def pictured(
    clouds: CloudSet,
    row: int,
    model: PointModel | None,
    *,
    task: PretrainTask | None = None,
    teacher: AnyTeacher | None = None,
    projection: ProjectionConfig | None = None,
    rng: torch.Generator | None = None,
    untrained: PointModel | None = None,
) -> CloudPictures:
    """Pictures of the cloud at ``row``, as far as there is something to make them with.

    Views and saliency come from ``teacher``, or that of the ``task``, where it sees images; masks and reconstruction
    from the task, whose draws ``rng`` decides; features from ``model``, beside those of its ``untrained`` twin.
    """
    device = next(model.parameters()).device if model is not None else torch.device("cpu")
    points = torch.as_tensor(np.asarray(clouds.points[row], np.float32), device=device)[None]
    parts: dict[str, np.ndarray] = {}
    looking = teacher or (task.teacher if task is not None else None)
    if looking is not None and not isinstance(looking, PointTeacher):
        parts |= teacher_view(looking, points, projection or ProjectionConfig())
    if task is not None and rng is not None:
        task.student.eval()
        parts |= task.explain(points, rng)
    for name, encoder in (("point_features", model), ("before_features", untrained)):
        if encoder is not None:
            parts[name] = as_array(encoder.to(device).eval().point_features(points))
    label = None
    if clouds.labels is not None:
        label = clouds.classes[clouds.labels[row]] if clouds.classes else str(clouds.labels[row])
    return CloudPictures(id=str(clouds.ids[row]), points=points[0].cpu().numpy(), label=label, **parts)


def teacher_view(teacher: Teacher, points: torch.Tensor, projection: ProjectionConfig) -> Mapping[str, np.ndarray]:
    """What the teacher is given of a cloud ``(1, n, 3)``, and what it finds salient."""
    maps, frame, images = look(teacher, points, projection)
    return {
        "views": as_array(images),
        "view_axes": parse_views(projection.views).numpy(),
        "saliency_maps": as_array(maps.saliency),
        "point_saliency": as_array(lift(maps.saliency[:, :, None], points, frame).mean((2, 3))),
    }
