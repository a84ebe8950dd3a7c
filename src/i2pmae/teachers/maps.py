"""A teacher's maps of the views of clouds: computed for a batch, or once per cloud and kept on disk."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import torch

from i2pmae.projection.config import ProjectionConfig
from i2pmae.projection.lift import lift
from i2pmae.projection.rasterise import ViewFrame, project, seen_points, view_frame
from i2pmae.projection.views import parse_views
from i2pmae.teachers.base import Teacher, TeacherMaps, pooled
from i2pmae.teachers.kept import CachedRows, Clouds
from i2pmae.typing import Bool, Float, Int, Tensor

__all__ = ["CachedMaps", "Kept", "Lifted", "ViewMaps", "look"]

Kept = Literal["maps", "pooled"]
"""What is kept of what a teacher says: features and saliency of every cell, or one vector per view."""


class ViewMaps(NamedTuple):
    """What the teacher says about each view of each cloud."""

    features: Float[Tensor, "b v c h w"]
    saliency: Float[Tensor, "b v h w"]
    pooled: Float[Tensor, "b v d"] | None = None
    """One vector per view; absent where maps were kept without it."""


def look(
    teacher: Teacher, points: Float[Tensor, "b n 3"], projection: ProjectionConfig
) -> tuple[ViewMaps, ViewFrame, Float[Tensor, "b v height width"]]:
    """What the teacher says about the views of clouds, the frame of those views, and the views themselves."""
    views = parse_views(projection.views, points.device)
    images, frame = project(points, views, projection.image_size, projection.depth)
    maps = TeacherMaps(*teacher(images.flatten(0, 1)[:, None]))
    parts = (maps.features, maps.saliency, pooled(maps))
    return ViewMaps(*(part.unflatten(0, images.shape[:2]) for part in parts)), frame, images


class Lifted(NamedTuple):
    """A 2D model's maps of views, read at points."""

    maps: ViewMaps
    frame: ViewFrame

    @property
    def pooled(self) -> Float[Tensor, "b v d"] | None:
        """One vector per view."""
        return self.maps.pooled

    def features(self, at: Float[Tensor, "b m 3"]) -> Float[Tensor, "b m v c"]:
        """What each view's map has at the pixels of points (I2P-MAE §3.2)."""
        return lift(self.maps.features, at, self.frame)

    def saliency(self, at: Float[Tensor, "b m 3"]) -> Float[Tensor, "b m"]:
        """The mean over views of what the teacher gives the pixel of a point (§3.3)."""
        return lift(self.maps.saliency[:, :, None], at, self.frame).mean((2, 3))

    def seen(self, cloud: Float[Tensor, "b n 3"], at: Float[Tensor, "b m 3"]) -> Bool[Tensor, "b m v"]:
        """Which points no other hides in each view."""
        return seen_points(cloud, at, self.frame)


class CachedMaps(CachedRows):
    """What the teacher says about all clouds of a set on their canonical views.

    ``wanted`` is what is kept: ``maps``, ``pooled``, which takes a hundredth of the room, or both. What it says by one
    projection has a folder of its own.
    """

    def __init__(
        self,
        folder: Path,
        teacher: Teacher,
        clouds: Clouds,
        projection: ProjectionConfig,
        batch: int = 16,
        device: torch.device | str = "cpu",
        shown: bool = True,
        wanted: Sequence[Kept] = ("maps",),
        limit: float | None = None,
        mixing: Float[Tensor, "c d"] | None = None,
    ) -> None:
        """``mixing`` is a matrix by which features are multiplied before they are kept: with fewer columns than
        channels they take less room."""
        self.projection = projection

        def said(points: Float[Tensor, "b n 3"]) -> dict[str, Float[Tensor, "..."]]:
            found = look(teacher, points, projection)[0]
            features = found.features
            if mixing is not None:
                features = torch.einsum("bvchw,cd->bvdhw", features, mixing.to(features.device))
            maps = torch.cat([features, found.saliency[:, :, None]], dim=2)
            return {"maps": maps} if found.pooled is None else {"maps": maps, "pooled": found.pooled}

        about = [teacher.fingerprint(), projection.model_dump(mode="json")]
        if mixing is not None:
            about.append(hashlib.blake2b(mixing.numpy().tobytes(), digest_size=8).hexdigest())
        super().__init__(folder, about, wanted, said, clouds, batch, device, shown, called=teacher.name, limit=limit)

    def __call__(self, index: Int[Tensor, " b"], device: torch.device | str = "cpu") -> ViewMaps:
        """The maps of the clouds at rows ``index``, which is on the CPU, on ``device``."""
        maps = self.rows("maps", index, device)
        return ViewMaps(maps[:, :, :-1], maps[:, :, -1])

    def lesson(self, index: Int[Tensor, " b"], points: Float[Tensor, "b n 3"]) -> Lifted:
        """The maps of the clouds at rows ``index``, which is on the CPU, to be read at places of the stored ``points``
        as they were projected."""
        views = parse_views(self.projection.views, points.device)
        frame = view_frame(points, views, self.projection.image_size)
        return Lifted(self(index, points.device), frame)
