"""What a frozen 2D model must do to teach a point-cloud encoder."""

from typing import NamedTuple, Protocol

import torch

from i2pmae.typing import Float, Tensor

__all__ = ["Teacher", "TeacherMaps", "pooled", "pooled_dim"]


class TeacherMaps(NamedTuple):
    """What a 2D model says about images (I2P-MAE, arXiv 2212.06785, §3.2)."""

    features: Float[Tensor, "b c h w"]
    """One feature vector per grid cell."""
    saliency: Float[Tensor, "b h w"]
    """How much each grid cell matters to the model: attention of [CLS], mean over heads, or the largest channel."""
    pooled: Float[Tensor, "b d"] | None = None
    """One vector for the whole image: what the model itself sums it up by ([CLS], or the family's pooled output) beside
    the mean of the grid cells. A teacher that says nothing is summed up by the mean alone (:func:`pooled`)."""


def pooled(maps: TeacherMaps) -> Float[Tensor, "b d"]:
    """One vector for each image: what the teacher gives, or the mean of its grid cells."""
    return maps.features.mean((2, 3)) if maps.pooled is None else maps.pooled


class Teacher(Protocol):
    """A frozen 2D model. Not a ``torch.nn.Module``: it can't slip into a state dict, an optimiser or train mode."""

    name: str
    """What to call it in configurations and reports."""
    feature_dim: int
    """Channels of the feature map."""
    image_size: int
    """Side of the square images it takes, in pixels."""
    grid_size: int
    """Side of the square grid of its maps."""

    def __call__(self, images: Float[Tensor, "b ch height width"]) -> TeacherMaps:
        """Maps for images in [0, 1] with 1 or 3 channels.

        The teacher repeats a single channel, applies its own mean and standard deviation, and returns float32 without
        gradient. It runs on the device of the images.
        """
        ...

    def to(self, device: torch.device | str) -> "Teacher":
        """The teacher itself, moved to a device."""
        ...

    def fingerprint(self) -> str:
        """A short string that changes with the weights, the precision or the preprocessing: the key of caches."""
        ...


def pooled_dim(teacher: Teacher) -> int:
    """Channels of the teacher's vector for an image, found by showing it a black one."""
    return int(pooled(teacher(torch.zeros(1, 1, teacher.image_size, teacher.image_size))).shape[1])
