"""PLY: what the header says, whether the rest holds that, and a reader for plain files; others are left to trimesh."""

import re
from dataclasses import dataclass

import numpy as np

from i2pmae.common.errors import DataError
from i2pmae.data.formats.numbers import Numbers, plain_numbers
from i2pmae.data.reasons import check_count

__all__ = ["Element", "PlyHeader", "check_body", "read_header", "read_plain"]

TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
    "int64": "i8",
    "uint64": "u8",
}
"""Types of properties, under their old and new names, as NumPy calls them."""
ORDERS = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}
"""The order of bytes in each format."""
PLAIN_WORDS = ("comment", "obj_info", "element", "property")
LISTS = ("vertex_indices", "vertex_index")
COLOURS = ("red", "green", "blue", "alpha")
TEXTURES = ("texture_u", "texture_v", "u", "v", "s", "t", "texcoord")
"""Properties for which trimesh cuts a mesh up."""


@dataclass(frozen=True)
class Element:
    """One kind of thing in a .ply file."""

    name: str
    count: int
    properties: list[list[str]]
    """The words of each property after ``property``: type and name, or ``list``, two types and name."""

    @property
    def names(self) -> list[str]:
        """Of its properties."""
        return [words[-1] for words in self.properties]

    @property
    def lists(self) -> bool:
        """Whether its size differs from one to the next."""
        return any(words[0] == "list" for words in self.properties)

    @property
    def least_bytes(self) -> int:
        """The bytes of one, with empty lists."""
        return self.dtype("=").itemsize

    def dtype(self, order: str, corners: int = 0) -> np.dtype:
        """One in ``order`` of bytes, with lists of ``corners``; properties are called by their index.

        A list is two fields, ``#`` and the index for its size.
        """
        fields: list[tuple[str, str] | tuple[str, str, tuple[int]]] = []
        for index, words in enumerate(self.properties):
            if words[0] == "list":
                fields.append((f"#{index}", order + TYPES[words[1]]))
                fields.append((str(index), order + TYPES[words[2]], (corners,)))
            else:
                fields.append((str(index), order + TYPES[words[0]]))
        return np.dtype(fields)


@dataclass(frozen=True)
class PlyHeader:
    """What the head of a .ply file says."""

    lines: list[list[str]]
    """The words of each line before the last."""
    elements: list[Element]
    text: bytes
    """All of it, with the line that ends it."""

    @property
    def ascii(self) -> bool:
        """Whether what follows is text."""
        return ["format", "ascii"] in [words[:2] for words in self.lines]

    @property
    def properties(self) -> set[str]:
        """The names of the properties that are no lists."""
        return {words[-1] for element in self.elements for words in element.properties if words[0] != "list"}


def read_header(content: bytes) -> PlyHeader:
    """The header of a file; :class:`DataError` where there is none, or one that is damaged."""
    end = re.search(rb"^end_header[ \t]*\r?\n?", content, re.M)
    if not content.startswith(b"ply") or end is None:
        raise DataError("the file has no PLY header")
    lines = [line.split() for line in content[: end.start()].decode("latin-1").splitlines()]
    elements: list[Element] = []
    for words in lines:
        if words[:1] == ["element"]:
            if len(words) != 3 or not words[2].isdecimal():
                raise DataError(f"the PLY header says {' '.join(words)[:60]!r}; expected a name and a number")
            elements.append(Element(words[1], int(words[2]), []))
        elif words[:1] == ["property"]:
            types = words[2:4] if words[1:2] == ["list"] else words[1:2]
            if not elements or len(words) != (5 if words[1:2] == ["list"] else 3) or not TYPES.keys() >= set(types):
                raise DataError(f"the PLY header says {' '.join(words)[:60]!r}, which is no property")
            elements[-1].properties.append(words[1:])
    if any(element.count and not element.properties for element in elements):
        raise DataError("the PLY header has an element without properties")
    return PlyHeader(lines, elements, content[: end.end()])


def check_body(content: bytes, header: PlyHeader) -> None:
    """:class:`DataError` where the header of a file does not fit the rest."""
    if header.ascii:
        _check_rows(content[len(header.text) :], header.elements)
    else:
        _check_bytes(len(content) - len(header.text), header.elements)


def _check_bytes(held: int, elements: list[Element]) -> None:
    """Compare sizes; the lists of elements that have some are left to the parser, which knows the size of each."""
    least = sum(element.count * element.least_bytes for element in elements)
    if held < least or (held > least and not any(element.lists and element.count for element in elements)):
        counts = ", ".join(f"{element.count} {element.name}" for element in elements)
        raise DataError(
            f"the file is damaged or cut short: its header says {counts}, which take {least} bytes, it holds {held}"
        )


def _check_rows(body: bytes, elements: list[Element]) -> None:
    rows = [row for row in body.splitlines() if row and not row.isspace()]
    check_count("lines", sum(element.count for element in elements), len(rows))
    at = 0
    for element in elements:
        for number, line in enumerate(rows[at : at + element.count], 1):
            row = line.split()
            width = _row_width(element, row) if element.lists else len(element.properties)
            if len(row) != width:
                raise DataError(
                    f"the file is damaged or cut short: {element.name} {number} should have {width} values, "
                    f"it has {len(row)}"
                )
        at += element.count


def _row_width(element: Element, row: list[bytes]) -> int:
    """How many values a row has by what it says of its lists."""
    at = 0
    for words in element.properties:
        if words[0] == "list" and at < len(row):
            size = float(row[at])
            if not (np.isfinite(size) and size == int(size) >= 0):
                raise DataError(f"the file is damaged: a list of {row[at].decode('latin-1')[:20]} values")
            at += int(size)
        at += 1
    return at


