"""What the engine trains: a model, and the named losses of a batch."""

from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn

from i2pmae.typing import Tensor

__all__ = ["METRIC_PREFIX", "Batch", "Stepwise", "Task"]

Batch = dict[str, Tensor]
"""``points`` (b, n, 3) float32, ``index`` (b,) int64 rows of the set, and, where known, ``label`` (b,) and
``part_label`` (b, n) int64."""

METRIC_PREFIX = "metric/"
"""Names that start with this are logged and not minimised."""


class Task(Protocol):
    """A model and what it is trained for; teachers and other frozen parts live here, never inside ``model``."""

    @property
    def model(self) -> nn.Module:
        """All that is optimised and saved: its parameters and persistent buffers.

        Under ``compile`` its ``forward`` is compiled, so losses should call the model itself.
        """
        ...

    def losses(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """Named scalar losses of a batch, already weighted: their sum is minimised.

        Entries named ``metric/...`` are scalars that are only logged. ``rng`` is on the device of the batch and follows
        from seed and step alone; torch's global generator is seeded likewise, for dropout.
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
