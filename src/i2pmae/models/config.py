"""Sizes of the encoders and of what is trained with them."""

from pydantic import Field, model_validator

from i2pmae.common.config import Config

__all__ = ["I2PMAEConfig", "PlainConfig"]


class I2PMAEConfig(Config):
    """Sizes of the hierarchical encoder and decoder (I2P-MAE §3.1; Point-M2AE §3). The defaults are the paper's."""

    group_counts: tuple[int, ...] = (512, 256, 64)
    """Tokens per level, finest first."""
    group_sizes: tuple[int, ...] = (16, 8, 8)
    """Neighbours per token: points at level 0, tokens of the level below after that."""
    embed_widths: tuple[int, int, int] = (128, 256, 512)
    """Widths of the mini-PointNet that turns the points of a group into a level-0 token."""
    encoder_dims: tuple[int, ...] = (96, 192, 384)
    """Channels per level."""
    encoder_depths: tuple[int, ...] = (5, 5, 5)
    """Transformer blocks per level."""
    decoder_dims: tuple[int, ...] = (384, 192)
    """Channels per decoder stage, coarsest first."""
    decoder_depths: tuple[int, ...] = (1, 1)
    """Transformer blocks per decoder stage."""
    heads: int = 6
    """Attention heads of every block."""
    mlp_ratio: float = Field(4.0, gt=0)
    """Hidden width of a block's MLP over its channels."""
    drop_path: float = Field(0.1, ge=0, lt=1)
    """Stochastic depth of the last encoder block; rises linearly from 0 over all encoder blocks."""
    attention_radii: tuple[float, ...] | None = None
    """Per level, how far (in units of the unit sphere) a token attends; global where absent, as in pre-training."""
    mask_ratio: float = Field(0.8, gt=0, lt=1)
    """Share of the coarsest tokens that is masked in pre-training."""
    predicted_points: int | None = Field(None, ge=1)
    """Points that the coordinate head predicts for a masked neighbourhood; as many as it has where absent. The public
    Point-M2AE predicts as many as a level-0 group has (16 for 8)."""
    embed_visible_only: bool = False
    """Embed only visible tokens in pre-training: less work. In evaluation mode nothing changes; in
    training mode batch statistics see visible tokens only."""

    @model_validator(mode="after")
    def _check(self) -> "I2PMAEConfig":
        levels = len(self.group_counts)
        for field in ("group_sizes", "encoder_dims", "encoder_depths"):
            if len(getattr(self, field)) != levels:
                raise ValueError(f"{field} must have one entry per level ({levels}), got {getattr(self, field)}")
        if self.attention_radii is not None and len(self.attention_radii) != levels:
            raise ValueError(f"attention_radii must have one entry per level ({levels}), got {self.attention_radii}")
        if len(self.decoder_dims) != levels - 1 or len(self.decoder_depths) != levels - 1:
            raise ValueError(f"the decoder must have one stage less than the encoder ({levels - 1})")
        if list(self.group_counts) != sorted(set(self.group_counts), reverse=True):
            raise ValueError(f"group_counts must fall from level to level, got {self.group_counts}")
        if self.decoder_dims[0] != self.encoder_dims[-1]:
            raise ValueError(
                f"decoder_dims must start with the encoder's last width, {self.encoder_dims[-1]}: {self.decoder_dims}"
            )
        for level, size in enumerate(self.group_sizes[1:]):
            if size > self.group_counts[level]:
                raise ValueError(f"group_sizes[{level + 1}]={size} exceeds the {self.group_counts[level]} tokens below")
        for width in (*self.encoder_dims, *self.decoder_dims):
            if width % self.heads:
                raise ValueError(f"width {width} is not a multiple of the {self.heads} heads")
        return self

    @property
    def min_points(self) -> int:
        """Fewest points of a cloud that the encoder takes."""
        return max(self.group_counts[0], self.group_sizes[0])


class PlainConfig(Config):
    """Sizes of the encoder of one level (Point-BERT §3; Point-MAE §3). The defaults are the papers'."""

    group_count: int = Field(64, ge=2)
    """Tokens."""
    group_size: int = Field(32, ge=1)
    """Points per token."""
    embed_widths: tuple[int, int, int] = (128, 256, 512)
    """Widths of the mini-PointNet that turns the points of a group into a token."""
    token_width: int | None = Field(None, ge=1)
    """Channels of a token before a linear layer brings it to ``width`` (Point-BERT: 256); without such a layer where
    absent."""
    width: int = Field(384, ge=1)
    """Channels of the transformer."""
    depth: int = Field(12, ge=1)
    """Transformer blocks."""
    heads: int = Field(6, ge=1)
    """Attention heads of every block."""
    mlp_ratio: float = Field(4.0, gt=0)
    """Hidden width of a block's MLP over its channels."""
    drop_path: float = Field(0.1, ge=0, lt=1)
    """Stochastic depth of the last block; rises linearly from 0 over all blocks."""
    class_token: bool = False
    """Whether a learnt [CLS] token takes part, with a learnt position."""

    @model_validator(mode="after")
    def _check_plain(self) -> "PlainConfig":
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of the {self.heads} heads")
        return self

    @property
    def min_points(self) -> int:
        """Fewest points of a cloud that the encoder takes."""
        return max(self.group_count, self.group_size)
