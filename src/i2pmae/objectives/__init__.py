"""What training minimises: reconstruction (I2P-MAE §3.3), words of a vocabulary (Point-BERT), classes, parts."""

from i2pmae.objectives.classification import smoothed_cross_entropy
from i2pmae.objectives.reconstruction import coordinate_loss, semantic_loss
from i2pmae.objectives.words import contrast, mixed_contrast, uniform_divergence, vae_reconstruction_loss

__all__ = [
    "contrast",
    "coordinate_loss",
    "mixed_contrast",
    "semantic_loss",
    "smoothed_cross_entropy",
    "uniform_divergence",
    "vae_reconstruction_loss",
]
