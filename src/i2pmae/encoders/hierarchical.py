"""The hierarchical encoder that Point-M2AE introduced and I2P-MAE uses."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, cast

import torch
from torch import nn
from torch.nn import functional

from i2pmae.encoders.base import TokenEncoder
from i2pmae.encoders.config import HierarchicalConfig
from i2pmae.encoders.layers import Block, learnt_token, position_embedding, radius_mask
from i2pmae.encoders.masking import propagate
from i2pmae.encoders.pointnet import MiniPointNet
from i2pmae.encoders.tokenizer import Hierarchy, check_points, tokenise
from i2pmae.encoders.tokens import EncodedLevel, TokenFeatures
from i2pmae.ops import Packing, fixed_shapes, gather, pack, scatter
from i2pmae.typing import Bool, Float, Tensor

__all__ = ["HierarchicalEncoder"]


class HierarchicalEncoder(TokenEncoder):
    """Transformer stages of growing width over ever coarser tokens (I2P-MAE §3.1; Point-M2AE §3.2).

    ``norms`` says which levels' outputs get a LayerNorm: ``all``, or the ``last`` alone, for tasks that read no other.
    """

    config: HierarchicalConfig

    def __init__(self, config: HierarchicalConfig, norms: Literal["all", "last"] = "all") -> None:
        super().__init__()
        self.config = config
        dims = config.encoder_dims
        low, inner, high = config.embed_widths
        self.embeddings = nn.ModuleList([MiniPointNet(3, (low, inner, high), dims[0])])
        self.embeddings.extend(MiniPointNet(below, (below, below, width), width) for below, width in pairwise(dims))
        self.positions = nn.ModuleList(position_embedding(width) for width in dims)
        rates = torch.linspace(0, config.drop_path, sum(config.encoder_depths)).tolist()
        self.stages = nn.ModuleList()
        for width, depth in zip(dims, config.encoder_depths, strict=True):
            stage = [Block(width, config.heads, config.mlp_ratio, rates.pop(0)) for _ in range(depth)]
            self.stages.append(nn.ModuleList(stage))
        self.cls_token = learnt_token(dims[-1]) if config.class_token else None
        self.cls_position = learnt_token(dims[-1]) if config.class_token else None
        first = len(dims) - 1 if norms == "last" else 0
        self.norms = nn.ModuleList(
            nn.LayerNorm(width) if level >= first else nn.Identity() for level, width in enumerate(dims)
        )

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels per level of :meth:`forward`, finest first."""
        return self.config.encoder_dims

    @property
    def feature_widths(self) -> tuple[int, ...]:
        """Channels of each of the :meth:`features`."""
        return self.config.encoder_dims

    def tokenise(self, points: Float[Tensor, "b n 3"], weight: Float[Tensor, "b n"] | None = None) -> Hierarchy:
        """Groups at every level; :class:`UsageError` for points of the wrong shape or number.

        The centres are denser where the ``weight`` of points is larger: see :func:`~i2pmae.ops.fps`.
        """
        check_points(points, self.min_points)
        return tokenise(points.float(), self.config.group_counts, self.config.group_sizes, weight)

    def features(self, hierarchy: Hierarchy) -> list[TokenFeatures]:
        """What dense tasks read: the normalised tokens of every level, all visible, finest first."""
        levels = zip(hierarchy, self(hierarchy), strict=True)
        return [TokenFeatures(groups.centres, level.tokens) for groups, level in levels]

    def grouped(self, hierarchy: Hierarchy) -> Sequence[Bool[Tensor, "b _"]] | None:
        """What is visible of each level when all coarsest tokens are: all but finer tokens that no coarser one groups.

        The mask's back-propagation of pre-training without a mask. None where that is everything.
        """
        coarsest = hierarchy[-1].centres
        reached = propagate(torch.ones(coarsest.shape[:2], dtype=torch.bool, device=coarsest.device), hierarchy)
        if fixed_shapes(coarsest):
            return reached
        return None if all(bool(level.all()) for level in reached) else reached

    def forward(
        self,
        hierarchy: Hierarchy,
        visible: Sequence[Bool[Tensor, "b _"]] | None = None,
        most: Sequence[int] | None = None,
    ) -> list[EncodedLevel]:
        """Encoded tokens per level, finest first; only ``visible`` tokens take part (all where absent).

        ``most``: how many tokens of each level a cloud can show, by which they are padded on a GPU (:func:`pack`).
        """
        encoded: list[EncodedLevel] = []
        below: Float[Tensor, "b m c"] | None = None
        for level, groups in enumerate(hierarchy):
            members = groups.offsets if below is None else gather(below, groups.neighbours)
            shown = None if visible is None else visible[level]
            if shown is None:
                shown = torch.ones(members.shape[:2], dtype=torch.bool, device=members.device)
            packing = pack(shown, None if visible is None or most is None else most[level])
            tokens = self._embed(level, members, None if visible is None else shown, packing)
            seen, class_token = self._stage(
                level, gather(tokens, packing.rows), gather(groups.centres, packing.rows), packing
            )
            class_token = None if class_token is None else self.norms[level](class_token)
            encoded.append(EncodedLevel(self.norms[level](seen), packing, class_token))
            below = scatter(tokens, packing.rows, seen, packing.valid)
        return encoded

    def _embed(
        self, level: int, members: Float[Tensor, "b m k c"], visible: Bool[Tensor, "b m"] | None, packing: Packing
    ) -> Float[Tensor, "b m d"]:
        embedding = self.embeddings[level]
        if visible is None or not self.config.embed_visible_only:
            return embedding(members.flatten(0, 1)).view(*members.shape[:2], -1)
        if fixed_shapes(members):
            tokens = embedding(gather(members, packing.rows).flatten(0, 1), packing.valid.flatten())
            tokens = tokens.view(*packing.rows.shape, -1)
            return scatter(tokens.new_zeros(*visible.shape, tokens.shape[-1]), packing.rows, tokens, packing.valid)
        tokens = embedding(members[visible])
        return tokens.new_zeros(*members.shape[:2], tokens.shape[-1]).masked_scatter(visible[..., None], tokens)

    def _stage(
        self, level: int, tokens: Float[Tensor, "b t c"], centres: Float[Tensor, "b t 3"], packing: Packing
    ) -> tuple[Float[Tensor, "b t c"], Float[Tensor, "b c"] | None]:
        """Blocks of one level, and the [CLS] token of the coarsest apart, where there is one.

        Padding is never seen; it sees whatever a token sees, and its output is dropped.
        """
        position = self.positions[level](centres)
        blocks = cast(nn.ModuleList, self.stages[level])
        allowed: Bool[Tensor, "b q t"] | None = None
        if self.config.attention_radii is not None:
            # A token always sees itself, so that no row of the softmax is empty.
            itself = torch.eye(tokens.shape[1], dtype=torch.bool, device=tokens.device)
            allowed = radius_mask(centres, self.config.attention_radii[level]) & packing.valid[:, None] | itself
        elif fixed_shapes(tokens) or not bool(packing.valid.all()):
            allowed = packing.valid[:, None]
        last = level == len(self.stages) - 1
        first = self.cls_token is not None and self.cls_position is not None and last
        if first:
            tokens, position, allowed = self._with_class_token(tokens, position, allowed, packing)
        for block in blocks:
            tokens = block(tokens + position, allowed)
        return (tokens[:, 1:], tokens[:, 0]) if first else (tokens, None)

    def _with_class_token(
        self,
        tokens: Float[Tensor, "b t c"],
        position: Float[Tensor, "b t c"],
        allowed: Bool[Tensor, "b _ t"] | None,
        packing: Packing,
    ) -> tuple[Float[Tensor, "b s c"], Float[Tensor, "b s c"], Bool[Tensor, "b _ s"] | None]:
        """Tokens, positions and what sees what with the [CLS] token before them: all see it, and it sees all."""
        assert self.cls_token is not None and self.cls_position is not None
        shape = (len(tokens), 1, tokens.shape[-1])
        tokens = torch.cat([self.cls_token.to(tokens.dtype).expand(shape), tokens], dim=1)
        position = torch.cat([self.cls_position.to(position.dtype).expand(shape), position], dim=1)
        if allowed is None:
            return tokens, position, None
        if allowed.shape[1] > 1:
            allowed = torch.cat([packing.valid[:, None], allowed], dim=1)
        return tokens, position, functional.pad(allowed, (1, 0), value=True)
