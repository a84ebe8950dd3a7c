"""Tensors as arrays, for the compiled loops of :mod:`i2pmae.kernels`."""

import numpy as np
import torch

from i2pmae.typing import Tensor

__all__ = ["array", "has_kernels"]


def has_kernels(*tensors: Tensor) -> bool:
    """Whether compiled loops take these tensors: all on the CPU, all float32 or all float64, and real ones.

    Where PyTorch records operations (``torch.compile``, ``torch.export``, tracing) it must see its own.
    """
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return False
    kinds = {tensor.dtype for tensor in tensors}
    return (
        kinds in ({torch.float32}, {torch.float64})
        and all(tensor.device.type == "cpu" for tensor in tensors)
        and all(type(tensor) in (Tensor, torch.nn.Parameter) for tensor in tensors)
    )


def array(tensor: Tensor) -> np.ndarray:
    """The values as a contiguous, aligned array, not a copy where they are one already; without gradients."""
    return np.require(tensor.detach().numpy(), requirements=["C", "A", "W"])
