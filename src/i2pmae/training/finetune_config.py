"""Everything that decides the training of a downstream task: classification, part segmentation, few-shot tasks."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from i2pmae.common.config import Config
from i2pmae.models.tokens import Pooling
from i2pmae.training.config import DataConfig, OptimiserConfig

__all__ = [
    "AugmentConfig",
    "ClassifierTraining",
    "DownstreamConfig",
    "EncoderChanges",
    "FewShotConfig",
    "FinetuneConfig",
    "SegmentConfig",
    "ValidatedConfig",
]


class AugmentConfig(Config):
    """Random changes of the clouds in training."""

    kind: Literal["scale-shift", "scale-rotate", "none"] = "scale-shift"
    """Each axis scaled, then the cloud shifted (ModelNet40), or turned about the vertical axis (ScanObjectNN)."""
    scale: tuple[float, float] | None = None
    """Range of the factors; 2/3 to 3/2 with a shift and 0.9 to 1.1 with a turn where absent."""
    shift: tuple[float, float] = (-0.2, 0.2)
    """Range of the shift along each axis."""
    degrees: float = Field(180, ge=0, le=180)
    """Largest turn to either side."""

    @field_validator("scale", "shift")
    @classmethod
    def _ascending(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and value[0] > value[1]:
            raise ValueError("a range goes from the smaller to the larger value")
        return value

    @property
    def factors(self) -> tuple[float, float]:
        """The range of the factors."""
        return self.scale or ((2 / 3, 3 / 2) if self.kind == "scale-shift" else (0.9, 1.1))


class EncoderChanges(Config):
    """What the encoder of a downstream task has other than the pre-trained one; its weights fit all the same."""

    group_counts: tuple[int, ...] | None = None
    """Tokens per level, finest first; as in pre-training where absent."""
    group_sizes: tuple[int, ...] | None = None
    """Neighbours per token and level. Where absent, those of pre-training; of more points per cloud than in
    pre-training the finest tokens then take as many more, so that they cover as much of the surface."""
    attention_radii: tuple[float, ...] | None = None
    """Per level, how far a token attends (in a hierarchical encoder); as in pre-training where absent."""
    drop_path: float | None = Field(None, ge=0, lt=1)
    """Stochastic depth of the last block; as in pre-training where absent."""


class DownstreamConfig(Config):
    """What all downstream tasks share. What is absent is chosen from the data, and the result says what was chosen."""

    recipe: str = "custom"
    """Name of the recipe this configuration started from."""
    checkpoint: Path | None = None
    """Run folder or weights folder of the pre-trained encoder; from scratch where absent."""
    model: str = "tiny"
    """Without a checkpoint: the pre-training recipe whose encoder is trained from scratch."""
    data: str = "shapes"
    """Labelled clouds: a folder of classes, an array file, a data set; ``shapes`` for the built-in ones."""
    output: Path = Path("runs/finetune")
    """Run folder."""
    epochs: int | None = Field(None, ge=1)
    """Passes over the training clouds; where absent, as many as make 2000 steps, at least 20 and at most 200."""
    batch_size: int | None = Field(None, ge=1)
    """Clouds per batch; where absent, a power of two: an eighth of the training clouds, at least 4 and at most 32."""
    input_points: int | None = Field(None, ge=16)
    """Points of a cloud that the model sees; where absent, as many as in pre-training, if the clouds have so many."""
    candidates: int | None = Field(None, ge=16)
    """In training, the points are drawn from so many FPS points of the cloud, and tests take FPS points; where absent,
    they are drawn from all."""
    seed: int = Field(0, ge=0)
    """Decides initial weights, what is held out, order, augmentation and votes."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic of training; ``auto`` is bf16 on GPUs that are fast in it and fp32 elsewhere. Scores are fp32."""
    compile: bool = False
    """Compile the model with torch.compile."""
    checkpoint_minutes: float = Field(5, gt=0)
    """Time between checkpoints, beside those at the end of epochs."""
    freeze: bool = False
    """Train the head alone: the encoder keeps its weights and statistics."""
    layer_decay: float | None = Field(None, gt=0, le=1)
    """Factor on the learning rate from each block of the encoder to the one below; none where absent."""
    twin: bool = False
    """Train the same once more from initial weights, for comparison."""
    report: bool = True
    """Write report.html with pictures."""
    clouds: DataConfig = DataConfig(labels="folder")
    """Reading of the data."""
    augment: AugmentConfig = AugmentConfig()
    """Random changes in training."""
    encoder: EncoderChanges = EncoderChanges()
    """Neighbourhoods of the encoder."""
    optimiser: OptimiserConfig = OptimiserConfig(learning_rate=5e-4, warmup_epochs=2, clip_norm=10)
    """Optimisation."""

    @model_validator(mode="after")
    def _check_downstream(self) -> Self:
        stored, seen = self.clouds.points, self.input_points or 0
        if seen > stored:
            raise ValueError(f"the model cannot see {seen} points of clouds that are read with {stored}")
        if self.candidates is not None and not seen <= self.candidates <= stored:
            raise ValueError(
                f"candidates must lie between the {seen} points that the model sees and the {stored} that are read, "
                f"got {self.candidates}"
            )
        if self.twin and self.checkpoint is None:
            raise ValueError("a twin is the same from initial weights: it needs a checkpoint to be compared with")
        return self


