"""What a golden run leaves: its numbers, their file, and the comparison with those that were stored.

Nothing here knows the package. How far two numbers may lie apart is :class:`Tolerances`, which were measured.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Deviation", "GoldenRecord", "Mismatch", "Tolerances", "check", "deviations", "digest", "load", "save"]

DIGITS = 9
"""Significant digits that are stored: float32 has 7 to 8."""
PROJECTIONS = 16
"""Random directions that an array of vectors is looked at from."""
SHOWN = 12
"""Deviations that a message lists."""


class Tolerances:
    """How far a number may lie from the stored one.

    Measured with ``write --check``, the number of a run that lies farthest from the stored one, in these tolerances:

    =============================================================  ================================================
    what was changed                                               farthest
    =============================================================  ================================================
    nothing                                                        0
    SSE instead of AVX2 (PyTorch, oneDNN, MKL); two threads;       0.24 (point-m2ae), 0.2 (segment), 0.16 and less in
    oneDNN turned off                                              the other runs
    1 % more learning rate                                         7 (point-mae), beside the exact column of rates
    10 % more weight decay                                         1.8 (point-mae)
    weight decay on biases and norms too                           23 (point-mae), 19 (finetune)
    1 % wider augmentation                                         47 (finetune)
    eps of 1e-4 instead of 1e-5 in LayerNorm                       430 (point-mae), 480 (finetune)
    eps of 1e-4 instead of 1e-5 in BatchNorm                       340 (point-mae), 160 (finetune)
    another seed                                                   1500 (point-mae), 2600 (finetune)
    =============================================================  ================================================
    """

    PYTHON = 1e-7
    """Relative, of what is computed in Python alone: learning rates and values of recipes."""
    LOSS = 5e-4
    """Relative, of losses and of metrics that aren't counted."""
    WORD = 2e-3
    """Relative, of losses that depend on which word is nearest: one of a few hundred may change sides."""
    GRADIENT = 2e-2
    """Relative, of the norm of the gradient, which jumps where a maximum or a nearest neighbour changes sides."""
    SHARE = 1e-2
    """Absolute, of shares of points and words."""
    VECTOR = 2e-3
    """Of a digest, in deviations of the vector's components."""

    @classmethod
    def of_step(cls, quantity: str, expected: float) -> float:
        """The tolerance of a column of the metrics at a step where ``expected`` is stored."""
        if quantity.endswith("accuracy"):
            return cls.SHARE
        if quantity == "learning_rate":
            return cls.PYTHON * abs(expected)
        if quantity == "gradient_norm":
            return cls.GRADIENT * abs(expected)
        worded = "word" in quantity or "contrast" in quantity or "vocabulary" in quantity
        return (cls.WORD if worded else cls.LOSS) * abs(expected)


@dataclass(frozen=True)
class GoldenRecord:
    """The numbers of one run."""

    recipe: Mapping[str, float] = field(default_factory=dict)
    """Values of the recipe that the run changes, before it does."""
    steps: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Each loss, each metric, the learning rate and the norm of the gradient, one number per optimiser step."""
    digests: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)
    """What the trained model makes of fixed clouds, by :func:`digest`: its embedding, its predictions."""
    scores: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Figures that are shares of counted things, with the share by which one may change: ``[score, share]``."""


class Deviation(NamedTuple):
    """A number beside its stored twin."""

    place: str
    """Where: step or cloud, and quantity."""
    expected: float
    found: float
    tolerance: float
    """How far they may lie apart."""

    @property
    def share(self) -> float:
        """The distance in units of the tolerance: up to 1 the numbers count as equal."""
        distance = abs(self.found - self.expected)
        if distance == 0:
            return 0.0
        return distance / self.tolerance if self.tolerance and math.isfinite(distance) else math.inf

    def __str__(self) -> str:
        return f"{self.place}: expected {self.expected:.9g}, found {self.found:.9g}, tolerance {self.tolerance:.2g}"


