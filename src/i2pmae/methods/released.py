"""What the released files of several methods share: layers of all, and the encoder of one level."""

import re
from collections.abc import Mapping

from i2pmae.encoders.config import PlainConfig
from i2pmae.encoders.published import PLAIN_SETTINGS, Settings
from i2pmae.weights.released.shapes import Shapes
from i2pmae.weights.released.spec import ReleasedEncoder

__all__ = ["BLOCK_NAMES", "EMBEDDING_NAMES", "PLAIN", "PRETRAINED_ON", "embed_widths", "embedding_names"]

EMBEDDING_NAMES: Mapping[str, str] = {
    r"first_conv\.0\.": "lift.",
    r"first_conv\.1\.": "lift_norm.",
    r"first_conv\.3\.": "inner.",
    r"second_conv\.0\.": "join.",
    r"second_conv\.1\.": "join_norm.",
    r"second_conv\.3\.": "out.",
}
"""Layers of the mini-PointNet."""
BLOCK_NAMES: Mapping[str, str] = {
    r"\.attn\.": r".attention.",
    r"\.mlp\.fc1\.": r".mlp.0.",
    r"\.mlp\.fc2\.": r".mlp.2.",
}
"""Layers of the transformer blocks."""
PRETRAINED_ON = ("shapenet",)
"""The published settings of pre-training."""


def embedding_names(theirs: str, ours: str) -> dict[str, str]:
    """Patterns for the mini-PointNet whose names begin with the pattern ``theirs``, ``ours`` here."""
    return {rf"^{theirs}\.{layer}": f"{ours}.{name}" for layer, name in EMBEDDING_NAMES.items()}


def embed_widths(shapes: Shapes, place: str) -> tuple[int, int, int]:
    """Widths of the mini-PointNet that is called ``place``."""
    first, inner, second = (
        shapes.outputs(f"{place}.{layer}") for layer in ("first_conv.0", "first_conv.3", "second_conv.0")
    )
    return first, inner, second


def _width(shapes: Shapes) -> int:
    return shapes.outputs("pos_embed.2")


def _sizes(shapes: Shapes, settings: Settings) -> PlainConfig:
    width = _width(shapes)
    reduced = "reduce_dim.weight" in shapes
    return PlainConfig(
        group_count=settings.group_counts[0],
        group_size=settings.group_sizes[0],
        embed_widths=embed_widths(shapes, "encoder"),
        token_width=shapes.outputs("encoder.second_conv.3") if reduced else None,
        width=width,
        depth=shapes.count(r"blocks\.blocks\.(\d+)\."),
        heads=settings.heads,
        mlp_ratio=shapes.outputs("blocks.blocks.0.mlp.fc1") / width,
        class_token="cls_token" in shapes,
    )


PLAIN = ReleasedEncoder(
    what="one level",
    example="encoder.first_conv.",
    sign=re.escape("encoder.first_conv."),
    names={
        **embedding_names("encoder", "encoder.embedding"),
        r"^reduce_dim\.": r"encoder.reduce.",
        r"^pos_embed\.": r"encoder.position.",
        r"^blocks\.blocks\.": r"encoder.blocks.",
        r"^norm\.": r"encoder.norm.",
        r"^cls_token$": r"encoder.cls_token",
        r"^cls_pos$": r"encoder.cls_position",
        **BLOCK_NAMES,
    },
    sizes=_sizes,
    wide="class|max",
    width=_width,
    settings=PLAIN_SETTINGS,
    levelled=False,
    # Either stands before the encoder in a file of pre-training; Point-BERT's without its reduce_dim is Point-MAE's.
    prefix=r"(?:MAE_encoder|transformer_q)\.",
)
"""The encoder of one level, as Point-MAE and Point-BERT name it."""
