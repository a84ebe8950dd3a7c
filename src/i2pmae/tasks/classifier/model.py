"""An encoder with a classification head (I2P-MAE §4.2; Point-MAE §4.2)."""

from itertools import pairwise
from typing import ClassVar

from torch import nn

from i2pmae.encoders.base import PointModel, initialise
from i2pmae.encoders.layers import Dropout
from i2pmae.encoders.norms import BatchNorm
from i2pmae.encoders.pooling import of_levels
from i2pmae.encoders.tokens import pooled_width
from i2pmae.tasks.classifier.config import ClassifierConfig
from i2pmae.typing import Float, Tensor

__all__ = ["Classifier"]


class Classifier(PointModel):
    """Logits of clouds."""

    shows_all: ClassVar[bool] = True

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        self.pooling = config.pooling
        _, every = of_levels(config.pooling)
        self.encoder = config.encoder.build(norms="all" if every else "last")
        widths = (pooled_width(self.encoder.widths, config.pooling), *config.head_widths)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            norm = [BatchNorm(outputs)] if config.head_norm else []
            layers += [nn.Linear(inputs, outputs), *norm, nn.ReLU(), Dropout(config.dropout)]
        self.head = nn.Sequential(*layers, nn.Linear(widths[-1], len(config.classes)))
        self.apply(initialise)

    def forward(self, points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b classes"]:
        """One logit per class."""
        return self.head(self.embed(points, self.config.pooling))
