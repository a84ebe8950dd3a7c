"""A teacher's maps of the views of clouds: computed for a batch, or once per cloud and kept on disk."""

import hashlib
import json
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from i2pmae.common.files import write_text
from i2pmae.common.progress import track
from i2pmae.data.clouds import CloudSet
from i2pmae.projection import ViewFrame, parse_views, project
from i2pmae.teachers.base import Teacher
from i2pmae.training.config import ProjectionConfig
from i2pmae.typing import Float, Int, Tensor

__all__ = ["CachedMaps", "ViewMaps", "look"]


class ViewMaps(NamedTuple):
    """What the teacher says about each view of each cloud."""

    features: Float[Tensor, "b v c h w"]
    saliency: Float[Tensor, "b v h w"]


def look(
    teacher: Teacher, points: Float[Tensor, "b n 3"], projection: ProjectionConfig
) -> tuple[ViewMaps, ViewFrame, Float[Tensor, "b v height width"]]:
    """The teacher's maps of the views of clouds, the frame of those views, and the views themselves."""
    images, frame = project(points, parse_views(projection.views), projection.image_size, projection.depth)
    features, saliency = teacher(images.flatten(0, 1)[:, None])
    shape = images.shape[:2]
    return ViewMaps(features.unflatten(0, shape), saliency.unflatten(0, shape)), frame, images


SAMPLED = 256
"""Clouds whose points are part of a set's fingerprint."""


class CachedMaps:
    """The maps of all clouds of a set on their canonical views, in half precision, memory-mapped from ``folder``.

    They are computed on construction where the folder does not hold them yet; a build that was interrupted goes on
    where it stopped. A folder holds those of one teacher, one projection and one set of clouds; others take its place.
    """

    seconds: float
    """Time that computing them took, in whatever process that was."""

    def __init__(
        self,
        folder: Path,
        teacher: Teacher,
        clouds: CloudSet,
        projection: ProjectionConfig,
        batch: int = 16,
        device: torch.device | str = "cpu",
        shown: bool = True,
    ) -> None:
        self._views = len(parse_views(projection.views))
        self._key = {
            "teacher": teacher.fingerprint(),
            "projection": projection.model_dump(),
            "clouds": list(clouds.points.shape),
            "set": _fingerprint(clouds),
        }
        shape = (len(clouds), self._views, teacher.feature_dim + 1, teacher.grid_size, teacher.grid_size)
        folder.mkdir(parents=True, exist_ok=True)
        state, data = folder / "maps.json", folder / "maps.npy"
        done, earlier = self._resume(state, data, shape)
        mode = "r+" if data.exists() and done else "w+"
        maps = np.lib.format.open_memmap(data, mode=mode, dtype=np.float16, shape=shape)
        starts, begun = range(done, len(clouds), batch), time.monotonic() - earlier
        for start in track(starts, "2D teacher", shown=shown and len(starts) > 0):
            rows = slice(start, start + batch)
            points = torch.as_tensor(np.asarray(clouds.points[rows], np.float32), device=device)
            found = look(teacher, points, projection)[0]
            both = torch.cat([found.features, found.saliency[:, :, None]], dim=2)
            maps[rows] = both.cpu().numpy()
            if (start // batch) % 16 == 15:
                maps.flush()
                self._note(state, start + batch, time.monotonic() - begun)
        maps.flush()
        self.seconds = time.monotonic() - begun if len(starts) else earlier
        self._note(state, len(clouds), self.seconds)
        self._maps = np.load(data, mmap_mode="r")

    def _resume(self, state: Path, data: Path, shape: tuple[int, ...]) -> tuple[int, float]:
        """How many clouds an earlier build of the same maps has finished, and in how many seconds."""
        try:
            note = json.loads(state.read_text())
            if note["key"] == self._key and np.load(data, mmap_mode="r").shape == shape:
                return int(note["done"]), float(note["seconds"])
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return 0, 0.0

    def _note(self, state: Path, done: int, seconds: float) -> None:
        write_text(state, json.dumps({"key": self._key, "done": done, "seconds": seconds}))

    def __call__(self, index: Int[Tensor, " b"]) -> ViewMaps:
        """The maps of the clouds at rows ``index``, on its device."""
        found = torch.from_numpy(self._maps[index.cpu().numpy()]).to(index.device).float()
        return ViewMaps(found[:, :, :-1], found[:, :, -1])


def _fingerprint(clouds: CloudSet) -> str:
    """What tells a set from others: its ids, and the points of some of its clouds. Names and sizes may be the same."""
    digest = hashlib.blake2b("\n".join(clouds.ids).encode("utf-8", "surrogateescape"), digest_size=16)
    for row in np.linspace(0, len(clouds) - 1, min(len(clouds), SAMPLED)).astype(int):
        digest.update(np.ascontiguousarray(clouds.points[row]).data)
    return digest.hexdigest()
