"""A fine-tuned classifier, ready to use: classes of clouds."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from torch import nn

from i2pmae.common.errors import UsageError
from i2pmae.data.clouds import CloudSet
from i2pmae.tasks.classifier.model import Classifier
from i2pmae.tasks.predicted import in_batches, named_classes
from i2pmae.typing import Float, Tensor
from i2pmae.weights.applied import Predictor, like
from i2pmae.weights.clouds import given_points, thin

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Classification", "CloudClassifier"]


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


class ClassProbabilities(nn.Module):
    """Clouds to probabilities of their classes, with gradients; evaluation mode until ``train()``."""

    def __init__(self, model: Classifier) -> None:
        super().__init__()
        self.model = model
        self.eval()

    def forward(self, points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b classes"]:
        """One row per cloud; ``points`` are y up and in the unit sphere."""
        return self.model(points).float().softmax(-1)


class CloudClassifier(Predictor):
    """A frozen classifier of point clouds."""

    options: ClassVar[tuple[str, ...]] = ("top",)
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

        Arguments and errors are those of :meth:`i2pmae.weights.Encoder.embed`.
        """
        points = given_points(points, up)
        most = self._most(max_points)
        rows = self._run(
            points, batch_size, up, normalise, lambda batch, _: self.model(thin(batch, most)).float().softmax(-1)
        )
        return Classification(self.classes, like(points, rows, (len(self.classes),)))

    @property
    def module(self) -> "ClassProbabilities":
        """The classifier as a module from clouds (b, n, 3), y up and in the unit sphere, to (b, classes)."""
        return ClassProbabilities(self.model)

    # Options by name take the place of any: those that `options` lists.
    def check(self, *, top: int | None = None) -> None:  # type: ignore[override]
        """:class:`UsageError` for a ``top`` that is not a number of classes."""
        count = len(self.classes)
        if top is not None and not 1 <= top <= count:
            raise UsageError(f"The number of top classes must be from 1 to {count}, the classes there are: {top}.")

    def table(  # type: ignore[override]
        self, clouds: CloudSet, *, batch_size: int = 32, shown: bool = True, top: int | None = None
    ) -> "pa.Table":
        """One row per cloud, in their order: ``id``, ``label``, ``probability``, then ``p_CLASS`` for every class.

        With ``top``, the columns of classes give way to the runners-up: ``label_2``, ``probability_2`` up to ``top``.
        ``truth`` is the class that the set names, where it does. :class:`UsageError` where there is no cloud, and as
        :meth:`check`.
        """
        import pyarrow as pa

        self.check(top=top)

        def computed(_: slice, points: np.ndarray) -> np.ndarray:
            return np.asarray(self.predict(points, batch_size=batch_size, max_points=None).probabilities)

        found = in_batches(clouds, batch_size, "Classifying", shown, computed)
        probabilities = np.concatenate([part for _, part in found])
        order = np.argsort(-probabilities, axis=1, kind="stable")
        columns: dict[str, Any] = {"id": list(clouds.ids)}
        for place in range(top or 1):
            suffix, chosen = f"_{place + 1}" if place else "", order[:, place]
            columns[f"label{suffix}"] = [self.classes[index] for index in chosen]
            columns[f"probability{suffix}"] = np.take_along_axis(probabilities, chosen[:, None], 1)[:, 0]
        if clouds.labels is not None:
            columns["truth"] = named_classes(clouds)
        if top is None:
            columns |= {f"p_{name}": probabilities[:, index] for index, name in enumerate(self.classes)}
        return pa.table(columns)
