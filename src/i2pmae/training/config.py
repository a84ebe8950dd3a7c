"""Everything that decides a pre-training run, in one record."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from i2pmae.common.config import Config
from i2pmae.models.config import I2PMAEConfig

__all__ = ["DataConfig", "GuidanceConfig", "LossConfig", "OptimiserConfig", "PretrainConfig", "ProjectionConfig"]


class DataConfig(Config):
    """How clouds are read."""

    points: int = Field(2048, ge=16)
    """Points per cloud."""
    up: Literal["y", "z", "x"] = "y"
    """The axis that points up in the files; clouds are turned so that it becomes y."""
    labels: Literal["none", "folder"] = "none"
    """Whether the name of a file's folder is its label."""
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


class PretrainConfig(Config):
    """A pre-training run of I2P-MAE: data, teacher, model, objectives, optimisation. It can be repeated from this."""

    recipe: str = "custom"
    """Name of the recipe this configuration started from."""
    data: str = "shapes"
    """Folder, file or data set of point clouds or meshes; ``shapes`` for the built-in generator."""
    output: Path = Path("runs/pretrain")
    """Run folder."""
    teacher: str = "embedded"
    """2D model: ``embedded`` (in the package), a name of `i2pmae teachers`, a Hugging Face name, or a local folder."""
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
    clouds: DataConfig = DataConfig()
    """Reading of the data."""
    model: I2PMAEConfig = I2PMAEConfig()
    """Sizes of the encoder and decoder."""
    projection: ProjectionConfig = ProjectionConfig()
    """Depth maps."""
    guidance: GuidanceConfig = GuidanceConfig()
    """2D-guided masking."""
    loss: LossConfig = LossConfig()
    """Weights of the objectives."""
    optimiser: OptimiserConfig = OptimiserConfig()
    """Optimisation."""

    @model_validator(mode="after")
    def _check(self) -> "PretrainConfig":
        needed = max(self.model.group_counts[0], self.model.group_sizes[0])
        if self.clouds.points < needed:
            raise ValueError(
                f"clouds of {self.clouds.points} points are too small for the {needed} tokens of the model's finest "
                "level: use more points, or smaller model.group_counts"
            )
        return self
