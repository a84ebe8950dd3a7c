"""What the engine needs to know, in one record, whatever is trained."""

from typing import Literal, Self

from pydantic import Field

from i2pmae.common.config import Config
from i2pmae.training.config import DiscreteVAEStage, OptimiserConfig, PretrainConfig
from i2pmae.training.finetune_config import DownstreamConfig

__all__ = ["FitSettings"]


class FitSettings(Config):
    """How a task is fitted to clouds."""

    epochs: int = Field(300, ge=1)
    """Passes over the data."""
    batch_size: int = Field(64, ge=1)
    """Clouds per batch."""
    seed: int = Field(0, ge=0)
    """Decides the order of the clouds and everything random in a step."""
    optimiser: OptimiserConfig = OptimiserConfig()
    """AdamW, its schedule, clipping and accumulation."""
    layer_decay: float | None = Field(None, gt=0, le=1)
    """Factor on the learning rate from each block of the encoder to the one below; none where absent."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic of the model; ``auto`` is bf16 on GPUs that have it and fp32 elsewhere."""
    compile: bool = False
    """Compile the model with torch.compile."""
    checkpoint_minutes: float = Field(5, gt=0)
    """Time between checkpoints, beside those at the end of epochs."""
    workers: int = Field(0, ge=0)
    """Processes that load batches; 0 loads in the main process."""

    @classmethod
    def of(cls, config: PretrainConfig | DiscreteVAEStage | DownstreamConfig) -> Self:
        """The engine's part of a configuration."""
        shared = {name: getattr(config, name) for name in cls.model_fields if name in type(config).model_fields}
        return cls(**shared, workers=config.clouds.workers)
