"""Point-BERT: masked tokens predict the words of a discrete vocabulary of point groups (arXiv 2111.14819)."""

from typing import ClassVar, NamedTuple

import torch
from pydantic import Field, model_validator
from torch import nn

from i2pmae.models.base import PointModel, initialise
from i2pmae.models.config import PlainConfig
from i2pmae.models.discrete_vae import DiscreteVAEConfig
from i2pmae.models.layers import learnt_token
from i2pmae.models.plain import PlainEncoder
from i2pmae.models.tokenizer import Hierarchy
from i2pmae.models.tokens import Pooling
from i2pmae.typing import Bool, Float, Tensor

__all__ = ["MaskedTokens", "PointBERT", "PointBERTConfig"]


class PointBERTConfig(PlainConfig):
    """Sizes of Point-BERT (Point-BERT §3). The defaults are the paper's."""

    token_width: int | None = Field(256, ge=1)
    """Channels of a token before a linear layer brings it to ``width``; no such layer where absent."""
    class_token: bool = True
    """Whether a learnt [CLS] token takes part; Point-BERT needs one."""
    mask_ratio: tuple[float, float] = (0.25, 0.45)
    """Smallest and largest share of the tokens that is masked in pre-training: a block, of random size per cloud."""
    class_width: int = Field(512, ge=1)
    """Channels of the projected [CLS] token that clouds are contrasted by."""
    momentum: float = Field(0.999, ge=0, lt=1)
    """How slowly the momentum encoder follows: its share in its own next weights."""
    temperature: float = Field(0.07, gt=0)
    """Temperature of the contrast."""
    queue: int = Field(16384, ge=1)
    """Earlier clouds that a cloud is contrasted with."""
    vae: DiscreteVAEConfig = DiscreteVAEConfig()
    """The discrete variational autoencoder whose words are predicted."""

    @model_validator(mode="after")
    def _check_bert(self) -> "PointBERTConfig":
        if not self.class_token:
            raise ValueError("Point-BERT needs its [CLS] token: class_token must be set")
        low, high = self.mask_ratio
        if not 0 < low <= high < 1:
            raise ValueError(f"mask_ratio must be two shares between 0 and 1, smallest first, got {self.mask_ratio}")
        ours, words = (self.group_count, self.group_size), (self.vae.group_count, self.vae.group_size)
        if ours != words:
            raise ValueError(
                f"group_count and group_size must be those of vae, whose words the tokens predict: {ours} and {words}"
            )
        if (self.embed_widths, self.token_width or self.width) != (self.vae.embed_widths, self.vae.embed_dim):
            raise ValueError(
                "embed_widths and token_width must be embed_widths and embed_dim of vae, whose embedding the encoder "
                f"starts with: {(self.embed_widths, self.token_width)}, {(self.vae.embed_widths, self.vae.embed_dim)}"
            )
        return self


class MaskedTokens(NamedTuple):
    """What both heads predict."""

    words: Float[Tensor, "masked v"]
    """Per masked token, of all clouds in one row, one logit per word."""
    cloud: Float[Tensor, "b d"]
    """The projected [CLS] token."""


class PointBERT(PointModel):
    """The encoder, a learnt mask token in the place of masked ones, and two heads: words of tokens, [CLS] of clouds."""

    pooling: ClassVar[Pooling] = "class|max"

    def __init__(self, config: PointBERTConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.encoder: PlainEncoder = PlainEncoder(config)
        self.mask_token = learnt_token(width)
        self.token_head = nn.Linear(width, config.vae.codes)
        self.class_head = nn.Sequential(
            nn.Linear(width, config.class_width), nn.GELU(), nn.Linear(config.class_width, config.class_width)
        )
        self.apply(initialise)

    def contextualise(
        self, hierarchy: Hierarchy, masked: Bool[Tensor, "b m"]
    ) -> tuple[Float[Tensor, "b m c"], Float[Tensor, "b c"]]:
        """The encoded tokens and the encoded [CLS] token, the ``masked`` ones replaced by the mask token before."""
        tokens = self.encoder.embed_groups(hierarchy)
        tokens = torch.where(masked[..., None], self.mask_token.to(tokens.dtype), tokens)
        tokens, cloud = self.encoder.normalised(self.encoder.transform(tokens, hierarchy[0].centres)[-1])
        assert cloud is not None
        return tokens, cloud

    def describe(self, hierarchy: Hierarchy, masked: Bool[Tensor, "b m"]) -> Float[Tensor, "b d"]:
        """The projected [CLS] token alone."""
        return self.class_head(self.contextualise(hierarchy, masked)[1])

    def forward(self, hierarchy: Hierarchy, masked: Bool[Tensor, "b m"]) -> MaskedTokens:
        """One pre-training pass: the words of the masked tokens, and the cloud."""
        tokens, cloud = self.contextualise(hierarchy, masked)
        return MaskedTokens(self.token_head(tokens[masked]), self.class_head(cloud))
