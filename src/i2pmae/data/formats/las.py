"""Airborne and terrestrial scans (.las, .laz): read by laspy, after a look at what their header says."""

import struct
from pathlib import Path
from typing import IO

import numpy as np

from i2pmae.common.errors import DataError
from i2pmae.data.formats.base import RawCloud
from i2pmae.data.formats.beside import found_columns
from i2pmae.data.reasons import PassingError, check_count, check_expansion

__all__ = ["read_las"]

BESIDE = ("red", "green", "blue", "nx", "ny", "nz", "normal_x", "normal_y", "normal_z")
"""Dimensions that may be kept."""
SHORT_HEADER, LONG_HEADER = 227, 375
"""Bytes of the header up to version 1.2, and from 1.4."""
VLR_BYTES, EVLR_BYTES = 54, 60
"""Bytes of a variable-length record, and of an extended one, without their content."""
LASZIP = b"laszip encoded"
"""Who wrote the record that says how the points are compressed."""
OWN_SIZES = 0xFFFFFFFF
"""Points of each chunk where every chunk has a number of its own."""


def read_las(path: Path) -> RawCloud:
    """The points of a scan, in the file's own units."""
    try:
        import laspy
    except ImportError:
        raise PassingError("reading .las and .laz needs one more package: pip install 'i2pmae[las]'") from None
    with path.open("rb") as source:
        check_header(source, path.stat().st_size)
    if path.suffix.lower() == ".laz" and not laspy.LazBackend.detect_available():
        raise PassingError("reading .laz needs one more package: pip install 'i2pmae[las]'")
    with laspy.open(path) as reader:
        scan = reader.read()
        check_count("points", reader.header.point_count, len(scan))
        columns = found_columns({name: scan[name] for name in scan.point_format.dimension_names if name in BESIDE})
        points = np.stack([scan.x, scan.y, scan.z], axis=-1).astype(np.float64)
        return RawCloud(points, extras=True, columns=columns)


def check_header(source: IO[bytes], size: int) -> None:
    """:class:`DataError` where the header says other numbers of points and records than a file of ``size`` bytes holds.

    Layout of the header: American Society for Photogrammetry and Remote Sensing, LAS specification 1.4 R15.
    """
    head = source.read(LONG_HEADER)
    if len(head) < SHORT_HEADER or not head.startswith(b"LASF"):
        raise DataError("the file does not start with a LAS header")
    minor = head[25]
    header_bytes, start, records, form, record, points = struct.unpack_from("<HIIBHI", head, 94)
    end = size
    if minor >= 4:
        if len(head) < LONG_HEADER:
            raise DataError("the file is cut short: it ends within its header")
        extended, extended_count, points = struct.unpack_from("<QIQ", head, 235)
        end = check_extended(source, extended, extended_count, size) if extended_count else size
    elif minor == 3:
        (waves,) = struct.unpack_from("<Q", head, SHORT_HEADER)
        end = waves if start < waves < size else size
    if not header_bytes <= start <= end:
        raise DataError(f"the file is damaged or cut short: its points should start at byte {start} of {end}")
    if records * VLR_BYTES > start - header_bytes:
        raise DataError(f"the file is damaged: it says {records} records before its points, which do not fit there")
    if not record:
        raise DataError("the file is damaged: its points take no bytes")
    if form & 0x80:
        check_chunks(source, header_bytes, start, records, points, size)
        check_expansion(f"{points} points", points * record, size)
    else:
        check_count("points", points, (end - start) // record)


def check_extended(source: IO[bytes], start: int, count: int, size: int) -> int:
    """Where the extended records begin; :class:`DataError` where they are not all in the file."""
    at = start
    for _ in range(count):
        if at + EVLR_BYTES > size:
            raise DataError(
                f"the file is damaged or cut short: it says {count} extended records, which it does not hold"
            )
        source.seek(at + 20)
        at += EVLR_BYTES + int.from_bytes(source.read(8), "little")
    if at > size:
        raise DataError("the file is damaged or cut short: it ends within an extended record")
    return start


def check_chunks(source: IO[bytes], at: int, start: int, records: int, points: int, size: int) -> None:
    """:class:`DataError` where compressed points are in other chunks than their number makes."""
    chunk = OWN_SIZES
    for _ in range(records):
        source.seek(at)
        head = source.read(VLR_BYTES)
        if head[2:18].rstrip(b"\0") == LASZIP:
            chunk = int.from_bytes(source.read(16)[12:], "little")
        at += VLR_BYTES + int.from_bytes(head[20:22], "little")
    source.seek(start)
    table = int.from_bytes(source.read(8), "little", signed=True)
    if table == -1:  # written to where nobody could go back: then it is at the end of the file
        source.seek(max(0, size - 8))
        table = int.from_bytes(source.read(8), "little", signed=True)
    if not start < table <= size - 8:
        raise DataError("the file is damaged or cut short: it has no table of its chunks")
    source.seek(table + 4)
    found = int.from_bytes(source.read(4), "little")
    if 0 < chunk < OWN_SIZES:
        check_count(f"chunks of {chunk} points", -(-points // chunk), found)
    elif found > points:
        check_count("points", points, found)
