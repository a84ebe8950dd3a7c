"""Names of parameters in the authors' released files, and what they are called here."""

import re
from collections.abc import Mapping

from i2pmae.typing import Tensor

__all__ = ["HIERARCHICAL_NAMES", "PLAIN_NAMES", "VOCABULARY_NAMES", "rename"]

EMBEDDING_NAMES: Mapping[str, str] = {
    r"first_conv\.0\.": "lift.",
    r"first_conv\.1\.": "lift_norm.",
    r"first_conv\.3\.": "inner.",
    r"second_conv\.0\.": "join.",
    r"second_conv\.1\.": "join_norm.",
    r"second_conv\.3\.": "out.",
}
"""Layers of the mini-PointNet."""

COMMON_NAMES: Mapping[str, str] = {
    r"^cls_head_finetune\.": r"head.",
    r"\.attn\.": r".attention.",
    r"\.mlp\.fc1\.": r".mlp.0.",
    r"\.mlp\.fc2\.": r".mlp.2.",
}
"""Layers of the transformer blocks and of the classification head."""


def part_head_names(hidden: int) -> dict[str, str]:
    """Patterns for a part segmentation head with so many hidden layers."""
    head = {rf"^convs{layer + 1}\.": rf"head.layers.{layer}." for layer in range(hidden)}
    norms = {rf"^bns{layer + 1}\.": rf"head.norms.{layer}." for layer in range(hidden)}
    return {
        r"^label_conv\.": r"category.",
        r"^propagations?[._](\d+)\.mlp_convs\.": r"propagations.\1.layers.",
        r"^propagations?[._](\d+)\.mlp_bns\.": r"propagations.\1.norms.",
        **head,
        **norms,
        rf"^convs{hidden + 1}\.": r"out.",
    }


HIERARCHICAL_NAMES: Mapping[str, str] = {
    **{
        rf"^h_encoder\.token_embed\.(\d+)\.{theirs}": rf"encoder.embeddings.\1.{ours}"
        for theirs, ours in EMBEDDING_NAMES.items()
    },
    r"^h_encoder\.encoder_pos_embeds\.": r"encoder.positions.",
    r"^h_encoder\.encoder_norms\.": r"encoder.norms.",
    r"^h_encoder\.encoder_blocks\.(\d+)\.blocks\.": r"encoder.stages.\1.",
    r"^h_decoder\.(\d+)\.blocks\.": r"decoder.stages.\1.",
    r"^decoder_pos_embeds\.": r"decoder.positions.",
    r"^token_prop\.(\d+)\.fuse\.net\.0\.": r"decoder.propagations.\1.fuse.",
    r"^token_prop\.(\d+)\.fuse\.net\.1\.": r"decoder.propagations.\1.fuse_norm.",
    r"^token_prop\.(\d+)\.extraction\.operation\.0\.net(\d)\.0\.": r"decoder.propagations.\1.residual\2.",
    r"^token_prop\.(\d+)\.extraction\.operation\.0\.net(\d)\.1\.": r"decoder.propagations.\1.residual\2_norm.",
    r"^decoder_norm\.": r"decoder.norm.",
    r"^mask_token$": r"decoder.mask_token",
    r"^rec_head(?:_3d)?\.": r"coordinate_head.",
    r"^rec_head_2d\.": r"semantic_head.",
    r"^norm\.": r"encoder.norms.2.",
    **COMMON_NAMES,
    **part_head_names(3),
}
"""Patterns for I2P-MAE and Point-M2AE: pre-training, classification, part segmentation."""

PLAIN_NAMES: Mapping[str, str] = {
    r"^(?:MAE_encoder|transformer_q)\.": r"",
    **{rf"^encoder\.{theirs}": rf"encoder.embedding.{ours}" for theirs, ours in EMBEDDING_NAMES.items()},
    r"^reduce_dim\.": r"encoder.reduce.",
    r"^pos_embed\.": r"encoder.position.",
    r"^blocks\.blocks\.": r"encoder.blocks.",
    r"^norm\.": r"encoder.norm.",
    r"^cls_token$": r"encoder.cls_token",
    r"^cls_pos$": r"encoder.cls_position",
    r"^MAE_decoder\.blocks\.": r"decoder.",
    r"^MAE_decoder\.norm\.": r"decoder_norm.",
    r"^decoder_pos_embed\.": r"decoder_position.",
    r"^increase_dim\.0\.": r"coordinate_head.",
    r"^lm_head\.": r"token_head.",
    r"^cls_head\.": r"class_head.",
    **COMMON_NAMES,
    **part_head_names(2),
}
"""Patterns for Point-MAE and Point-BERT: pre-training, classification, part segmentation."""

GRAPHS: Mapping[str, str] = {"dgcnn_1": "to_logits", "dgcnn_2": "from_codes"}
"""Graph networks of the discrete VAE; their layers 1 to 4 are edge convolutions, and layer 5 joins these."""

VOCABULARY_NAMES: Mapping[str, str] = {
    **{rf"^encoder\.{theirs}": rf"embedding.{ours}" for theirs, ours in EMBEDDING_NAMES.items()},
    **{rf"^{theirs}\.input_trans\.": rf"{ours}.input." for theirs, ours in GRAPHS.items()},
    **{rf"^{a}\.layer5\.{i}\.": rf"{b}.{c}." for a, b in GRAPHS.items() for i, c in ((0, "join"), (1, "join_norm"))},
    **{
        rf"^{a}\.layer{layer}\.{i}\.": rf"{b}.{c}.{layer - 1}."
        for a, b in GRAPHS.items()
        for layer in range(1, 5)
        for i, c in ((0, "edges"), (1, "norms"))
    },
    r"^decoder\.mlp\.": r"folding.coarse.",
    r"^decoder\.final_conv\.0\.": r"folding.fine_in.",
    r"^decoder\.final_conv\.1\.": r"folding.fine_in_norm.",
    r"^decoder\.final_conv\.3\.": r"folding.fine_inner.",
    r"^decoder\.final_conv\.4\.": r"folding.fine_inner_norm.",
    r"^decoder\.final_conv\.6\.": r"folding.fine_out.",
}
"""Patterns for the discrete VAE of Point-BERT's stage one."""


def rename(
    published: Mapping[str, Tensor], like: Mapping[str, Tensor], names: Mapping[str, str] = HIERARCHICAL_NAMES
) -> dict[str, Tensor]:
    """Published tensors under our names; those of 1×1 convolutions take the shape of our linear layers.

    ``like`` is a state dict of the model. Names that it lacks are kept as they are, so that loading reports them.
    """
    renamed = {}
    for name, tensor in published.items():
        for pattern, ours in names.items():
            name = re.sub(pattern, ours, name)
        target = like.get(name)
        fits = target is not None and _sizes(target) == _sizes(tensor)
        renamed[name] = tensor.reshape(target.shape) if fits and target is not None else tensor
    return renamed


def _sizes(tensor: Tensor) -> list[int]:
    """The shape without axes of length 1, such as those of the kernel of a 1×1 convolution."""
    return [size for size in tensor.shape if size != 1]
