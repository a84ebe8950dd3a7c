"""Batch normalisation whose sums stay exact, however many rows there are (arXiv 1502.03167)."""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

import torch
from torch import nn
from torch.nn import functional

from i2pmae.common.errors import UsageError
from i2pmae.typing import Bool, Float, Tensor

__all__ = ["BatchNorm", "Line", "Moments", "Share", "Statistics", "batch_moments", "gradient_line", "on_line"]

Share = Callable[[Tensor], Tensor]
"""Adds a tensor up over all processes that normalise together: each gives its own, each gets the sum."""
Moments = tuple[Float[Tensor, ""], Float[Tensor, "c"], Float[Tensor, "c"]]
"""How many rows, their mean, and the sum of squared distances from it."""
Line = tuple[Float[Tensor, "c"], Float[Tensor, "c"], Float[Tensor, "c"]]
"""Level, slope in the rows and slope in their gradient, per channel."""
CHAIN = 128
"""Rows that a CPU thread adds up one after the other in float32; what comes out is added up in float64. Errors of the
moments, forward, move values over the kinks of what follows, which no exactness backward mends."""
LONG_CHAIN = 512
"""The same for gradients, backward."""
WIDTH = 1024
"""Numbers that are added up side by side: as many rows of few channels as fit, each to a sum of its own."""
PIECE = 2**19
"""Numbers worked on at a time: 2 MiB in float32, which stays in a processor's cache from one operation to the next."""


class Statistics(NamedTuple):
    """What a batch is normalised by."""

    rows: Float[Tensor, ""]
    """How many, in float64 as the next two."""
    mean: Float[Tensor, "c"]
    slope: Float[Tensor, "c"]
    """One by the deviation."""
    scale: Float[Tensor, "c"]
    """What a row is multiplied by, weight included, in the type that rows are computed in."""
    shift: Float[Tensor, "c"]
    """What is then added, bias included."""


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

    def forward(self, input: Float[Tensor, "n c"], counted: Bool[Tensor, "n"] | None = None) -> Float[Tensor, "n c"]:
        """The rows normalised: in training by their own moments, in evaluation by the running ones.

        By the moments of the ``counted`` rows alone, where the others are padding.
        """
        if not self.training:
            return self._native(input)
        if counted is not None:
            return self._counted(input, counted)
        exact = input.device.type != "cpu" or torch.compiler.is_compiling() or 1 < len(input) <= LONG_CHAIN
        if exact and self.share is None:
            self.num_batches_tracked.add_(1)
            return self._native(input)
        return _Normalise.apply(input, self, self.weight, self.bias)

    @torch.no_grad()
    def measure(self, rows: Float[Tensor, "n c"]) -> Statistics:
        """What rows are normalised by in training; the running statistics take note of it.

        :class:`UsageError` for a batch of one row.
        """
        if self.share is None and len(rows) < 2:
            raise UsageError(
                f"BatchNorm in training needs at least 2 rows to measure how they differ, got {len(rows)}: use a "
                "larger batch, leave out a last batch of a single cloud, or switch to evaluation mode."
            )
        count, mean, square = batch_moments(rows, self.share)
        self.num_batches_tracked.add_(1)
        momentum = cast(float, self.momentum)
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
        self.running_var.lerp_((square / (count - 1)).to(self.running_var.dtype), momentum)
        slope = (square / count + self.eps).rsqrt()
        scale = self.weight * slope
        number = _number(rows)
        return Statistics(count, mean, slope, scale.to(number), (self.bias - mean * scale).to(number))

    @torch.no_grad()
    def line(self) -> tuple[Float[Tensor, "c"], Float[Tensor, "c"]]:
        """Scale and shift of each channel in evaluation mode."""
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        return scale, torch.addcmul(self.bias, self.running_mean, scale, value=-1)

    def _counted(self, rows: Float[Tensor, "n c"], counted: Bool[Tensor, "n"]) -> Float[Tensor, "n c"]:
        """By the moments of rows that weigh 1, while the others weigh nothing: no shape follows from which they are."""
        number, weight = _number(rows), counted[:, None].to(_number(rows))
        total = torch.cat([weight.sum()[None], (rows * weight).sum(0, dtype=number)])
        total = total if self.share is None else self.share(total)
        count, mean = total[0], total[1:] / total[0]
        square = ((rows - mean).square() * weight).sum(0)
        square = square if self.share is None else self.share(square)
        momentum = cast(float, self.momentum)
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
            self.running_var.lerp_((square / (count - 1)).to(self.running_var.dtype), momentum)
        scale = self.weight * (square / count + self.eps).rsqrt()
        return torch.addcmul(self.bias - mean * scale, rows, scale).to(rows.dtype)

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
    """Rows normalised by their own moments."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, norm: BatchNorm, weight: Tensor, bias: Tensor) -> Tensor:
        del weight, bias  # those of the norm, named for their gradients
        rows = rows.contiguous()
        found = norm.measure(rows)
        # The native kernel reads and writes each row once: moments of 0 and 1 leave it scale and shift, here exact.
        zero, one = torch.zeros_like(found.shift), torch.ones_like(found.shift)
        out = functional.batch_norm(rows, zero, one, found.scale, found.shift, eps=0.0)
        ctx.save_for_backward(rows, norm.weight)
        ctx.found, ctx.share = found, norm.share
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, Tensor, Tensor]:
        rows, weight = ctx.saved_tensors
        given = gradients[0].contiguous()
        own, line = gradient_line(rows, given, weight, ctx.found, ctx.share)
        return on_line(rows, given, line) if ctx.needs_input_grad[0] else None, None, *own


def gradient_line(
    rows: Float[Tensor, "n c"],
    gradient: Float[Tensor, "n c"],
    weight: Float[Tensor, "c"],
    found: Statistics,
    share: Share | None = None,
) -> tuple[tuple[Tensor, Tensor], Line]:
    """The gradients of weight and bias, and the line on which that of the rows lies (:func:`on_line`).

    From the gradient of the normalised rows. Of normalised rows z it is
    weight · slope · (g − Σg / n − z · Σ(g · z) / n), a line in x plus one in g.
    """
    level, tilt = _gradient_sums(rows, gradient, found.mean, found.slope)
    own = tilt.to(weight.dtype), level.to(weight.dtype)
    if share is not None:
        level, tilt = share(torch.stack([level, tilt])).unbind()
    scale = weight * found.slope
    lean = -scale * found.slope * tilt / found.rows
    line = (-scale * level / found.rows - lean * found.mean, lean, scale)
    return own, cast(Line, tuple(values.to(_number(rows)) for values in line))


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


def on_line(rows: Float[Tensor, "n c"], gradient: Float[Tensor, "n c"], line: Line) -> Float[Tensor, "n c"]:
    """``level + lean · rows + scale · gradient`` in the type of the rows, a cache full at a time."""
    level, lean, scale = line
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
