"""Everything that decides a pre-training run, in one record."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from i2pmae.common.config import Config
from i2pmae.models.config import I2PMAEConfig
from i2pmae.models.discrete_vae import DiscreteVAEConfig
from i2pmae.models.methods import METHODS, PRETRAINED, TITLES, Method, PretrainedConfig
from i2pmae.models.point_bert import PointBERTConfig
from i2pmae.models.tokens import Pooling

__all__ = [
    "STAGE_ONE_FOLDER",
    "AnnealConfig",
    "BERTConfig",
    "DataConfig",
    "DiscreteVAEStage",
    "DiscreteVAETraining",
    "GuidanceConfig",
    "LossConfig",
    "OptimiserConfig",
    "PretrainConfig",
    "ProjectionConfig",
]

STAGE_ONE_FOLDER = "dvae"
"""Folder within a run of Point-BERT for the run that is its stage one."""


class DataConfig(Config):
    """How clouds are read."""

    points: int = Field(2048, ge=16)
    """Points per cloud."""
    up: Literal["y", "z", "x"] | None = None
    """The axis that points up in the files; clouds are turned so that it becomes y. Where absent, that of a published
    data set, else y."""
    labels: Literal["none", "folder"] = "none"
    """Whether the name of a file's folder is its label."""
    parts: Literal["none", "named", "column"] = "named"
    """Where the part of each point is read from: ``named`` arrays, columns and files; the last ``column`` of text files
    too; ``none``."""
    clouds: int | None = Field(None, ge=2)
    """How many clouds to use (built-in shapes: how many to make); all where absent."""
    max_bad_share: float = Field(0.1, ge=0, le=1)
    """Largest share of unusable files that a run accepts."""
    workers: int = Field(0, ge=0)
    """Processes that load batches; 0 loads in the main process."""
    cache: Path | None = None
    """Folder for files read once and teacher maps; beside the run where absent."""


class ProjectionConfig(Config):
    """How a cloud becomes depth maps (I2P-MAE §3.2)."""

    views: str = "axes"
    """``axes`` for the paper's three, or ``orbit:N`` / ``orbit:N@ELEVATION`` for N cameras around the vertical axis."""
    image_size: int = Field(224, ge=32, le=1024)
    """Side of the depth maps in pixels."""
    depth: Literal["sum", "nearest"] = "sum"
    """``sum`` adds all depths that fall on a pixel, as the paper does; ``nearest`` keeps the front-most (z-buffer)."""


class GuidanceConfig(Config):
    """How saliency decides what stays visible (I2P-MAE §3.3)."""

    kind: Literal["standardised", "paper", "random"] = "standardised"
    """``standardised``: saliency with zero mean and unit deviation per cloud; ``paper``: raw; ``random``: ignored."""
    temperature: float = Field(1.0, gt=0)
    """Divides the saliency before the softmax: smaller prefers salient tokens more strongly."""


class LossConfig(Config):
    """Weights of the two objectives (I2P-MAE §3.3, equation 8)."""

    coordinates: float = Field(1.0, ge=0)
    """Weight of the Chamfer distance of masked tokens (L3D)."""
    semantics: float = Field(1.0, ge=0)
    """Weight of the squared error of visible tokens' 2D features (L2D)."""
    targets: Literal["normalised", "raw"] = "normalised"
    """2D features as targets: ``normalised`` over the channels of each feature, so that the two losses weigh the same
    whatever the teacher's scale; ``raw`` as in the paper."""


class OptimiserConfig(Config):
    """AdamW with warm-up and cosine, per step."""

    learning_rate: float = Field(1e-4, gt=0)
    """Peak learning rate."""
    weight_decay: float = Field(0.05, ge=0)
    """Decay of matrices; biases, norms and token parameters have none."""
    warmup_epochs: float = Field(10, ge=0)
    """Epochs of linear warm-up."""
    start_rate: float = Field(1e-6, ge=0)
    """Learning rate at the first step."""
    final_rate: float = Field(1e-6, ge=0)
    """Learning rate at the end of the cosine."""
    schedule_epochs: int | None = Field(None, ge=1)
    """Length of the cosine where it differs from the run, as in the public code (400 for a run of 300)."""
    clip_norm: float | None = Field(None, gt=0)
    """Largest gradient norm; not clipped where absent."""
    accumulate: int = Field(1, ge=1)
    """Batches whose gradients are added up for one optimiser step."""
    betas: tuple[float, float] = (0.9, 0.999)
    """AdamW's averaging factors."""


