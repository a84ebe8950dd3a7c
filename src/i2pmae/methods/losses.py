"""The two reconstruction objectives of I2P-MAE, and those of vectors of whole clouds."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from i2pmae.common import exchange
from i2pmae.common.ranks import Part
from i2pmae.methods.config import Distance
from i2pmae.ops import chamfer_l2, fixed_shapes
from i2pmae.typing import Bool, Float, Int, Tensor

__all__ = ["coordinate_loss", "distances", "semantic_loss", "view_contrast", "view_regression"]

PIECE = 2**18
"""Predicted numbers that a CPU thread works on at a time: 1 MiB in float32, which stays in its cache."""


def coordinate_loss(
    predicted: Float[Tensor, "g p 3"], target: Float[Tensor, "g k 3"], counted: Bool[Tensor, " g"] | None = None
) -> Float[Tensor, ""]:
    """L3D: Chamfer-L2 between predicted and true neighbourhoods of the masked tokens (equation 6).

    Of the ``counted`` ones alone, where the others are padding.
    """
    return chamfer_l2(predicted.float(), target.float(), counted)


def semantic_loss(
    head: nn.Linear,
    tokens: Float[Tensor, "g c"],
    features: Float[Tensor, "m s"],
    rows: Int[Tensor, "g k"],
    counted: Bool[Tensor, " g"] | None = None,
    distance: Distance = "squared",
    views: int = 1,
    seen: Bool[Tensor, "m v"] | None = None,
) -> Float[Tensor, ""]:
    """L2D: mean error of the 2D features that ``head`` predicts from the tokens (equation 7).

    Token i is to predict ``features[rows[i]]``, k·s numbers. There are many of them, hundreds for each number of a
    token: the squared error of all is computed piece by piece on a CPU, predicted, compared and forgotten, with the
    gradients of tokens and head. Only ``counted`` tokens take part, where the others are padding, and of the ``views``
    that lie side by side in a feature those in which its point is ``seen``.
    """
    plain = distance == "squared" and counted is None and seen is None
    if plain and not fixed_shapes(tokens) and not torch.is_autocast_enabled("cpu"):
        return _SquaredError.apply(tokens, head.weight, head.bias, features, rows)
    predicted = head(tokens).view(*rows.shape, views, -1).float()
    error = distances(predicted, features[rows].float().view_as(predicted), distance)
    counts = torch.ones_like(error) if seen is None else seen[rows].to(error.dtype)
    if counted is not None:
        counts = counts * counted[:, None, None]
    return (error * counts).sum() / counts.sum().clamp_min(1)


def distances(
    predicted: Float[Tensor, "*n d"], target: Float[Tensor, "*n d"], distance: Distance
) -> Float[Tensor, "*n"]:
    """How far predicted vectors lie from true ones: the mean over their channels, or 1 less their cosine."""
    if distance == "cosine":
        return 1 - functional.cosine_similarity(predicted, target, dim=-1)
    between = functional.smooth_l1_loss if distance == "smooth-l1" else functional.mse_loss
    return between(predicted, target, reduction="none").mean(-1)


class _SquaredError(torch.autograd.Function):
    """The mean squared error, whose gradient is computed with it."""

    @staticmethod
    def forward(
        ctx: Any, tokens: Tensor, weight: Tensor, bias: Tensor, features: Tensor, rows: Tensor
    ) -> Float[Tensor, ""]:
        learning = any(ctx.needs_input_grad)
        slopes = [torch.zeros_like(value) for value in (tokens, weight, bias)] if learning else []
        total = torch.zeros((), dtype=torch.float64)
        step = max(1, PIECE * torch.get_num_threads() // len(weight))
        for start in range(0, len(tokens), step):
            some = slice(start, start + step)
            error = torch.addmm(bias, tokens[some], weight.t())
            error.sub_(features.index_select(0, rows[some].flatten()).view_as(error))
            total += torch.dot(error.flatten(), error.flatten())
            if learning:
                torch.mm(error, weight, out=slopes[0][some])
                slopes[1].addmm_(error.t(), tokens[some])
                slopes[2] += error.sum(0)
        count = max(1, len(tokens) * len(weight))
        ctx.save_for_backward(*(slope.mul_(2 / count) for slope in slopes))
        return (total / count).to(tokens.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return (*(slope * gradients[0] for slope in ctx.saved_tensors), None, None)


def view_regression(
    predicted: Float[Tensor, "b v d"], target: Float[Tensor, "b v d"], distance: Distance
) -> Float[Tensor, ""]:
    """How far the predicted vectors of views lie from the true ones."""
    return distances(predicted.float(), target, distance).mean()


def view_contrast(
    predicted: Float[Tensor, "b v d"],
    target: Float[Tensor, "b v d"],
    others: Float[Tensor, "q v d"],
    log_scale: Float[Tensor, ""],
    part: Part | None = None,
) -> Float[Tensor, ""]:
    """InfoNCE view by view (arXiv 1807.03748): whose vector is it, and which vector is its own?

    Clouds of the batch are told from each other in both directions, as in CLIP (arXiv 2103.00020); among ``others``,
    vectors of clouds outside the batch, only the second question is asked. ``log_scale`` is the logarithm of the
    inverse temperature, at most that of 100. Where the clouds are a ``part`` of a batch that several processes have,
    both are asked of the whole.
    """
    said = functional.normalize(predicted.float(), dim=-1)
    true = functional.normalize(torch.cat([exchange.rows(target, part), others]), dim=-1)
    scale = log_scale.exp().clamp(max=100)
    likeness = scale * torch.einsum("bvd,qvd->vbq", said, true)
    first = 0 if part is None else part.first
    own = torch.arange(first, first + len(said), device=said.device).expand(len(likeness), -1)
    which = functional.cross_entropy(likeness.transpose(1, 2), own)
    by_all = likeness[:, :, : len(said)]
    if part is not None:
        by_all = scale * torch.einsum("qvd,bvd->vqb", exchange.rows(said, part), true[first : first + len(said)])
    whose = functional.cross_entropy(by_all, own)
    return (which + whose) / 2
