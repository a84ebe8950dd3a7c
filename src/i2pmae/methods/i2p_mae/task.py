"""I2P-MAE and Point-M2AE pre-training: what happens with a batch (arXiv 2212.06785, figure 2)."""

from collections.abc import Sequence
from typing import Self

import numpy as np
import torch

from i2pmae.common import ranks
from i2pmae.common.exchange import mean, total
from i2pmae.encoders.base import PointModel
from i2pmae.encoders.masking import guidance_logits, propagate, sample_visible, visible_count
from i2pmae.encoders.saliency import sampling_weight
from i2pmae.encoders.tokenizer import Hierarchy, point_indices
from i2pmae.methods.i2p_mae.config import I2PMAEMethodConfig, PointM2AEMethodConfig
from i2pmae.methods.i2p_mae.dense import DenseTargets
from i2pmae.methods.i2p_mae.model import I2PMAE, DecodedLevel, Reconstruction
from i2pmae.methods.i2p_mae.whole import WholeTargets
from i2pmae.methods.losses import coordinate_loss, semantic_loss
from i2pmae.methods.saliency import point_saliency
from i2pmae.methods.task import PretrainTask, as_array, predicted_points, shown_tokens
from i2pmae.ops import gather, pack, without_padding
from i2pmae.teachers.lessons import AnyTeacher, KeptLessons, Lesson, as_point_teacher
from i2pmae.training.task import Batch, Loss, Losses
from i2pmae.typing import Bool, Float, Int, Tensor

__all__ = ["I2PMAETask", "PointM2AETask"]

SAID = {"squared": "Squared error", "smooth-l1": "Smooth L1 error", "cosine": "Cosine distance"}
"""What the distances of 2D features are called."""


class PointM2AETask(PretrainTask):
    """The model and the reconstruction of coordinates from randomly masked tokens (Point-M2AE §3)."""

    model: I2PMAE
    config: PointM2AEMethodConfig | I2PMAEMethodConfig

    def __init__(self, model: PointModel, config: PointM2AEMethodConfig | I2PMAEMethodConfig, points: int = 0) -> None:
        assert isinstance(model, I2PMAE)
        self.model, self.config, self.points = model, config, points

    @property
    def student(self) -> I2PMAE:
        """The model itself."""
        return self.model

    def losses(self, batch: Batch, rng: torch.Generator) -> Losses:
        """``coordinates`` (L3D): Chamfer distance of the masked tokens' neighbourhoods."""
        _, points = self.drawn(batch, rng)
        hierarchy = self.model.tokenise(points)
        with torch.no_grad():
            visible = self.choose_visible(None, hierarchy, rng)
        found = self.model(hierarchy, visible, self.model.most_visible)
        return {"coordinates": self._coordinates(found, hierarchy, 1.0)}

    def _coordinates(self, found: Reconstruction, hierarchy: Hierarchy, weight: float) -> Loss:
        truth = self.model.target_offsets(hierarchy, found.masked)
        return Loss(
            coordinate_loss(found.offsets, truth, found.offsets_counted),
            "Chamfer distance of masked neighbourhoods",
            weight,
            found.masked.sum(),
        )

    def logits(self, saliency: Float[Tensor, "b m"] | None, like: Float[Tensor, "b m 3"]) -> Float[Tensor, "b m"]:
        """What the visible tokens are drawn by: the same for all."""
        del saliency
        return like.new_zeros(like.shape[:2])

    def choose_visible(
        self,
        saliency: Float[Tensor, "b m"] | None,
        hierarchy: Hierarchy,
        rng: torch.Generator,
        mask_ratio: float | None = None,
    ) -> list[Bool[Tensor, "b _"]]:
        """Visible tokens of every level, finest first; the model's share is masked where none is given."""
        centres = hierarchy[-1].centres
        ratio = self.model.config.mask_ratio if mask_ratio is None else mask_ratio
        count = visible_count(centres.shape[1], ratio)
        return list(propagate(sample_visible(self.logits(saliency, centres), count, rng), hierarchy))

    @torch.no_grad()
    def explain(self, points: Float[Tensor, "1 n 3"], rng: torch.Generator) -> dict[str, np.ndarray]:
        """One draw of the mask, and what the decoder makes of it."""
        hierarchy, saliency = self.look_at(points)
        visible = self.choose_visible(saliency, hierarchy, rng)
        parts = {} if saliency is None else {"token_saliency": as_array(saliency)}
        parts |= shown_tokens(hierarchy, visible, points)
        if not self.config.reconstructs:
            return parts
        found = self.model(hierarchy, visible, self.model.most_visible)
        offsets = without_padding(found.offsets, found.offsets_counted)
        return parts | predicted_points(hierarchy, self.model.decoded_level, offsets, found.masked)

    def look_at(self, points: Float[Tensor, "b n 3"]) -> tuple[Hierarchy, Float[Tensor, "b m"] | None]:
        """The tokens of clouds, and the saliency of the coarsest; there is none without a teacher."""
        return self.model.tokenise(points), None


