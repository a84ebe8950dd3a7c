"""What pre-training minimises (I2P-MAE §3.3)."""

from i2pmae.objectives.reconstruction import coordinate_loss, semantic_loss

__all__ = ["coordinate_loss", "semantic_loss"]
