"""Point-cloud encoders and what they are trained with; one file per paper."""

from i2pmae.models.base import AnyEncoder, PointModel, build_encoder
from i2pmae.models.classifier import Classifier, ClassifierConfig
from i2pmae.models.config import I2PMAEConfig, PlainConfig
from i2pmae.models.discrete_vae import DiscreteVAE, DiscreteVAEConfig
from i2pmae.models.i2p_mae import I2PMAE, Reconstruction
from i2pmae.models.masking import (
    block_mask,
    block_sizes,
    guidance_logits,
    propagate,
    sample_visible,
    visible_count,
)
from i2pmae.models.point_bert import PointBERT, PointBERTConfig
from i2pmae.models.point_mae import PointMAE, PointMAEConfig
from i2pmae.models.segmenter import Segmenter, SegmenterConfig
from i2pmae.models.tokenizer import Hierarchy, Level, point_indices, tokenise
from i2pmae.models.tokens import Pooling

__all__ = [
    "I2PMAE",
    "AnyEncoder",
    "Classifier",
    "ClassifierConfig",
    "DiscreteVAE",
    "DiscreteVAEConfig",
    "Hierarchy",
    "I2PMAEConfig",
    "Level",
    "PlainConfig",
    "PointBERT",
    "PointBERTConfig",
    "PointMAE",
    "PointMAEConfig",
    "PointModel",
    "Pooling",
    "Reconstruction",
    "Segmenter",
    "SegmenterConfig",
    "block_mask",
    "block_sizes",
    "build_encoder",
    "guidance_logits",
    "point_indices",
    "propagate",
    "sample_visible",
    "tokenise",
    "visible_count",
]
