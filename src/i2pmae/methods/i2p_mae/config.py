"""What I2P-MAE has for itself, and Point-M2AE, the same hierarchy without the 2D side."""

from typing import Annotated, ClassVar, Literal, Self

import tyro
from pydantic import AfterValidator, Field, model_validator

from i2pmae.common.config import Config
from i2pmae.common.neutral import NEUTRAL
from i2pmae.encoders.config import GuidanceKind, HierarchicalConfig
from i2pmae.encoders.pooling import Pooling
from i2pmae.methods.config import METHOD_CONFIGS, Distance, MethodConfig, SaliencyKind
from i2pmae.projection.config import ProjectionConfig
from i2pmae.teachers.catalogue import RUN, check_teacher, members

__all__ = [
    "GuidanceConfig",
    "I2PMAEConfig",
    "I2PMAEMethodConfig",
    "LossConfig",
    "PointM2AEMethodConfig",
    "SamplingConfig",
    "ViewPredictorConfig",
    "WholeConfig",
]


class ViewPredictorConfig(Config):
    """Sizes of what predicts the 2D model's vectors of whole views."""

    views: int = Field(ge=1)
    """Views that it can be asked about."""
    channels: int = Field(ge=1)
    """Channels of a vector."""
    width: int = Field(512, ge=1)
    """Hidden width."""
    temperature: float = Field(0.07, gt=0)
    """Of the contrast of vectors, before anything is learnt."""
    reads: Pooling = "levels:mean|max"
    """What of the encoder's tokens it reads."""


class I2PMAEConfig(HierarchicalConfig):
    """Sizes of the hierarchical encoder and decoder (I2P-MAE §3.1; Point-M2AE §3). The defaults are the paper's."""

    decoder_dims: tuple[int, ...] = (384, 192)
    """Channels per decoder stage, coarsest first."""
    decoder_depths: tuple[int, ...] = (1, 1)
    """Transformer blocks per decoder stage."""
    mask_ratio: float = Field(0.8, ge=0, lt=1)
    """Share of the coarsest tokens that is masked in pre-training. With 0 there are no coordinates to reconstruct."""
    predicted_points: int | None = Field(None, ge=1)
    """Points that the coordinate head predicts for a masked neighbourhood; as many as it has where absent. The public
    Point-M2AE predicts as many as a level-0 group has (16 for 8)."""
    semantic_dim: tyro.conf.Suppress[int] = Field(0, ge=0)
    """Channels of the 2D features that a token predicts per neighbour: views times the teacher's channels, set when a
    run begins; 0 for a model without semantic head."""
    semantic_levels: tyro.conf.Suppress[int] = Field(1, ge=1)
    """Decoder stages that predict 2D features, counted from the finest; set when a run begins."""
    view_predictor: tyro.conf.Suppress[ViewPredictorConfig | None] = None
    """What predicts the 2D model's vectors of whole views, set when a run begins; absent where nothing asks for
    them."""

    @model_validator(mode="after")
    def _check_decoder(self) -> Self:
        if len(self.decoder_dims) != self.levels - 1 or len(self.decoder_depths) != self.levels - 1:
            raise ValueError(f"the decoder must have one stage less than the encoder ({self.levels - 1})")
        if self.decoder_dims[0] != self.encoder_dims[-1]:
            raise ValueError(
                f"decoder_dims must start with the encoder's last width, {self.encoder_dims[-1]}: {self.decoder_dims}"
            )
        for width in self.decoder_dims:
            if width % self.heads:
                raise ValueError(f"width {width} is not a multiple of the {self.heads} heads")
        return self


class GuidanceConfig(Config):
    """How saliency decides what stays visible (I2P-MAE §3.3)."""

    kind: GuidanceKind = "standardised"
    """``standardised``: saliency with zero mean and unit deviation per cloud; ``log`` and ``rank``: the same of its
    logarithm and of its rank within the cloud, which a few tokens of extreme saliency move less; ``paper``: raw;
    ``random``: ignored."""
    temperature: float = Field(1.0, gt=0)
    """Divides the saliency before the softmax: smaller prefers salient tokens more strongly."""
    saliency: SaliencyKind = "attention"
    """``attention``: the teacher's saliency map, as in the paper; ``rollout``: that of a ViT by its attention over all
    layers (attention rollout); ``feature-norm``: the length of its 2D features, for which it needs no attention.
    Sampling reads the same."""


