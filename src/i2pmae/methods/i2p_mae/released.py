"""Files that the authors of I2P-MAE and Point-M2AE released: names, and what their shapes tell."""

from collections.abc import Mapping
from typing import Any

from i2pmae.common.errors import CheckpointError
from i2pmae.encoders.config import HierarchicalConfig
from i2pmae.encoders.published import HIERARCHICAL_SETTINGS, Settings
from i2pmae.methods.i2p_mae.config import I2PMAEConfig, I2PMAEMethodConfig, PointM2AEMethodConfig
from i2pmae.methods.released import BLOCK_NAMES, PRETRAINED_ON, embed_widths, embedding_names
from i2pmae.weights.kinds import PRETRAINING
from i2pmae.weights.released.shapes import Shapes, agree
from i2pmae.weights.released.spec import Found, ReleasedEncoder, ReleasedHead, ReleasedNames

__all__ = ["I2P_MAE_RELEASED", "POINT_M2AE_RELEASED"]


def _levels(shapes: Shapes) -> int:
    levels = shapes.count(r"h_encoder\.encoder_pos_embeds\.(\d+)\.")
    if levels < 2:
        raise CheckpointError("The file lacks h_encoder.encoder_pos_embeds: it is incomplete, or of another method.")
    return levels


def _widths(shapes: Shapes) -> tuple[int, ...]:
    return tuple(shapes.outputs(f"h_encoder.encoder_pos_embeds.{level}.2") for level in range(_levels(shapes)))


def _sizes(shapes: Shapes, settings: Settings) -> HierarchicalConfig:
    dims = _widths(shapes)
    return HierarchicalConfig(
        group_counts=settings.group_counts,
        group_sizes=settings.group_sizes,
        embed_widths=embed_widths(shapes, "h_encoder.token_embed.0"),
        encoder_dims=dims,
        encoder_depths=tuple(
            shapes.count(rf"h_encoder\.encoder_blocks\.{level}\.blocks\.(\d+)\.") for level in range(len(dims))
        ),
        heads=settings.heads,
        mlp_ratio=shapes.outputs("h_encoder.encoder_blocks.0.blocks.0.mlp.fc1") / dims[0],
        attention_radii=settings.attention_radii,
    )


def _decoder(found: Found) -> dict[str, Any]:
    """The fields that describe encoder and decoder."""
    shapes, encoder = found.shapes, found.encoder
    if "mask_token" in shapes:
        stages = shapes.count(r"decoder_pos_embeds\.(\d+)\.")
        widths = tuple(shapes.outputs(f"decoder_pos_embeds.{stage}.2") for stage in range(stages))
        depths = tuple(shapes.count(rf"h_decoder\.{stage}\.blocks\.(\d+)\.") for stage in range(stages))
    else:  # incomplete, which is found out when all names are compared
        widths, depths = _widths(shapes)[:0:-1], (1,) * (encoder.levels - 1)
    return {**dict(encoder), "decoder_dims": widths, "decoder_depths": depths}


def _i2p_mae_sizes(found: Found) -> I2PMAEConfig:
    shapes, fields = found.shapes, _decoder(found)
    members = found.settings.group_sizes[found.encoder.levels - len(fields["decoder_dims"])]
    agree(shapes.outputs("rec_head_3d"), 3 * members, "rec_head_3d", "group_sizes", members)
    outputs = shapes.outputs("rec_head_2d")
    agree(outputs % members, 0, "rec_head_2d", "group_sizes", members)
    return I2PMAEConfig(**fields, semantic_dim=outputs // members)


def _point_m2ae_sizes(found: Found) -> I2PMAEConfig:
    size = found.settings.group_sizes[0]
    agree(found.shapes.outputs("rec_head"), 3 * size, "rec_head", "group_sizes", size)
    return I2PMAEConfig(**_decoder(found), predicted_points=size)


def _decoder_names(_: Shapes) -> Mapping[str, str]:
    fuse, extract = r"^token_prop\.(\d+)\.fuse\.net", r"^token_prop\.(\d+)\.extraction\.operation\.0\.net(\d)"
    return {
        r"^h_decoder\.(\d+)\.blocks\.": r"decoder.stages.\1.",
        r"^decoder_pos_embeds\.": r"decoder.positions.",
        rf"{fuse}\.0\.": r"decoder.propagations.\1.fuse.",
        rf"{fuse}\.1\.": r"decoder.propagations.\1.fuse_norm.",
        rf"{extract}\.0\.": r"decoder.propagations.\1.residual\2.",
        rf"{extract}\.1\.": r"decoder.propagations.\1.residual\2_norm.",
        r"^decoder_norm\.": r"decoder.norm.",
        r"^mask_token$": r"decoder.mask_token",
        r"^rec_head(?:_3d)?\.": r"coordinate_head.",
        r"^rec_head_2d\.": r"semantic_head.",
    }


_ENCODER = ReleasedEncoder(
    what="several levels",
    example="h_encoder.",
    sign=r"h_encoder\.",
    names={
        **embedding_names(r"h_encoder\.token_embed\.(\d+)", r"encoder.embeddings.\1"),
        r"^h_encoder\.encoder_pos_embeds\.": r"encoder.positions.",
        r"^h_encoder\.encoder_norms\.": r"encoder.norms.",
        r"^h_encoder\.encoder_blocks\.(\d+)\.blocks\.": r"encoder.stages.\1.",
        r"^norm\.": r"encoder.norms.2.",
        **BLOCK_NAMES,
    },
    sizes=_sizes,
    wide="mean|max",
    width=lambda shapes: _widths(shapes)[-1],
    settings=HIERARCHICAL_SETTINGS,
    superseded={
        "norm.weight": (r"h_encoder\.encoder_norms\.", "norms of pre-training, which the classifier doesn't read")
    },
    restarted={
        r"encoder\.norms\.\d+\.(?:weight|bias)": "norms that the file's task didn't read, which start anew",
    },
)
POINT_M2AE_RELEASED = ReleasedNames(
    title="Point-M2AE",
    encoder=_ENCODER,
    pooling=PointM2AEMethodConfig().pooling,
    signs=(r"rec_head\.",),
    heads=(ReleasedHead(PRETRAINING, r"rec_head\.", _point_m2ae_sizes, PRETRAINED_ON, _decoder_names),),
    assumed=("shapenet", "shapenetpart"),
)
"""What Point-M2AE's files look like."""
I2P_MAE_RELEASED = ReleasedNames(
    title="I2P-MAE",
    encoder=_ENCODER,
    pooling=I2PMAEMethodConfig().pooling,
    signs=(r"rec_head_[23]d\.",),
    heads=(ReleasedHead(PRETRAINING, r"rec_head_[23]d\.", _i2p_mae_sizes, PRETRAINED_ON, _decoder_names),),
    assumed=("shapenet", "modelnet40", "shapenetpart"),
    dropped={r"(?:clip\w*|img_encoder|image_encoder|visual|teacher)\.": "2D model, not part of the encoder"},
)
"""What I2P-MAE's files look like."""
