"""What the engine trains: a model, and the named losses of a batch."""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn

from i2pmae.typing import Float, Tensor

__all__ = ["METRIC_PREFIX", "Batch", "Loss", "Losses", "Stepwise", "Task"]

Batch = dict[str, Tensor]
"""``points`` (b, n, 3) float32, ``index`` (b,) int64 rows of the set, and, where known, ``label`` (b,) and
``part_label`` (b, n) int64. In a run of several processes these are a part of the clouds of a batch; ``whole`` then has
the rows of all of them. Both kinds of rows stay on the CPU."""

METRIC_PREFIX = "metric/"
"""Columns of the metrics that start with this are watched and not minimised."""


@dataclass(frozen=True)
class Loss:
    """A figure of a batch."""

    value: Float[Tensor, ""]
    """The figure itself, before its weight."""
    title: str
    """What to call it where people read it."""
    weight: float | None = 1.0
    """Its factor in what is minimised; ``None`` for a figure that is only watched."""
    count: Tensor | float | None = None
    """How many things it is a mean over, where these are not the clouds of the batch or as many of each: what it counts
    beside those of other processes."""

    def column(self, name: str) -> str:
        """Where it stands in the metrics of the run, if it is called ``name``."""
        return name if self.weight is not None else METRIC_PREFIX + name

    @property
    def weighted(self) -> Float[Tensor, ""]:
        """What the metrics record: the value times its weight, or the value of a figure that is only watched."""
        return self.value if self.weight is None else self.weight * self.value


Losses = dict[str, Loss]
"""Figures of a batch by name."""


class Task(Protocol):
    """A model and what it is trained for; teachers and other frozen parts live here, never inside ``model``."""

    @property
    def model(self) -> nn.Module:
        """All that is optimised and saved: its parameters and persistent buffers.

        Under ``compile`` its ``forward`` is compiled, so losses should call the model itself.
        """
        ...

    def losses(self, batch: Batch, rng: torch.Generator) -> Losses:
        """Named scalar losses of a batch, whose weighted sum is minimised, and figures to watch.

        ``rng`` is on the device of the batch and follows from seed and step alone; torch's global generator is seeded
        likewise, for dropout. Of several processes each has a part of the batch, and draws for the whole
        (:mod:`i2pmae.common.exchange`); the losses of the whole are means of theirs, by their ``count``.
        """
        ...

    def to(self, device: torch.device) -> Any:
        """Move the model and everything beside it to a device, in place."""
        ...


@runtime_checkable
class Stepwise(Protocol):
    """A task whose losses depend on how far the run is, or that has something to do between steps."""

    def begin(self, step: int) -> None:
        """Called before the batches of each optimiser step, with the number of steps done."""
        ...
