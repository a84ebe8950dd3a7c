"""The methods of pre-training: their names, and what describes the model of each."""

from collections.abc import Mapping
from typing import Literal, get_args

from i2pmae.models.config import I2PMAEConfig
from i2pmae.models.point_bert import PointBERTConfig
from i2pmae.models.point_mae import PointMAEConfig
from i2pmae.models.tokens import Pooling

__all__ = ["METHODS", "POOLINGS", "PRETRAINED", "TITLES", "Method", "PretrainedConfig"]

Method = Literal["i2p-mae", "point-m2ae", "point-mae", "point-bert"]
METHODS: tuple[Method, ...] = get_args(Method)
PretrainedConfig = I2PMAEConfig | PointMAEConfig | PointBERTConfig
PRETRAINED: Mapping[Method, type[PretrainedConfig]] = {
    "i2p-mae": I2PMAEConfig,
    "point-m2ae": I2PMAEConfig,
    "point-mae": PointMAEConfig,
    "point-bert": PointBERTConfig,
}
"""What describes each method's model of pre-training."""
POOLINGS: Mapping[Method, Pooling] = {
    "i2p-mae": "max",
    "point-m2ae": "mean+max",
    "point-mae": "mean+max",
    "point-bert": "class|max",
}
"""How each method's authors turn the tokens of a pre-trained encoder into an embedding."""
TITLES: Mapping[Method, str] = {
    "i2p-mae": "I2P-MAE",
    "point-m2ae": "Point-M2AE",
    "point-mae": "Point-MAE",
    "point-bert": "Point-BERT",
}
"""The methods' names in prose."""
