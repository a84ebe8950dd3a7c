"""What every encoder is, and what every model here can do with a cloud, whatever it was trained for."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import nn

from i2pmae.encoders.config import EncoderConfig
from i2pmae.encoders.pooling import Pooling
from i2pmae.encoders.tokenizer import Hierarchy
from i2pmae.encoders.tokens import EncodedLevel, TokenFeatures, pool, pooled_width
from i2pmae.ops import three_nn_interpolate
from i2pmae.typing import Bool, Float, Tensor

__all__ = ["EncoderModel", "PointModel", "TokenEncoder", "initialise"]


class TokenEncoder(nn.Module, ABC):
    """A transformer over the tokens of a cloud, of one level or of several."""

    config: EncoderConfig

    @property
    def min_points(self) -> int:
        """Fewest points of a cloud that the encoder takes."""
        return self.config.min_points

    @property
    @abstractmethod
    def widths(self) -> tuple[int, ...]:
        """Channels per level of :meth:`forward`, finest first."""

    @property
    @abstractmethod
    def feature_widths(self) -> tuple[int, ...]:
        """Channels of each of the :meth:`features`."""

    @abstractmethod
    def tokenise(self, points: Float[Tensor, "b n 3"]) -> Hierarchy:
        """Groups at every level; :class:`UsageError` for points of the wrong shape or number."""

    @abstractmethod
    def features(self, hierarchy: Hierarchy) -> list[TokenFeatures]:
        """What dense tasks read: normalised tokens with their centres, all visible."""

    def grouped(self, hierarchy: Hierarchy) -> Sequence[Bool[Tensor, "b _"]] | None:
        """What is visible in an embedding; ``None`` for everything, as of an encoder of one level."""
        del hierarchy
        return None

    @abstractmethod
    def forward(
        self,
        hierarchy: Hierarchy,
        visible: Sequence[Bool[Tensor, "b _"]] | None = None,
        most: Sequence[int] | None = None,
    ) -> list[EncodedLevel]:
        """Encoded tokens per level, finest first; only ``visible`` tokens take part (all where absent).

        ``most``: how many tokens of each level a cloud can show, by which they are padded on a GPU
        (:func:`~i2pmae.ops.pack`).
        """


class PointModel(nn.Module):
    """A model with an ``encoder``: embeddings of clouds and of points."""

    encoder: TokenEncoder
    pooling: Pooling = "max"
    """How tokens become an embedding: set from the configuration or the record that the model was built from."""
    shows_all: ClassVar[bool] = False
    """Whether finer tokens that no coarser token groups take part in embeddings. In pre-training such a token is never
    visible, whatever the mask, and the published embeddings of pre-trained models hide it too; fine-tuned models show
    all tokens to their heads, and so to embeddings."""

    @property
    def min_points(self) -> int:
        """Fewest points of a cloud that the model takes."""
        return self.encoder.min_points

    def embedding_dim(self, pooling: Pooling | None = None) -> int:
        """Channels of an embedding."""
        return pooled_width(self.encoder.widths, pooling or self.pooling)

    @property
    def point_feature_dim(self) -> int:
        """Channels of the features of a point."""
        return sum(self.encoder.feature_widths)

    def tokenise(self, points: Float[Tensor, "b n 3"]) -> Hierarchy:
        """Groups at every level; :class:`UsageError` for points of the wrong shape or number."""
        return self.encoder.tokenise(points)

    def embed(self, points: Float[Tensor, "b n 3"], pooling: Pooling | None = None) -> Float[Tensor, "b c"]:
        """One vector per cloud, pooled from its tokens; by :attr:`pooling` where not said.

        Finer tokens that no coarser one groups take part only where the model :attr:`shows_all`: about one token in two
        clouds of 2048 points at the paper's sizes, which changes the embedding by 1e-3 of its largest value.
        """
        hierarchy = self.tokenise(points)
        visible = None if self.shows_all else self.encoder.grouped(hierarchy)
        return pool(self.encoder(hierarchy, visible), pooling or self.pooling)

    def point_features(
        self, points: Float[Tensor, "b n 3"], at: Float[Tensor, "b p 3"] | None = None, chunk: int = 16384
    ) -> Float[Tensor, "b _ d"]:
        """One vector per point: the encoder's dense features, each interpolated to the points, side by side.

        All tokens take part, of pre-trained models too: every place of a cloud is to have features of its own, and part
        segmentation, the published dense task, shows all. The coarsest features may so differ from those of
        :meth:`embed` by what ungrouped tokens tell.

        ``at`` asks for features of other points than those that the tokens are made from. ``chunk`` points are
        interpolated at a time, which bounds the memory that a large scan takes.
        """
        features = self.encoder.features(self.tokenise(points))
        where = points if at is None else at
        # How many pieces there are would be fixed in an exported program.
        pieces = (where,) if torch.compiler.is_exporting() else where.split(chunk, dim=1)
        parts = [
            torch.cat([three_nn_interpolate(part, level.centres, level.tokens) for level in features], dim=-1)
            for part in pieces
        ]
        return torch.cat(parts, dim=1)


class EncoderModel(PointModel):
    """An encoder alone, without what it was trained with."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = config.build()
        self.apply(initialise)


def initialise(module: nn.Module) -> None:
    """Initial weights of linear layers: a normal distribution of deviation 0.02, cut at 2, and biases of 0."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
