"""Meshes: OFF and plain PLY by readers of our own, the rest by trimesh, after a look at whether the file is whole."""

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from i2pmae.common.errors import DataError
from i2pmae.data.formats.base import RawCloud
from i2pmae.data.formats.beside import found_columns, named_columns
from i2pmae.data.formats.gltf import check_gltf
from i2pmae.data.formats.mesh_checks import check_obj, check_stl
from i2pmae.data.formats.numbers import plain_numbers
from i2pmae.data.formats.parts import PART_PROPERTIES, whole_labels
from i2pmae.data.formats.ply import check_body, read_header, read_plain
from i2pmae.data.reasons import check_expansion

__all__ = ["read_gltf", "read_obj", "read_off", "read_ply", "read_stl"]


def read_off(path: Path) -> RawCloud:
    """Vertices and triangles of an .off file; polygons become fans of triangles.

    Understands the files of ModelNet whose first line runs into the counts (``OFF490 518 0``). Read here and not by
    trimesh, which takes a file that ends within its faces for a whole one.
    """
    text = path.read_bytes().decode("utf-8", errors="replace")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "#" in text:
        text = re.sub(r"#[^\n]*", "", text)
    start = re.match(r"\s*[A-Z]*OFF", text)
    if start is None:
        raise DataError("the file does not start with OFF")
    text = text[start.end() :]
    plain = _plain_off(text)
    return _any_off(text) if plain is None else plain


def _plain_off(text: str) -> RawCloud | None:
    """What :func:`_any_off` gives for a whole file of plain numbers, several times as fast; None for another."""
    head, _, body = text.lstrip().partition("\n")
    numbers = plain_numbers(body.encode()) if re.fullmatch(r"\d+[ \t]+\d[ \t\d]*", head, re.ASCII) else None
    if numbers is None:
        return None
    vertex_count, face_count = (int(count) for count in head.split()[:2])
    vertices = numbers.table(vertex_count, 3) if len(numbers.widths) == vertex_count + face_count else None
    if vertices is None or not vertex_count:
        return None
    if face_count == 0:
        return RawCloud(vertices)
    sizes = numbers.firsts[vertex_count:]
    counts = np.take(numbers.values, sizes)
    if counts.min() < 0 or (counts >= numbers.widths[vertex_count:]).any():
        return None
    polygons = numbers.polygons(sizes)
    return None if polygons is None else RawCloud(vertices, checked_faces(_fans(polygons), vertex_count))


def _any_off(text: str) -> RawCloud:
    """Vertices and triangles of the text after ``OFF``, line by line; :class:`DataError` where it is damaged."""
    lines = [line for line in text.splitlines() if line and not line.isspace()]
    counts = lines[0].split() if lines else []
    if len(counts) < 2 or not all(count.isdecimal() for count in counts[:2]):
        held = f", but {lines[0][:60]!r}" if lines else ""
        raise DataError(f"the file has no line with the numbers of vertices and faces{held}")
    vertex_count, face_count = int(counts[0]), int(counts[1])
    if len(lines) - 1 != vertex_count + face_count:
        raise DataError(
            f"the file is damaged or cut short: it says {vertex_count} vertices and {face_count} faces, "
            f"but has {len(lines) - 1} lines for them"
        )
    if vertex_count == 0:
        raise DataError("there are no points")
    vertices = np.loadtxt(lines[1 : vertex_count + 1], usecols=(0, 1, 2), ndmin=2, dtype=np.float64)
    if face_count == 0:
        return RawCloud(vertices)
    return RawCloud(vertices, checked_faces(_off_faces(lines[vertex_count + 1 :][:face_count]), vertex_count))


def read_obj(path: Path) -> RawCloud:
    """The triangles of an .obj file, or its vertices where it has no faces. Materials are not looked at."""
    content = _as_utf8(path.read_bytes())
    check_obj(content)
    return _flattened(content, "obj")


def read_stl(path: Path) -> RawCloud:
    """The triangles of an .stl file, text or binary."""
    content = path.read_bytes()
    triangles = int.from_bytes(content[80:84], "little")
    size = 84 + 50 * triangles
    text = content.lstrip().startswith(b"solid")
    # A few bytes more hold no triangle.
    if len(content) == size or (size < len(content) < size + 50 and size > 84 and not text):
        return _flattened(content[:size], "stl")
    if not text:
        raise DataError(f"the file is cut short, or no STL: {triangles} triangles do not fit its {len(content)} bytes")
    content = _as_utf8(content)
    check_stl(content)
    return _flattened(content, "stl_ascii")


