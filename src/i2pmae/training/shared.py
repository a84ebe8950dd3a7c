"""A model in a run of several processes: what its parts know of the whole batch, and gradients that are added up."""

import contextlib
import warnings
from collections.abc import Callable, Iterator

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from i2pmae.common import exchange, ranks
from i2pmae.common.ranks import Part
from i2pmae.encoders.layers import Dropout, DropPath
from i2pmae.encoders.norms import BatchNorm, Share
from i2pmae.typing import Tensor

__all__ = ["SharedForward", "shared_batches", "shared_forward"]

Columns = dict[str, Tensor]
"""Figures by name."""


@contextlib.contextmanager
def shared_batches(model: nn.Module, part: Part | None) -> Iterator[None]:
    """A block in which norms take moments over the parts that all processes have of a batch, and dropout draws for the
    whole and takes its part; nothing is done where there is no part but the whole.

    Afterwards a process may use the model alone.
    """
    if part is None:
        yield
        return
    _tell(model, exchange.total, part)
    try:
        yield
    finally:
        _tell(model, None, None)


def _tell(model: nn.Module, share: Share | None, part: Part | None) -> None:
    for module in model.modules():
        if isinstance(module, BatchNorm):
            module.share = share
        elif isinstance(module, (Dropout, DropPath)):
            module.part = part


class SharedForward:
    """Computes losses so that the gradients of the model are means over all processes."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module

    def __call__(self, losses: Callable[[], Columns]) -> Columns:
        """What ``losses`` gives, which may call the model as often as it likes."""
        found: Columns = self._module(losses)
        return found

    def adding_up(self, now: bool) -> contextlib.AbstractContextManager[None]:
        """A block whose backward pass exchanges gradients with the other processes, or only adds up its own."""
        if now or not isinstance(self._module, DistributedDataParallel):
            return contextlib.nullcontext()
        return self._module.no_sync()


class _Asked(nn.Module):
    """A model whose forward is whatever is asked: DDP sees its parameters, while tasks call the model themselves."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        # DDP is told to look for parameters that take no part, and complains on standard error where there are none.
        self.idle = nn.Parameter(torch.zeros((), device=next(model.parameters()).device))

    def forward(self, losses: Callable[[], Columns]) -> Columns:
        return losses()


def shared_forward(model: nn.Module, fabric: Fabric) -> SharedForward:
    """What computes losses of a model: DDP, as Fabric sets it up, where there are several processes."""
    asked = _Asked(model)
    if ranks.world() == 1:
        return SharedForward(asked)
    with warnings.catch_warnings():  # newer versions have another name for it, which older ones don't know
        warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated")
        return SharedForward(fabric.strategy.setup_module(asked))
