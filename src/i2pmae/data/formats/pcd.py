"""Point Cloud Data files (.pcd) of the Point Cloud Library: ascii, binary and binary_compressed."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from i2pmae.common.errors import DataError
from i2pmae.data.formats.base import RawCloud
from i2pmae.data.formats.beside import found_columns
from i2pmae.data.reasons import check_count

__all__ = ["lzf_decompress", "read_pcd"]

KEPT = ("rgb", "rgba", "r", "g", "b", "red", "green", "blue", "normal_x", "normal_y", "normal_z", "nx", "ny", "nz")
"""Fields that may be kept beside x, y and z."""


@dataclass(frozen=True)
class Header:
    """The fields of a .pcd header: one dtype entry per field, the number of points, and how the data are stored."""

    dtype: np.dtype
    count: int
    organised: bool
    storage: str


def read_pcd(path: Path) -> RawCloud:
    """The fields x, y and z of a .pcd file.

    In an organised cloud (a depth image, HEIGHT > 1) NaN stands for a pixel without a return; those are left out.
    """
    content = path.read_bytes()
    header, body = _read_header(content)
    table = _STORAGE[header.storage](body, header)
    columns = {name: table[name].reshape(len(table), -1)[:, 0] for name in table.dtype.names or () if table[name].size}
    points = np.stack([columns[axis] for axis in "xyz"], axis=-1).astype(np.float64)
    beside = {**_packed_colours(columns), **found_columns(columns)}
    if header.organised:
        there = ~np.isnan(points).any(-1)
        points, beside = points[there], {kind: values[there] for kind, values in beside.items()}
    return RawCloud(points, extras=len(header.dtype.names or ()) > 3, columns=beside)


def _packed_colours(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The colour in the field ``rgb`` or ``rgba``: the bytes of a number, 0xRRGGBB, which may be called a float."""
    name = next((name for name in ("rgb", "rgba") if name in columns and columns[name].dtype.itemsize == 4), None)
    if name is None:
        return {}
    packed = np.ascontiguousarray(columns[name]).view(np.uint32)
    return {"colour": np.stack([packed >> shift & 255 for shift in (16, 8, 0)], axis=-1).astype(np.uint8)}


def lzf_decompress(data: bytes, size: int) -> bytes:
    """``size`` bytes from an LZF stream (liblzf): runs of literals, and copies of earlier output."""
    out = bytearray()
    at, end = 0, len(data)
    while at < end and len(out) <= size:
        control = data[at]
        at += 1
        if control < 32:
            out += data[at : at + control + 1]
            at += control + 1
            continue
        length = control >> 5
        if length == 7:
            length += data[at]
            at += 1
        start = len(out) - ((control & 31) << 8) - data[at] - 1
        at += 1
        length += 2
        if start < 0:
            raise DataError("the compressed data are damaged")
        if start + length <= len(out):
            out += out[start : start + length]
        else:  # The copy overlaps what it writes: the last bytes repeat.
            pattern = bytes(out[start:])
            out += (pattern * (length // len(pattern) + 1))[:length]
    if len(out) != size:
        raise DataError("the compressed data are damaged or cut short")
    return bytes(out)


def _read_header(content: bytes) -> tuple[Header, bytes]:
    fields: dict[str, list[str]] = {}
    at = 0
    while "DATA" not in fields:
        end = content.find(b"\n", at)
        if end < 0 or at > 1 << 16:
            raise DataError("the file has no PCD header that ends with a DATA line")
        words = content[at:end].decode("latin-1").split()
        at = end + 1
        if words and not words[0].startswith("#"):
            fields[words[0].upper()] = words[1:]
    try:
        names, storage = fields.get("FIELDS") or fields["COLUMNS"], fields["DATA"][0].lower()
        counts = [int(count) for count in fields.get("COUNT", ["1"] * len(names))]
        kinds = [
            {"F": "f", "I": "i", "U": "u"}[kind] + size
            for kind, size in zip(fields["TYPE"], fields["SIZE"], strict=True)
        ]
        height = int(fields.get("HEIGHT", ["1"])[0])
        points = int(fields["POINTS"][0]) if "POINTS" in fields else int(fields["WIDTH"][0]) * height
        size = int(fields["WIDTH"][0]) * height if "WIDTH" in fields else points
        # Padding fields all share the name "_": make every name unique, but keep x, y, z.
        unique = [name if names.count(name) == 1 else f"{name}{index}" for index, name in enumerate(names)]
        columns = [(name, f"<{kind}", (count,)) for name, kind, count in zip(unique, kinds, counts, strict=True)]
        dtype = np.dtype(columns)
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise DataError(f"the PCD header is damaged ({error})") from None
    if points < 0 or height < 0 or min(counts) < 0:
        raise DataError("the PCD header is damaged: it says that there is less than nothing of something")
    if size != points:
        raise DataError(f"the PCD header is damaged: WIDTH times HEIGHT is {size}, POINTS is {points}")
    if not {"x", "y", "z"} <= {name for name, count in zip(unique, counts, strict=True) if count}:
        raise DataError(f"the file has no fields x, y and z, but {', '.join(names)}")
    if storage not in _STORAGE:
        raise DataError(f"unknown storage {storage!r}; known: {', '.join(_STORAGE)}")
    return Header(dtype, points, height > 1, storage), content[at:]


def _ascii(body: bytes, header: Header) -> np.ndarray:
    widths = [int(np.prod(header.dtype[name].shape)) for name in header.dtype.names or ()]
    starts = dict(zip(header.dtype.names or (), np.cumsum([0, *widths]).tolist(), strict=False))
    text = body.decode("latin-1")
    for line in io.StringIO(text):
        width = len(line.partition("#")[0].split())
        if 0 < width < sum(widths):
            raise DataError(f"the file is cut short: a line has {width} of {sum(widths)} values")
    lines = io.StringIO(text)
    names = [
        *"xyz",
        *(name for name in header.dtype.names or () if name in KEPT and header.dtype[name].shape == (1,)),
    ]
    columns = [starts[name] for name in names]
    table = np.loadtxt(lines, usecols=columns, ndmin=2, dtype=np.float64) if body.strip() else np.empty((0, len(names)))
    check_count("points", header.count, len(table))
    found = np.empty(len(table), dtype=[(name, "<f8" if name in "xyz" else header.dtype[name].base) for name in names])
    for column, name in enumerate(names):
        found[name] = table[:, column]
    return found


def _binary(body: bytes, header: Header) -> np.ndarray:
    check_count("points", header.count, len(body) // header.dtype.itemsize)
    return np.frombuffer(body, header.dtype, header.count)


def _binary_compressed(body: bytes, header: Header) -> np.ndarray:
    if len(body) < 8:
        raise DataError("the file is cut short: it ends after its header")
    packed, size = (int(number) for number in np.frombuffer(body[:8], "<u4"))
    if len(body) < 8 + packed or size != header.count * header.dtype.itemsize:
        raise DataError("the file is cut short, or its header says another number of points than it holds")
    data = lzf_decompress(body[8 : 8 + packed], size)
    table = np.empty(header.count, header.dtype)
    at = 0
    for name in header.dtype.names or ():  # Stored field by field, not point by point.
        field = header.dtype[name]
        table[name] = np.frombuffer(data, field.base, header.count * int(np.prod(field.shape)), at).reshape(
            (header.count, *field.shape)
        )
        at += header.count * field.itemsize
    return table


_STORAGE = {"ascii": _ascii, "binary": _binary, "binary_compressed": _binary_compressed}
