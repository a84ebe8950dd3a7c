"""Users" own data: a folder, a file or an array file becomes a set of clouds, read once and cached."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from i2pmae.common.errors import UsageError, pick
from i2pmae.data.clouds import COLUMNS, CloudSet
from i2pmae.data.formats.arrays import ArraySet
from i2pmae.data.paths import expanded
from i2pmae.data.read.files import Request
from i2pmae.data.read.plans import open_plan
from i2pmae.data.read.sampling import UP_AXES, three_distinct
from i2pmae.data.sources.folder import plan_files
from i2pmae.data.sources.plan import Entry

__all__ = ["check_request", "open_clouds"]

IN_FORM = 1e-4
"""How far centroid and radius of a stored array may be from 0 and 1 for it to count as normalised."""


def open_clouds(
    path: str | Path,
    *,
    points: int = 2048,
    up: Literal["x", "y", "z"] = "y",
    labels: Literal["none", "folder", "auto"] = "none",
    parts: Literal["none", "named", "column"] = "named",
    cache: Path | None = None,
    workers: int | None = None,
    max_bad_share: float = 0.1,
    limit: int | None = None,
    seed: int = 0,
    shown: bool = True,
    columns: Sequence[str] = (),
) -> CloudSet:
    """The clouds at ``path``: ``points`` points each, y up, in the unit sphere, sorted by path, memory-mapped.

    ``path`` is a folder (read recursively, formats mixed), one file, or an array file with many clouds, labels and
    splits. Meshes are sampled uniformly on their surface; of clouds with more points a random subset is drawn, of
    those with fewer some points are repeated; all of it follows from ``seed`` and the path alone. ``up`` names the
    axis that points up in the files. ``labels="folder"`` makes the name of a file's folder its class, ``"auto"`` does
    so where there are such folders. ``limit`` reads at most so many clouds, in proportion to splits and spread over
    classes. What is read is kept in ``cache`` (default: the user's cache folder) until the files or the options change.
    ``workers`` processes read (default: one for each processor).

    Part labels are read where a file names them: an array ``part_labels``; a column or property ``label``, ``part`` or
    ``part_label``; a file ``x.seg`` or ``x.labels`` with one number per line beside ``x``, or in ``points_label``
    beside ``points``. ``parts="column"`` takes the last column of text files, ``"none"`` reads none.

    ``columns`` are kept beside the coordinates: ``colour`` and ``normal``, in :attr:`CloudSet.columns`. They come from
    the named properties, columns or arrays of a file, or from three columns without names behind x, y and z: normals
    where all have length 1, else colours. A mesh has the normals of its triangles where it stores none. A file without
    one that is asked for counts as one that cannot be used, since a cloud has all columns or the set has none.

    Files without a usable shape are left out, counted in the notes and listed with reasons beside the cache;
    :class:`DataError` if they are more than ``max_bad_share`` of all, or if there is nothing to read;
    :class:`UsageError` for options that cannot be; :class:`I2PError` where the cache cannot be written.
    """
    pick("up axis", up, UP_AXES)
    check_request(points, max_bad_share, limit, workers, columns)
    request = Request(points, up, seed, limit, parts != "none", tuple(columns))
    path = expanded(path)
    plan = plan_files(path, labels, parts)
    mapped = _already_in_form(plan.entries[0], request) if len(plan.entries) == 1 and path.is_file() else None
    if mapped is not None:
        return mapped
    return open_plan(plan, request, cache=cache, workers=workers, max_bad_share=max_bad_share, shown=shown)


def check_request(
    points: int | None, max_bad_share: float, limit: int | None, workers: int | None, columns: Sequence[str] = ()
) -> None:
    """:class:`UsageError` for numbers that cannot be, and for columns that nobody knows."""
    if isinstance(columns, str):
        raise UsageError(f"columns must be a list of names, such as {(columns,)!r}, not the text {columns!r}.")
    for name in columns:
        pick("column", name, dict.fromkeys(COLUMNS))
    if points is not None and points < 3:
        raise UsageError(f"points must be at least 3, not {points}.")
    if not 0 <= max_bad_share <= 1:
        raise UsageError(f"max_bad_share must be between 0 and 1, not {max_bad_share}.")
    if limit is not None and limit < 1:
        raise UsageError(f"limit must be at least 1, not {limit}.")
    if workers is not None and workers < 0:
        raise UsageError(f"workers must be 0 or more, not {workers}.")


def _already_in_form(entry: Entry, request: Request) -> CloudSet | None:
    """The array itself, memory-mapped, where nothing would have to be done to it; so it is not copied."""
    source = entry.describe() if entry.describe is not None else None
    if not isinstance(source, ArraySet) or source.path.suffix.lower() != ".npy":
        return None
    in_form = ((len(source), request.points, 3), np.dtype("<f4"), "y")
    if (source.shapes[0], source.dtype, request.up) != in_form or request.columns:
        return None
    if request.limit is not None and request.limit < len(source):
        return None
    for _, block, *_ in source.blocks():
        radius = np.linalg.norm(block, axis=-1).max(-1)
        # Comparisons with NaN are false, so clouds that are not finite fail here as well.
        if not ((abs(block.mean(1)) < IN_FORM).all() and (abs(radius - 1) < IN_FORM).all()):
            return None
        if not three_distinct(block).all():
            return None
    points = np.load(source.path, mmap_mode="c", allow_pickle=False)
    return CloudSet(points, [f"{entry.file.id}/{row:06d}" for row in range(len(points))], name=source.path.name)
