"""How salient a 2D model finds the points of clouds."""

import torch

from i2pmae.methods.config import SaliencyKind
from i2pmae.teachers.lessons import Lesson
from i2pmae.typing import Float, Tensor

__all__ = ["point_saliency"]

POINTS = 1024
"""Points of each cloud that are looked up at a time, for the memory that their features take."""


def point_saliency(
    lesson: Lesson, points: Float[Tensor, "b n 3"], kind: SaliencyKind = "attention"
) -> Float[Tensor, "b n"] | None:
    """Saliency of each point: what the teacher says of it (I2P-MAE §3.3), nothing where it does not; or the mean over
    views of the length of the features that it gives it."""
    found: list[Float[Tensor, "b p"]] = []
    for some in points.split(POINTS, dim=1):
        by_length = kind == "feature-norm"
        said = lesson.features(some).norm(dim=-1).mean(2) if by_length else lesson.saliency(some)
        if said is None:
            return None
        found.append(said)
    return torch.cat(found, dim=1)
