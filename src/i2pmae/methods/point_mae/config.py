"""What Point-MAE has for itself."""

from typing import Literal, Self

import tyro
from pydantic import Field, model_validator

from i2pmae.encoders.config import PlainConfig
from i2pmae.encoders.pooling import Pooling
from i2pmae.methods.config import METHOD_CONFIGS, MethodConfig

__all__ = ["PointMAEConfig", "PointMAEMethodConfig"]


class PointMAEConfig(PlainConfig):
    """Sizes of Point-MAE's encoder and decoder (Point-MAE §3). The defaults are the paper's."""

    decoder_depth: int = Field(4, ge=1)
    """Transformer blocks of the decoder."""
    decoder_heads: int = Field(6, ge=1)
    """Attention heads of the decoder's blocks."""
    mask_ratio: float = Field(0.6, gt=0, lt=1)
    """Share of the tokens that is masked in pre-training."""
    mask_kind: Literal["random", "block"] = "random"
    """``random`` tokens, or a ``block``: those nearest to a random one."""

    @model_validator(mode="after")
    def _check_decoder(self) -> Self:
        if self.width % self.decoder_heads:
            raise ValueError(f"width {self.width} is not a multiple of the decoder's {self.decoder_heads} heads")
        return self


@METHOD_CONFIGS.add
class PointMAEMethodConfig(MethodConfig):
    """Point-MAE: masked autoencoding of the tokens of one level (arXiv 2203.06604)."""

    name: tyro.conf.Suppress[Literal["point-mae"]] = "point-mae"
    """The method."""
    pooling: Pooling = "mean+max"
    """How the tokens of the encoder become the embedding that is probed; by default as the method's authors do."""
    model: PointMAEConfig = PointMAEConfig()
    """Sizes of the model."""