def read_ply(path: Path) -> RawCloud:
    """The triangles of a .ply file, text or binary, or its points where it has no faces.

    Points have part labels where their property is called ``label``, ``part`` or ``part_label``.
    """
    content = path.read_bytes()
    header = read_header(content)
    plain = read_plain(content, header)
    if plain is None:
        check_body(content, header)
        cloud = _flattened(content, "ply")
    else:
        columns, triangles = plain
        cloud = RawCloud(
            np.stack([columns[axis] for axis in "xyz"], axis=-1).astype(np.float64),
            triangles if len(triangles) else None,
        )
    properties = header.properties
    named = [name for name in PART_PROPERTIES if name in properties]
    part_labels = None
    if named and cloud.faces is None:
        known_columns = _ply_columns(content) if plain is None else plain[0]
        part_labels = whole_labels(np.asarray(known_columns[named[0]]).reshape(-1))
    known = {"x", "y", "z", *(named[:1] if part_labels is not None else ())}
    beside: dict[str, np.ndarray] = {}
    if named_columns(list(properties)):
        vertices = _ply_columns(content) if plain is None else plain[0]
        beside = {kind: each for kind, each in found_columns(vertices).items() if len(each) == len(cloud.points)}
    return RawCloud(cloud.points, cloud.faces, not properties <= known, part_labels, beside)


def read_gltf(path: Path) -> RawCloud:
    """The triangles of a .glb or .gltf scene, flattened with its transforms, or its points where it has no faces."""
    check_gltf(path)
    return _flattened(path, None)


def _ply_columns(content: bytes) -> Mapping[str, np.ndarray]:
    """The properties of the vertices, as stored."""
    import trimesh

    parsed = trimesh.exchange.ply.load_ply(io.BytesIO(content), fix_texture=False, skip_materials=True)
    found = parsed["metadata"]["_ply_raw"]["vertex"]["data"]
    return {name: found[name] for name in found.dtype.names} if isinstance(found, np.ndarray) else found


def _as_utf8(content: bytes) -> bytes:
    """Text in UTF-8; what is not UTF-8 is taken for Latin-1, which only touches names and comments."""
    if b"\0" in content:
        raise DataError("the file is not text")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1").encode("utf-8")
    return content


def _flattened(source: Path | bytes, kind: str | None) -> RawCloud:
    """All parts of what trimesh finds, with their transforms."""
    import trimesh

    stream: Any = io.BytesIO(source) if isinstance(source, bytes) else source
    scene = trimesh.load_scene(stream, file_type=kind, process=False, skip_materials=True, maintain_order=True)
    vertices: list[np.ndarray] = []
    faces: list[np.ndarray] = []
    loose: list[np.ndarray] = []
    total = 0
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    nodes = [scene.geometry[scene.graph[node][1]] for node in scene.graph.nodes_geometry]
    # Of a part that a scene shows many times, every copy has its points.
    check_expansion("its scene", sum(part.vertices.nbytes for part in nodes), size)
    for node in scene.graph.nodes_geometry:
        transform, name = scene.graph[node]
        part = scene.geometry[name]
        points = np.asarray(part.vertices, dtype=np.float64).reshape(-1, 3)
        if not np.array_equal(transform, np.eye(4)):
            points = points @ transform[:3, :3].T + transform[:3, 3]
        triangles = np.asarray(getattr(part, "faces", ()), dtype=np.int64).reshape(-1, 3)
        if len(triangles):
            vertices.append(points)
            faces.append(checked_faces(triangles, len(points)) + total)
            total += len(points)
        else:
            loose.append(points)
    if faces:
        return RawCloud(np.concatenate(vertices), np.concatenate(faces))
    return RawCloud(np.concatenate(loose) if loose else np.empty((0, 3)))


def checked_faces(faces: np.ndarray, vertex_count: int) -> np.ndarray:
    """``faces``, if every index is that of a vertex; else :class:`DataError`."""
    if len(faces) and (faces.min() < 0 or faces.max() >= vertex_count):
        raise DataError("a face names a vertex that does not exist (the file may be cut short)")
    return faces


def _off_faces(lines: list[str]) -> np.ndarray:
    sizes = np.loadtxt(lines, usecols=0, ndmin=1, dtype=np.int64)
    for number in np.flatnonzero((sizes < 0) | (sizes > [len(line) // 2 for line in lines])).tolist():
        raise DataError(f"face {number + 1} says {sizes[number]} corners, its line holds {lines[number][:60]!r}")
    polygons = []
    for size in np.unique(sizes[sizes >= 3]).tolist():
        rows = lines if (sizes == size).all() else [lines[row] for row in np.flatnonzero(sizes == size)]
        polygons.append(np.loadtxt(rows, usecols=range(1, size + 1), ndmin=2, dtype=np.int64))
    return _fans(polygons)


def _fans(polygons: list[np.ndarray]) -> np.ndarray:
    """``(f, 3)`` triangles of polygons ``(p, corners)``: the first of each, then the second of each, and so on."""
    if len(polygons) == 1 and polygons[0].shape[1] == 3:
        return polygons[0]
    fans = [each[:, [0, corner, corner + 1]] for each in polygons for corner in range(1, each.shape[1] - 1)]
    return np.concatenate(fans) if fans else np.empty((0, 3), dtype=np.int64)
