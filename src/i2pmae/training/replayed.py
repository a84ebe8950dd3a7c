"""What a step that was taken again came to, and how it is said."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Looked", "Replayed"]

NAMED = 8
"""Clouds and parameters that a text names."""


@dataclass(frozen=True)
class Looked:
    """What one calculation of a step came to."""

    precision: str
    """In which arithmetic."""
    losses: Mapping[str, float]
    """Losses and watched figures by name, weighted, mean over the batches of the step."""
    gradient_norm: float
    """Norm of the gradient, before clipping."""
    module: str = ""
    """The first part of the model whose output was not finite, and whether what it was given was."""
    operation: str = ""
    """The first operation of the backward pass that gave NaN, as autograd's anomaly detection names it."""
    parameters: tuple[str, ...] = ()
    """Parameters whose gradients are not finite, in the order in which they came to be known: the first is the one
    nearest to the losses."""
    failure: str = ""
    """Why it could not be computed, where it could not."""

    @property
    def finite(self) -> bool:
        """Whether every loss that is minimised and the whole gradient are finite."""
        return not (self.failure or self.bad) and math.isfinite(self.gradient_norm)

    @property
    def bad(self) -> tuple[str, ...]:
        """Names of the losses and figures that are not finite."""
        return tuple(name for name, value in self.losses.items() if not math.isfinite(value))

    def __str__(self) -> str:
        if self.failure:
            return f"{self.precision}: could not be computed: {self.failure}"
        rows = [f"  {name} = {value:.6g}" for name, value in self.losses.items()]
        rows += [f"  gradient norm = {self.gradient_norm:.6g}"]
        more = {"first output not finite": self.module, "first NaN of backward": self.operation}
        rows += [f"  {name}: {found}" for name, found in more.items() if found]
        if self.parameters:
            rest = f" (and {len(self.parameters) - 1} more)" if len(self.parameters) > 1 else ""
            rows += [f"  first gradient not finite: {self.parameters[0]}{rest}"]
        return "\n".join([f"{self.precision}: {'finite' if self.finite else 'not finite'}", *rows])


@dataclass(frozen=True)
class Replayed:
    """A step that was taken again."""

    step: int
    """Its number, from 1."""
    epoch: int
    """Its epoch, from 1."""
    origin: str
    """From which state, and how many steps were taken to reach the one before it."""
    learning_rate: float
    """The rate that it was to be taken with."""
    clouds: tuple[str, ...]
    """Ids of all clouds of the step."""
    bad_points: tuple[str, ...]
    """Ids of those whose points are not finite themselves."""
    alone: tuple[str, ...]
    """Ids of those with which the step is not finite even if they are its only clouds; not looked for where the step
    is finite."""
    run: Looked
    """In the arithmetic of the run."""
    double: Looked
    """In double precision."""

    @property
    def finite(self) -> bool:
        """Whether the step was finite this time."""
        return self.run.finite

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values, for JSON."""
        return asdict(self) | {"finite": self.finite}

    def __str__(self) -> str:
        parts = [
            f"Step {self.step} (epoch {self.epoch}), learning rate {self.learning_rate:.3g}, {self.origin}.",
            str(self.run),
            str(self.double),
        ]
        if self.bad_points:
            parts.append(f"Points that are not finite: {_some(self.bad_points)}.")
        if not self.finite:
            parts.append(f"Not finite with one of these clouds alone: {self._who()}.")
            parts.append(self._advice())
        return "\n".join(parts)

    def _who(self) -> str:
        if not self.alone:
            return f"none of the {len(self.clouds)}; it takes several"
        every = len(self.alone) == len(self.clouds)
        return f"every one of the {len(self.clouds)}" if every else _some(self.alone)

    def _advice(self) -> str:
        """What to do, as far as what was found tells."""
        if self.bad_points:
            return "Leave these clouds out, or mend them."
        if self.double.finite:
            return "It is finite in double precision: the numbers are too large or too small for the run's arithmetic."
        if self.alone and len(self.alone) < len(self.clouds):
            return "Look at these clouds: `i2pmae data check` and `i2pmae view`."
        return "The weights before the step give it, whatever the cloud: try a lower learning rate or clipping."


def _some(names: Sequence[str]) -> str:
    rest = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + rest