class ValidatedConfig(DownstreamConfig):
    """A downstream task whose weights are those of the epoch that is best on clouds held out from training."""

    validation_share: float = Field(0.1, gt=0, lt=1)
    """Share of the training clouds that is held out to choose the epoch by, where the data has no ``val`` split."""
    validate_epochs: int = Field(1, ge=1)
    """Validate after every so many epochs, and after the last."""
    votes: int = Field(0, ge=0)
    """Repeats of a score with voting over 10 augmented copies of each test cloud, beside the plain one."""


class ClassifierTraining(Config):
    """The head of a classifier and its loss."""

    pooling: Pooling | None = None
    """How tokens become the vector that is classified; ``mean+max`` (several levels) or ``class|max`` where absent."""
    head_widths: tuple[int, ...] | None = None
    """Hidden widths of the head; 256 256 (Point-BERT: 256) where absent."""
    head_norm: bool | None = None
    """BatchNorm in the head; where absent, unless it is Point-BERT's or a batch has one cloud."""
    dropout: float = Field(0.5, ge=0, lt=1)
    """Dropout in the head."""
    smoothing: float = Field(0.0, ge=0, lt=1)
    """Label smoothing: the share of the target that the other classes get."""


class FinetuneConfig(ClassifierTraining, ValidatedConfig):
    """Fine-tuning of an encoder for classification. It can be repeated from this."""


class SegmentConfig(ValidatedConfig):
    """Training of an encoder for part segmentation. It can be repeated from this."""

    output: Path = Path("runs/segment")
    """Run folder."""
    propagation_widths: tuple[int, ...] = (1536, 1024)
    """Widths of the MLP that joins interpolated tokens and coordinates at every point."""
    context: Literal["points", "tokens"] | None = None
    """What the global context is pooled from; ``points`` (several levels) or ``tokens`` (one) where absent."""
    category_width: int = Field(64, ge=1)
    """Channels of the embedding of a category."""
    head_widths: tuple[int, ...] | None = None
    """Hidden widths of the head; 1024 512 256 (one level: 512 256) where absent."""
    dropout: float = Field(0.5, ge=0, lt=1)
    """Dropout after the head's first layer."""
    batch_size: int | None = Field(None, ge=2)
    """Clouds per batch, 2 or more; where absent, as in fine-tuning, at most 16."""
    optimiser: OptimiserConfig = OptimiserConfig(learning_rate=2e-4, warmup_epochs=2, clip_norm=10)
    """Optimisation."""


class FewShotConfig(ClassifierTraining, DownstreamConfig):
    """Few-shot classification over several folds. It can be repeated from this."""

    output: Path = Path("runs/fewshot")
    """Run folder."""
    mode: Literal["finetune", "linear"] = "finetune"
    """Train encoder and head on every fold, or an SVM on frozen features."""
    ways: int = Field(5, ge=2)
    """Classes of a fold."""
    shots: int = Field(10, ge=1)
    """Training clouds per class."""
    queries: int = Field(20, ge=1)
    """Test clouds per class."""
    folds: int = Field(10, ge=1)
    """Folds; of published ones, so many."""