class SamplingConfig(Config):
    """How saliency decides where the tokens of pre-training are (point-token sampling, the future work of I2P-MAE §5).

    In farthest point sampling of the finest level's centres, distances to a point are multiplied with its saliency to a
    power: the centres of all levels are denser where the 2D model finds more. Embeddings and what is fine-tuned sample
    without saliency, as no 2D model takes part there.
    """

    alpha: float = Field(0.0, ge=0, le=4)
    """The power, of the plain distance. Saliency is scaled alike for all teachers: a deviation of its logarithm within
    the cloud is a factor e, and beyond 3 deviations it counts as 3. So where a point is more salient than a typical one
    by a deviation, its distance counts exp(alpha) times. 0: as published, without saliency."""


class LossConfig(Config):
    """Weights of the two objectives (I2P-MAE §3.3, equation 8)."""

    coordinates: float = Field(1.0, ge=0)
    """Weight of the Chamfer distance of masked tokens (L3D)."""
    semantics: float = Field(1.0, ge=0)
    """Weight of the error of tokens' 2D features (L2D)."""
    targets: Literal["normalised", "raw", "unit", "standardised"] = "normalised"
    """2D features as targets: ``normalised`` over the channels of each feature, so that the two losses weigh the same
    whatever the teacher's scale; ``raw`` as in the paper; ``unit``: each of length 1; ``standardised``: each channel of
    a view with zero mean and unit deviation over the training clouds."""
    distance: Distance = "squared"
    """Between predicted and true 2D features; ``squared`` as in the paper."""
    tokens: Literal["visible", "all"] = "visible"
    """Which tokens predict 2D features: the visible ones, as in the paper, or the masked ones too."""
    levels: Literal["finest", "all"] = "finest"
    """Which stages of the decoder predict 2D features: the finest, as in the paper, or every one, the mean of whose
    errors is the loss."""
    hidden: Literal["taken", "left out"] = "taken"
    """What becomes of the target that a view gives a point which others hide in it: it is that of what hides the point,
    and taken in the paper."""
    channels: int | None = Field(None, ge=1)
    """Channels to which a fixed random projection brings the 2D features of a view before they are targets, which
    makes the head smaller; all where absent."""
    second_mask_ratio: float | None = Field(None, ge=0, lt=1)
    """Share of the coarsest tokens that is masked in a second pass, which has the 2D features and the vectors of whole
    views for targets, while the first has coordinates; one pass for all, as in the paper, where absent."""


class WholeConfig(Config):
    """What the 2D model says of whole views as a target: 2D-3D class-token learning, the future work of I2P-MAE §5.

    From the encoder's visible tokens, told which view is meant, a predictor gives the 2D model's vector of that view.
    The loss is a regression, a contrast with the vectors of other clouds (InfoNCE), or both.
    """

    regression: float = Field(0.0, ge=0)
    """Weight of the distance between predicted and true vectors."""
    contrast: float = Field(0.0, ge=0)
    """Weight of finding a cloud's own vector among those of others, and the cloud of a vector among the batch."""
    distance: Distance = "smooth-l1"
    """The distance of the regression."""
    targets: Literal["standardised", "unit", "raw"] = "standardised"
    """Vectors as targets: each channel with zero mean and unit deviation over the training clouds, each vector with
    unit length, or as they are."""
    reads: Pooling = "levels:mean|max"
    """What of the encoder's tokens the predictor reads."""
    width: int = Field(512, ge=1)
    """Hidden width of the predictor."""
    others: int = Field(0, ge=0)
    """Vectors of clouds outside the batch that the contrast compares with, drawn anew at every step. They play the part
    of a queue: targets never change, so that no old ones need be kept. Needs ``cache_teacher``."""
    temperature: float = Field(0.07, gt=0)
    """Of the contrast, before anything is learnt; it is learnt."""
    views: str | None = None
    """Views whose vectors are predicted, as in ``projection.views``; those of the projection where absent. Needs
    ``cache_teacher``."""

    @property
    def wanted(self) -> bool:
        """Whether vectors of views take part."""
        return self.regression > 0 or self.contrast > 0


@METHOD_CONFIGS.add
class PointM2AEMethodConfig(MethodConfig):
    """Point-M2AE: masked autoencoding of a hierarchy of tokens, without a 2D model (arXiv 2205.14401)."""

    name: tyro.conf.Suppress[Literal["point-m2ae"]] = "point-m2ae"
    """The method."""
    pooling: Pooling = "mean+max"
    """How the tokens of the encoder become the embedding that is probed; by default as the method's authors do."""
    model: I2PMAEConfig = I2PMAEConfig()
    """Sizes of the model."""
    reconstructs: ClassVar[bool] = True
    """Whether coordinates are reconstructed: all that there is to learn."""

    @model_validator(mode="after")
    def _check_mask(self) -> Self:
        if self.model.mask_ratio == 0:
            raise ValueError("coordinates are reconstructed where tokens are masked, and mask_ratio is 0: mask some")
        return self


