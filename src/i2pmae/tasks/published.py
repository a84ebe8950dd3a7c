"""What recipes of several tasks share."""

from i2pmae.data.config import DataConfig
from i2pmae.encoders.published import HIERARCHICAL_SETTINGS, PLAIN_SETTINGS
from i2pmae.tasks.config import EncoderChanges, TaskRunConfig, task_training
from i2pmae.training.config import OptimiserConfig, TrainingConfig

__all__ = ["neighbourhoods", "plain", "published_data", "published_training"]


def published_data(source: str, points: int) -> DataConfig:
    """A published data set, read with so many points per cloud."""
    return DataConfig(source=source, points=points, labels="folder")


def published_training(epochs: int, batch_size: int = 32, learning_rate: float = 5e-4) -> TrainingConfig:
    """Training as published: ten epochs of warm-up, gradients cut at 10."""
    optimiser = OptimiserConfig(learning_rate=learning_rate, warmup_epochs=10, clip_norm=10)
    return task_training(epochs=epochs, batch_size=batch_size, optimiser=optimiser)


def neighbourhoods(settings: str) -> EncoderChanges:
    """The published neighbourhoods of a hierarchical encoder on a benchmark; it keeps its own number of tokens."""
    found = HIERARCHICAL_SETTINGS[settings]
    return EncoderChanges(group_sizes=found.group_sizes, attention_radii=found.attention_radii)


def plain(config: TaskRunConfig, settings: str) -> TaskRunConfig:
    """The same training of an encoder of one level, with the published tokens and the read-out of that encoder."""
    found = PLAIN_SETTINGS[settings]
    encoder = EncoderChanges(group_counts=found.group_counts, group_sizes=found.group_sizes)
    read_out = {"pooling": None} if "pooling" in type(config.task).model_fields else {}
    name, folder = f"{config.recipe}-plain", f"{config.output.folder}-plain"
    return config.changed(read_out, recipe=name, output=folder, encoder=encoder)
