"""A trained segmenter, ready to use: parts of points."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from torch import nn

from i2pmae.common import ranks
from i2pmae.common.errors import UsageError, pick
from i2pmae.data.clouds import CloudSet
from i2pmae.ops import three_nn_interpolate
from i2pmae.tasks.predicted import in_batches, named_classes
from i2pmae.tasks.segmentation.config import SegmenterConfig
from i2pmae.tasks.segmentation.model import Segmenter
from i2pmae.tasks.segmentation.ply import PartFiles
from i2pmae.typing import Float, Int, Tensor
from i2pmae.weights.applied import Predictor, is_single, like
from i2pmae.weights.clouds import given_points, thin

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["CloudSegmenter", "Segmentation"]

CHUNK = 16384
"""Points that get their labels at a time, which bounds the memory that a large scan takes."""


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


class CloudSegmenter(Predictor):
    """A frozen segmenter of point clouds into parts."""

    options: ClassVar[tuple[str, ...]] = ("category", "ply")
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
        those of :meth:`i2pmae.weights.Encoder.embed`.
        """
        points = given_points(points, up)
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
        return _probabilities(known, category, _absent_parts(self.model.config))

    @property
    def module(self) -> "PartProbabilities":
        """The segmenter as a module from clouds (b, n, 3), y up and in the unit sphere, to (b, n, parts).

        One with categories takes the index of each cloud's category as a second input, (b,).
        """
        return PartProbabilities(self.model)

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

    # Options by name take the place of any: those that `options` lists.
    def check(  # type: ignore[override]
        self, *, category: str | None = None, ply: Path | None = None
    ) -> None:
        """:class:`UsageError` for a ``category`` that is unknown or not wanted."""
        del ply  # what stands in its way depends on the clouds
        self.check_category(category, required=False)

    def table(  # type: ignore[override]
        self,
        clouds: CloudSet,
        *,
        batch_size: int = 16,
        shown: bool = True,
        category: str | None = None,
        ply: Path | None = None,
    ) -> "pa.Table":
        """One row per cloud, in their order: ``id``, ``category`` if there are any, mean ``probability``, ``n_PART``.

        ``probability`` is that of the points' chosen parts, ``n_PART`` counts points. A segmenter with categories is
        told ``category``, or what the set's own labels say. With ``ply``, a folder, each cloud is written there as a
        ``.ply`` file (as the segmenter saw it: y up, in the unit sphere) with a colour and the property ``part`` per
        point, beside ``legend.json``; no file that is there is replaced. :class:`UsageError` where a category is
        missing or unknown, or a file is in the way; before anything is written.
        """
        import pyarrow as pa

        told = self._told(clouds, category)
        files = ranks.on_main(lambda: None if ply is None else PartFiles(ply, clouds.ids, self.parts))
        counts = np.zeros((len(clouds), len(self.parts)), np.int64)
        certainty = np.zeros(len(clouds), np.float32)

        def computed(rows: slice, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            chosen = None if told is None else told[rows]
            found = np.asarray(self.predict(points, category=chosen, batch_size=batch_size).probabilities)
            labels = found.argmax(-1)
            for row, cloud, label in zip(range(rows.start, rows.stop), points, labels, strict=True):
                if files is not None:  # each process writes those that it computes
                    files.write(row, cloud, label)
            return np.stack([np.bincount(label, minlength=len(self.parts)) for label in labels]), found.max(-1).mean(-1)

        for rows, found in in_batches(clouds, batch_size, "Segmenting", shown, computed):
            counts[rows], certainty[rows] = found
        columns: dict[str, Any] = {"id": list(clouds.ids)}
        columns |= {} if told is None else {"category": told}
        columns["probability"] = certainty
        return pa.table(columns | {f"n_{name}": counts[:, index] for index, name in enumerate(self.parts)})

    def _told(self, clouds: CloudSet, category: str | None) -> list[str] | None:
        """What each cloud shows, for a segmenter that must be told."""
        known = self.categories
        if category is not None or not known:
            self.check_category(category)
            return None if category is None else [category] * len(clouds)
        listed = ", ".join(known)
        if clouds.labels is None or clouds.classes is None:
            raise UsageError(
                "This segmenter was trained on clouds whose category it was told: name it with --category, or, where "
                f"the folders of the files name it, give --labels folder. Known: {listed}."
            )
        names = named_classes(clouds)
        unknown = sorted(set(names) - set(known))
        if unknown:
            raise UsageError(
                f"{clouds.name} has clouds of {', '.join(unknown)}, which this segmenter does not know. Known: "
                f"{listed}. Name what the clouds show with --category."
            )
        return names


class PartProbabilities(nn.Module):
    """Clouds to probabilities of the parts of their points, with gradients; evaluation mode until ``train()``."""

    absent: Tensor | None

    def __init__(self, model: Segmenter) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("absent", _absent_parts(model.config), persistent=False)
        self.eval()

    def forward(
        self, points: Float[Tensor, "b n 3"], category: Int[Tensor, "b"] | None = None
    ) -> Float[Tensor, "b n parts"]:
        """One row per point; ``points`` are y up and in the unit sphere, ``category`` as the segmenter needs it."""
        return _probabilities(self.model(points, category).float(), category, self.absent)


def _probabilities(
    logits: Float[Tensor, "b n parts"], category: Int[Tensor, "b"] | None, absent: Tensor | None
) -> Float[Tensor, "b n parts"]:
    """Probabilities of parts; 0 for those that the category of a cloud lacks."""
    if category is not None and absent is not None:
        logits = logits.masked_fill(absent.to(logits.device)[category][:, None], -torch.inf)
    return logits.softmax(-1)


def _absent_parts(config: SegmenterConfig) -> Tensor | None:
    """Which parts each category lacks, ``(categories, parts)``; ``None`` where all have all."""
    if not config.category_parts:
        return None
    absent = np.ones((len(config.categories), len(config.parts)), dtype=bool)
    for row, parts in enumerate(config.category_parts):
        absent[row, list(parts)] = False
    return torch.from_numpy(absent)
