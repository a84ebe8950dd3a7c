"""How long a run trains and in which batches, where nobody says."""

import math

from pydantic import JsonValue

from i2pmae.training.config import TrainingConfig

__all__ = ["choose_length", "settled_length"]

STEPS, FEWEST_EPOCHS, MOST_EPOCHS = 2000, 20, 200
"""Optimiser steps to aim at, and the limits of the epochs that follow."""
SMALLEST_BATCH, LARGEST_BATCH = 4, 32
"""Limits of the batch size."""


def settled_length(training: TrainingConfig, clouds: int, largest_batch: int = LARGEST_BATCH) -> TrainingConfig:
    """The configuration for so many training clouds with nothing left open."""
    return training.changed(choose_length(training, clouds, largest_batch))


def choose_length(training: TrainingConfig, clouds: int, largest_batch: int = LARGEST_BATCH) -> dict[str, JsonValue]:
    """Values for ``batch_size`` and ``epochs``, as far as they are absent.

    The batch size is a power of two, about an eighth of the clouds; the epochs are as many as make 2000 steps.
    """
    chosen: dict[str, JsonValue] = {}
    batch = training.batch_size
    if batch is None:
        batch = min(max(2 ** int(math.log2(max(clouds / 8, 1))), SMALLEST_BATCH), largest_batch)
        chosen["batch_size"] = batch
    if training.epochs is None:
        steps = math.ceil(max(1, clouds // batch) / training.optimiser.accumulate)
        chosen["epochs"] = min(max(math.ceil(STEPS / steps), FEWEST_EPOCHS), MOST_EPOCHS)
    return chosen
