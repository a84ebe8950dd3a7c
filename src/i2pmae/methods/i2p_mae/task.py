"""I2P-MAE and Point-M2AE pre-training: what happens with a batch (arXiv 2212.06785, figure 2)."""

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

from i2pmae.common.seeds import derive
from i2pmae.encoders.base import PointModel
from i2pmae.encoders.masking import guidance_logits, propagate, sample_visible, visible_count
from i2pmae.encoders.tokenizer import Hierarchy, point_indices
from i2pmae.methods.base import Setting
from i2pmae.methods.config import MethodConfig
from i2pmae.methods.i2p_mae.config import I2PMAEMethodConfig, PointM2AEMethodConfig
from i2pmae.methods.i2p_mae.model import I2PMAE, Reconstruction
from i2pmae.methods.losses import coordinate_loss, semantic_loss
from i2pmae.methods.task import PretrainTask, as_array, predicted_points, shown_tokens
from i2pmae.ops import gather, pack
from i2pmae.projection.lift import lift
from i2pmae.projection.rasterise import ViewFrame, view_frame
from i2pmae.projection.views import parse_views
from i2pmae.teachers.base import Teacher
from i2pmae.teachers.loading import load_teacher
from i2pmae.teachers.maps import CachedMaps, ViewMaps, look
from i2pmae.training.task import Batch, Loss, Losses
from i2pmae.typing import Bool, Float, Int, Tensor

__all__ = ["I2PMAETask", "PointM2AETask", "build_i2p_mae", "build_point_m2ae", "open_teacher"]


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
        )

    def logits(self, saliency: Float[Tensor, "b m"] | None, like: Float[Tensor, "b m 3"]) -> Float[Tensor, "b m"]:
        """What the visible tokens are drawn by: the same for all."""
        del saliency
        return like.new_zeros(like.shape[:2])

    def choose_visible(
        self, saliency: Float[Tensor, "b m"] | None, hierarchy: Hierarchy, rng: torch.Generator
    ) -> list[Bool[Tensor, "b _"]]:
        """Visible tokens of every level, finest first."""
        centres = hierarchy[-1].centres
        count = visible_count(centres.shape[1], self.model.config.mask_ratio)
        return list(propagate(sample_visible(self.logits(saliency, centres), count, rng), hierarchy))

    @torch.no_grad()
    def explain(self, points: Float[Tensor, "1 n 3"], rng: torch.Generator) -> dict[str, np.ndarray]:
        """One draw of the mask, and what the decoder makes of it."""
        hierarchy = self.model.tokenise(points)
        saliency = self.look_at(points, hierarchy)
        visible = self.choose_visible(saliency, hierarchy, rng)
        found = self.model(hierarchy, visible, self.model.most_visible)
        parts = {} if saliency is None else {"token_saliency": as_array(saliency)}
        return {
            **parts,
            **shown_tokens(hierarchy, visible, points),
            **predicted_points(hierarchy, self.model.decoded_level, found.offsets, found.masked),
        }

    def look_at(self, points: Float[Tensor, "b n 3"], hierarchy: Hierarchy) -> Float[Tensor, "b m"] | None:
        """The saliency of the coarsest tokens; there is none without a teacher."""
        del points, hierarchy
        return None


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
        teacher: Teacher | None,
        cached: CachedMaps | None = None,
        points: int = 0,
    ) -> None:
        super().__init__(model, config, points)
        self.teacher, self.cached, self.projection = teacher, cached, config.projection
        self.views = parse_views(config.projection.views)

    @property
    def teacher_seconds(self) -> float:
        """Time that cached maps took."""
        return 0.0 if self.cached is None else self.cached.seconds

    def losses(self, batch: Batch, rng: torch.Generator) -> Losses:
        """``coordinates`` (L3D) and ``semantics`` (L2D), and two figures to watch.

        ``explained``: share of the variance of the 2D features that is predicted. ``visible_saliency``: mean saliency
        of the visible tokens, in standard deviations of a cloud's tokens: 0 where guidance is random. What needs a
        teacher is absent where there is none.
        """
        canonical, points = self.drawn(batch, rng)
        hierarchy = self.model.tokenise(points)
        with torch.no_grad():
            seen = self._ask_teacher(batch, canonical, points)
            saliency = None if seen is None else self.saliency(*seen, hierarchy)
            visible = self.choose_visible(saliency, hierarchy, rng)
        found = self.model(hierarchy, visible, self.model.most_visible)
        losses = {"coordinates": self._coordinates(found, hierarchy, self.config.loss.coordinates)}
        head = self.model.semantic_head
        if head is not None and seen is not None:
            with torch.no_grad():
                features, rows = self.targets(*seen, hierarchy, visible)
                some = None if found.shown_counted is None else found.shown_counted[::8]
                variance = _variance(features[rows[::8]], some)
            error = semantic_loss(head, found.shown, features, rows, found.shown_counted)
            losses["semantics"] = Loss(
                error, "Squared error of visible tokens' 2D features", self.config.loss.semantics
            )
            explained = 1 - error.detach() / variance
            losses["explained"] = Loss(explained, "Share of the 2D features' variance that is predicted", None)
        if saliency is not None:
            shown = visible[-1].to(saliency.dtype)
            standard = (guidance_logits(saliency, "standardised") * shown).sum() / shown.sum()
            losses["visible_saliency"] = Loss(standard, "Saliency of visible tokens, in standard deviations", None)
        return losses

    def _ask_teacher(
        self, batch: Batch, canonical: Float[Tensor, "b n 3"], points: Float[Tensor, "b n 3"]
    ) -> tuple[ViewMaps, ViewFrame, Float[Tensor, "b n 3"]] | None:
        """The teacher's maps, their frame, and the points as it saw them, where there is a teacher."""
        if self.teacher is None:
            return None
        if self.cached is None:
            maps, frame, _ = look(self.teacher, points, self.projection)
            return maps, frame, points
        frame = view_frame(batch["points"], self.views, self.projection.image_size)
        return self.cached(batch["index"], points.device), frame, canonical

    def look_at(self, points: Float[Tensor, "b n 3"], hierarchy: Hierarchy) -> Float[Tensor, "b m"] | None:
        """The saliency of the coarsest tokens, where there is a teacher."""
        if self.teacher is None:
            return None
        maps, frame, _ = look(self.teacher, points, self.projection)
        return self.saliency(maps, frame, points, hierarchy)

    def saliency(
        self, maps: ViewMaps, frame: ViewFrame, points: Float[Tensor, "b n 3"], hierarchy: Hierarchy
    ) -> Float[Tensor, "b m"]:
        """Saliency of each coarsest centre: mean over views of what the teacher gives its pixel (§3.3)."""
        centres = gather(points, point_indices(hierarchy, -1))
        return lift(maps.saliency[:, :, None], centres, frame).mean((2, 3))

    def logits(self, saliency: Float[Tensor, "b m"] | None, like: Float[Tensor, "b m 3"]) -> Float[Tensor, "b m"]:
        """What the visible tokens are drawn by: saliency, as the guidance says; the same for all without any."""
        guidance = self.config.guidance
        if saliency is None:
            return super().logits(None, like)
        return guidance_logits(saliency, guidance.kind, guidance.temperature)

    def targets(
        self,
        maps: ViewMaps,
        frame: ViewFrame,
        points: Float[Tensor, "b n 3"],
        hierarchy: Hierarchy,
        visible: Sequence[Bool[Tensor, "b _"]],
    ) -> tuple[Float[Tensor, "m s"], Int[Tensor, "visible k"]]:
        """2D features of points, views side by side, and which of them each visible token is to predict.

        Only the members of visible tokens are looked up: they are the visible ones of the level below.
        """
        most, level = self.model.most_visible, self.model.decoded_level
        rows, _ = pack(visible[level - 1], most[level - 1])
        centres = gather(points, gather(self.model.target_points(hierarchy), rows))
        features = lift(maps.features, centres, frame)
        if self.config.loss.targets == "normalised":
            features = functional.layer_norm(features, features.shape[-1:])
        place = torch.arange(rows.numel(), device=rows.device).view_as(rows)
        below = hierarchy[level - 1].centres.shape[:2]
        place = place.new_zeros(below).scatter_(1, rows, place)
        wanted = self.model.target_rows(hierarchy, ~visible[level], most)
        return features.flatten(2).flatten(0, 1), place.flatten()[wanted]


