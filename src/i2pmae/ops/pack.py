"""Ragged selections of tokens as padded tensors, without a loop over clouds."""

from typing import NamedTuple

import torch

from i2pmae.typing import Bool, Float, Int, Shaped, Tensor

__all__ = ["Packing", "Selection", "counted_mean", "fixed_shapes", "pack", "select", "without_padding"]


class Packing(NamedTuple):
    """Where the selected tokens of each cloud are, padded to the longest selection of the batch."""

    rows: Int[Tensor, "b t"]
    """Indices of the selected tokens in ascending order, then of unselected ones as padding."""
    valid: Bool[Tensor, "b t"]
    """Which entries are selected tokens; the others are padding."""


class Selection(NamedTuple):
    """The selected tokens of all clouds in one row, cloud by cloud."""

    rows: Int[Tensor, " r"]
    """Indices into the tokens of all clouds in one row."""
    counted: Bool[Tensor, " r"] | None
    """Which entries are selected tokens, the others being padding; None where there is no padding."""

    def of(self, values: Shaped[Tensor, "b m *rest"]) -> Shaped[Tensor, "r ..."]:
        """What the selected tokens have of ``values``, one for each token. Differentiable in ``values``."""
        return values.flatten(0, 1).index_select(0, self.rows)


def fixed_shapes(values: Tensor) -> bool:
    """Whether shapes are not to follow from values: on GPUs, which would be waited for, and in compiled models."""
    return values.device.type != "cpu" or torch.compiler.is_compiling()


def pack(selected: Bool[Tensor, "b m"], most: int | None = None) -> Packing:
    """Indices of the selected tokens of every cloud, in order, with a mask that tells them from padding.

    Where :func:`fixed_shapes` are wanted, the padding reaches to ``most``, more than which a cloud never has; to all
    tokens where absent.
    """
    counts = selected.sum(1)
    tokens = selected.shape[1]
    longest = min(most or tokens, tokens) if fixed_shapes(selected) else int(counts.max())
    # One byte sorts fastest; exported programs sort no bytes everywhere.
    order = (~selected).to(torch.int32 if torch.compiler.is_exporting() else torch.uint8)
    index = order.argsort(dim=1, stable=True)[:, :longest]
    valid = torch.arange(longest, device=selected.device) < counts[:, None]
    return Packing(index, valid)


def select(selected: Bool[Tensor, "b m"], most: int | None = None) -> Selection:
    """The selected tokens, with padding only where :func:`fixed_shapes` are wanted; ``most`` as in :func:`pack`."""
    if not fixed_shapes(selected):
        return Selection(selected.flatten().nonzero()[:, 0], None)
    rows, valid = pack(selected, most)
    first = torch.arange(len(rows), device=rows.device)[:, None] * selected.shape[1]
    return Selection((rows + first).flatten(), valid.flatten())


def counted_mean(values: Float[Tensor, " r"], counted: Bool[Tensor, " r"] | None) -> Float[Tensor, ""]:
    """The mean of what belongs to the selected tokens, the other entries being padding."""
    return values.mean() if counted is None else (values * counted).sum() / counted.sum()


def without_padding(values: Shaped[Tensor, "r ..."], counted: Bool[Tensor, " r"] | None) -> Shaped[Tensor, "_ ..."]:
    """What belongs to the selected tokens alone; how many they are, a GPU has to be waited for: not in training."""
    return values if counted is None else values[counted]
