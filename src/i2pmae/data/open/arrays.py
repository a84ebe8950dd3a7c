"""An array file that is in the one form already is opened as it is, and copied nowhere."""

import numpy as np

from i2pmae.data.clouds import CloudSet
from i2pmae.data.formats.arrays import ArraySet
from i2pmae.data.read.files import Request
from i2pmae.data.read.sampling import three_distinct
from i2pmae.data.sources.plan import Plan

__all__ = ["in_form_already"]

IN_FORM = 1e-4
"""How far centroid and radius of a stored array may be from 0 and 1 for it to count as normalised."""


def in_form_already(plan: Plan, request: Request) -> CloudSet | None:
    """The clouds of a plan, memory-mapped, where they are one ``.npy`` file to which nothing would have to be done."""
    entry = plan.entries[0] if len(plan.entries) == 1 else None
    if entry is None or entry.describe is None or entry.file.path.suffix.lower() != ".npy":
        return None
    source = entry.describe()
    if not isinstance(source, ArraySet) or entry.rows is not None:
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
