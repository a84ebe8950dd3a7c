"""The exponential moving average of weights, which is stored and scored in their place (Polyak averaging)."""

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import nn

from i2pmae.typing import Tensor

__all__ = ["WeightAverage"]


class WeightAverage:
    """The average of a model's parameters and floating-point buffers over the steps of a run.

    A step moves it by ``1 - decay`` of the way to the weights, and by more at first: by 9/(10 + t) after t steps while
    that is more, so that initial weights are soon forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model, self.decay = model, decay
        self.values = {name: value.clone() for name, value in self._current().items()}
        """The average by the names of the model's state."""
        self._replaced: dict[str, Tensor] | None = None

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after ``step`` steps, of which there is at least one."""
        current = self._current()
        share = max(1 - self.decay, 9 / (10 + step))
        torch._foreach_lerp_([self.values[name] for name in current], list(current.values()), share)

    @contextlib.contextmanager
    def worn(self) -> Iterator[None]:
        """A block in which the model has the average for its weights."""
        self._replaced = {name: value.clone() for name, value in self._current().items()}
        self._put(self.values)
        try:
            yield
        finally:
            self._put(self._replaced)
            self._replaced = None

    def keep(self) -> None:
        """Leave the model with the average for its weights: the end of a run."""
        self._put(self.values)

    def load(self, values: Mapping[str, Tensor]) -> None:
        """Go on from a saved average of the same model."""
        for name, value in self.values.items():
            value.copy_(values[name])

    def state(self) -> dict[str, Tensor]:
        """The model's own state, also while it wears the average."""
        return dict(self.model.state_dict()) | (self._replaced or {})

    def _current(self) -> dict[str, Tensor]:
        return {name: value for name, value in self.model.state_dict().items() if value.is_floating_point()}

    @torch.no_grad()
    def _put(self, values: Mapping[str, Tensor]) -> None:
        for name, value in self._current().items():
            value.copy_(values[name])
