"""Point-MAE: masked autoencoding of the tokens of one level (arXiv 2203.06604)."""

from typing import NamedTuple

import torch
from torch import nn

from i2pmae.encoders.base import PointModel, initialise
from i2pmae.encoders.layers import Block, learnt_token, position_embedding
from i2pmae.encoders.plain import POSITION_HIDDEN, PlainEncoder
from i2pmae.encoders.tokenizer import Hierarchy
from i2pmae.encoders.tokens import EncodedLevel
from i2pmae.methods.point_mae.config import PointMAEConfig
from i2pmae.ops import gather, pack, select
from i2pmae.typing import Bool, Float, Tensor

__all__ = ["MaskedOffsets", "PointMAE"]


class MaskedOffsets(NamedTuple):
    """What the head predicts, for the masked tokens of all clouds in one row."""

    offsets: Float[Tensor, "masked k 3"]
    """Coordinates of the points of each masked token, relative to its centre."""
    masked: Bool[Tensor, "b m"]
    """Which tokens are masked: rows of ``offsets`` in order."""


class PointMAE(PointModel):
    """Encoder of the visible tokens, decoder of all, and a head that predicts the points of the masked ones."""

    def __init__(self, config: PointMAEConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.encoder: PlainEncoder = PlainEncoder(config)
        self.mask_token = learnt_token(width)
        self.decoder_position = position_embedding(width, POSITION_HIDDEN)
        rates = torch.linspace(0, config.drop_path, config.decoder_depth).tolist()
        self.decoder = nn.ModuleList(Block(width, config.decoder_heads, config.mlp_ratio, rate) for rate in rates)
        self.decoder_norm = nn.LayerNorm(width)
        self.coordinate_head = nn.Linear(width, 3 * config.group_size)
        self.apply(initialise)

    def encode(
        self, hierarchy: Hierarchy, visible: Bool[Tensor, "b m"] | None = None, count: int | None = None
    ) -> EncodedLevel:
        """The encoded visible tokens; as many are visible in every cloud (all where absent): ``count``, where known."""
        most = None if count is None else [count]
        return self.encoder(hierarchy, None if visible is None else [visible], most)[0]

    def reconstruct(
        self, hierarchy: Hierarchy, encoded: EncodedLevel, visible: Bool[Tensor, "b m"]
    ) -> Float[Tensor, "masked k 3"]:
        """Predicted points of the masked tokens (Point-MAE §3.3): the decoder sees visible and mask tokens."""
        centres = hierarchy[0].centres
        known = encoded.tokens.shape[1]
        hidden = pack(~visible, visible.shape[1] - known).rows
        masks = self.mask_token.to(encoded.tokens.dtype).expand(*hidden.shape, -1)
        tokens = torch.cat([encoded.tokens, masks], dim=1)
        places = torch.cat([gather(centres, encoded.packing.rows), gather(centres, hidden)], dim=1)
        position = self.decoder_position(places)
        for block in self.decoder:
            tokens = block(tokens + position)
        return self.coordinate_head(self.decoder_norm(tokens[:, known:])).flatten(0, 1).unflatten(-1, (-1, 3))

    def forward(self, hierarchy: Hierarchy, visible: Bool[Tensor, "b m"], count: int | None = None) -> MaskedOffsets:
        """One pre-training pass: the visible tokens encoded, all decoded, the masked ones read out.

        ``count``: how many are visible in each cloud, without which a GPU has to be waited for.
        """
        return MaskedOffsets(self.reconstruct(hierarchy, self.encode(hierarchy, visible, count), visible), ~visible)

    def target_offsets(
        self, hierarchy: Hierarchy, masked: Bool[Tensor, "b m"], count: int | None = None
    ) -> Float[Tensor, "masked k 3"]:
        """True coordinates of the points of each masked token, relative to its centre; ``count`` are masked a cloud."""
        count = int(masked[0].sum()) if count is None else count
        return select(masked, count).of(hierarchy[0].offsets)