class AnnealConfig(Config):
    """A value that goes from one to another along half a cosine, by optimiser steps."""

    start: float = Field(ge=0)
    """Value at first."""
    end: float = Field(ge=0)
    """Value at last."""
    steps: int = Field(100_000, ge=1)
    """Optimiser steps from the one to the other."""
    delay: int = Field(0, ge=0)
    """Optimiser steps before it begins to change."""

    def at(self, step: int) -> float:
        """The value after ``step`` optimiser steps."""
        progress = min(max(step - self.delay, 0) / self.steps, 1.0)
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * progress)) / 2


class DiscreteVAETraining(Config):
    """How Point-BERT's discrete variational autoencoder is trained, its stage one (Point-BERT §3.1)."""

    epochs: int | None = Field(None, ge=1)
    """Passes over the data; as many as stage two makes where absent."""
    batch_size: int = Field(64, ge=1)
    """Clouds per batch."""
    augment: bool = False
    """Scale each axis by U(2/3, 3/2) and shift by U(-0.2, 0.2)."""
    temperature: AnnealConfig = AnnealConfig(start=1.0, end=0.0625)
    """Temperature of the Gumbel-softmax: the lower, the nearer to a single word."""
    divergence: AnnealConfig = AnnealConfig(start=0.0, end=0.1, delay=10_000)
    """Weight of the divergence of the words from a uniform choice."""
    optimiser: OptimiserConfig = OptimiserConfig(learning_rate=5e-4, weight_decay=5e-4, start_rate=5e-5)
    """Optimisation."""

    @model_validator(mode="after")
    def _check_temperature(self) -> "DiscreteVAETraining":
        if min(self.temperature.start, self.temperature.end) <= 0:
            raise ValueError("the temperature of the Gumbel-softmax must stay above 0")
        return self


class DiscreteVAEStage(DiscreteVAETraining):
    """A run of stage one of Point-BERT: data, model, optimisation. It can be repeated from this."""

    output: Path
    """Run folder."""
    data: str
    """Folder, file or data set of point clouds or meshes; ``shapes`` for the built-in generator."""
    epochs: int = Field(ge=1)
    """Passes over the data."""
    seed: int = Field(0, ge=0)
    """Decides initial weights, order, augmentation and draws of words."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic; ``auto`` is bf16 on GPUs that are fast in it and fp32 elsewhere."""
    compile: bool = False
    """Compile the model with torch.compile."""
    checkpoint_minutes: float = Field(5, gt=0)
    """Time between checkpoints, beside those at the end of epochs."""
    clouds: DataConfig = DataConfig()
    """Reading of the data."""
    model: DiscreteVAEConfig = DiscreteVAEConfig()
    """Sizes of the model."""


class BERTConfig(Config):
    """What Point-BERT has beside its model: stage one, and the weights of the objectives of stage two."""

    vae_run: Path | None = None
    """A finished stage one to take: the folder of another run of Point-BERT, or of a released one that was converted;
    trained at the start where absent."""
    vae: DiscreteVAETraining = DiscreteVAETraining()
    """Training of stage one."""
    words: float = Field(1.0, ge=0)
    """Weight of the cross-entropy of masked tokens' words."""
    mixed_words: float = Field(1.0, ge=0)
    """Weight of the same on mixtures of two clouds."""
    contrast: float = Field(1.0, ge=0)
    """Weight of the contrast of clouds."""
    mixed_contrast: float = Field(1.0, ge=0)
    """Weight of the same on mixtures of two clouds, with mixed labels."""

    @model_validator(mode="after")
    def _check_weights(self) -> "BERTConfig":
        if not self.words + self.mixed_words + self.contrast + self.mixed_contrast:
            raise ValueError("at least one of words, mixed_words, contrast and mixed_contrast must be above 0")
        return self


WITHOUT_TEACHER: Mapping[str, Any] = {
    "guidance": GuidanceConfig(kind="random"),
    "loss": LossConfig(semantics=0.0),
}
"""Fields of the methods that know no 2D teacher."""


