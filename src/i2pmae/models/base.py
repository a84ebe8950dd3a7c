"""What every model here can do with a cloud, whatever it was trained for."""

from typing import ClassVar

import torch
from torch import nn

from i2pmae.models.config import I2PMAEConfig, PlainConfig
from i2pmae.models.hierarchy import HierarchicalEncoder
from i2pmae.models.plain import PlainEncoder
from i2pmae.models.tokenizer import Hierarchy
from i2pmae.models.tokens import Pooling, pool, pooled_width
from i2pmae.ops import three_nn_interpolate
from i2pmae.typing import Float, Tensor

__all__ = ["AnyEncoder", "EncoderModel", "PointModel", "build_encoder", "initialise"]

AnyEncoder = HierarchicalEncoder | PlainEncoder


def build_encoder(config: I2PMAEConfig | PlainConfig) -> AnyEncoder:
    """The encoder that a configuration describes."""
    return HierarchicalEncoder(config) if isinstance(config, I2PMAEConfig) else PlainEncoder(config)


class PointModel(nn.Module):
    """A model with an ``encoder``: embeddings of clouds and of points."""

    encoder: AnyEncoder
    pooling: ClassVar[Pooling] = "max"
    """How the method's authors turn tokens into an embedding."""

    @property
    def min_points(self) -> int:
        """Fewest points of a cloud that the model takes."""
        return self.encoder.min_points

    def embedding_dim(self, pooling: Pooling | None = None) -> int:
        """Channels of an embedding."""
        return pooled_width(self.encoder.widths[-1], pooling or self.pooling)

    @property
    def point_feature_dim(self) -> int:
        """Channels of the features of a point."""
        return sum(self.encoder.feature_widths)

    def tokenise(self, points: Float[Tensor, "b n 3"]) -> Hierarchy:
        """Groups at every level; :class:`UsageError` for points of the wrong shape or number."""
        return self.encoder.tokenise(points)

    def embed(self, points: Float[Tensor, "b n 3"], pooling: Pooling | None = None) -> Float[Tensor, "b c"]:
        """One vector per cloud, pooled from the coarsest tokens; as the method's authors do where not said."""
        return pool(self.encoder(self.tokenise(points))[-1], pooling or self.pooling)

    def point_features(
        self, points: Float[Tensor, "b n 3"], at: Float[Tensor, "b p 3"] | None = None, chunk: int = 16384
    ) -> Float[Tensor, "b _ d"]:
        """One vector per point: the encoder's dense features, each interpolated to the points, side by side.

        ``at`` asks for features of other points than those that the tokens are made from. ``chunk`` points are
        interpolated at a time, which bounds the memory that a large scan takes.
        """
        features = self.encoder.features(self.tokenise(points))
        parts = [
            torch.cat([three_nn_interpolate(part, level.centres, level.tokens) for level in features], dim=-1)
            for part in (points if at is None else at).split(chunk, dim=1)
        ]
        return torch.cat(parts, dim=1)


class EncoderModel(PointModel):
    """An encoder alone, without what it was trained with."""

    def __init__(self, config: I2PMAEConfig | PlainConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = build_encoder(config)
        self.apply(initialise)


def initialise(module: nn.Module) -> None:
    """Initial weights of linear layers: a normal distribution of deviation 0.02, cut at 2, and biases of 0."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
