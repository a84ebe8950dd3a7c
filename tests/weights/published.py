"""Our weights under the names that the methods' authors use: the way back from a conversion."""

import re
from collections.abc import Mapping

import torch

from i2pmae.encoders.base import PointModel
from i2pmae.methods.released import EMBEDDING_NAMES

EMBEDDING = {ours: theirs.replace("\\", "") for theirs, ours in EMBEDDING_NAMES.items()}
COMMON: Mapping[str, str] = {
    r"\.attention\.": r".attn.",
    r"\.mlp\.0\.": r".mlp.fc1.",
    r"\.mlp\.2\.": r".mlp.fc2.",
    r"^head\.(\d)": r"cls_head_finetune.\1",
}
PLAIN: Mapping[str, str] = {
    r"^category\.": r"label_conv.",
    r"^out\.": r"convs3.",
    r"^encoder\.reduce\.": r"reduce_dim.",
    r"^encoder\.position\.": r"pos_embed.",
    r"^encoder\.blocks\.": r"blocks.blocks.",
    r"^encoder\.norm\.": r"norm.",
    r"^encoder\.cls_token": r"cls_token",
    r"^encoder\.cls_position": r"cls_pos",
    r"^head\.layers\.0\.": r"convs1.",
    r"^head\.layers\.1\.": r"convs2.",
    r"^head\.norms\.0\.": r"bns1.",
    r"^head\.norms\.1\.": r"bns2.",
    r"^propagations\.0\.layers\.": r"propagation_0.mlp_convs.",
    r"^propagations\.0\.norms\.": r"propagation_0.mlp_bns.",
    **{rf"^encoder\.embedding\.{re.escape(ours)}": f"encoder.{theirs}" for ours, theirs in EMBEDDING.items()},
    **COMMON,
}
"""Point-MAE and Point-BERT."""
HIERARCHICAL: Mapping[str, str] = {
    r"^encoder\.positions\.": r"h_encoder.encoder_pos_embeds.",
    r"^encoder\.stages\.(\d)\.": r"h_encoder.encoder_blocks.\1.blocks.",
    r"^encoder\.norms\.2\.": r"norm.",
    **{
        rf"^encoder\.embeddings\.(\d)\.{re.escape(ours)}": rf"h_encoder.token_embed.\1.{theirs}"
        for ours, theirs in EMBEDDING.items()
    },
    **COMMON,
}
"""Classifiers of I2P-MAE and Point-M2AE."""


def published_plain(model: PointModel) -> dict[str, torch.Tensor]:
    """The weights of a fine-tuned model with one level."""
    return _renamed(model, PLAIN)


def published_hierarchical(model: PointModel) -> dict[str, torch.Tensor]:
    """The weights of a classifier with several levels."""
    return _renamed(model, HIERARCHICAL)


def _renamed(model: PointModel, names: Mapping[str, str]) -> dict[str, torch.Tensor]:
    renamed = {}
    for name, value in model.state_dict().items():
        for ours, theirs in names.items():
            name = re.sub(ours, theirs, name)
        renamed[name] = value.clone()
    return renamed
