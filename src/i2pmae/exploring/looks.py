"""What an encoder, its teacher and its training make of a shape, as coloured points."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from i2pmae.common.errors import UsageError
from i2pmae.common.seeds import torch_generator
from i2pmae.methods.pictures import teacher_view
from i2pmae.methods.task import PretrainTask
from i2pmae.projection.config import ProjectionConfig
from i2pmae.teachers.base import Teacher
from i2pmae.typing import Float
from i2pmae.viz import CloudPictures
from i2pmae.viz.colours import FeaturePalette, distinct
from i2pmae.viz.figures import Scene, scenes
from i2pmae.weights.encoder import Encoder

__all__ = ["NAMES", "Look", "Looks"]

NAMES = {
    "features": "Features",
    "saliency": "Saliency",
    "groups": "Visible and masked",
    "reconstruction": "Reconstruction",
    "truth": "Truth",
    "parts": "Parts",
}
"""What there may be to see, by key."""
MASKING = ("groups", "reconstruction", "truth")


class Look(NamedTuple):
    """Coloured points, and what their colours are called where these have names."""

    scene: Scene
    legend: Sequence[tuple[str, Float[np.ndarray, "3"]]] = ()


class Looks:
    """Makes pictures of shapes with what there is: an encoder, and perhaps a teacher, a run and a segmenter."""

    def __init__(
        self,
        encoder: Encoder,
        sample: Sequence[Float[np.ndarray, "n 3"]],
        *,
        task: PretrainTask | None = None,
        teacher: Teacher | None = None,
        segmenter: Any = None,
    ) -> None:
        """Colours of features are chosen by those of a ``sample`` of clouds, so that they mean the same in all."""
        self.encoder, self.task, self.teacher, self.segmenter = encoder, task, teacher, segmenter
        self._palette = FeaturePalette([self._features(points) for points in sample])

    @property
    def kinds(self) -> list[str]:
        """The keys of what can be seen."""
        there = {"features": True, "saliency": self.teacher is not None, "parts": self.segmenter is not None}
        explains = self.task is not None and type(self.task).explain is not PretrainTask.explain
        return [key for key in NAMES if (explains if key in MASKING else there[key])]

    @torch.no_grad()
    def look(self, kind: str, points: Float[np.ndarray, "n 3"], label: str | None, seed: int) -> Look:
        """One of :attr:`kinds` of a shape; ``seed`` decides what is masked.

        :class:`UsageError` for another, and for a segmenter that must be told what the shape is where its label does
        not say.
        """
        if kind not in self.kinds:
            raise UsageError(f"There is no {NAMES.get(kind, 'such picture').lower()} here.")
        if kind == "features":
            return Look(Scene(NAMES[kind], points, self._palette.colours(self._features(points))))
        if kind == "parts":
            return self._parts(points, label)
        cloud = torch.as_tensor(points, device=self.encoder.device)[None]
        if kind == "saliency":
            assert self.teacher is not None
            projection = ProjectionConfig() if self.task is None else self.task.projection
            found: dict[str, Any] = dict(teacher_view(self.teacher, cloud, projection))
        else:
            assert self.task is not None
            found = dict(self.task.explain(cloud, torch_generator(0, "picture", seed, device=self.encoder.device)))
        made = scenes([CloudPictures(id="shape", points=points, **found)])[0]
        if kind not in made:
            raise UsageError(f"There is no {NAMES[kind].lower()} of this shape: this run has none.")
        return Look(made[kind])

    def _features(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n c"]:
        found: np.ndarray = self.encoder.point_features(points[None], max_points=None)[0]
        return found

    def _parts(self, points: Float[np.ndarray, "n 3"], label: str | None) -> Look:
        told = {"category": label} if self.segmenter.categories else {}
        labels = self.segmenter.predict(points, normalise=False, max_points=None, **told).labels
        colours = distinct(len(self.segmenter.parts))
        present = np.unique(labels).tolist()
        legend = [(self.segmenter.parts[part], colours[part]) for part in present]
        return Look(Scene(NAMES["parts"], points, colours[labels]), legend)
