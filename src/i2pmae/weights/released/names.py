"""Names of parameters in the authors' released files, turned into what they are called here."""

import re
from collections.abc import Mapping

from i2pmae.typing import Tensor

__all__ = ["rename"]


def rename(published: Mapping[str, Tensor], like: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
    """Published tensors under our names; those of 1×1 convolutions take the shape of our linear layers.

    ``names`` are patterns and what takes their place. ``like`` is a state dict of the model; names that it lacks are
    kept as they are, so that loading reports them.
    """
    renamed = {}
    for name, tensor in published.items():
        for pattern, ours in names.items():
            name = re.sub(pattern, ours, name)
        target = like.get(name)
        fits = target is not None and _sizes(target) == _sizes(tensor)
        renamed[name] = tensor.reshape(target.shape) if fits and target is not None else tensor
    return renamed


def _sizes(tensor: Tensor) -> list[int]:
    """The shape without axes of length 1, such as those of the kernel of a 1×1 convolution."""
    return [size for size in tensor.shape if size != 1]
