"""A teacher's maps of the views of clouds: computed for a batch, or once per cloud and kept on disk."""

import contextlib
import hashlib
import io
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

import numpy as np
import torch

from i2pmae.common.errors import I2PError
from i2pmae.common.files import write_text
from i2pmae.common.locks import lock
from i2pmae.common.progress import say, track
from i2pmae.projection.config import ProjectionConfig
from i2pmae.projection.rasterise import ViewFrame, project
from i2pmae.projection.views import parse_views
from i2pmae.teachers.base import Teacher
from i2pmae.typing import Float, Int, Tensor

__all__ = ["CachedMaps", "ViewMaps", "look"]

MAPS, PART, STATE = "maps.npy", "maps.npy.part", "maps.json"
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


def look(
    teacher: Teacher, points: Float[Tensor, "b n 3"], projection: ProjectionConfig
) -> tuple[ViewMaps, ViewFrame, Float[Tensor, "b v height width"]]:
    """The teacher's maps of the views of clouds, the frame of those views, and the views themselves."""
    images, frame = project(points, parse_views(projection.views), projection.image_size, projection.depth)
    features, saliency = teacher(images.flatten(0, 1)[:, None])
    shape = images.shape[:2]
    return ViewMaps(features.unflatten(0, shape), saliency.unflatten(0, shape)), frame, images


class CachedMaps:
    """The maps of all clouds of a set on their canonical views, in half precision, memory-mapped from the disk.

    Those of one teacher, one projection and one set of clouds have a folder of their own within ``folder``. They are
    computed on construction where they are not there yet, by one process at a time, while others that need them wait; a
    build that was interrupted goes on where it stopped. Finished maps never change, so reading them needs no lock.

    :class:`I2PError` where the disk is full or the folder cannot be used.
    """

    seconds: float
    """Time that computing them took, in whatever process that was."""

    def __init__(
        self,
        folder: Path,
        teacher: Teacher,
        clouds: Clouds,
        projection: ProjectionConfig,
        batch: int = 16,
        device: torch.device | str = "cpu",
        shown: bool = True,
    ) -> None:
        views = len(parse_views(projection.views))
        self._shape = (len(clouds), views, teacher.feature_dim + 1, teacher.grid_size, teacher.grid_size)
        about = [teacher.fingerprint(), projection.model_dump(mode="json"), clouds.digest(), self._shape]
        key = hashlib.blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=16).hexdigest()
        self.folder = Path(folder) / key
        """Where they are."""
        maps = self._finished()
        if maps is None:
            what = f"the teacher's maps in {self.folder}"
            with lock(self.folder / ".lock", blocking=True, what=what, say=say if shown else None):
                maps = self._finished()  # by the process that was waited for
                if maps is None:
                    self._build(teacher, clouds, projection, batch, device, shown)
                    maps = self._finished()
        if maps is None:
            raise I2PError(f"The teacher's maps in {self.folder} were removed while they were made. Run again.")
        self._maps = maps
        self.seconds = self._noted()[1]

    def __call__(self, index: Int[Tensor, " b"], device: torch.device | str = "cpu") -> ViewMaps:
        """The maps of the clouds at rows ``index``, which is on the CPU, on ``device``."""
        found = torch.from_numpy(self._maps[index.numpy()])
        if torch.device(device).type == "cuda":
            found = found.pin_memory()  # so that nothing waits for the copy
        found = found.to(device, non_blocking=True).float()
        return ViewMaps(found[:, :, :-1], found[:, :, -1])

    def _finished(self) -> np.ndarray | None:
        """The maps, if all are there."""
        try:
            maps: np.ndarray = np.load(self.folder / MAPS, mmap_mode="r")
        except (OSError, ValueError, EOFError):
            return None
        return maps if maps.shape == self._shape and maps.dtype == np.float16 else None

    def _noted(self) -> tuple[int, float]:
        """How many clouds are done, and in how many seconds."""
        try:
            note = json.loads((self.folder / STATE).read_text(encoding="utf-8"))
            return int(note["done"]), float(note["seconds"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return 0, 0.0

    def _build(
        self,
        teacher: Teacher,
        clouds: Clouds,
        projection: ProjectionConfig,
        batch: int,
        device: torch.device | str,
        shown: bool,
    ) -> None:
        """Compute the maps that are missing; they get their name when all are there."""
        header, row = _header(self._shape), 2 * int(np.prod(self._shape[1:]))
        with self._explained(len(header) + row * len(clouds)), _opened(self.folder / PART) as part:
            done, earlier = self._noted()
            if part.seek(0, os.SEEK_END) < len(header) + done * row:
                done, earlier = 0, 0.0
            part.seek(0)
            part.write(header)
            part.truncate(len(header) + done * row)
            part.seek(0, os.SEEK_END)
            starts, begun = range(done, len(clouds), batch), time.monotonic() - earlier
            for number, start in enumerate(track(starts, "2D teacher", shown=shown and len(starts) > 0), start=1):
                points = np.asarray(clouds.points[start : start + batch], np.float32)
                found = look(teacher, torch.as_tensor(points, device=device), projection)[0]
                both = torch.cat([found.features, found.saliency[:, :, None]], dim=2)
                part.write(both.half().cpu().numpy().tobytes())
                if number % BATCHES_PER_NOTE == 0 or start + batch >= len(clouds):
                    self._note(part, min(start + batch, len(clouds)), time.monotonic() - begun)
        (self.folder / PART).replace(self.folder / MAPS)

    def _note(self, part: BinaryIO, done: int, seconds: float) -> None:
        """Write down how far the build is, once that much is on the disk."""
        part.flush()
        os.fsync(part.fileno())
        write_text(self.folder / STATE, json.dumps({"done": done, "seconds": seconds}))

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


def _opened(path: Path) -> Any:
    """The file for reading and writing, made where it is absent."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")


def _header(shape: tuple[int, ...]) -> bytes:
    """What a file of half precision numbers of that shape begins with in NumPy's format."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f2", "fortran_order": False, "shape": shape})
    return header.getvalue()