@METHOD_CONFIGS.add
class I2PMAEMethodConfig(MethodConfig):
    """I2P-MAE: the same hierarchy, guided by a 2D model that also gives targets (arXiv 2212.06785)."""

    name: tyro.conf.Suppress[Literal["i2p-mae"]] = "i2p-mae"
    """The method."""
    pooling: Pooling = "max"
    """How the tokens of the encoder become the embedding that is probed; by default as the method's authors do."""
    model: I2PMAEConfig = I2PMAEConfig()
    """Sizes of the model."""
    teacher: Annotated[str, AfterValidator(check_teacher)] = "embedded"
    """2D model: ``embedded`` (in the package), a name of `i2pmae teachers`, a Hugging Face name, or a local folder;
    ``random:NAME`` for its control with random weights; ``NAME+NAME`` for several side by side; ``run:FOLDER`` for what
    a trained run predicts of them. It is loaded where guidance or targets need it."""
    teacher_layers: tuple[int, ...] = ()
    """Layers of a ViT whose features are targets beside those of its end, counted from 1."""
    teacher_precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic of the teacher; ``auto`` is bf16 where it is fast."""
    cache_teacher: bool = False
    """Run the teacher once per cloud on its canonical views and keep the maps on disk, instead of on every augmented
    batch. Augmentation then moves points but not the images that the teacher saw."""
    cache_size: Annotated[float | None, NEUTRAL] = Field(None, gt=0)
    """GiB that what teachers said of all sets in the cache may take: what was not used for longest makes room for the
    new; any size where absent."""
    projection: ProjectionConfig = ProjectionConfig()
    """Depth maps."""
    guidance: GuidanceConfig = GuidanceConfig()
    """2D-guided masking."""
    sampling: SamplingConfig = SamplingConfig()
    """2D-guided sampling."""
    loss: LossConfig = LossConfig()
    """Weights of the objectives."""
    whole: WholeConfig = WholeConfig()
    """Vectors of whole views as targets."""

    @model_validator(mode="after")
    def _check_objectives(self) -> Self:
        if self.loss.coordinates == 0 and self.loss.semantics == 0 and not self.whole.wanted:
            raise ValueError(
                "nothing is to be learnt: give loss.coordinates, loss.semantics, whole.regression or whole.contrast a "
                "weight above 0"
            )
        if self.model.mask_ratio == 0 and self.loss.coordinates > 0:
            raise ValueError(
                "coordinates are reconstructed where tokens are masked, and mask_ratio is 0: set loss.coordinates 0, "
                "or mask some"
            )
        self._check_saliency()
        if self.teacher_layers and self.teacher.startswith(RUN):
            raise ValueError(f"a trained run has no layers of a 2D model: leave teacher_layers out with {self.teacher}")
        if self.whole.reads == "class|max" and not self.model.class_token:
            raise ValueError("whole.reads 'class|max' needs a [CLS] token: set model.class_token")
        for name, value in (("whole.others", self.whole.others), ("whole.views", self.whole.views)):
            if value and not self.cache_teacher:
                raise ValueError(f"{name} needs the vectors of all clouds at hand: set cache_teacher")
        return self

    def _check_saliency(self) -> None:
        """:class:`ValueError` where what decides masks or sampling cannot be said by the teacher."""
        by_length = self.guidance.saliency == "feature-norm"
        if not self.guided:
            return
        if self.teacher.startswith(RUN) and not by_length:
            raise ValueError(
                f"a trained run does not say what is salient: with the teacher {self.teacher}, set guidance.kind "
                "random and sampling.alpha 0, or guidance.saliency feature-norm"
            )
        if by_length and (len(members(self.teacher)) > 1 or self.teacher_layers):
            raise ValueError(
                "of several teachers or layers all features have the same length, so that each counts the same: with "
                f"the teacher {self.teacher}, set guidance.saliency attention"
            )

    @property
    def guided(self) -> bool:
        """Whether saliency decides masks or sampling."""
        return self.guidance.kind != "random" or self.sampling.alpha > 0

    @property
    def needs_teacher(self) -> bool:
        """Whether a 2D model takes part: it guides masks or sampling, or gives the targets."""
        return self.needs_maps or self.whole.wanted

    @property
    def reconstructs(self) -> bool:
        """Whether coordinates are reconstructed."""
        return self.loss.coordinates > 0

    @property
    def decodes(self) -> bool:
        """Whether the decoder takes part."""
        return self.reconstructs or self.loss.semantics > 0

    @property
    def needs_maps(self) -> bool:
        """Whether the 2D model's maps take part, not only its vectors of whole views."""
        return self.guided or self.loss.semantics > 0
