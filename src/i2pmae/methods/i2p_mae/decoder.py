"""The hierarchical decoder that Point-M2AE introduced and I2P-MAE uses."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import nn
from torch.nn import functional

from i2pmae.encoders.layers import Block, learnt_token, position_embedding
from i2pmae.encoders.norms import BatchNorm
from i2pmae.encoders.tokenizer import Hierarchy
from i2pmae.encoders.tokens import EncodedLevel
from i2pmae.methods.i2p_mae.config import I2PMAEConfig
from i2pmae.ops import scatter, three_nn_interpolate
from i2pmae.typing import Float, Tensor

__all__ = ["HierarchicalDecoder", "TokenPropagation"]


class TokenPropagation(nn.Module):
    """Features of a finer level from its tokens and the interpolated ones of the coarser level (Point-M2AE §3.3)."""

    def __init__(self, fine: int, coarse: int, width: int) -> None:
        super().__init__()
        self.fuse = nn.Linear(fine + coarse, width)
        self.fuse_norm = BatchNorm(width)
        self.residual1 = nn.Linear(width, width)
        self.residual1_norm = BatchNorm(width)
        self.residual2 = nn.Linear(width, width)
        self.residual2_norm = BatchNorm(width)

    def forward(
        self,
        fine_centres: Float[Tensor, "b n 3"],
        coarse_centres: Float[Tensor, "b m 3"],
        fine_tokens: Float[Tensor, "b n c"],
        coarse_tokens: Float[Tensor, "b m d"],
    ) -> Float[Tensor, "b n e"]:
        """One token per fine centre."""
        b, n, _ = fine_centres.shape
        coarse = three_nn_interpolate(fine_centres, coarse_centres, coarse_tokens)
        x = torch.cat([fine_tokens, coarse], dim=-1).view(b * n, -1)
        x = functional.gelu(self.fuse_norm(self.fuse(x)))
        branch = functional.gelu(self.residual1_norm(self.residual1(x)))
        return functional.gelu(x + self.residual2_norm(self.residual2(branch))).view(b, n, -1)


class HierarchicalDecoder(nn.Module):
    """Masked tokens filled in from coarse to fine (I2P-MAE §3.1; Point-M2AE §3.3)."""

    def __init__(self, config: I2PMAEConfig) -> None:
        super().__init__()
        dims, widths = config.decoder_dims, config.encoder_dims
        self.mask_token = learnt_token(dims[0])
        self.positions = nn.ModuleList(position_embedding(width) for width in dims)
        self.stages = nn.ModuleList(
            nn.ModuleList(Block(width, config.heads, config.mlp_ratio) for _ in range(depth))
            for width, depth in zip(dims, config.decoder_depths, strict=True)
        )
        self.propagations = nn.ModuleList(
            TokenPropagation(widths[-2 - stage], dims[stage], dims[stage + 1]) for stage in range(len(dims) - 1)
        )
        self.norm = nn.LayerNorm(dims[-1])

    def forward(self, hierarchy: Hierarchy, encoded: Sequence[EncodedLevel]) -> list[Float[Tensor, "b _ _"]]:
        """One token for each centre, visible or masked, of every decoded level, coarsest first; those of the finest
        (level 1 of three), which come last, are normalised."""
        decoded: list[Float[Tensor, "b _ _"]] = []
        coarsest = len(hierarchy) - 1
        tokens = _full(self.mask_token.expand(*hierarchy[coarsest].centres.shape[:2], -1), encoded[coarsest])
        for stage, blocks in enumerate(self.stages):
            level = coarsest - stage
            centres = hierarchy[level].centres
            if stage > 0:
                empty = tokens.new_zeros(*centres.shape[:2], encoded[level].tokens.shape[-1])
                known = _full(empty, encoded[level])
                tokens = self.propagations[stage - 1](centres, hierarchy[level + 1].centres, known, tokens)
            position = self.positions[stage](centres)
            for block in cast(nn.ModuleList, blocks):
                tokens = block(tokens + position)
            decoded.append(tokens)
        return [*decoded[:-1], self.norm(decoded[-1])]


def _full(background: Float[Tensor, "b m c"], encoded: EncodedLevel) -> Float[Tensor, "b m c"]:
    """The visible tokens in their places on a background."""
    rows, valid = encoded.packing
    return scatter(background.to(encoded.tokens.dtype), rows, encoded.tokens, valid)
