"""Several 2D models as one teacher."""

import hashlib
from collections.abc import Sequence

import torch
from torch.nn import functional

from i2pmae.common.errors import UsageError
from i2pmae.teachers.base import Teacher, TeacherMaps, pooled
from i2pmae.teachers.catalogue import JOINED
from i2pmae.typing import Float, Tensor

__all__ = ["SeveralTeachers"]

TINY = 1e-12
"""Added to variances, so that vectors of equal channels stay zero. Features of models may be small."""


class SeveralTeachers:
    """What several 2D models say of the same images, side by side; each prepares the images for itself.

    *Features*: those of each cell are brought to zero mean and unit variance over the channels of one model, weighted
    so that every model counts the same, however large its numbers and however many its channels; smaller grids are
    enlarged to the largest one as maps are when they are carried to points (bicubic). *Saliency*: the mean of the ranks
    that the models give the cells of an image, from 0 to 1. Attention and channels of a network have scales that cannot
    be compared, and single cells in empty corners that outweigh all others; ranks have neither. *Vectors of images*: as
    the features.
    """

    def __init__(self, members: Sequence[Teacher]) -> None:
        """:class:`UsageError` where there is no member."""
        if not members:
            raise UsageError("Several teachers were asked for, and none was given.")
        self.members = tuple(members)
        self.name = JOINED.join(each.name for each in members)
        self.feature_dim = sum(each.feature_dim for each in members)
        self.image_size = max(each.image_size for each in members)
        self.grid_size = max(each.grid_size for each in members)

    def __call__(self, images: Float[Tensor, "b ch height width"]) -> TeacherMaps:
        """Maps for images in [0, 1] with 1 or 3 channels, in float32 and without gradient."""
        said = [TeacherMaps(*each(images)) for each in self.members]
        features = _balanced([maps.features.movedim(1, -1) for maps in said])
        saliency = torch.cat([self._enlarged(_ranks(maps.saliency)[:, None]) for maps in said], dim=1).mean(1)
        vectors = _balanced([pooled(maps) for maps in said])
        cells = [self._enlarged(part.movedim(-1, 1)) for part in features]
        return TeacherMaps(torch.cat(cells, dim=1), saliency, torch.cat(vectors, dim=1))

    def to(self, device: torch.device | str) -> "SeveralTeachers":
        """The teacher itself, all of its members moved to ``device``."""
        for each in self.members:
            each.to(device)
        return self

    @property
    def precision(self) -> str:
        """That of the members, where it is the same; else ``fp32``."""
        found = {str(getattr(each, "precision", "fp32")) for each in self.members}
        return found.pop() if len(found) == 1 else "fp32"

    def fingerprint(self) -> str:
        """32 hexadecimal digits that change with any member and with their order."""
        prints = ["side by side", *(each.fingerprint() for each in self.members)]
        return hashlib.blake2b(repr(prints).encode(), digest_size=16).hexdigest()

    def __repr__(self) -> str:
        return f"SeveralTeachers({list(self.members)!r})"

    def _enlarged(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c g g"]:
        """On the largest grid; the kernel is that of :func:`~i2pmae.projection.lift.lift`."""
        if maps.shape[-1] == self.grid_size:
            return maps
        size = (self.grid_size, self.grid_size)
        return functional.interpolate(maps, size, mode="bicubic", align_corners=False)


def _balanced(parts: Sequence[Float[Tensor, "*other c"]]) -> list[Float[Tensor, "*other c"]]:
    """Vectors of several models, each normalised over its channels and of the same length as the others."""
    mean = sum(part.shape[-1] for part in parts) / len(parts)
    return [functional.layer_norm(part, part.shape[-1:], eps=TINY) * (mean / part.shape[-1]) ** 0.5 for part in parts]


def _ranks(values: Float[Tensor, "b h w"]) -> Float[Tensor, "b h w"]:
    """The rank of each cell within its image, from 0 to 1; equal ones share theirs."""
    flat = values.flatten(1).contiguous()
    order = flat.sort(1).values
    twice = torch.searchsorted(order, flat) + torch.searchsorted(order, flat, right=True) - 1
    return (twice / (2 * max(1, flat.shape[1] - 1))).view_as(values)
