"""A run of a downstream task in one record: the task with all that is its own, data, training, output."""

from collections.abc import Collection
from typing import Annotated, Any, ClassVar, Literal, Self

import tyro
from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from i2pmae.common.choices import Choices
from i2pmae.common.config import Config
from i2pmae.common.neutral import NEUTRAL
from i2pmae.data.config import DataConfig
from i2pmae.encoders.starts import known_start
from i2pmae.runs.config import OutputConfig
from i2pmae.tasks.format1 import is_format1, upgrade
from i2pmae.training.config import AUTO, OptimiserConfig, TrainingConfig
from i2pmae.weights.named import SCRATCH, Checkpoint, default_weights

__all__ = [
    "TASK_CONFIGS",
    "AugmentConfig",
    "EncoderChanges",
    "TaskConfig",
    "TaskRunConfig",
    "ValidatedTask",
    "task_training",
]


class AugmentConfig(Config):
    """Random changes of the clouds in training."""

    leading: ClassVar[str | None] = "kind"

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


def _start(given: Any) -> Any:
    """Nothing where initial weights are asked for; the checkpoint else."""
    return None if given == SCRATCH else given


class TaskConfig(Config):
    """What a downstream task has for itself. What is absent is chosen from the data, and the result says what was."""

    needs_labels: ClassVar[bool] = True
    """Whether it needs a class for every cloud."""
    largest_batch: ClassVar[int] = 32
    """Most clouds of a batch whose size is chosen."""

    name: str
    """The task."""
    checkpoint: Annotated[Checkpoint | None, BeforeValidator(_start)] = None
    """Run folder, weights folder or name (`i2pmae models`) of the pre-trained encoder; ``scratch`` for initial weights.
    Where nobody names one, nor a model to train from scratch, it is ``tiny`` where the package has it."""
    model: Annotated[str, AfterValidator(known_start)] = "tiny"
    """Without a checkpoint: the pre-training recipe whose encoder is trained from scratch."""
    encoder: EncoderChanges = EncoderChanges()
    """Neighbourhoods of the encoder."""
    input_points: int | None = Field(None, ge=16)
    """Points of a cloud that the model sees; where absent, as many as in pre-training, if the clouds have so many."""
    candidates: int | None = Field(None, ge=16)
    """In training, the points are drawn from so many FPS points of the cloud, and tests take FPS points; where absent,
    they are drawn from all."""
    augment: AugmentConfig = AugmentConfig()
    """Random changes in training."""
    freeze: bool = False
    """Train the head alone: the encoder keeps its weights and statistics."""
    twin: bool = False
    """Train the same once more from initial weights, for comparison."""

    @model_validator(mode="after")
    def _check_twin(self) -> Self:
        if self.twin and self.checkpoint is None:
            raise ValueError("a twin is the same from initial weights: it needs a checkpoint to be compared with")
        return self

    def check(self, data: DataConfig, training: TrainingConfig) -> None:
        """:class:`ValueError` where the task doesn't fit data or training, as far as it can be known before a run."""
        del training
        stored, seen = data.points, self.input_points or 0
        if seen > stored:
            raise ValueError(f"the model cannot see {seen} points of clouds that are read with {stored}")
        if self.candidates is not None and not seen <= self.candidates <= stored:
            raise ValueError(
                f"candidates must lie between the {seen} points that the model sees and the {stored} that are read, "
                f"got {self.candidates}"
            )


class ValidatedTask(TaskConfig):
    """A task whose weights are those of the epoch that is best on clouds held out from training."""

    validation_share: float = Field(0.1, gt=0, lt=1)
    """Share of the training clouds that is held out to choose the epoch by, where the data has no ``val`` split."""
    validate_epochs: int = Field(1, ge=1)
    """Validate after every so many epochs, and after the last."""
    votes: int = Field(0, ge=0)
    """Repeats of a score with voting over 10 augmented copies of each test cloud, beside the plain one."""


TASK_CONFIGS: Choices[TaskConfig] = Choices("task")
"""The configuration of every task, by its name."""


def task_training(learning_rate: float = 5e-4, **more: Any) -> TrainingConfig:
    """How tasks are trained: length and batches chosen from the data where ``more`` fields don't say them."""
    optimiser = OptimiserConfig(learning_rate=learning_rate, warmup_epochs=2, clip_norm=10)
    return TrainingConfig(**{"epochs": AUTO, "batch_size": AUTO, "optimiser": optimiser} | more)


class TaskRunConfig(Config):
    """A run of a downstream task. It can be repeated from this."""

    sections: ClassVar[tuple[str, ...]] = ("task", "data", "training", "output")

    format: tyro.conf.Suppress[Literal[2]] = 2
    """Version of this record; :mod:`i2pmae.tasks.format1` reads what came before."""
    recipe: tyro.conf.Suppress[str] = "custom"
    """Name of the recipe this configuration started from."""
    task: Annotated[TASK_CONFIGS.of(TaskConfig), tyro.conf.arg(name="")]  # type: ignore[valid-type]
    """What is learnt, and how it is measured."""
    data: Annotated[DataConfig, tyro.conf.arg(name="")] = DataConfig(labels="folder")
    """Labelled clouds, and how they are read."""
    training: Annotated[TrainingConfig, tyro.conf.arg(name="")] = task_training()
    """Length, optimisation, arithmetic."""
    output: Annotated[OutputConfig, tyro.conf.arg(name=""), NEUTRAL] = OutputConfig()
    """Where it goes."""

    @model_validator(mode="before")
    @classmethod
    def _read_format1(cls, values: Any) -> Any:
        return upgrade(values) if isinstance(values, dict) and is_format1(values) else values

    @model_validator(mode="after")
    def _check_task(self) -> Self:
        self.task.check(self.data, self.training)
        return self

    def from_default(self, said: Collection[str]) -> Self:
        """This run from the weights that the package has, unless what it starts from was said, or they don't fit.

        ``said`` are the names of the fields that a call sets. To name a ``model`` is to ask for initial weights; so is
        a configuration without a checkpoint that was stored by an earlier run, which this is not asked of.
        """
        name = default_weights()
        told = {"checkpoint", "model"} & {field.rpartition(".")[2] for field in said}
        if told or name is None or self.task.checkpoint is not None or self.task.model != name:
            return self
        return self.changed({"task.checkpoint": name})
