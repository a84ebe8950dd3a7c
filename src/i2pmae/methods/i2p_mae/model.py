"""I2P-MAE: a masked autoencoder of point clouds guided by a 2D model (arXiv 2212.06785)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from i2pmae.encoders.base import PointModel, initialise
from i2pmae.encoders.hierarchical import HierarchicalEncoder
from i2pmae.encoders.masking import visible_count
from i2pmae.encoders.tokenizer import Hierarchy, point_indices
from i2pmae.encoders.tokens import EncodedLevel
from i2pmae.methods.i2p_mae.config import I2PMAEConfig
from i2pmae.methods.i2p_mae.decoder import HierarchicalDecoder
from i2pmae.methods.i2p_mae.predictor import ViewPredictor
from i2pmae.ops import select
from i2pmae.typing import Bool, Float, Int, Tensor

__all__ = ["I2PMAE", "DecodedLevel", "Reconstruction"]


class DecodedLevel(NamedTuple):
    """What a semantic head reads at a coarser level of the decoder."""

    level: int
    """Which level of the hierarchy it is."""
    head: nn.Linear
    """The head."""
    tokens: Float[Tensor, "all c"]
    """The normalised tokens of all clouds in one row."""
    shown: Float[Tensor, "visible c"]
    """The visible ones of them."""
    counted: Bool[Tensor, " visible"] | None
    """Which rows of ``shown`` are no padding."""


class Reconstruction(NamedTuple):
    """What the heads predict, for the tokens of the decoded level of all clouds in one row."""

    offsets: Float[Tensor, "masked p 3"]
    """Coordinates of the neighbours of each masked token, relative to its centre."""
    shown: Float[Tensor, "visible c"]
    """The decoded visible tokens, which the semantic head reads (:meth:`I2PMAE.semantics`)."""
    masked: Bool[Tensor, "b m"]
    """Which tokens are masked: rows of ``offsets`` in order; the others are rows of ``shown``."""
    offsets_counted: Bool[Tensor, " masked"] | None = None
    """Which rows of ``offsets`` are those of masked tokens, where there is padding (:func:`~i2pmae.ops.select`)."""
    shown_counted: Bool[Tensor, " visible"] | None = None
    """The same of ``shown``."""
    tokens: Float[Tensor, "all c"] | None = None
    """All decoded tokens, of which ``shown`` are some."""
    views: Float[Tensor, "b v d"] | None = None
    """The 2D model's vectors of whole views, where the model predicts them."""
    coarser: tuple[DecodedLevel, ...] = ()
    """The coarser levels of the decoder that predict 2D features too, coarsest first."""


