"""A trained I2P-MAE as the teacher of another run: a learned approximation of depth maps, 2D model and lift.

What the 2D model would say of points, the student predicts in one pass over the cloud, none of whose tokens is masked.
"""

from pathlib import Path
from typing import NamedTuple

import torch

from i2pmae.common.errors import CheckpointError, TeacherError
from i2pmae.encoders.masking import propagate
from i2pmae.encoders.tokenizer import Hierarchy
from i2pmae.methods.i2p_mae.model import I2PMAE, Reconstruction
from i2pmae.ops import three_nn_interpolate
from i2pmae.teachers.catalogue import RUN
from i2pmae.teachers.kept import CachedRows, Clouds
from i2pmae.teachers.vision import weights_digest
from i2pmae.typing import Bool, Float, Int, Tensor
from i2pmae.weights.store import load_model

__all__ = ["CachedPredictions", "LearnedTeacher", "Predicted", "open_run"]

AWAY = 1000.0
"""Where points are put whose features no token predicts: near to none that is asked for. Half precision has it."""


class Predicted(NamedTuple):
    """What a student says of a batch of clouds."""

    centres: Float[Tensor, "b m 3"] | None
    """Points whose features it predicts."""
    predicted: Float[Tensor, "b m s"] | None
    """Their features, all views side by side; absent from a student that predicts none."""
    pooled: Float[Tensor, "b v d"] | None
    """Vectors of whole views."""

    @torch.no_grad()
    def features(self, at: Float[Tensor, "b m 3"]) -> Float[Tensor, "b m 1 s"]:
        """Features of points: those of the three nearest predicted ones, by distance; its own for one of them."""
        assert self.centres is not None and self.predicted is not None
        return three_nn_interpolate(at, self.centres, self.predicted)[:, :, None]

    def saliency(self, at: Float[Tensor, "b m 3"]) -> None:
        """A student has learnt features, and does not say what matters."""
        del at

    def seen(self, cloud: Float[Tensor, "b n 3"], at: Float[Tensor, "b m 3"]) -> None:
        """Nothing is hidden from what sees no views."""
        del cloud, at


class LearnedTeacher:
    """What a trained I2P-MAE predicts, as a :class:`~i2pmae.teachers.lessons.PointTeacher`.

    Its features are one vector for each point, all views and 2D models that it was taught by side by side, in the form
    that its targets had. In fp32, whatever the arithmetic of the run that it teaches.
    """

    salient = False
    views = 1

    def __init__(self, model: I2PMAE, name: str) -> None:
        """``model`` has a semantic head, a view predictor, or both; it is held frozen."""
        self._model = model.requires_grad_(False).eval()
        self.name = name
        self.feature_dim = model.config.semantic_dim
        self.summarises = model.view_predictor is not None

    @torch.no_grad()
    def teach(self, points: Float[Tensor, "b n 3"]) -> Predicted:
        """What it predicts for clouds. It follows them to their device."""
        if next(self._model.parameters()).device != points.device:
            self.to(points.device)
        model = self._model.eval()
        with torch.autocast(points.device.type, enabled=False):
            hierarchy = model.tokenise(points)
            coarsest = hierarchy[-1].centres
            everything = torch.ones(coarsest.shape[:2], dtype=torch.bool, device=coarsest.device)
            visible = propagate(everything, hierarchy)
            found = model(hierarchy, visible, decoded=self.feature_dim > 0)
            if self.feature_dim == 0:
                return Predicted(None, None, found.views)
            features, said = self._at_points(found, hierarchy)
        centres = hierarchy[model.decoded_level - 1].centres
        return Predicted(centres.where(said[..., None], AWAY), features, found.views)

    def to(self, device: torch.device | str) -> "LearnedTeacher":
        """The teacher itself, moved to ``device``."""
        self._model.to(device)
        return self

    def fingerprint(self) -> str:
        """32 hexadecimal digits that change with any weight or size."""
        return weights_digest(("I2P-MAE", self._model.config.model_dump_json()), self._model)

    def _at_points(
        self, found: Reconstruction, hierarchy: Hierarchy
    ) -> tuple[Float[Tensor, "b m s"], Bool[Tensor, "b m"]]:
        """The mean of what all tokens predict for a point, and for which points some token predicts anything."""
        model = self._model
        predicted = model.semantics(found)
        assert predicted is not None
        rows = model.target_rows(hierarchy, found.masked)
        clouds, points = hierarchy[model.decoded_level - 1].centres.shape[:2]
        counted = predicted.new_ones(rows.shape)
        if found.shown_counted is not None:
            counted = counted * found.shown_counted[:, None]
        times = predicted.new_zeros(clouds * points).index_add_(0, rows.flatten(), counted.flatten())
        total = predicted.new_zeros(clouds * points, self.feature_dim)
        total.index_add_(0, rows.flatten(), (predicted * counted[..., None]).flatten(0, 1))
        mean = total / times.clamp_min(1)[:, None]
        return mean.view(clouds, points, -1), (times > 0).view(clouds, points)


def open_run(name: str, device: torch.device | str = "cpu") -> LearnedTeacher:
    """The teacher that ``run:FOLDER`` names. :class:`TeacherError` where there is none, with what is there."""
    text = name.removeprefix(RUN)
    folder = Path(text).expanduser() if text.startswith("~") else text  # weights have names, too
    try:
        model, record = load_model(folder)
    except CheckpointError as error:
        raise TeacherError(f"The run {folder} cannot teach. {error}") from error
    if not isinstance(model, I2PMAE) or (model.semantic_head is None and model.view_predictor is None):
        raise TeacherError(
            f"{folder} holds {record.task} of {record.method}, which predicts nothing of a 2D model. A run teaches if "
            "it was pre-trained by I2P-MAE with loss.semantics, whole.regression or whole.contrast above 0."
        )
    return LearnedTeacher(model.to(device), name)


class CachedPredictions(CachedRows):
    """What a student says of all clouds of a set as they are stored, kept as a 2D model's maps are."""

    def __init__(
        self,
        folder: Path,
        teacher: LearnedTeacher,
        clouds: Clouds,
        device: torch.device | str = "cpu",
        shown: bool = True,
        *,
        features: bool,
        pooled: bool,
        limit: float | None = None,
    ) -> None:
        """Which of the two is kept: ``features`` with their points, ``pooled`` vectors, or both."""

        def said(points: Float[Tensor, "b n 3"]) -> dict[str, Tensor]:
            found = teacher.teach(points)
            parts = {"centres": found.centres, "features": found.predicted, "pooled": found.pooled}
            return {name: part for name, part in parts.items() if part is not None}

        wanted = ("centres", "features") * features + ("pooled",) * pooled
        about = [teacher.fingerprint()]
        called = teacher.name
        super().__init__(folder, about, wanted, said, clouds, device=device, shown=shown, called=called, limit=limit)

    def lesson(self, index: Int[Tensor, " b"], points: Float[Tensor, "b n 3"]) -> Predicted:
        """What was said of the clouds at rows ``index``, which is on the CPU."""
        parts = {name: self.rows(name, index, points.device) for name in self.kept}
        return Predicted(parts.get("centres"), parts.get("features"), parts.get("pooled"))
