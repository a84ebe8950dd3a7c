"""The objective of classification and part segmentation."""

from torch.nn import functional

from i2pmae.typing import Float, Int, Tensor

__all__ = ["smoothed_cross_entropy"]


def smoothed_cross_entropy(
    logits: Float[Tensor, "... c"], target: Int[Tensor, "..."], smoothing: float = 0.0
) -> Float[Tensor, ""]:
    """Mean cross-entropy; ``smoothing`` is the mass that the *other* classes share (I2P-MAE's released code).

    PyTorch spreads its smoothing over all classes, the true one included: hence the factor c / (c − 1).
    """
    classes = logits.shape[-1]
    spread = smoothing * classes / (classes - 1)
    return functional.cross_entropy(logits.flatten(0, -2).float(), target.flatten(), label_smoothing=spread)