class Mismatch(AssertionError):
    """A run whose numbers are not those that were stored."""


def digest(vectors: Any) -> dict[str, list[float]]:
    """Mean, deviation and norm of each vector ``(b, ...)``, and its projections on fixed random directions."""
    values = np.asarray(vectors, np.float64).reshape(len(vectors), -1)
    directions = np.random.default_rng(values.shape[1]).standard_normal((values.shape[1], PROJECTIONS))
    projected = values @ (directions / np.linalg.norm(directions, axis=0))
    found = {"mean": values.mean(1), "std": values.std(1), "norm": np.linalg.norm(values, axis=1)}
    found |= {f"projection {number}": projected[:, number] for number in range(PROJECTIONS)}
    return {name: array.tolist() for name, array in found.items()}


def check(name: str, expected: GoldenRecord, found: GoldenRecord) -> float:
    """How far the farthest number of run ``name`` lies from its twin, in tolerances: at most 1.

    :class:`Mismatch` lists what lies farther, in the order in which a run comes to it, and what only one of them has.
    """
    missing, extra = _names(expected) - _names(found), _names(found) - _names(expected)
    lines = [f"{place} is missing" for place in sorted(missing)]
    lines += [f"{place} is new, or has another length" for place in sorted(extra)]
    compared = list(deviations(expected, found)) if not lines else []
    if not lines and not compared:
        lines = ["there is nothing to compare"]
    lines += [str(one) for one in compared if one.share > 1]
    if lines:
        more = f"\n  and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
        raise Mismatch(f"golden run {name!r} has changed:\n  " + "\n  ".join(lines[:SHOWN]) + more)
    return max(one.share for one in compared)


def deviations(expected: GoldenRecord, found: GoldenRecord) -> Iterator[Deviation]:
    """Every number of two records of the same form, side by side."""
    for name, value in expected.recipe.items():
        yield Deviation(f"recipe, {name}", value, found.recipe[name], Tolerances.PYTHON * abs(value))
    for step in range(max(map(len, expected.steps.values()), default=0)):
        for name, values in expected.steps.items():
            if step < len(values):
                place, limit = f"step {step + 1}, {name}", Tolerances.of_step(name, values[step])
                yield Deviation(place, values[step], found.steps[name][step], limit)
    for what, parts in expected.digests.items():
        for name, values in parts.items():
            for cloud, (value, twin) in enumerate(zip(values, found.digests[what][name], strict=True)):
                place, limit = f"after the last step, cloud {cloud}, {what}, {name}", parts["std"][cloud]
                yield Deviation(place, value, twin, Tolerances.VECTOR * limit)
    for name, (value, grain) in expected.scores.items():
        yield Deviation(f"test, {name}", value, found.scores[name][0], grain * (1 + Tolerances.PYTHON))


def _names(record: GoldenRecord) -> set[tuple[str, ...]]:
    """Every list of numbers by its place, with its length."""
    found: set[Any] = {f"recipe, {name}" for name in record.recipe}
    found |= {f"{name} of {len(values)} steps" for name, values in record.steps.items()}
    for what, parts in record.digests.items():
        found |= {f"{what}, {name} of {len(values)} clouds" for name, values in parts.items()}
    return found | {f"test, {name}" for name in record.scores}


def save(record: GoldenRecord, path: Path) -> None:
    """Write the record, its numbers rounded, one list a line."""
    values = {part.name: getattr(record, part.name) for part in fields(record)}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_text(values, "") + "\n", encoding="utf-8")


def load(path: Path) -> GoldenRecord:
    """The stored record."""
    return GoldenRecord(**json.loads(path.read_text(encoding="utf-8")))


def _text(value: Any, indent: str) -> str:
    if isinstance(value, Mapping):
        inner = indent + " "
        lines = [f"{inner}{json.dumps(name)}: {_text(part, inner)}" for name, part in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}" if lines else "{}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(_text(part, indent) for part in value) + "]"
    return f"{value:.{DIGITS}g}"
