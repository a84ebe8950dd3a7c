"""One reader per file format, and the one function that reads a file by its extension."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from i2pmae.common.errors import DataError
from i2pmae.data.formats.arrays import read_single
from i2pmae.data.formats.base import RawCloud
from i2pmae.data.formats.las import read_las
from i2pmae.data.formats.meshes import read_gltf, read_obj, read_off, read_ply, read_stl
from i2pmae.data.formats.pcd import read_pcd
from i2pmae.data.formats.text import read_text
from i2pmae.data.reasons import reasons

__all__ = ["EXTENSIONS", "known_formats", "quiet", "read_cloud_file"]


EXTENSIONS: dict[str, Callable[[Path], RawCloud]] = {
    ".off": read_off,
    ".obj": read_obj,
    ".ply": read_ply,
    ".stl": read_stl,
    ".glb": read_gltf,
    ".gltf": read_gltf,
    ".xyz": read_text,
    ".pts": read_text,
    ".txt": read_text,
    ".csv": read_text,
    ".pcd": read_pcd,
    ".las": read_las,
    ".laz": read_las,
    ".npy": read_single,
    ".npz": read_single,
    ".h5": read_single,
    ".hdf5": read_single,
}
"""The reader of each file format, by extension in lower case."""
LOGGERS = tuple(logging.getLogger(name) for name in ("trimesh", "laspy", "h5py"))
NOWHERE = logging.NullHandler()


def known_formats() -> str:
    """The extensions that can be read, for messages."""
    return " ".join(EXTENSIONS)


def read_cloud_file(path: Path, part_column: bool = False) -> RawCloud:
    """The points or the mesh that one file holds, as stored; :class:`DataError` gives the reason where it has none.

    With ``part_column``, the last column of a text file holds part labels.

    Libraries' warnings and log lines are held back, and whatever they raise becomes a reason that a person can read.
    """
    reader = EXTENSIONS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"unknown file format {path.suffix!r}; known: {known_formats()}")
    with reasons(f"not a valid {path.suffix.lower()} file"), quiet():
        if path.stat().st_size == 0:
            raise DataError("the file is empty")
        return read_text(path, part_column=True) if part_column and reader is read_text else reader(path)


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back the warnings and log lines of libraries that read files."""
    before = [(logger.handlers, logger.propagate) for logger in LOGGERS]
    try:
        for logger in LOGGERS:  # Setting their levels would empty the caches of all loggers there are, at every file.
            logger.handlers, logger.propagate = [NOWHERE], False
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, (handlers, propagate) in zip(LOGGERS, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
