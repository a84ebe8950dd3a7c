"""A fine-tuned model, ready to use: classes of clouds, parts of points."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from i2pmae.common.errors import UsageError, pick
from i2pmae.hub.applied import AppliedModel, is_single, like
from i2pmae.hub.clouds import thin
from i2pmae.hub.record import wrong_task
from i2pmae.hub.weights import load_model
from i2pmae.models.classifier import Classifier
from i2pmae.models.segmenter import Segmenter, SegmenterConfig
from i2pmae.ops import three_nn_interpolate
from i2pmae.typing import Float, Tensor

__all__ = ["Classification", "CloudClassifier", "CloudSegmenter", "Segmentation", "load_predictor"]

CHUNK = 16384
"""Points that get their labels at a time, which bounds the memory that a large scan takes."""


@dataclass(frozen=True)
class Classification:
    """Classes of clouds."""

    classes: tuple[str, ...]
    """Names of the classes."""
    probabilities: Any
    """``(b, classes)`` float32, or ``(classes,)`` for a single cloud, in the kind of array that came."""

    @property
    def labels(self) -> Any:
        """The most probable class of each cloud, by name: a list, or one name for a single cloud."""
        chosen = self.probabilities.argmax(-1).tolist()
        return [self.classes[index] for index in chosen] if isinstance(chosen, list) else self.classes[chosen]


@dataclass(frozen=True)
class Segmentation:
    """Parts of points."""

    parts: tuple[str, ...]
    """Names of the parts."""
    probabilities: Any
    """``(b, n, parts)`` float32, or ``(n, parts)`` for a single cloud, or a list for a list of clouds, in the kind of
    array that came."""

    @property
    def labels(self) -> Any:
        """The index of the most probable part of each point: ``(b, n)``, ``(n,)`` or a list."""
        if isinstance(self.probabilities, list):
            return [one.argmax(-1) for one in self.probabilities]
        return self.probabilities.argmax(-1)


class CloudClassifier(AppliedModel):
    """A frozen classifier of point clouds."""

    model: Classifier

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.model.config.classes

    def __repr__(self) -> str:
        return f"CloudClassifier({self.record.method}, {len(self.classes)} classes, {self.device})"

    def predict(
        self,
        points: Any,
        *,
        batch_size: int = 64,
        up: Literal["y", "z", "x"] = "y",
        normalise: bool = True,
        max_points: int | Literal["trained"] | None = "trained",
    ) -> Classification:
        """The classes of clouds with their probabilities.

        Arguments and errors are those of :meth:`i2pmae.hub.Encoder.embed`.
        """
        most = self._most(max_points)
        rows = self._run(
            points, batch_size, up, normalise, lambda batch, _: self.model(thin(batch, most)).float().softmax(-1)
        )
        return Classification(self.classes, like(points, rows, (len(self.classes),)))


class CloudSegmenter(AppliedModel):
    """A frozen segmenter of point clouds into parts."""

    model: Segmenter

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts of all categories."""
        return self.model.config.parts

    @property
    def categories(self) -> tuple[str, ...]:
        """Names of the categories that it must be told; empty where it needs none."""
        return self.model.config.categories

    def __repr__(self) -> str:
        told = f"{len(self.categories)} categories, " if self.categories else ""
        return f"CloudSegmenter({self.record.method}, {told}{len(self.parts)} parts, {self.device})"

    def predict(
        self,
        points: Any,
        *,
        category: str | Sequence[str] | None = None,
        batch_size: int = 16,
        up: Literal["y", "z", "x"] = "y",
        normalise: bool = True,
        max_points: int | Literal["trained"] | None = "trained",
    ) -> Segmentation:
        """The parts of all points with their probabilities; parts that a cloud's category lacks have probability 0.

        ``category`` names what the clouds show, one name for all or one for each; a segmenter with categories was
        trained with them and cannot guess them. Clouds with more than ``max_points`` points are thinned; the logits of
        the points left out are interpolated from the three nearest of those kept. The other arguments and errors are
        those of :meth:`i2pmae.hub.Encoder.embed`.
        """
        most = self._most(max_points)
        count = 1 if is_single(points) or not hasattr(points, "__len__") else len(points)
        told = self._categories(category, count)

        def logits(batch: Float[Tensor, "b n 3"], members: list[int]) -> Float[Tensor, "b n parts"]:
            chosen = None if told is None else told[members].to(batch.device)
            return self._probabilities(batch, most, chosen)

        rows = self._run(points, batch_size, up, normalise, logits)
        empty = () if rows else (points.shape[1], len(self.parts))
        return Segmentation(self.parts, like(points, rows, empty))

    def _probabilities(
        self, points: Float[Tensor, "b n 3"], most: int | None, category: Tensor | None
    ) -> Float[Tensor, "b n parts"]:
        kept = thin(points, most)
        known = self.model(kept, category).float()
        if kept.shape[1] < points.shape[1]:
            pieces = [three_nn_interpolate(piece, kept, known) for piece in points.split(CHUNK, dim=1)]
            known = torch.cat(pieces, dim=1)
        absent = _absent_parts(self.model.config)
        if category is not None and absent is not None:
            known = known.masked_fill(absent.to(points.device)[category][:, None], -torch.inf)
        return known.softmax(-1)

    def _categories(self, given: str | Sequence[str] | None, count: int) -> Tensor | None:
        """One category index per cloud; :class:`UsageError` for an unknown, missing or superfluous one."""
        names = [given] * count if isinstance(given, str) or given is None else list(given)
        if len(names) != count:
            raise UsageError(f"Expected one category for each of the {count} clouds, got {len(names)}.")
        indices = [self.check_category(name) for name in names]
        return torch.tensor(indices, dtype=torch.int64) if self.categories else None

    def check_category(self, name: str | None, required: bool = True) -> int | None:
        """The index of a category, if named; :class:`UsageError` where it is unknown, not wanted, or missing."""
        if not self.categories:
            if name is not None:
                raise UsageError(f"This segmenter was trained without categories: leave the category {name!r} out.")
            return None
        if name is None:
            if required:
                raise UsageError(
                    "This segmenter was trained on clouds whose category it was told: say what the clouds show "
                    f"(category). Known: {', '.join(self.categories)}."
                )
            return None
        return pick("category", name, {known: index for index, known in enumerate(self.categories)})


def _absent_parts(config: SegmenterConfig) -> Tensor | None:
    """Which parts each category lacks, ``(categories, parts)``; ``None`` where all have all."""
    if not config.category_parts:
        return None
    absent = np.ones((len(config.categories), len(config.parts)), dtype=bool)
    for row, parts in enumerate(config.category_parts):
        absent[row, list(parts)] = False
    return torch.from_numpy(absent)


def load_predictor(path: Path | str, device: str | torch.device = "auto") -> CloudClassifier | CloudSegmenter:
    """The classifier or segmenter in a run folder or weights folder.

    :class:`CheckpointError` where it holds something else, and for everything that :func:`load_model` refuses.
    """
    model, record = load_model(path)
    if isinstance(model, Classifier):
        return CloudClassifier(model, record, device)
    if isinstance(model, Segmenter):
        return CloudSegmenter(model, record, device)
    raise wrong_task(path, record, "classification", "segmentation")
