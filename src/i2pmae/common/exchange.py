"""Tensors that the processes of a run have together: sums and rows over all of them, and draws for a whole batch.

Exchanges are differentiable, for a loss that is the sum of what all processes minimise. With one process they return
what they are given, and draws are those of the generator.
"""

from collections.abc import Sequence
from typing import Any, Self

import torch

from i2pmae.common import ranks
from i2pmae.common.ranks import Part
from i2pmae.typing import Float, Shaped, Tensor

__all__ = ["PartGenerator", "integers", "mean", "part_of", "rows", "total", "uniform"]


class PartGenerator(torch.Generator):
    """A generator whose draws for the clouds of one process are its part of what is drawn for the whole batch.

    So what a step draws for a cloud follows from its place in the batch, whatever the number of processes.
    """

    part: Part
    """Which rows of the batch are this process's."""

    def of(self, part: Part) -> Self:
        """Itself, drawing for that part."""
        self.part = part
        return self


def part_of(generator: torch.Generator | None) -> Part | None:
    """The part of a batch that a generator draws for; None where that is all of it."""
    return generator.part if isinstance(generator, PartGenerator) else None


def uniform(
    shape: Sequence[int],
    generator: torch.Generator,
    device: torch.device,
    dtype: torch.dtype | None = None,
    clouds: int = 0,
) -> Tensor:
    """Uniform numbers of [0, 1) in a shape whose dimension ``clouds`` counts the clouds of this process."""
    part = part_of(generator)
    if part is None:
        return torch.rand(tuple(shape), generator=generator, device=device, dtype=dtype)
    drawn = torch.rand(_whole(shape, part, clouds), generator=generator, device=device, dtype=dtype)
    return drawn.narrow(clouds, part.first, part.count)


def integers(high: int, shape: Sequence[int], generator: torch.Generator, device: torch.device) -> Tensor:
    """Whole numbers of [0, ``high``) in a shape whose first dimension counts the clouds of this process."""
    part = part_of(generator)
    if part is None:
        return torch.randint(high, tuple(shape), generator=generator, device=device)
    drawn = torch.randint(high, _whole(shape, part, 0), generator=generator, device=device)
    return drawn.narrow(0, part.first, part.count)


def total(values: Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
    """The sum over all processes, each of which gives its own and gets the sum."""
    return values if ranks.world() == 1 else _Sum.apply(values)


def mean(value: Float[Tensor, ""], count: Tensor | float) -> Float[Tensor, ""]:
    """The mean over all processes of what each is the mean of so many things of."""
    if ranks.world() == 1:
        return value
    both = total(torch.stack([value.detach().double() * count, torch.ones_like(value).double() * count]))
    return (both[0] / both[1]).to(value.dtype)


def rows(values: Shaped[Tensor, "r ..."], part: Part | None) -> Shaped[Tensor, "total ..."]:
    """The rows of all processes in their order: of the whole batch, of which each has its ``part``."""
    if part is None or ranks.world() == 1:
        return values
    unit = len(values) // part.count
    before, after = unit * part.first, unit * (part.total - part.first - part.count)
    rest = values.shape[1:]
    # A sum of rows that are zero elsewhere: parts may differ in size, which gathering does not allow everywhere.
    return total(torch.cat([values.new_zeros(before, *rest), values, values.new_zeros(after, *rest)]))


def _whole(shape: Sequence[int], part: Part, clouds: int) -> tuple[int, ...]:
    if shape[clouds] != part.count:
        raise ValueError(f"Expected a draw for the {part.count} clouds of this process, got the shape {tuple(shape)}.")
    return (*shape[:clouds], part.total, *shape[clouds + 1 :])


class _Sum(torch.autograd.Function):
    """The sum over processes. What each makes of it, all minimise: gradients are added up in turn."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        del ctx
        return _summed(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        del ctx
        return _summed(gradients[0])


def _summed(values: Tensor) -> Tensor:
    import torch.distributed as dist

    result = values.detach().clone(memory_format=torch.contiguous_format)
    dist.all_reduce(result)
    return result
