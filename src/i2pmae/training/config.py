"""How a run is trained: length, optimisation, arithmetic."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from i2pmae.common.config import Config
from i2pmae.common.neutral import NEUTRAL

__all__ = ["AUTO", "LoggerName", "OptimiserConfig", "TrainingConfig"]


LoggerName = Literal["tensorboard", "wandb", "mlflow", "trackio"]
"""What metrics can be sent to; each is an extra of the package."""


AUTO: Literal["auto"] = "auto"
"""What asks for a length that follows from the number of training clouds (:mod:`i2pmae.training.length`)."""


def _chosen(value: Any) -> Any:
    """What is absent is chosen: configurations of before say it so."""
    return AUTO if value is None else value


Length = Annotated[Annotated[int, Field(ge=1)] | Literal["auto"], BeforeValidator(_chosen)]
"""A number of epochs, or of clouds in a batch."""


class OptimiserConfig(Config):
    """AdamW with warm-up and cosine, per step."""

    learning_rate: float = Field(1e-4, gt=0)
    """Peak learning rate."""
    rate_batch: int | None = Field(None, ge=1)
    """Clouds per optimiser step that the learning rate is stated for: with others it is scaled in proportion. Taken as
    it is where absent."""
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
    layer_decay: float | None = Field(None, gt=0, le=1)
    """Factor on the learning rate from each block of the encoder to the one below; none where absent."""
    average: float | None = Field(None, gt=0, lt=1)
    """Decay per step of an exponential moving average of the weights, which is stored and scored in their place; none
    where absent."""
    betas: tuple[float, float] = (0.9, 0.999)
    """AdamW's averaging factors."""


class TrainingConfig(Config):
    """How a task is fitted to clouds."""

    epochs: Length = 300
    """Passes over the training clouds; ``auto`` for as many as make about 2000 steps, from 20 to 200."""
    batch_size: Length = 64
    """Clouds per batch; ``auto`` for about an eighth of the training clouds, a power of two."""
    seed: int = Field(0, ge=0)
    """Decides initial weights, order, augmentation, masks and what is held out."""
    device: Annotated[str, NEUTRAL] = "auto"
    """``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``."""
    devices: Annotated[int | Literal["auto"], NEUTRAL] = Field(1, ge=1)
    """Processes on this machine, with a GPU each where there are GPUs; ``auto`` for as many as there are GPUs. Each
    computes its part of a batch. (On several machines: torchrun or srun.)"""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic of the model; ``auto`` is bf16 on GPUs that are fast in it and fp32 elsewhere. Scores are fp32."""
    compile: bool = False
    """Compile the model with torch.compile."""
    logger: Annotated[tuple[LoggerName, ...] | None, NEUTRAL] = None
    """Where metrics go beside metrics.csv and metrics.jsonl: ``tensorboard``, ``wandb``, ``mlflow``, ``trackio``,
    several, or none; tensorboard where absent, if that is installed."""
    checkpoint_minutes: Annotated[float, NEUTRAL] = Field(5, gt=0)
    """Time between checkpoints, beside those at the end of epochs."""
    loaders: Annotated[int, NEUTRAL] = Field(0, ge=0)
    """Processes that load batches; 0 loads in the main process."""
    optimiser: OptimiserConfig = OptimiserConfig()
    """Optimisation."""

    @property
    def scheduled(self) -> OptimiserConfig:
        """The optimiser's settings with the learning rate for the clouds that a step has; the batch size must have been
        chosen by now."""
        optimiser = self.optimiser
        if optimiser.rate_batch is None:
            return optimiser
        step = self.length[1] * optimiser.accumulate
        return optimiser.changed(learning_rate=optimiser.learning_rate * step / optimiser.rate_batch)

    @property
    def length(self) -> tuple[int, int]:
        """Epochs and batch size; both must have been chosen by now."""
        assert isinstance(self.epochs, int) and isinstance(self.batch_size, int)
        return self.epochs, self.batch_size
