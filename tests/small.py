"""A model small enough for every test."""

from i2pmae.models.config import I2PMAEConfig

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
