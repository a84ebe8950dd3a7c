"""What training minimises: reconstruction (I2P-MAE §3.3), classification, part segmentation."""

from i2pmae.objectives.classification import smoothed_cross_entropy
from i2pmae.objectives.reconstruction import coordinate_loss, semantic_loss

__all__ = ["coordinate_loss", "semantic_loss", "smoothed_cross_entropy"]
