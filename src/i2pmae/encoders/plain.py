"""The encoder of one level that Point-BERT introduced and Point-MAE uses."""

from collections.abc import Sequence

import torch
from torch import nn

from i2pmae.encoders.base import TokenEncoder
from i2pmae.encoders.config import PlainConfig
from i2pmae.encoders.layers import Block, learnt_token, position_embedding
from i2pmae.encoders.pointnet import MiniPointNet
from i2pmae.encoders.tokenizer import Hierarchy, check_points, tokenise
from i2pmae.encoders.tokens import EncodedLevel, TokenFeatures
from i2pmae.ops import gather, pack
from i2pmae.typing import Bool, Float, Tensor

__all__ = ["POSITION_HIDDEN", "PlainEncoder"]

POSITION_HIDDEN = 128
"""Width between the two layers of a position embedding."""


class PlainEncoder(TokenEncoder):
    """A transformer over the tokens of one level, with or without a [CLS] token (Point-BERT §3; Point-MAE §3)."""

    config: PlainConfig

    def __init__(self, config: PlainConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.embedding = MiniPointNet(3, config.embed_widths, config.token_width or width)
        self.reduce = nn.Linear(config.token_width, width) if config.token_width else nn.Identity()
        self.position = position_embedding(width, POSITION_HIDDEN)
        rates = torch.linspace(0, config.drop_path, config.depth).tolist()
        self.blocks = nn.ModuleList(Block(width, config.heads, config.mlp_ratio, rate) for rate in rates)
        self.norm = nn.LayerNorm(width)
        self.cls_token = learnt_token(width) if config.class_token else None
        self.cls_position = learnt_token(width) if config.class_token else None

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of the one level of :meth:`forward`."""
        return (self.config.width,)

    @property
    def feature_widths(self) -> tuple[int, ...]:
        """Channels of each of the :meth:`features`."""
        return (len(self._read_out) * self.config.width,)

    def tokenise(self, points: Float[Tensor, "b n 3"]) -> Hierarchy:
        """Groups of the one level; :class:`UsageError` for points of the wrong shape or number."""
        check_points(points, self.min_points)
        return tokenise(points.float(), (self.config.group_count,), (self.config.group_size,))

    def grouped(self, _: Hierarchy) -> Sequence[Bool[Tensor, "b _"]] | None:
        """What is visible in an embedding: everything (None), as there is no finer level."""
        return None

    def embed_groups(self, hierarchy: Hierarchy) -> Float[Tensor, "b m c"]:
        """The tokens that enter the transformer, without their positions."""
        offsets = hierarchy[0].offsets
        return self.reduce(self.embedding(offsets.flatten(0, 1))).unflatten(0, offsets.shape[:2])

    def transform(
        self, tokens: Float[Tensor, "b t c"], centres: Float[Tensor, "b t 3"]
    ) -> list[Float[Tensor, "b s c"]]:
        """The output of every block; the [CLS] token, where there is one, comes first. Not yet normalised."""
        position = self.position(centres)
        if self.cls_token is not None and self.cls_position is not None:
            shape = (tokens.shape[0], 1, self.config.width)
            tokens = torch.cat([self.cls_token.to(tokens.dtype).expand(shape), tokens], dim=1)
            position = torch.cat([self.cls_position.to(position.dtype).expand(shape), position], dim=1)
        outputs = []
        for block in self.blocks:
            tokens = block(tokens + position)
            outputs.append(tokens)
        return outputs

    def normalised(self, output: Float[Tensor, "b s c"]) -> tuple[Float[Tensor, "b t c"], Float[Tensor, "b c"] | None]:
        """The normalised tokens of a block's output, and the [CLS] token apart from them."""
        output = self.norm(output)
        return (output, None) if self.cls_token is None else (output[:, 1:], output[:, 0])

    def forward(
        self,
        hierarchy: Hierarchy,
        visible: Sequence[Bool[Tensor, "b _"]] | None = None,
        most: Sequence[int] | None = None,
    ) -> list[EncodedLevel]:
        """Encoded tokens of the one level; only ``visible`` tokens take part, as many in every cloud.

        ``most`` says how many, without which a GPU has to be waited for.
        """
        tokens, centres = self.embed_groups(hierarchy), hierarchy[0].centres
        shown = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device) if visible is None else visible[0]
        count = most[0] if most is not None else shown.shape[1] if visible is None else int(shown[0].sum())
        packing = pack(shown, count)
        if visible is not None:
            tokens, centres = gather(tokens, packing.rows), gather(centres, packing.rows)
        tokens, class_token = self.normalised(self.transform(tokens, centres)[-1])
        return [EncodedLevel(tokens, packing, class_token)]

    @property
    def _read_out(self) -> list[int]:
        """Blocks whose outputs dense tasks read: after each third of the depth (of 12: 4, 8, 12)."""
        depth = self.config.depth
        return sorted({max(1, round(depth * part / 3)) - 1 for part in (1, 2, 3)})

    def features(self, hierarchy: Hierarchy) -> list[TokenFeatures]:
        """What dense tasks read: normalised tokens after each third of the blocks, side by side."""
        centres = hierarchy[0].centres
        outputs = self.transform(self.embed_groups(hierarchy), centres)
        tokens = torch.cat([self.normalised(outputs[block])[0] for block in self._read_out], dim=-1)
        return [TokenFeatures(centres, tokens)]
