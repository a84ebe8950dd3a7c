"""What predicts a 2D model's vectors of whole views from a cloud's tokens."""

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from i2pmae.encoders.tokens import EncodedLevel, pool, pooled_width
from i2pmae.methods.i2p_mae.config import ViewPredictorConfig
from i2pmae.typing import Float, Tensor

__all__ = ["ViewPredictor"]


class ViewPredictor(nn.Module):
    """A perceptron that is told which view is meant (2D-3D class-token learning; CrossJEPA, arXiv 2511.18424)."""

    def __init__(self, config: ViewPredictorConfig, widths: Sequence[int]) -> None:
        """``widths`` are the channels of the levels that it reads, finest first."""
        super().__init__()
        self.reads = config.reads
        inputs = pooled_width(widths, config.reads)
        self.norm = nn.LayerNorm(inputs)
        self.read = nn.Linear(inputs, config.width)
        self.view_tokens = nn.Parameter(nn.init.trunc_normal_(torch.empty(config.views, config.width), std=0.02))
        self.think = nn.Linear(config.width, config.width)
        self.say = nn.Linear(config.width, config.channels)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(config.temperature)))
        """Logarithm of what cosines are multiplied by in the contrast: of the inverse temperature."""

    def forward(self, levels: Sequence[EncodedLevel]) -> Float[Tensor, "b v d"]:
        """One vector per cloud and view, from the visible tokens of every level."""
        summary = self.read(self.norm(pool(levels, self.reads)))
        return self.say(functional.gelu(self.think(functional.gelu(summary[:, None] + self.view_tokens))))