class I2PMAE(PointModel):
    """Encoder, decoder and both heads. With ``semantic_dim`` 0 it is Point-M2AE: no semantic head.

    The model knows no 2D teacher: saliency decides ``visible`` outside, and targets are compared outside.
    """

    encoder: HierarchicalEncoder

    def __init__(self, config: I2PMAEConfig) -> None:
        super().__init__()
        self.config = config
        semantic_dim = config.semantic_dim
        self.encoder = HierarchicalEncoder(config)
        self.decoder = HierarchicalDecoder(config)
        self.decoded_level = len(config.group_counts) - len(config.decoder_dims)
        members = config.group_sizes[self.decoded_level]
        self.coordinate_head = nn.Linear(config.decoder_dims[-1], 3 * (config.predicted_points or members))
        self.semantic_head = nn.Linear(config.decoder_dims[-1], members * semantic_dim) if semantic_dim else None
        stages = range(len(config.decoder_dims) - config.semantic_levels, len(config.decoder_dims) - 1)
        self.coarser_stages = tuple(stages) if semantic_dim else ()
        """Stages of the decoder before its last that predict 2D features."""
        widths = {stage: config.decoder_dims[stage] for stage in self.coarser_stages}
        self.coarser_norms = nn.ModuleList(nn.LayerNorm(width) for width in widths.values())
        self.coarser_heads = nn.ModuleList(
            nn.Linear(width, config.group_sizes[self._level(stage)] * semantic_dim) for stage, width in widths.items()
        )
        self.apply(initialise)
        # With PyTorch's own initial weights: through three layers the small ones of above would say next to nothing.
        predictor = config.view_predictor
        self.view_predictor = None if predictor is None else ViewPredictor(predictor, config.encoder_dims)

    def tokenise(self, points: Float[Tensor, "b n 3"], weight: Float[Tensor, "b n"] | None = None) -> Hierarchy:
        """Groups at every level, denser where the ``weight`` of points is larger: :meth:`HierarchicalEncoder.tokenise`.

        Embeddings have no weights, as no 2D model takes part in them.
        """
        return self.encoder.tokenise(points, weight)

    def encode(
        self,
        hierarchy: Hierarchy,
        visible: Sequence[Bool[Tensor, "b _"]] | None = None,
        most: Sequence[int] | None = None,
    ) -> list[EncodedLevel]:
        """Encoded tokens per level, finest first; ``visible`` is the result of :func:`propagate`."""
        return self.encoder(hierarchy, visible, most)

    @property
    def most_visible(self) -> tuple[int, ...]:
        """How many tokens of each level, finest first, are visible at most in pre-training."""
        return self.most_at(self.config.mask_ratio)

    def most_at(self, mask_ratio: float) -> tuple[int, ...]:
        """How many tokens of each level, finest first, are visible at most where that share is masked."""
        counts, sizes = self.config.group_counts, self.config.group_sizes
        most = [visible_count(counts[-1], mask_ratio)]
        for count, members in zip(counts[-2::-1], sizes[:0:-1], strict=True):
            most.insert(0, min(count, most[0] * members))
        return tuple(most)

    def reconstruct(
        self,
        hierarchy: Hierarchy,
        encoded: Sequence[EncodedLevel],
        visible: Sequence[Bool[Tensor, "b _"]],
        most: Sequence[int] | None = None,
    ) -> Reconstruction:
        """What the coordinate head predicts, and what the semantic head reads (I2P-MAE §3.3)."""
        decoded = self.decoder(hierarchy, encoded)
        tokens = decoded[-1]
        shown = visible[self.decoded_level]
        masked = select(~shown)
        visibly = select(shown, None if most is None else most[self.decoded_level])
        offsets = self.coordinate_head(masked.of(tokens)).unflatten(-1, (-1, 3))
        return Reconstruction(
            offsets,
            visibly.of(tokens),
            ~shown,
            masked.counted,
            visibly.counted,
            tokens.flatten(0, 1),
            coarser=self._coarser(decoded, visible, most),
        )

    def _coarser(
        self,
        decoded: Sequence[Float[Tensor, "b _ _"]],
        visible: Sequence[Bool[Tensor, "b _"]],
        most: Sequence[int] | None,
    ) -> tuple[DecodedLevel, ...]:
        """What the semantic heads of coarser stages read."""
        found = []
        for stage, norm, head in zip(self.coarser_stages, self.coarser_norms, self.coarser_heads, strict=True):
            assert isinstance(head, nn.Linear)
            level, tokens = self._level(stage), norm(decoded[stage])
            visibly = select(visible[level], None if most is None else most[level])
            found.append(DecodedLevel(level, head, tokens.flatten(0, 1), visibly.of(tokens), visibly.counted))
        return tuple(found)

    def _level(self, stage: int) -> int:
        """The level of the hierarchy that a stage of the decoder decodes."""
        return len(self.config.group_counts) - 1 - stage

    def semantics(self, found: Reconstruction) -> Float[Tensor, "visible k s"] | None:
        """2D features of each neighbour of each visible token, as predicted; None without semantic head.

        Losses of them are computed from :attr:`Reconstruction.shown` (:func:`~i2pmae.methods.losses.semantic_loss`).
        """
        if self.semantic_head is None:
            return None
        members = self.config.group_sizes[self.decoded_level]
        return self.semantic_head(found.shown).view(-1, members, self.config.semantic_dim)

    def forward(
        self,
        hierarchy: Hierarchy,
        visible: Sequence[Bool[Tensor, "b _"]],
        most: Sequence[int] | None = None,
        decoded: bool = True,
    ) -> Reconstruction:
        """One pre-training pass: the visible tokens encoded, all decoded, all heads.

        ``most``: how many tokens of each level are visible at most, such as :attr:`most_visible`; a GPU computes so
        many (:func:`~i2pmae.ops.pack`). Without ``decoded``, the vectors of views are predicted and nothing else.
        """
        levels = self.encode(hierarchy, visible, most)
        views = None if self.view_predictor is None else self.view_predictor(levels)
        if decoded:
            return self.reconstruct(hierarchy, levels, visible, most)._replace(views=views)
        nothing = levels[-1].tokens.new_zeros(0, self.coordinate_head.in_features)
        offsets = nothing.new_zeros(0, self.coordinate_head.out_features // 3, 3)
        return Reconstruction(offsets, nothing, ~visible[self.decoded_level], views=views)

    def target_offsets(self, hierarchy: Hierarchy, masked: Bool[Tensor, "b m"]) -> Float[Tensor, "masked k 3"]:
        """True coordinates of the neighbours of each masked token, relative to its centre."""
        return select(masked).of(hierarchy[self.decoded_level].offsets)

    def target_points(self, hierarchy: Hierarchy, level: int | None = None) -> Int[Tensor, "b m"]:
        """Which points carry the 2D features that the semantic head predicts: the centres below the decoded level, or
        below another ``level``."""
        return point_indices(hierarchy, (self.decoded_level if level is None else level) - 1)

    def target_rows(
        self,
        hierarchy: Hierarchy,
        masked: Bool[Tensor, "b m2"],
        most: Sequence[int] | None = None,
        level: int | None = None,
    ) -> Int[Tensor, "visible k"]:
        """Whose 2D features each visible token is to predict: rows of all :meth:`target_points` of the batch in one."""
        level = self.decoded_level if level is None else level
        below = hierarchy[level - 1].centres.shape[1]
        first = torch.arange(len(masked), device=masked.device)[:, None, None] * below
        shown = select(~masked, None if most is None else most[level])
        return shown.of(hierarchy[level].neighbours + first)
