"""The largest of each group."""

import torch

from i2pmae.ops.arrays import array, has_kernels
from i2pmae.typing import Float, Int, Tensor

__all__ = ["group_max"]


def group_max(values: Float[Tensor, "g k c"]) -> tuple[Float[Tensor, "g c"], Int[Tensor, "g c"]]:
    """The largest value of each group and channel, and which member has it: of equal ones any. Without gradients.

    What is not a number counts as the largest.
    """
    values = values.detach()
    if not has_kernels(values) or values.numel() == 0:
        top, place = values.max(1)
        return top, place
    from i2pmae.kernels import groups

    found = groups.group_max(array(values), torch.get_num_threads())
    return torch.from_numpy(found[0]), torch.from_numpy(found[1])
