"""Point-cloud encoders and what they are pre-trained with; one file per paper."""

from i2pmae.models.config import I2PMAEConfig
from i2pmae.models.i2p_mae import I2PMAE, Reconstruction
from i2pmae.models.masking import guidance_logits, propagate, sample_visible, visible_count
from i2pmae.models.tokenizer import Hierarchy, Level, point_indices, tokenise

__all__ = [
    "I2PMAE",
    "Hierarchy",
    "I2PMAEConfig",
    "Level",
    "Reconstruction",
    "guidance_logits",
    "point_indices",
    "propagate",
    "sample_visible",
    "tokenise",
    "visible_count",
]
