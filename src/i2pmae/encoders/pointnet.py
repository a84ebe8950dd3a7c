"""The mini-PointNet that turns groups of points, or of tokens, into tokens (PointNet, arXiv 1612.00593)."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from i2pmae.encoders.norms import BatchNorm, Statistics, gradient_line, on_line
from i2pmae.ops import fixed_shapes, group_max
from i2pmae.typing import Bool, Float, Int, Tensor

__all__ = ["MiniPointNet"]

PIECE = 2**18
"""Numbers of the widest layer that a CPU works on at a time: 1 MiB in float32, which stays in a processor's cache from
one operation to the next."""


class MiniPointNet(nn.Module):
    """One vector per group of points or tokens: shared MLP, max, joined to each member, shared MLP, max.

    On a CPU the layers run over a cache full of groups at a time, in training too, where backward computes again what
    is cheaper to compute than to keep; elsewhere, and under autocast or in a compiled model, as they are written.
    """

    def __init__(self, inputs: int, widths: tuple[int, int, int], outputs: int) -> None:
        super().__init__()
        first, inner, second = widths
        self.lift = nn.Linear(inputs, first)
        self.lift_norm = BatchNorm(first)
        self.inner = nn.Linear(first, inner)
        self.join = nn.Linear(2 * inner, second)
        self.join_norm = BatchNorm(second)
        self.out = nn.Linear(second, outputs)

    def forward(
        self, groups: Float[Tensor, "g k c"], counted: Bool[Tensor, " g"] | None = None
    ) -> Float[Tensor, "g d"]:
        """One token per group; in training, normalised by the ``counted`` groups where the others are padding."""
        pieces = counted is None and not fixed_shapes(groups) and not torch.is_autocast_enabled("cpu")
        if not pieces:
            return self.plain(groups, counted)
        if self.lift_norm.training and self.join_norm.training:  # they may keep their statistics while the rest trains
            return _InPieces.apply(groups, self.lift_norm, self.join_norm, *self.parameters())
        if torch.is_grad_enabled():
            return self.plain(groups)
        return self._frozen(groups)

    def plain(self, groups: Float[Tensor, "g k c"], counted: Bool[Tensor, " g"] | None = None) -> Float[Tensor, "g d"]:
        """The same, layer by layer."""
        g, k, c = groups.shape
        rows = () if counted is None else (counted.repeat_interleave(k, output_size=g * k),)
        x = self.inner(self.lift_norm(self.lift(groups.reshape(g * k, c)), *rows).relu_()).view(g, k, -1)
        # Linear of [max, member] is the sum of two: the half of the maximum is the same for the whole group.
        of_max, of_member = self.join.weight.chunk(2, dim=1)
        shared = functional.linear(x.amax(1), of_max, self.join.bias)
        x = (functional.linear(x, of_member) + shared[:, None]).view(g * k, -1)
        return self.out(self.join_norm(x, *rows).relu_()).view(g, k, -1).amax(1)

    def _frozen(self, groups: Float[Tensor, "g k c"]) -> Float[Tensor, "g d"]:
        """In evaluation mode without gradients, where each norm is a scale and a shift of the layer before it."""
        weights = _Weights(*self.parameters())
        lift_scale, lift_shift = self.lift_norm.line()
        join_scale, join_shift = self.join_norm.line()
        lift = (weights.lift * lift_scale[:, None]).t()
        lift_bias = torch.addcmul(lift_shift, weights.lift_bias, lift_scale)
        of_max, member, bias = weights.joined()
        of_max, member = (of_max * join_scale[:, None]).t(), (member * join_scale[:, None]).t()
        bias = torch.addcmul(join_shift, bias, join_scale)
        out = groups.new_empty(len(groups), len(weights.out))
        for part, _ in _parts(groups.shape, weights):
            g, k, c = groups[part].shape
            x = torch.addmm(lift_bias, groups[part].reshape(g * k, c), lift).relu_()
            top = (x @ weights.inner.t()).view(g, k, -1).amax(1).add_(weights.inner_bias)
            x = (x @ member).view(g, k, -1).add_(torch.addmm(bias, top, of_max)[:, None]).relu_()
            torch.amax((x.view(g * k, -1) @ weights.out.t()).view(g, k, -1), 1, out=out[part])
        return out.add_(weights.out_bias)


class _Weights(NamedTuple):
    """The parameters of a mini-PointNet, in the order in which the module has them."""

    lift: Tensor
    lift_bias: Tensor
    lift_norm: Tensor
    lift_norm_bias: Tensor
    inner: Tensor
    inner_bias: Tensor
    join: Tensor
    join_bias: Tensor
    join_norm: Tensor
    join_norm_bias: Tensor
    out: Tensor
    out_bias: Tensor

    def joined(self) -> tuple[Tensor, Tensor, Tensor]:
        """Weights of the joining layer for the maximum of a group and for what enters ``inner``, and its bias.

        Nothing but a maximum lies between ``inner`` and the joining layer, so that both are one matrix for a member.
        """
        of_max, of_member = self.join.chunk(2, dim=1)
        return of_max, of_member @ self.inner, torch.addmv(self.join_bias, of_member, self.inner_bias)


def _parts(shape: torch.Size, weights: _Weights) -> Iterator[tuple[slice, slice]]:
    """Groups of which a cache full is computed at a time, and the rows of their members."""
    widest = max(len(weights.inner), len(weights.join), shape[2])
    step = max(1, PIECE * torch.get_num_threads() // (shape[1] * widest))
    for start in range(0, shape[0], step):
        yield slice(start, start + step), slice(start * shape[1], (start + step) * shape[1])


def _active(rows: Float[Tensor, "n c"], found: Statistics) -> Float[Tensor, "n c"]:
    """The rows normalised, and then their positive parts."""
    return torch.addcmul(found.shift, rows, found.scale).relu_()


def _largest(rows: Float[Tensor, "n c"], members: int) -> tuple[Float[Tensor, "g c"], Int[Tensor, "g c"]]:
    return group_max(rows.view(-1, members, rows.shape[1]))


def _to_largest(gradient: Float[Tensor, "g c"], place: Int[Tensor, "g c"], members: int) -> Float[Tensor, "n c"]:
    """The gradient of all members from that of their maximum."""
    full = gradient.new_zeros(len(gradient), members, gradient.shape[1])
    return full.scatter_(1, place[:, None], gradient[:, None]).view(-1, gradient.shape[1])


class _InPieces(torch.autograd.Function):
    """A mini-PointNet in training. The layers before each norm are kept; all else is computed again backward."""

    @staticmethod
    def forward(
        ctx: Any, groups: Float[Tensor, "g k c"], lift_norm: BatchNorm, join_norm: BatchNorm, *parameters: Tensor
    ) -> Float[Tensor, "g d"]:
        weights = _Weights(*parameters)
        g, k, c = groups.shape
        rows = groups.reshape(g * k, c)
        of_max, member, bias = weights.joined()
        lifted = torch.addmm(weights.lift_bias, rows, weights.lift.t())
        lift_line = lift_norm.measure(lifted)
        joined = rows.new_empty(g * k, len(weights.join))
        top = rows.new_empty(g, len(weights.inner))
        at_top = torch.empty(top.shape, dtype=torch.long)
        for part, some in _parts(groups.shape, weights):
            x = _active(lifted[some], lift_line)
            top[part], at_top[part] = _largest(x @ weights.inner.t(), k)
            shared = torch.addmm(bias, top[part].add_(weights.inner_bias), of_max.t())
            into = joined[some]
            torch.mm(x, member.t(), out=into).view(-1, k, into.shape[1]).add_(shared[:, None])
        join_line = join_norm.measure(joined)
        out = rows.new_empty(g, len(weights.out))
        at_out = torch.empty(out.shape, dtype=torch.long)
        for part, some in _parts(groups.shape, weights):
            x = _active(joined[some], join_line)
            out[part], at_out[part] = _largest(x @ weights.out.t(), k)
        ctx.save_for_backward(groups, lifted, joined, top, at_top, at_out, *parameters)
        ctx.lines, ctx.shares = (lift_line, join_line), (lift_norm.share, join_norm.share)
        return out.add_(weights.out_bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        groups, lifted, joined, top, at_top, at_out, *parameters = ctx.saved_tensors
        weights, given = _Weights(*parameters), gradients[0].contiguous()
        lift_line, join_line = ctx.lines
        g, k, c = groups.shape
        of_max, member, _ = weights.joined()
        parts = list(_parts(groups.shape, weights))
        slope = torch.empty_like(joined)
        out_weight = torch.zeros_like(weights.out)
        for part, some in parts:
            x = _active(joined[some], join_line)
            d = _to_largest(given[part], at_out[part], k)
            out_weight.addmm_(d.t(), x)
            _relu_gradient(torch.mm(d, weights.out, out=slope[some]), x)
        join_norm, line = gradient_line(joined, slope, weights.join_norm, join_line, ctx.shares[1])
        member_weight, inner_weight = torch.zeros_like(member), torch.zeros_like(weights.inner)
        d_shared, d_top = joined.new_empty(g, len(weights.join)), torch.empty_like(top)
        below = torch.empty_like(lifted)
        for part, some in parts:
            d = on_line(joined[some], slope[some], line)
            x = _active(lifted[some], lift_line)
            member_weight.addmm_(d.t(), x)
            torch.sum(d.view(-1, k, d.shape[1]), 1, out=d_shared[part])
            torch.mm(d_shared[part], of_max, out=d_top[part])
            at = _to_largest(d_top[part], at_top[part], k)
            inner_weight.addmm_(at.t(), x)
            _relu_gradient(torch.mm(d, member, out=below[some]).addmm_(at, weights.inner), x)
        del slope
        lift_norm, line = gradient_line(lifted, below, weights.lift_norm, lift_line, ctx.shares[0])
        d = on_line(lifted, below, line)
        of_member, bias = weights.join.chunk(2, dim=1)[1], d_shared.sum(0)
        join = torch.cat(
            [d_shared.t() @ top, torch.addr(member_weight @ weights.inner.t(), bias, weights.inner_bias)], dim=1
        )
        found = (
            *(d.t() @ groups.reshape(g * k, c), d.sum(0), *lift_norm),
            *(inner_weight.addmm_(of_member.t(), member_weight), d_top.sum(0) + bias @ of_member),
            *(join, bias, *join_norm, out_weight, given.sum(0)),
        )
        d_groups = (d @ weights.lift).view(g, k, c) if ctx.needs_input_grad[0] else None
        return d_groups, None, None, *found


def _relu_gradient(gradient: Float[Tensor, "n c"], active: Float[Tensor, "n c"]) -> None:
    """Sets the gradient to zero where the activation is."""
    torch.ops.aten.threshold_backward.grad_input(gradient, active, 0, grad_input=gradient)
