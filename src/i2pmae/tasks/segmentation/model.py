"""An encoder with a head that names the part of every point (Point-M2AE §4.2; Point-MAE §4.2)."""

from itertools import pairwise
from typing import ClassVar, cast

import torch
from torch import nn
from torch.nn import functional

from i2pmae.common.errors import UsageError
from i2pmae.encoders.base import PointModel, initialise
from i2pmae.encoders.layers import Dropout
from i2pmae.encoders.norms import BatchNorm
from i2pmae.ops import fixed_shapes, three_nn_interpolate
from i2pmae.tasks.segmentation.config import SegmenterConfig
from i2pmae.typing import Float, Int, Tensor

__all__ = ["Segmenter"]

LEAK = 0.2
"""Slope of the category embedding's LeakyReLU below zero."""


class _PointMLP(nn.Module):
    """Linear, BatchNorm and ReLU per point, repeated; ``dropout`` after the first.

    The first layer may be given channels that all points of a cloud share; they come before the points' own.
    """

    def __init__(self, widths: tuple[int, ...], dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(inputs, outputs) for inputs, outputs in pairwise(widths))
        self.norms = nn.ModuleList(BatchNorm(width) for width in widths[1:])
        self.dropout = Dropout(dropout)

    def forward(self, x: Float[Tensor, "b n c"], shared: Float[Tensor, "b s"] | None = None) -> Float[Tensor, "b n d"]:
        n = x.shape[1]
        for index, (module, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            layer = cast(nn.Linear, module)
            if index == 0 and shared is not None:
                # Linear of [shared, own] is the sum of two: the shared half is computed once per cloud.
                of_shared, of_own = layer.weight.split([shared.shape[-1], x.shape[-1]], dim=1)
                x = functional.linear(x, of_own) + functional.linear(shared, of_shared, layer.bias)[:, None]
            else:
                x = layer(x)
            x = norm(x.flatten(0, 1)).relu().unflatten(0, (-1, n))
            x = self.dropout(x) if index == 0 else x
        return x


class Segmenter(PointModel):
    """Logits of the parts of every point."""

    shows_all: ClassVar[bool] = True

    def __init__(self, config: SegmenterConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = config.encoder.build()
        inputs, last = self.encoder.feature_widths, config.propagation_widths[-1]
        self.propagations = nn.ModuleList(_PointMLP((3 + width, *config.propagation_widths)) for width in inputs)
        local = len(inputs) * last
        context = local if config.context == "points" else 2 * sum(inputs)
        self.category = None
        if config.categories:
            embedding = nn.Linear(len(config.categories), config.category_width, bias=False)
            self.category = nn.Sequential(embedding, BatchNorm(config.category_width), nn.LeakyReLU(LEAK))
        told = config.category_width if config.categories else 0
        self.head = _PointMLP((context + told + local, *config.head_widths), config.dropout)
        self.out = nn.Linear(config.head_widths[-1], len(config.parts))
        self.apply(initialise)

    def forward(
        self, points: Float[Tensor, "b n 3"], category: Int[Tensor, "b"] | None = None
    ) -> Float[Tensor, "b n parts"]:
        """One logit per point and part; ``category`` indexes the configuration's categories, where it has any.

        :class:`UsageError` where a category is missing or, on a CPU, out of range: a GPU would have to be waited for.
        """
        features = self.encoder.features(self.tokenise(points))
        parts = [
            propagate(torch.cat([points, three_nn_interpolate(points, level.centres, level.tokens)], dim=-1))
            for propagate, level in zip(self.propagations, features, strict=True)
        ]
        local = torch.cat(parts, dim=-1)
        if self.config.context == "points":
            context = [local.amax(1) + local.mean(1)]
        else:
            tokens = torch.cat([level.tokens for level in features], dim=-1)
            context = [tokens.amax(1), tokens.mean(1)]
        if self.category is not None:
            context.append(self._told(category, points))
        return self.out(self.head(local, torch.cat(context, dim=-1)))

    def _told(self, category: Int[Tensor, "b"] | None, points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b c"]:
        count = len(self.config.categories)
        if category is None or category.shape != points.shape[:1]:
            raise UsageError(f"Expected one category index per cloud, below {count}.")
        if not fixed_shapes(category) and (int(category.min()) < 0 or int(category.max()) >= count):
            raise UsageError(f"Expected category indices below {count}, got {category.tolist()}.")
        assert self.category is not None
        chosen = points.new_zeros(points.shape[0], count).scatter_(1, category[:, None], 1.0)
        return self.category(chosen)
