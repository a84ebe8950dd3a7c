"""Whether a .glb or .gltf file holds what it says: chunks, buffers, views and accessors against its bytes."""

import base64
import contextlib
import json
import os
import stat
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from i2pmae.common.errors import DataError
from i2pmae.data.reasons import PassingError, check_expansion

__all__ = ["buffers_beside", "check_gltf"]

COMPONENT_BYTES = {5120: 1, 5121: 1, 5122: 2, 5123: 2, 5125: 4, 5126: 4}
"""Bytes of a number by its code (Khronos, glTF 2.0, section 3.6.2)."""
COMPONENTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
PADDING = 4
"""Chunks, and views in them, are filled up to multiples of this, in bytes."""


def buffers_beside(path: Path) -> list[os.stat_result]:
    """The state of each file with a buffer of a .gltf file; none of one that is damaged, as reading it will say."""
    found = []
    with contextlib.suppress(OSError, ValueError, RecursionError, AttributeError, TypeError):
        for buffer in json.loads(path.read_bytes()).get("buffers", []):
            uri = buffer.get("uri")
            if isinstance(uri, str) and not uri.startswith("data:"):
                with contextlib.suppress(OSError, ValueError):
                    found.append((path.parent / unquote(uri)).stat())
    return found


def check_gltf(path: Path) -> None:
    """:class:`DataError` where counts and offsets do not fit the bytes that the file and its buffers hold."""
    content = path.read_bytes()
    binary = None
    if content.startswith(b"glTF"):
        content, binary = _chunks(content)
    try:
        tree = json.loads(content)
        assert isinstance(tree, dict)
    except (ValueError, AssertionError):
        raise DataError("the file is cut short, or no glTF: its description is no JSON object") from None
    buffers = [
        _buffer_size(path, _whole(buffer, "byteLength"), buffer, None if number else binary)
        for number, buffer in enumerate(_list(tree, "buffers"))
    ]
    views = [_view(view, buffers) for view in _list(tree, "bufferViews")]
    ends = [0] * len(views)
    for number, accessor in enumerate(_list(tree, "accessors")):
        count, offset = _whole(accessor, "count"), _whole(accessor, "byteOffset", 0)
        kind, code = accessor.get("type"), accessor.get("componentType")
        if kind not in COMPONENTS or code not in COMPONENT_BYTES:
            raise DataError(f"accessor {number} has the unknown type {str(kind)[:20]!r} of {str(code)[:20]!r}")
        size = COMPONENTS[kind] * COMPONENT_BYTES[code]
        if "bufferView" not in accessor:  # of zeros, or of what an extension unpacks
            check_expansion(f"accessor {number}", count * size, path.stat().st_size)
            continue
        index = _whole(accessor, "bufferView")
        if index >= len(views):
            raise DataError(f"accessor {number} is in view {index}, but there are {len(views)}")
        length, stride = views[index]
        end = offset + (count - 1) * (stride or size) + size if count else offset
        if end > length:
            raise DataError(f"accessor {number} says {count} values, which do not fit view {index} of {length} bytes")
        ends[index] = max(ends[index], end, length - max(PADDING, stride or size) if "sparse" in accessor else 0)
    for index, (end, (length, stride)) in enumerate(zip(ends, views, strict=True)):
        if end and length - end >= max(PADDING, stride):
            raise DataError(f"the accessors in view {index} use {end} of its {length} bytes: a count is damaged")


def _chunks(content: bytes) -> tuple[bytes, int | None]:
    """The description in a .glb file, and how many bytes its buffer has."""
    total = int.from_bytes(content[8:12], "little")
    if total != len(content):
        raise DataError(f"the file is damaged or cut short: it says {total} bytes, it holds {len(content)}")
    chunks, at = [], 12
    while at + 8 <= total:
        size = int.from_bytes(content[at : at + 4], "little")
        if at + 8 + size > total:
            raise DataError(f"the file is damaged or cut short: it says a chunk of {size} bytes at byte {at}")
        chunks.append((content[at + 4 : at + 8], at + 8, size))
        at += 8 + size
    if not chunks or chunks[0][0] != b"JSON":
        raise DataError("the file is damaged: it has no chunk with its description")
    _, start, size = chunks[0]
    return content[start : start + size], next((size for kind, _, size in chunks if kind == b"BIN\0"), None)


def _buffer_size(path: Path, declared: int, buffer: dict[str, Any], binary: int | None) -> int:
    """The declared size of a buffer, after a comparison with where it is: in the file, or in another beside it."""
    uri = buffer.get("uri")
    if uri is None:
        held = declared if binary is None else binary
    elif not isinstance(uri, str):
        raise DataError("a buffer is nowhere")
    elif uri.startswith("data:"):
        held = len(base64.b64decode(uri.partition(",")[2]))
    else:
        held = _beside(path, unquote(uri))
    if not declared <= held < declared + PADDING:
        raise DataError(f"the file is damaged or cut short: it says a buffer of {declared} bytes, which has {held}")
    return declared


def _beside(path: Path, name: str) -> int:
    """The size of a file that belongs to another; :class:`DataError` for one elsewhere, or that is no usual file."""
    if Path(name).is_absolute() or ".." in Path(name).parts or ":" in name:
        raise DataError(f"its buffer is in {name[:200]}, and only files below its folder are read")
    try:
        status = (path.parent / name).stat()
    except FileNotFoundError:
        raise PassingError(f"a file that belongs to it is missing: {name[:200]}") from None
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"its buffer {name[:200]} is no file")
    return status.st_size


def _view(view: dict[str, Any], buffers: list[int]) -> tuple[int, int]:
    """Length and stride of a view, in bytes; 0 for values that stand side by side."""
    index, offset, length = _whole(view, "buffer"), _whole(view, "byteOffset", 0), _whole(view, "byteLength")
    if index >= len(buffers) or offset + length > buffers[index]:
        raise DataError(f"a view of {length} bytes from byte {offset} does not fit its buffer")
    return length, _whole(view, "byteStride", 0)


def _list(tree: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = tree.get(name, [])
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise DataError(f"the file is damaged: its {name} are no list of objects")
    return found


def _whole(item: dict[str, Any], name: str, otherwise: int | None = None) -> int:
    value = item.get(name, otherwise)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise DataError(f"the file is damaged: it says a {name} of {str(value)[:40]}")
    return value
