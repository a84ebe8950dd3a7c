"""Point-BERT: masked tokens predict the words of a discrete vocabulary of point groups (arXiv 2111.14819)."""

from typing import NamedTuple

import torch
from torch import nn

from i2pmae.encoders.base import PointModel, initialise
from i2pmae.encoders.layers import learnt_token
from i2pmae.encoders.masking import most_masked
from i2pmae.encoders.plain import PlainEncoder
from i2pmae.encoders.tokenizer import Hierarchy
from i2pmae.methods.point_bert.config import PointBERTConfig
from i2pmae.ops import Selection, select
from i2pmae.typing import Bool, Float, Tensor

__all__ = ["MaskedTokens", "PointBERT"]


class MaskedTokens(NamedTuple):
    """What both heads predict."""

    words: Float[Tensor, "masked v"]
    """Per masked token, of all clouds in one row, one logit per word."""
    cloud: Float[Tensor, "b d"]
    """The projected [CLS] token."""
    tokens: Selection
    """Which tokens the rows of ``words`` are of, and which of them are padding."""


class PointBERT(PointModel):
    """The encoder, a learnt mask token in the place of masked ones, and two heads: words of tokens, [CLS] of clouds."""

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

    @property
    def most_masked(self) -> int:
        """How many tokens of a cloud are masked at most in pre-training."""
        return most_masked(self.config.group_count, self.config.mask_ratio)

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

    def forward(self, hierarchy: Hierarchy, masked: Bool[Tensor, "b m"], most: int | None = None) -> MaskedTokens:
        """One pre-training pass: the words of the masked tokens, and the cloud.

        ``most``: how many tokens of a cloud are masked at most, such as :attr:`most_masked`; a GPU computes so many
        (:func:`~i2pmae.ops.select`).
        """
        tokens, cloud = self.contextualise(hierarchy, masked)
        selection = select(masked, most)
        return MaskedTokens(self.token_head(selection.of(tokens)), self.class_head(cloud), selection)
