"""Files that Point-MAE's authors released: names, and what their shapes tell."""

from i2pmae.methods.point_mae.config import PointMAEConfig, PointMAEMethodConfig
from i2pmae.methods.released import PLAIN, PRETRAINED_ON
from i2pmae.weights.kinds import PRETRAINING
from i2pmae.weights.released.shapes import agree
from i2pmae.weights.released.spec import Found, ReleasedHead, ReleasedNames

__all__ = ["RELEASED"]


def _sizes(found: Found) -> PointMAEConfig:
    shapes, size = found.shapes, found.settings.group_sizes[0]
    agree(shapes.outputs("increase_dim.0"), 3 * size, "increase_dim.0", "group_sizes", size)
    depth = shapes.count(r"MAE_decoder\.blocks\.(\d+)\.")
    return PointMAEConfig(**dict(found.encoder), decoder_depth=depth, decoder_heads=found.settings.heads)


_PRETRAINING = ReleasedHead(
    task=PRETRAINING,
    sign=r"MAE_decoder\.",
    sizes=_sizes,
    settings=PRETRAINED_ON,
    names=lambda _: {
        r"^MAE_decoder\.blocks\.": r"decoder.",
        r"^MAE_decoder\.norm\.": r"decoder_norm.",
        r"^decoder_pos_embed\.": r"decoder_position.",
        r"^increase_dim\.0\.": r"coordinate_head.",
    },
)
RELEASED = ReleasedNames(
    title="Point-MAE",
    encoder=PLAIN,
    pooling=PointMAEMethodConfig().pooling,
    signs=(r"MAE_(?:encoder|decoder)\.",),
    heads=(_PRETRAINING,),
    assumed=("shapenet", "modelnet40", "scanobjectnn", "shapenetpart"),
)
"""What the files look like."""
