"""I2P-MAE pre-training: what happens with a batch (arXiv 2212.06785, figure 2)."""

import torch
from torch.nn import functional

from i2pmae.models import (
    I2PMAE,
    Hierarchy,
    guidance_logits,
    point_indices,
    propagate,
    sample_visible,
    visible_count,
)
from i2pmae.objectives import coordinate_loss, semantic_loss
from i2pmae.ops import gather
from i2pmae.projection import ViewFrame, lift, parse_views, view_frame
from i2pmae.teachers.base import Teacher
from i2pmae.training.augment import augment, draw_points
from i2pmae.training.config import PretrainConfig
from i2pmae.training.task import Batch
from i2pmae.training.teacher_maps import CachedMaps, ViewMaps, look
from i2pmae.typing import Bool, Float, Tensor

__all__ = ["I2PPretraining"]


class I2PPretraining:
    """The model, its teacher, and the losses of a batch. Satisfies :class:`~i2pmae.training.task.Task`.

    The teacher looks at the augmented clouds, or, with ``cached``, has looked once at the canonical ones. It may be
    absent where neither guidance nor semantic targets need it, as in Point-M2AE.
    """

    def __init__(
        self, model: I2PMAE, teacher: Teacher | None, config: PretrainConfig, cached: CachedMaps | None = None
    ) -> None:
        self.model = model
        self.teacher = teacher
        self.config = config
        self.cached = cached
        self.views = parse_views(config.projection.views)

    def to(self, device: torch.device) -> "I2PPretraining":
        """Itself, with model and teacher on ``device``."""
        self.model.to(device)
        if self.teacher is not None:
            self.teacher.to(device)
        return self

    def losses(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """``coordinates`` (L3D) and ``semantics`` (L2D), weighted, and two figures to watch.

        ``metric/explained``: share of the variance of the 2D features that is predicted. ``metric/visible_saliency``:
        mean saliency of the visible tokens, in standard deviations of a cloud's tokens: 0 where guidance is random.
        What needs a teacher is absent where there is none.
        """
        canonical = draw_points(batch["points"], self.config.clouds.points, rng)
        points = augment(canonical, rng) if self.config.augment else canonical
        hierarchy = self.model.tokenise(points)
        with torch.no_grad():
            saliency, semantics = self._ask_teacher(batch, canonical, points, hierarchy)
            visible = self.choose_visible(saliency, hierarchy, rng)
        found = self.model(hierarchy, visible)
        truth = self.model.target_offsets(hierarchy, found.masked)
        losses = {"coordinates": self.config.loss.coordinates * coordinate_loss(found.offsets, truth)}
        if found.semantics is not None and semantics is not None:
            target = self.model.target_semantics(hierarchy, semantics, found.masked)
            error = semantic_loss(found.semantics, target)
            losses["semantics"] = self.config.loss.semantics * error
            losses["metric/explained"] = 1 - error.detach() / target[::8].var((0, 1), correction=0).mean()
        if saliency is not None:
            standard = guidance_logits(saliency, "standardised")
            losses["metric/visible_saliency"] = standard[visible[-1]].mean()
        return losses

    def _ask_teacher(
        self,
        batch: Batch,
        canonical: Float[Tensor, "b n 3"],
        points: Float[Tensor, "b n 3"],
        hierarchy: Hierarchy,
    ) -> tuple[Float[Tensor, "b m"] | None, Float[Tensor, "b m2 s"] | None]:
        """The saliency of the coarsest tokens and the 2D features to be predicted, as far as there are any."""
        if self.teacher is None:
            return None, None
        if self.cached is None:
            maps, frame, _ = look(self.teacher, points, self.config.projection)
            seen = points
        else:
            maps = self.cached(batch["index"])
            frame = view_frame(batch["points"], self.views, self.config.projection.image_size)
            seen = canonical
        wanted = self.config.loss.semantics > 0
        semantics = self.semantics(maps, frame, seen, hierarchy) if wanted else None
        return self.saliency(maps, frame, seen, hierarchy), semantics

    def saliency(
        self, maps: ViewMaps, frame: ViewFrame, points: Float[Tensor, "b n 3"], hierarchy: Hierarchy
    ) -> Float[Tensor, "b m"]:
        """Saliency of each coarsest centre: mean over views of what the teacher gives its pixel (§3.3)."""
        centres = gather(points, point_indices(hierarchy, -1))
        return lift(maps.saliency[:, :, None], centres, frame).mean((2, 3))

    def choose_visible(
        self, saliency: Float[Tensor, "b m"] | None, hierarchy: Hierarchy, rng: torch.Generator
    ) -> list[Bool[Tensor, "b _"]]:
        """Visible tokens of every level, finest first; at random where there is no saliency."""
        guidance, centres = self.config.guidance, hierarchy[-1].centres
        if saliency is None:
            logits = centres.new_zeros(centres.shape[:2])
        else:
            logits = guidance_logits(saliency, guidance.kind, guidance.temperature)
        count = visible_count(centres.shape[1], self.model.config.mask_ratio)
        return list(propagate(sample_visible(logits, count, rng), hierarchy))

    def semantics(
        self, maps: ViewMaps, frame: ViewFrame, points: Float[Tensor, "b n 3"], hierarchy: Hierarchy
    ) -> Float[Tensor, "b m s"]:
        """2D features of the points that the semantic head predicts, views side by side."""
        features = lift(maps.features, gather(points, self.model.target_points(hierarchy)), frame)
        if self.config.loss.targets == "normalised":
            features = functional.layer_norm(features, features.shape[-1:])
        return features.flatten(2)