def read_plain(content: bytes, header: PlyHeader) -> tuple[dict[str, np.ndarray], np.ndarray] | None:
    """The properties of the vertices as stored, by name, and triangles ``(f, 3)``, as trimesh gives them.

    Each quad becomes two triangles. None for what is not a whole file of vertices, or of vertices and faces, in the
    usual form.
    """
    if not _usual(header):
        return None
    vertices, *faces = header.elements
    if header.ascii:
        found = _from_text(content[len(header.text) :], vertices, faces)
    else:
        found = _from_bytes(content, header, ORDERS[header.lines[1][1]])
    if found is None:
        return None
    columns, polygons = found
    fours = [corners for corners in polygons if corners.shape[1] == 4]
    triangles = [corners for corners in polygons if corners.shape[1] == 3]
    triangles += [four[:, [0, 1, 2]] for four in fours] + [four[:, [2, 3, 0]] for four in fours]
    indices = np.concatenate(triangles) if triangles else np.empty((0, 3), dtype=np.int64)
    if len(indices) and not 0 <= indices.min() <= indices.max() < vertices.count:
        return None
    return columns, indices


def _usual(header: PlyHeader) -> bool:
    """Whether a header is one that nobody can read in two ways."""
    lines, elements = header.lines, header.elements
    text = header.text.replace(b"\r\n", b"\n")
    if not re.fullmatch(rb"[\t -~\n]*\n", text) or text.count(b"end_header") > 1 or len(lines) < 2:
        return False
    if lines[0] != ["ply"] or lines[1][:1] != ["format"] or lines[1][1:2] not in [[order] for order in ORDERS]:
        return False
    if not all(words and words[0] in PLAIN_WORDS for words in lines[2:]):
        return False
    if [element.name for element in elements] not in (["vertex"], ["vertex", "face"]):
        return False
    vertices, faces = elements[0], elements[-1]
    listed = [words for words in faces.properties if words[0] == "list"]
    if len(elements) == 2 and (len(listed) != 1 or listed[0][-1] not in LISTS or TYPES[listed[0][2]][0] == "f"):
        return False
    if len(elements) == 2 and not faces.count and len(faces.properties) > 1:
        return False
    known = [(element, words) for element in elements for words in element.properties]
    return (
        vertices.count > 0
        and not vertices.lists
        and {"x", "y", "z"} <= set(vertices.names)
        and all(len(set(element.names)) == len(element.names) for element in elements)
        and not any(words[-1] in TEXTURES for _, words in known)
        and all(TYPES[words[0]] == "u1" for _, words in known if words[-1] in COLOURS)
        and all(TYPES[words[0]] in ("f4", "f8") for words in vertices.properties if words[-1] in ("x", "y", "z"))
    )


def _from_bytes(content: bytes, header: PlyHeader, order: str) -> tuple[dict[str, np.ndarray], list[np.ndarray]] | None:
    vertices, *faces = header.elements
    kind, start = vertices.dtype(order), len(header.text)
    end = start + vertices.count * kind.itemsize
    corners = 0
    if faces and faces[0].count:
        empty = faces[0].dtype(order)
        sized = next(index for index, words in enumerate(faces[0].properties) if words[0] == "list")
        if len(content) < end + empty.itemsize:
            return None
        corners = int(np.frombuffer(content, empty, 1, end)[f"#{sized}"][0])
        if corners not in (3, 4):
            return None
    face_kind = faces[0].dtype(order, corners) if faces else np.dtype([])
    if len(content) != end + (faces[0].count * face_kind.itemsize if faces else 0):
        return None
    table = np.frombuffer(content, kind, vertices.count, start)
    columns = {name: table[str(index)] for index, name in enumerate(vertices.names)}
    if not corners:
        return columns, []
    polygons = np.frombuffer(content, face_kind, faces[0].count, end)
    if (polygons[f"#{sized}"] != corners).any():
        return None
    return columns, [polygons[str(sized)].astype(np.int64)]


def _from_text(
    body: bytes, vertices: Element, faces: list[Element]
) -> tuple[dict[str, np.ndarray], list[np.ndarray]] | None:
    numbers = plain_numbers(body.replace(b"\r\n", b"\n"))
    count = vertices.count + (faces[0].count if faces else 0)
    width = len(vertices.properties)
    # Lines without anything count as lines for trimesh.
    if numbers is None or len(numbers.widths) != count or body.rstrip().count(b"\n") != count - 1:
        return None
    table = numbers.table(vertices.count, width)
    if table is None or (numbers.widths[: vertices.count] != width).any():
        return None
    columns = {words[-1]: table[:, index].astype(TYPES[words[0]]) for index, words in enumerate(vertices.properties)}
    polygons = _polygons(numbers, vertices.count, faces[0]) if faces and faces[0].count else []
    return None if polygons is None else (columns, polygons)


def _polygons(numbers: Numbers, first: int, faces: Element) -> list[np.ndarray] | None:
    """Triangles and quads from line ``first`` on."""
    before = next(index for index, words in enumerate(faces.properties) if words[0] == "list")
    others = len(faces.properties) - 1
    firsts, widths = numbers.firsts[first:] + before, numbers.widths[first:]
    if widths.min() <= before:
        return None
    if (widths != np.take(numbers.values, firsts) + 1 + others).any():
        return None
    polygons = numbers.polygons(firsts)
    return None if polygons is None or any(each.shape[1] not in (3, 4) for each in polygons) else polygons
