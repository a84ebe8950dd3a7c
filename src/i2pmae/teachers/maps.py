"""A teacher's maps of the views of clouds: computed for a batch, or once per cloud and kept on disk."""

import contextlib
import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import numpy as np
import torch

from i2pmae.common.errors import I2PError
from i2pmae.common.locks import lock
from i2pmae.common.progress import say, track
from i2pmae.projection.config import ProjectionConfig
from i2pmae.projection.rasterise import ViewFrame, project
from i2pmae.projection.views import parse_views
from i2pmae.teachers.base import Teacher, TeacherMaps, pooled
from i2pmae.teachers.stored import Stored
from i2pmae.typing import Float, Int, Tensor

__all__ = ["CachedMaps", "Kept", "ViewMaps", "look"]

Kept = Literal["maps", "pooled"]
"""What is kept of what a teacher says: features and saliency of every cell, or one vector per view."""
BATCHES_PER_NOTE = 16
"""Batches between two notes of how far a build is."""


class Clouds(Protocol):
    """What maps are made of: a :class:`~i2pmae.data.clouds.CloudSet`."""

    @property
    def points(self) -> np.ndarray:
        """``(clouds, n, 3)``."""
        ...

    def __len__(self) -> int: ...

    def digest(self) -> str:
        """What changes with any of the points."""
        ...


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


class CachedMaps:
    """What the teacher says about all clouds of a set on their canonical views, in half precision, memory-mapped.

    ``wanted`` is what is kept: ``maps``, ``pooled``, which takes a hundredth of the room, or both. What one teacher
    says of one set by one projection has a folder of its own within ``folder``. It is computed on construction where it
    is not there yet, by one process at a time, while others that need it wait; a build that was interrupted goes on
    where it stopped. What is finished never changes, so reading needs no lock.

    :class:`I2PError` where the disk is full or the folder cannot be used.
    """

    seconds: float
    """Time that computing it took, in whatever process that was."""

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
    ) -> None:
        views = len(parse_views(projection.views))
        maps = (len(clouds), views, teacher.feature_dim + 1, teacher.grid_size, teacher.grid_size)
        about = [teacher.fingerprint(), projection.model_dump(mode="json"), clouds.digest(), maps]
        key = hashlib.blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=16).hexdigest()
        self.folder = Path(folder) / key
        """Where it is."""
        shapes: dict[Kept, tuple[int | None, ...]] = {"maps": maps, "pooled": (len(clouds), views, None)}
        self._parts: dict[Kept, Stored] = {name: Stored(self.folder, name, shapes[name]) for name in wanted}
        found = self._finished()
        if found is None:
            what = f"the teacher's maps in {self.folder}"
            with lock(self.folder / ".lock", blocking=True, what=what, say=say if shown else None):
                if self._finished() is None:  # by the process that was waited for
                    self._build(teacher, clouds, projection, batch, device, shown)
                found = self._finished()
        if found is None:
            raise I2PError(f"The teacher's maps in {self.folder} were removed while they were made. Run again.")
        self._found = found
        self.seconds = max(part.noted()[1] for part in self._parts.values())

    def __call__(self, index: Int[Tensor, " b"], device: torch.device | str = "cpu") -> ViewMaps:
        """The maps of the clouds at rows ``index``, which is on the CPU, on ``device``."""
        maps = _rows(self._found["maps"], index, device)
        return ViewMaps(maps[:, :, :-1], maps[:, :, -1])

    def pooled(self, index: Int[Tensor, " b"], device: torch.device | str = "cpu") -> Float[Tensor, "b v d"]:
        """One vector per view of the clouds at rows ``index``, which is on the CPU, on ``device``."""
        return _rows(self._found["pooled"], index, device)

    def _finished(self) -> dict[Kept, np.ndarray] | None:
        """What is wanted, if all of it is there."""
        found = {name: values for name, part in self._parts.items() if (values := part.finished()) is not None}
        return found if len(found) == len(self._parts) else None

    def _build(
        self,
        teacher: Teacher,
        clouds: Clouds,
        projection: ProjectionConfig,
        batch: int,
        device: torch.device | str,
        shown: bool,
    ) -> None:
        """Compute what is missing in one pass; each part gets its name when all of it is there."""

        def said(rows: slice) -> dict[str, Float[Tensor, "..."]]:
            points = np.asarray(clouds.points[rows], np.float32)
            found = look(teacher, torch.as_tensor(points, device=device), projection)[0]
            maps = torch.cat([found.features, found.saliency[:, :, None]], dim=2)
            return {"maps": maps} if found.pooled is None else {"maps": maps, "pooled": found.pooled}

        missing = [part for part in self._parts.values() if part.finished() is None]
        if any(None in part.shape for part in missing):
            first = said(slice(0, 1))
            missing = [Stored(self.folder, part.name, (len(clouds), *first[part.name].shape[1:])) for part in missing]
        with self._explained(sum(part.size for part in missing)), contextlib.ExitStack() as stack:
            for part in missing:
                stack.enter_context(part.opened())
            done = min(part.done for part in missing)
            for part in missing:
                part.cut(done)
            begun = time.monotonic() - max(part.seconds for part in missing)
            starts = range(done, len(clouds), batch)
            for number, start in enumerate(track(starts, "2D teacher", shown=shown and len(starts) > 0), start=1):
                found = said(slice(start, start + batch))
                for part in missing:
                    part.write(found[part.name].half().cpu().numpy())
                if number % BATCHES_PER_NOTE == 0 or start + batch >= len(clouds):
                    for part in missing:
                        part.note(time.monotonic() - begun)
        for part in missing:
            part.finish()

    @contextlib.contextmanager
    def _explained(self, size: int) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise I2PError(
                f"Cannot write the teacher's maps in {self.folder}: {error.strerror or error}. They need "
                f"{size / 2**30:.1f} GiB. What is done stays: free some space and run again, choose another cache with "
                "data.cache, or train without cache_teacher."
            ) from error


def _rows(values: np.ndarray, index: Int[Tensor, " b"], device: torch.device | str) -> Float[Tensor, "..."]:
    """Rows of an array in half precision as float32 on a device."""
    found = torch.from_numpy(values[index.numpy()])
    if torch.device(device).type == "cuda":
        found = found.pin_memory()  # so that nothing waits for the copy
    return found.to(device, non_blocking=True).float()