def _variance(values: Float[Tensor, "g k s"], counted: Bool[Tensor, " g"] | None) -> Float[Tensor, ""]:
    """Of each channel over the counted groups, averaged over the channels."""
    if counted is None:
        return values.var((0, 1), correction=0).mean()
    weight = counted[:, None, None].to(values.dtype) / (counted.sum() * values.shape[1])
    mean = (values * weight).sum((0, 1))
    return ((values - mean).square() * weight).sum((0, 1)).mean()


def build_point_m2ae(setting: Setting) -> PointM2AETask:
    """The task of a run of Point-M2AE."""
    config, seed = setting.config.method, setting.config.training.seed
    assert isinstance(config, PointM2AEMethodConfig)
    return PointM2AETask(_fresh(config, 0, seed), config, setting.config.data.points)


def build_i2p_mae(setting: Setting) -> I2PMAETask:
    """The task of a run of I2P-MAE; no teacher is loaded where nothing needs one."""
    run = setting.config
    config, seed = run.method, run.training.seed
    assert isinstance(config, I2PMAEMethodConfig)
    teacher, cached = open_teacher(config, setting.device, setting.teacher), None
    channels = teacher.feature_dim if teacher is not None and config.loss.semantics > 0 else 0
    model = _fresh(config, len(parse_views(config.projection.views)) * channels, seed)
    if config.cache_teacher and teacher is not None:
        place = (run.data.cache or setting.folder / "cache") / "teacher-maps"
        cached = CachedMaps(
            place, teacher, setting.clouds, config.projection, device=setting.device, shown=setting.shown
        )
    return I2PMAETask(model, config, teacher, cached, run.data.points)


def open_teacher(
    config: MethodConfig, device: torch.device | str = "cpu", given: Teacher | None = None
) -> Teacher | None:
    """The teacher that a configuration names, or the ``given`` one; ``None`` where nothing needs one."""
    assert isinstance(config, I2PMAEMethodConfig)
    if not config.needs_teacher:
        return None
    return given or load_teacher(config.teacher, precision=config.teacher_precision, device=device)


def _fresh(config: PointM2AEMethodConfig | I2PMAEMethodConfig, semantic_dim: int, seed: int) -> I2PMAE:
    """The model with the initial weights that follow from the seed."""
    torch.manual_seed(derive(seed, "weights"))
    model = I2PMAE(config.model.changed(semantic_dim=semantic_dim))
    model.pooling = config.pooling
    return model
