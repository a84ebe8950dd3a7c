"""Models small enough for every test."""

from i2pmae.methods.i2p_mae.config import I2PMAEConfig
from i2pmae.methods.point_bert.config import DiscreteVAEConfig, PointBERTConfig
from i2pmae.methods.point_mae.config import PointMAEConfig

SMALL = I2PMAEConfig(
    group_counts=(16, 8, 4),
    group_sizes=(8, 4, 4),
    embed_widths=(8, 16, 32),
    encoder_dims=(12, 24, 24),
    encoder_depths=(1, 1, 1),
    decoder_dims=(24, 12),
    decoder_depths=(1, 1),
    heads=2,
)

PLAIN = {"group_count": 16, "group_size": 8, "embed_widths": (8, 16, 32), "width": 24, "depth": 1, "heads": 2}
POINT_MAE = PointMAEConfig(**PLAIN, decoder_depth=1, decoder_heads=2, drop_path=0.0)
VAE = DiscreteVAEConfig(
    group_count=16,
    group_size=8,
    embed_widths=(8, 16, 32),
    embed_dim=16,
    codes=12,
    code_dim=8,
    decoder_dim=12,
    graph_input=8,
    graph_widths=(8, 12),
    fold_widths=(16, 8),
)
POINT_BERT = PointBERTConfig(**PLAIN, token_width=16, class_width=8, queue=20, vae=VAE)
