"""Ragged selections of tokens as padded tensors, without a loop over clouds."""

from typing import NamedTuple

import torch

from i2pmae.typing import Bool, Int, Tensor

__all__ = ["Packing", "pack"]


class Packing(NamedTuple):
    """Where the selected tokens of each cloud are, padded to the longest selection of the batch."""

    rows: Int[Tensor, "b t"]
    """Indices of the selected tokens in ascending order, then of unselected ones as padding."""
    valid: Bool[Tensor, "b t"]
    """Which entries are selected tokens; the others are padding."""


def pack(selected: Bool[Tensor, "b m"]) -> Packing:
    """Indices of the selected tokens of every cloud, in order, with a mask that tells them from padding."""
    counts = selected.sum(1)
    longest = int(counts.max())
    index = (~selected).to(torch.uint8).argsort(dim=1, stable=True)[:, :longest]
    valid = torch.arange(longest, device=selected.device) < counts[:, None]
    return Packing(index, valid)