class PretrainConfig(Config):
    """A pre-training run: data, teacher, model, objectives, optimisation. It can be repeated from this."""

    recipe: str = "custom"
    """Name of the recipe this configuration started from."""
    method: Method = "i2p-mae"
    """What is pre-trained, and how."""
    data: str = "shapes"
    """Folder, file or data set of point clouds or meshes; ``shapes`` for the built-in generator."""
    output: Path = Path("runs/pretrain")
    """Run folder."""
    teacher: str = "embedded"
    """2D model: ``embedded`` (in the package), a name of `i2pmae teachers`, a Hugging Face name, or a local folder. It
    is loaded where guidance or semantic targets need it."""
    fraction: float = Field(1.0, gt=0, le=1)
    """Share of the training clouds that is trained on, drawn by the seed. Probes take all."""
    epochs: int = Field(300, ge=1)
    """Passes over the data."""
    batch_size: int = Field(64, ge=1)
    """Clouds per batch."""
    seed: int = Field(0, ge=0)
    """Decides initial weights, order, augmentation and masks."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic of the student; ``auto`` is bf16 on GPUs that are fast in it and fp32 elsewhere."""
    teacher_precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic of the teacher; ``auto`` is bf16 where it is fast."""
    cache_teacher: bool = False
    """Run the teacher once per cloud on its canonical views and keep the maps on disk, instead of on every augmented
    batch. Augmentation then moves points but not the images that the teacher saw."""
    augment: bool = True
    """Scale each axis by U(2/3, 3/2) and shift by U(-0.2, 0.2)."""
    compile: bool = False
    """Compile the model with torch.compile."""
    checkpoint_minutes: float = Field(5, gt=0)
    """Time between checkpoints, beside those at the end of epochs."""
    probe: bool = True
    """Linear-probe the untrained and the trained encoder where the data has labels."""
    probe_clouds: int | None = Field(None, ge=10)
    """Most clouds of each split that the probe of a run takes; all where absent."""
    watch_epochs: int | None = Field(None, ge=1)
    """Probe every so many epochs, on training clouds held out for it: the test set is read once, at the end."""
    report: bool = True
    """Write report.html with pictures."""
    pooling: Pooling | None = None
    """How tokens become the embedding that is probed; as the method's authors do where absent."""
    clouds: DataConfig = DataConfig()
    """Reading of the data."""
    model: PretrainedConfig = I2PMAEConfig()
    """Sizes of the model."""
    projection: ProjectionConfig = ProjectionConfig()
    """Depth maps."""
    guidance: GuidanceConfig = GuidanceConfig()
    """2D-guided masking."""
    loss: LossConfig = LossConfig()
    """Weights of the objectives."""
    optimiser: OptimiserConfig = OptimiserConfig()
    """Optimisation."""
    bert: BERTConfig | None = None
    """Stage one and the objectives of Point-BERT; absent in other methods."""

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, values: Any) -> Any:
        """What is absent, as the method needs it."""
        method: Any = values.get("method", "i2p-mae") if isinstance(values, dict) else None
        if method not in METHODS or method == "i2p-mae":
            return values
        found = {"model": PRETRAINED[method](), **WITHOUT_TEACHER}
        return found | ({"bert": BERTConfig()} if method == "point-bert" else {}) | values

    @field_validator("model", mode="before")
    @classmethod
    def _read_model(cls, value: Any, info: ValidationInfo) -> Any:
        """Plain values as what the method's model is described by, so that errors name one kind of field."""
        if not isinstance(value, dict) or "method" not in info.data:
            return value
        return PRETRAINED[info.data["method"]].model_validate(value)

    @model_validator(mode="after")
    def _check(self) -> Self:
        kind, title = PRETRAINED[self.method], TITLES[self.method]
        if type(self.model) is not kind:
            raise ValueError(f"{self.method} needs a {kind.__name__}, not a {type(self.model).__name__}")
        if self.method != "i2p-mae" and self.needs_teacher:
            raise ValueError(f"{title} has no 2D teacher: guidance.kind must be 'random' and loss.semantics 0")
        if isinstance(self.model, PointBERTConfig) != (self.bert is not None):
            raise ValueError("the section 'bert' belongs to the method point-bert, and to no other")
        if self.pooling == "class|max" and not getattr(self.model, "class_token", False):
            raise ValueError(f"the pooling 'class|max' needs a [CLS] token, which {title} has not")
        needed = self.model.min_points
        if self.clouds.points < needed:
            raise ValueError(
                f"clouds of {self.clouds.points} points are too small for the {needed} tokens of the model's finest "
                f"level: use more points, or a smaller model.group_count{'s' * (kind is I2PMAEConfig)}"
            )
        return self

    @property
    def needs_teacher(self) -> bool:
        """Whether a 2D model takes part: it guides the masks or gives the targets."""
        return self.guidance.kind != "random" or self.loss.semantics > 0

    @property
    def vae_stage(self) -> DiscreteVAEStage:
        """The run that is stage one of this one, in a folder within its own."""
        assert self.bert is not None and isinstance(self.model, PointBERTConfig)
        shared = {name: getattr(self, name) for name in DiscreteVAEStage.model_fields if name not in STAGE_ONE_OWN}
        training = {name: getattr(self.bert.vae, name) for name in DiscreteVAETraining.model_fields}
        training["epochs"] = training["epochs"] or self.epochs
        return DiscreteVAEStage(**shared, **training, output=self.output / STAGE_ONE_FOLDER, model=self.model.vae)


STAGE_ONE_OWN = (*DiscreteVAETraining.model_fields, "output", "model")
"""Fields of stage one that are its own."""
