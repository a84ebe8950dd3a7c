"""Names of parameters in the authors' released files, and what they are called here."""

import re
from collections.abc import Mapping

from i2pmae.typing import Tensor

__all__ = ["HIERARCHICAL_NAMES", "rename"]

HIERARCHICAL_NAMES: Mapping[str, str] = {
    r"^h_encoder\.token_embed\.(\d+)\.first_conv\.0\.": r"encoder.embeddings.\1.lift.",
    r"^h_encoder\.token_embed\.(\d+)\.first_conv\.1\.": r"encoder.embeddings.\1.lift_norm.",
    r"^h_encoder\.token_embed\.(\d+)\.first_conv\.3\.": r"encoder.embeddings.\1.inner.",
    r"^h_encoder\.token_embed\.(\d+)\.second_conv\.0\.": r"encoder.embeddings.\1.join.",
    r"^h_encoder\.token_embed\.(\d+)\.second_conv\.1\.": r"encoder.embeddings.\1.join_norm.",
    r"^h_encoder\.token_embed\.(\d+)\.second_conv\.3\.": r"encoder.embeddings.\1.out.",
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
    r"\.attn\.": r".attention.",
    r"\.mlp\.fc1\.": r".mlp.0.",
    r"\.mlp\.fc2\.": r".mlp.2.",
}
"""Patterns for I2P-MAE and Point-M2AE: pre-training encoder, decoder and heads."""


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
        fits = target is not None and target.numel() == tensor.numel()
        renamed[name] = tensor.reshape(target.shape) if fits and target is not None else tensor
    return renamed
