"""The two reconstruction objectives of I2P-MAE."""

from torch.nn import functional

from i2pmae.ops import chamfer_l2
from i2pmae.typing import Float, Tensor

__all__ = ["coordinate_loss", "semantic_loss"]


def coordinate_loss(predicted: Float[Tensor, "g p 3"], target: Float[Tensor, "g k 3"]) -> Float[Tensor, ""]:
    """L3D: Chamfer-L2 between predicted and true neighbourhoods of the masked tokens (equation 6)."""
    return chamfer_l2(predicted.float(), target.float())


def semantic_loss(predicted: Float[Tensor, "g k s"], target: Float[Tensor, "g k s"]) -> Float[Tensor, ""]:
    """L2D: mean squared error between predicted and lifted 2D features of the visible tokens (equation 7)."""
    return functional.mse_loss(predicted.float(), target.float())
