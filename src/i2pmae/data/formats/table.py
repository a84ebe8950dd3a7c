"""One reader per file format, and the one function that reads a file by its extension."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from i2pmae.common.errors import DataError
from i2pmae.data.formats.arrays import describe_arrays, read_single
from i2pmae.data.formats.base import RawCloud, SetOfClouds
from i2pmae.data.formats.containers import ARRAY_EXTENSIONS
from i2pmae.data.formats.e57 import read_e57
from i2pmae.data.formats.las import read_las
from i2pmae.data.formats.meshes import read_gltf, read_obj, read_off, read_ply, read_stl
from i2pmae.data.formats.parquet import describe_parquet
from i2pmae.data.formats.pcd import read_pcd
from i2pmae.data.formats.tar import describe_tar
from i2pmae.data.formats.text import read_text
from i2pmae.data.reasons import reasons

__all__ = ["EXTENSIONS", "SETS", "describe_set", "known_formats", "quiet", "read_cloud_file"]


def only_sets(path: Path) -> RawCloud:
    """No cloud: files of this format are sets."""
    raise DataError(f"a {path.suffix.lower()} file holds a set of clouds, and no single one")


def _arrays(path: Path, name: str) -> SetOfClouds | None:
    del name
    return describe_arrays(path)


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
    ".e57": read_e57,
    ".npy": read_single,
    ".npz": read_single,
    ".h5": read_single,
    ".hdf5": read_single,
    ".tar": only_sets,
    ".parquet": only_sets,
}
"""The reader of each file format, by extension in lower case."""
SETS: dict[str, Callable[[Path, str], SetOfClouds | None]] = {
    **dict.fromkeys(ARRAY_EXTENSIONS, _arrays),
    ".tar": describe_tar,
    ".parquet": describe_parquet,
}
"""Of the formats that may hold many clouds: what says which set a file holds, under a name; None for a single cloud."""
LOGGERS = tuple(logging.getLogger(name) for name in ("trimesh", "laspy", "h5py"))
NOWHERE = logging.NullHandler()


def known_formats() -> str:
    """The extensions that can be read, for messages."""
    return " ".join(EXTENSIONS)


def describe_set(path: Path, name: str) -> SetOfClouds | None:
    """The set of clouds that a file of the id ``name`` holds; None where it holds one cloud alone.

    :class:`DataError` gives the reason where it holds neither.
    """
    describe = SETS.get(path.suffix.lower())
    with quiet():
        return None if describe is None else describe(path, name)


def read_cloud_file(path: Path, part_column: bool = False, columns: bool = False) -> RawCloud:
    """The points or the mesh that one file holds, as stored; :class:`DataError` gives the reason where it has none.

    With ``part_column``, the last column of a text file holds part labels. With ``columns``, its colours and normals
    are read; readers of other formats give those that they find in any case.

    Libraries' warnings and log lines are held back, and whatever they raise becomes a reason that a person can read.
    """
    reader = EXTENSIONS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"unknown file format {path.suffix!r}; known: {known_formats()}")
    with reasons(f"not a valid {path.suffix.lower()} file"), quiet():
        if path.stat().st_size == 0:
            raise DataError("the file is empty")
        return read_text(path, part_column, columns) if reader is read_text else reader(path)


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
