"""Terrestrial scans (.e57): read by pye57, all scans of a file in one frame."""

from pathlib import Path

import numpy as np

from i2pmae.common.errors import DataError
from i2pmae.data.formats.base import RawCloud
from i2pmae.data.reasons import PassingError, check_expansion

__all__ = ["read_e57"]

HEADER_BYTES = 48
SIGNATURE = b"ASTM-E57"
POINT_BYTES = 24
"""Of three coordinates in memory."""
AXES = ("cartesianX", "cartesianY", "cartesianZ")
RGB = ("colorRed", "colorGreen", "colorBlue")


def read_e57(path: Path) -> RawCloud:
    """The points of all scans of a file, each moved by its pose; points that a scan marks as invalid are left out.

    Colours are kept where every scan has them.
    """
    try:
        import pye57
    except ImportError:
        raise PassingError("reading .e57 needs one more package: pip install 'i2pmae[e57]'") from None
    check_header(path)
    file = pye57.E57(str(path))
    try:
        headers = [file.get_header(index) for index in range(file.scan_count)]
        if not headers:
            raise DataError("the file holds no scan")
        check_expansion("its scans", POINT_BYTES * sum(each.point_count for each in headers), path.stat().st_size)
        coloured = all(set(RGB) <= set(each.point_fields) for each in headers)
        scans = [
            file.read_scan(index, colors=coloured, transform=True, ignore_missing_fields=True)
            for index, each in enumerate(headers)
            if each.point_count
        ]
    finally:
        file.close()
    if not scans:
        raise DataError("there are no points")
    points = np.concatenate([np.stack([scan[axis] for axis in AXES], axis=-1) for scan in scans]).astype(np.float64)
    columns = {}
    if coloured:
        columns["colour"] = np.concatenate([np.stack([scan[each] for each in RGB], axis=-1) for scan in scans])
    more = any(set(each.point_fields) - {*AXES, "cartesianInvalidState"} for each in headers)
    return RawCloud(points, extras=more, columns=columns)


def check_header(path: Path) -> None:
    """:class:`DataError` where a file is no .e57, or not as long as it says.

    Layout of the header: ASTM E2807, section 6.
    """
    with path.open("rb") as source:
        head = source.read(HEADER_BYTES)
    if len(head) < HEADER_BYTES or not head.startswith(SIGNATURE):
        raise DataError("the file does not start with an E57 header")
    said, held = int.from_bytes(head[16:24], "little"), path.stat().st_size
    if said != held:
        raise DataError(f"the file is damaged or cut short: it says {said} bytes, it holds {held}")
