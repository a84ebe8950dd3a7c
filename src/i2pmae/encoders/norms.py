"""Batch normalisation whose sums stay exact, however many rows there are (arXiv 1502.03167)."""

import math
from collections.abc import Callable, Iterator
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional

from i2pmae.common.errors import UsageError
from i2pmae.typing import Float, Tensor

__all__ = ["BatchNorm", "Moments", "Share", "batch_moments"]

Share = Callable[[Tensor], Tensor]
"""Adds a tensor up over all processes that normalise together: each gives its own, each gets the sum."""
Moments = tuple[Float[Tensor, ""], Float[Tensor, "c"], Float[Tensor, "c"]]
"""How many rows, their mean, and the sum of squared distances from it."""
CHAIN = 128
"""Rows that a CPU thread adds up one after the other in float32; what comes out is added up in float64. Errors of the
moments, forward, move values over the kinks of what follows, which no exactness backward mends."""
LONG_CHAIN = 512
"""The same for gradients, backward."""
WIDTH = 1024
"""Numbers that are added up side by side: as many rows of few channels as fit, each to a sum of its own."""
PIECE = 2**19
"""Numbers worked on at a time: 2 MiB in float32, which stays in a processor's cache from one operation to the next."""


class BatchNorm(nn.BatchNorm1d):
    """Each channel of rows ``(n, c)`` with mean 0 and deviation 1, then scaled and shifted; in the type of the rows.

    The same parameters, buffers, running statistics (of the unbiased variance) and state dict as ``nn.BatchNorm1d``.
    On a CPU that one adds all rows up one after the other in float32. At 10⁵ rows its output is off by 10⁻⁵, which
    moves one value in 10⁵ to the other side of a ReLU, and gradients of the layers before are then 1 % wrong. Here,
    short chains of rows are added up so, and their sums in float64. On other devices, and in compiled models, sums are
    trees anyway, and PyTorch's own kernel is used.

    **Several processes.** All that the rows of a batch know of each other are sums over them: forward the count, Σx and
    Σ(x − mean)² (:func:`batch_moments`), backward Σg and Σg·z of normalised rows z. With :attr:`share` set, these are
    added up over the processes, in two exchanges forward and one backward, of at most 2c numbers or c and the count.
    Outputs and the gradients of the rows are then those of one batch of all rows. All processes must call the layer
    together. Weight and bias keep the gradients of a process's own rows: whatever combines gradients of parameters over
    processes combines these too.

    :class:`UsageError` for a batch of one row in training, which deviates from nothing.
    """

    share: Share | None = None
    """How sums are added up over processes; where absent, the rows of this process are normalised by themselves."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, channels: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__(channels, eps, momentum)

    def forward(self, input: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
        """The rows normalised: in training by their own moments, in evaluation by the running ones."""
        if not self.training:
            return self._native(input)
        if self.share is None and len(input) < 2:
            raise UsageError(
                f"BatchNorm in training needs at least 2 rows to measure how they differ, got {len(input)}: use a "
                "larger batch, leave out a last batch of a single cloud, or switch to evaluation mode."
            )
        self.num_batches_tracked.add_(1)
        exact = input.device.type != "cpu" or torch.compiler.is_compiling() or len(input) <= LONG_CHAIN
        if exact and self.share is None:
            return self._native(input)
        out, count, mean, square = _Normalise.apply(input, self.weight, self.bias, self.eps, self.share)
        momentum = cast(float, self.momentum)
        with torch.no_grad():
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
            self.running_var.lerp_((square / (count - 1)).to(self.running_var.dtype), momentum)
        return out

    def _native(self, rows: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
        running, momentum = (self.running_mean, self.running_var), cast(float, self.momentum)
        return functional.batch_norm(rows, *running, self.weight, self.bias, self.training, momentum, self.eps)


def batch_moments(rows: Float[Tensor, "n c"], share: Share | None = None) -> Moments:
    """Per channel, in float64: how many rows, their mean, and the sum of squared distances from it.

    Of parts p of the rows, be they chains or processes: Σ(x − mean)² = Σ_p (Σ(x − mean_p)² + n_p (mean_p − mean)²).
    """
    channels = rows.shape[1]
    lengths, found = [], []
    for (chains,) in _chains(CHAIN, rows):
        lengths.append(len(chains))
        found.append(torch.batch_norm_update_stats(chains, None, None, 0.0))
    # One row for each chain: all columns of a piece are chains of its length, one for each of the rows side by side.
    part, spread = (torch.cat(values).view(-1, channels).double() for values in zip(*found, strict=True))
    length = torch.tensor(lengths, dtype=part.dtype, device=part.device)
    length = length.repeat_interleave(len(part) // len(length))[:, None]
    total = torch.cat([length.sum()[None], (length * part).sum(0)])
    total = total if share is None else share(total)
    count, overall = total[0], total[1:] / total[0]
    square = (length * (spread + (part - overall).square())).sum(0)
    return count, overall, square if share is None else share(square)


class _Normalise(torch.autograd.Function):
    """Rows normalised by their own moments, and the moments, as constants."""

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor, eps: float, share: Share | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        rows = rows.contiguous()
        count, mean, square = batch_moments(rows, share)
        slope = (square / count + eps).rsqrt()
        number = _number(weight)
        scale = weight * slope
        # The native kernel reads and writes each row once: moments of 0 and 1 leave it scale and shift, here exact.
        given = (torch.zeros_like(mean), torch.ones_like(mean), scale, bias - mean * scale)
        zero, one, scale, shift = (values.to(number) for values in given)
        out = functional.batch_norm(rows, zero, one, scale, shift, eps=0.0)
        ctx.save_for_backward(rows, weight, count, mean, slope)
        ctx.share = share
        ctx.mark_non_differentiable(count, mean, square)
        return out, count, mean, square

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None, None]:
        rows, weight, count, mean, slope = ctx.saved_tensors
        given = gradients[0].contiguous()
        level, tilt = _gradient_sums(rows, given, mean, slope)
        own = tilt.to(weight.dtype), level.to(weight.dtype)
        if not ctx.needs_input_grad[0]:
            return None, *own, None, None
        if ctx.share is not None:
            level, tilt = ctx.share(torch.stack([level, tilt])).unbind()
        # Of normalised rows z: weight · slope · (g − Σg / n − z · Σ(g · z) / n), as a line in x plus one in g.
        scale = weight * slope
        lean = -scale * slope * tilt / count
        line = (values.to(_number(rows)) for values in (-scale * level / count - lean * mean, lean, scale))
        return _on_line(rows, given, *line), *own, None, None


def _gradient_sums(rows: Tensor, gradient: Tensor, mean: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
    """Σg and Σg·z of normalised rows z, in float64: the native gradients of bias and weight, chain by chain."""
    channels = len(mean)
    fold = _fold(rows)
    shift, scale = (values.to(_number(rows)).repeat(fold) for values in (mean, slope))
    one, wanted = torch.ones_like(shift), [False, True, True]
    backward = torch.ops.aten.native_batch_norm_backward
    found = [
        backward(given, chains, one, None, None, shift, scale, True, 0.0, wanted)[1:]
        for chains, given in _chains(LONG_CHAIN, rows, gradient)
    ]
    tilt, level = (torch.cat(values).view(-1, channels).double().sum(0) for values in zip(*found, strict=True))
    return level, tilt


def _on_line(rows: Tensor, gradient: Tensor, level: Tensor, lean: Tensor, scale: Tensor) -> Tensor:
    """``level + lean · rows + scale · gradient`` in the type of the rows, a cache full at a time."""
    out = torch.empty_like(rows)
    length = max(1, PIECE // rows.shape[1]) if rows.device.type == "cpu" else len(rows)
    for some, given, into in zip(rows.split(length), gradient.split(length), out.split(length), strict=True):
        if out.dtype == level.dtype:
            torch.addcmul(level, some, lean, out=into).addcmul_(given, scale)
        else:
            into.copy_(torch.addcmul(level, some, lean).addcmul_(given, scale))
    return out


def _number(rows: Tensor) -> torch.dtype:
    """The type that rows are computed in."""
    return torch.promote_types(rows.dtype, torch.float32)


def _fold(rows: Float[Tensor, "n c"]) -> int:
    """How many rows of few channels lie side by side as one, so that each column of them is a chain of its own."""
    n, channels = rows.shape
    return math.gcd(n, 1 << max(0, (WIDTH // channels).bit_length() - 1)) if rows.device.type == "cpu" else 1


def _chains(most: int, *tensors: Float[Tensor, "n c"]) -> Iterator[tuple[Tensor, ...]]:
    """The rows of all tensors in pieces of which a CPU thread adds up ``most`` one after the other; else the whole."""
    fold = _fold(tensors[0])
    folded = [tensor.view(len(tensor) // fold, -1) for tensor in tensors]
    length = most * torch.get_num_threads() if tensors[0].device.type == "cpu" else len(tensors[0])
    for pieces in zip(*(tensor.split(length) for tensor in folded), strict=True):
        yield tuple(piece.to(_number(piece)) for piece in pieces)
