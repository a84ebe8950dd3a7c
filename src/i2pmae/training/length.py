"""How long a run trains and in which batches, where nobody says."""

import math

from pydantic import JsonValue

from i2pmae.training.config import TrainingConfig

__all__ = ["choose_length"]

STEPS, FEWEST_EPOCHS, MOST_EPOCHS = 2000, 20, 200
"""Optimiser steps to aim at, and the limits of the epochs that follow."""
SMALLEST_BATCH, LARGEST_BATCH = 4, 32
"""Limits of the batch size."""


def choose_length(training: TrainingConfig, clouds: int, largest_batch: int = LARGEST_BATCH) -> dict[str, JsonValue]:
    """Values for ``batch_size`` and ``epochs``, as far as they are ``auto``.

    The batch size is a power of two, about an eighth of the clouds; the epochs are as many as make 2000 steps, within
    limits: what is learnt follows the number of steps more than that of epochs, but few clouds seen very often are
    learnt by heart, and of many each should be seen some times.
    """
    chosen: dict[str, JsonValue] = {}
    given, epochs = training.batch_size, training.epochs
    batch: int = given if isinstance(given, int) else _batch(clouds, largest_batch)
    if batch != given:
        chosen["batch_size"] = batch
    if not isinstance(epochs, int):
        steps = math.ceil(max(1, clouds // batch) / training.optimiser.accumulate)
        chosen["epochs"] = min(max(math.ceil(STEPS / steps), FEWEST_EPOCHS), MOST_EPOCHS)
    return chosen


def _batch(clouds: int, largest: int) -> int:
    eighth: int = 2 ** int(math.log2(max(clouds / 8, 1)))
    return min(max(eighth, SMALLEST_BATCH), largest)
