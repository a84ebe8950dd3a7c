"""An encoder with a classification head, for fine-tuning (I2P-MAE §4.2; Point-MAE §4.2)."""

from itertools import pairwise

from pydantic import Field, model_validator
from torch import nn

from i2pmae.common.config import Config
from i2pmae.models.base import PointModel, initialise
from i2pmae.models.config import I2PMAEConfig, PlainConfig
from i2pmae.models.hierarchy import HierarchicalEncoder
from i2pmae.models.plain import PlainEncoder
from i2pmae.models.tokens import Pooling, pooled_width
from i2pmae.typing import Float, Tensor

__all__ = ["Classifier", "ClassifierConfig"]


class ClassifierConfig(Config):
    """An encoder and its classification head."""

    encoder: I2PMAEConfig | PlainConfig
    """Sizes of the encoder, with the neighbourhoods and attention radii of fine-tuning."""
    classes: tuple[str, ...] = Field(min_length=2)
    """Names of the classes."""
    pooling: Pooling = "mean+max"
    """How the tokens become the vector that is classified."""
    head_widths: tuple[int, ...] = (256, 256)
    """Hidden widths of the head."""
    head_norm: bool = True
    """Whether the hidden layers of the head have BatchNorm (Point-BERT's has not)."""
    dropout: float = Field(0.5, ge=0, lt=1)
    """Dropout after each hidden layer of the head."""

    @model_validator(mode="after")
    def _check(self) -> "ClassifierConfig":
        if self.pooling == "class|max" and not getattr(self.encoder, "class_token", False):
            raise ValueError("the pooling 'class|max' needs an encoder of one level with class_token set")
        return self


class Classifier(PointModel):
    """Logits of clouds."""

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        if isinstance(config.encoder, I2PMAEConfig):
            self.encoder = HierarchicalEncoder(config.encoder, norms="last")
        else:
            self.encoder = PlainEncoder(config.encoder)
        widths = (pooled_width(self.encoder.widths[-1], config.pooling), *config.head_widths)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            norm = [nn.BatchNorm1d(outputs)] if config.head_norm else []
            layers += [nn.Linear(inputs, outputs), *norm, nn.ReLU(), nn.Dropout(config.dropout)]
        self.head = nn.Sequential(*layers, nn.Linear(widths[-1], len(config.classes)))
        self.apply(initialise)

    def forward(self, points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b classes"]:
        """One logit per class."""
        return self.head(self.embed(points, self.config.pooling))