class I2PMAETask(PointM2AETask):
    """The same with a frozen 2D teacher: its saliency guides the masks, its features are to be predicted.

    The teacher looks at the augmented clouds, or, with ``cached``, has looked once at the canonical ones. It may be
    absent where neither guidance nor semantic targets need it.
    """

    config: I2PMAEMethodConfig

    def __init__(
        self,
        model: PointModel,
        config: I2PMAEMethodConfig,
        teacher: AnyTeacher | None,
        cached: KeptLessons | None = None,
        points: int = 0,
        whole: WholeTargets | None = None,
        dense: DenseTargets | None = None,
    ) -> None:
        super().__init__(model, config, points)
        self.teacher, self.cached, self.projection, self.whole = teacher, cached, config.projection, whole
        self.asked = None if teacher is None else as_point_teacher(teacher, config.projection)
        self.dense = dense or DenseTargets(config.loss, 0 if teacher is None else teacher.feature_dim)

    @property
    def teacher_seconds(self) -> float:
        """Time that cached maps took."""
        vectors = None if self.whole is None else self.whole.cached
        seconds = 0.0 if self.cached is None else self.cached.seconds
        return seconds if vectors is None or vectors is self.cached else seconds + vectors.seconds

    def to(self, device: torch.device) -> Self:
        """Itself, with the model and what it learns from on ``device``."""
        self.dense.to(device)
        if self.whole is not None:
            self.whole.to(device)
        return super().to(device)

    def losses(self, batch: Batch, rng: torch.Generator) -> Losses:
        """``coordinates`` (L3D), ``semantics`` (L2D) and what :class:`WholeTargets` gives, as far as they are wanted,
        and two figures to watch.

        ``explained``: share of the variance of the 2D features that is predicted. ``visible_saliency``: mean saliency
        of the visible tokens, in standard deviations of a cloud's tokens: 0 where guidance is random. What needs a
        teacher is absent where there is none.
        """
        canonical, points = self.drawn(batch, rng)
        loss = self.config.loss
        with torch.no_grad():
            seen = self._ask_teacher(batch, canonical, points)
            hierarchy = self.model.tokenise(points, None if seen is None else self.weight(*seen))
            saliency = None if seen is None or not self.config.needs_maps else self.saliency(*seen, hierarchy)
            visible = self.choose_visible(saliency, hierarchy, rng)
        losses: Losses = {}
        found = None
        if loss.second_mask_ratio is None or loss.coordinates > 0:
            found = self.model(hierarchy, visible, self.model.most_visible, self.config.decodes)
        if found is not None and self.config.decodes:
            losses["coordinates"] = self._coordinates(found, hierarchy, loss.coordinates)
        watched = visible
        if loss.second_mask_ratio is not None:
            with torch.no_grad():
                visible = self.choose_visible(saliency, hierarchy, rng, loss.second_mask_ratio)
            most = self.model.most_at(loss.second_mask_ratio)
            found = self.model(hierarchy, visible, most, loss.semantics > 0)
        assert found is not None
        if seen is not None and self.model.semantic_head is not None:
            losses |= self._semantics(found, *seen, hierarchy, visible)
        if self.whole is not None:
            vectors = None if seen is None else seen[0].pooled
            losses |= self.whole.losses(self.model.view_predictor, found.views, batch, vectors, rng)
        if saliency is not None:
            shown = watched[-1].to(saliency.dtype)
            standard = (guidance_logits(saliency, "standardised") * shown).sum() / shown.sum()
            losses["visible_saliency"] = Loss(standard, "Saliency of visible tokens, in standard deviations", None)
        return losses

    def _semantics(
        self,
        found: Reconstruction,
        lesson: Lesson,
        points: Float[Tensor, "b n 3"],
        hierarchy: Hierarchy,
        visible: Sequence[Bool[Tensor, "b _"]],
    ) -> Losses:
        """``semantics`` and ``explained``, both of the finest decoded level; where coarser ones predict too,
        ``semantics_2`` and so on beside them, each with its share of the weight."""
        head, config = self.model.semantic_head, self.config.loss
        assert head is not None and self.asked is not None and found.tokens is not None
        finest = DecodedLevel(self.model.decoded_level, head, found.tokens, found.shown, found.shown_counted)
        every = config.tokens == "all"
        if every:
            visible = [torch.ones_like(level) for level in visible]
        weight, losses = config.semantics / (1 + len(found.coarser)), {}
        for each in (finest, *found.coarser):
            tokens, counted = (each.tokens, None) if every else (each.shown, each.counted)
            with torch.no_grad():
                features, rows, seen = self.targets(lesson, points, hierarchy, visible, each.level)
            error = semantic_loss(each.head, tokens, features, rows, counted, config.distance, self.asked.views, seen)
            count = visible[each.level].sum()
            if seen is not None:
                count = (seen[rows] if counted is None else seen[rows] & counted[:, None, None]).sum()
            title, name = f"{SAID[config.distance]} of tokens' 2D features", "semantics"
            if each is not finest:
                title, name = f"{title}, level {each.level}", f"semantics_{each.level}"
            losses[name] = Loss(error, title, weight, count)
            if config.distance == "squared" and each is finest:
                variance = _variance(features[rows[::8]], None if counted is None else counted[::8])
                explained = 1 - mean(error.detach(), count) / variance
                losses["explained"] = Loss(explained, "Share of the 2D features' variance that is predicted", None)
        return losses

    def _ask_teacher(
        self, batch: Batch, canonical: Float[Tensor, "b n 3"], points: Float[Tensor, "b n 3"]
    ) -> tuple[Lesson, Float[Tensor, "b n 3"]] | None:
        """What the teacher says, and the points as it saw them; where nothing is asked for, nothing."""
        if self.asked is None:
            return None
        if self.cached is None:
            if not self.config.needs_maps and (self.whole is None or self.whole.cached is not None):
                return None
            return self.asked.teach(points), points
        return self.cached.lesson(batch["index"], batch["points"]), canonical

    def look_at(self, points: Float[Tensor, "b n 3"]) -> tuple[Hierarchy, Float[Tensor, "b m"] | None]:
        """The tokens of clouds, and the saliency of the coarsest, where there is a teacher that says."""
        if self.asked is None:
            return super().look_at(points)
        lesson = self.asked.teach(points)
        hierarchy = self.model.tokenise(points, self.weight(lesson, points))
        return hierarchy, self.saliency(lesson, points, hierarchy)

    def weight(self, lesson: Lesson, points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n"] | None:
        """What the distances of points are multiplied with where tokens are sampled; nothing where they are not."""
        alpha = self.config.sampling.alpha
        if alpha == 0:
            return None
        saliency = point_saliency(lesson, points, self.config.guidance.saliency)
        return None if saliency is None else sampling_weight(saliency, alpha)

    def saliency(
        self, lesson: Lesson, points: Float[Tensor, "b n 3"], hierarchy: Hierarchy
    ) -> Float[Tensor, "b m"] | None:
        """Saliency of each coarsest centre (§3.3), where the teacher says."""
        centres = gather(points, point_indices(hierarchy, -1))
        return point_saliency(lesson, centres, self.config.guidance.saliency)

    def logits(self, saliency: Float[Tensor, "b m"] | None, like: Float[Tensor, "b m 3"]) -> Float[Tensor, "b m"]:
        """What the visible tokens are drawn by: saliency, as the guidance says; the same for all without any."""
        guidance = self.config.guidance
        if saliency is None:
            return super().logits(None, like)
        return guidance_logits(saliency, guidance.kind, guidance.temperature)

    def targets(
        self,
        lesson: Lesson,
        points: Float[Tensor, "b n 3"],
        hierarchy: Hierarchy,
        visible: Sequence[Bool[Tensor, "b _"]],
        level: int | None = None,
    ) -> tuple[Float[Tensor, "m s"], Int[Tensor, "shown k"], Bool[Tensor, "m v"] | None]:
        """2D features of points, views side by side; which of them each visible token is to predict, of the finest
        decoded level or another; and in which views a point's features count, all where None.

        Only the members of visible tokens are looked up: they are the visible ones of the level below.
        """
        level = self.model.decoded_level if level is None else level
        most = [int(shown.shape[1]) for shown in visible] if self.config.loss.tokens == "all" else self._most
        rows, _ = pack(visible[level - 1], most[level - 1])
        at = gather(points, gather(self.model.target_points(hierarchy, level), rows))
        features, seen = self.dense(lesson, points, at)
        place = torch.arange(rows.numel(), device=rows.device).view_as(rows)
        below = hierarchy[level - 1].centres.shape[:2]
        place = place.new_zeros(below).scatter_(1, rows, place)
        wanted = self.model.target_rows(hierarchy, ~visible[level], most, level)
        return (
            features.flatten(2).flatten(0, 1),
            place.flatten()[wanted],
            None if seen is None else seen.flatten(0, 1),
        )

    @property
    def _most(self) -> tuple[int, ...]:
        """How many tokens of each level are visible at most where 2D features are predicted."""
        ratio = self.config.loss.second_mask_ratio
        return self.model.most_visible if ratio is None else self.model.most_at(ratio)


def _variance(values: Float[Tensor, "g k s"], counted: Bool[Tensor, " g"] | None) -> Float[Tensor, ""]:
    """Of each channel over the counted groups of all processes, averaged over the channels."""
    if counted is None:
        if ranks.world() == 1:
            return values.var((0, 1), correction=0).mean()
        counted = torch.ones(len(values), dtype=torch.bool, device=values.device)
    weight = counted[:, None, None].to(values.dtype) / (total(counted.sum()) * values.shape[1])
    centre = total((values * weight).sum((0, 1)))
    return total(((values - centre).square() * weight).sum((0, 1))).mean()
