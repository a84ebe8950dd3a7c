"""Whether text and binary meshes hold what they say: a cut face or solid, counts and indices that fit nothing."""

import re
from dataclasses import dataclass

import numpy as np

from i2pmae.common.errors import DataError
from i2pmae.data.reasons import check_count

__all__ = ["check_obj", "check_ply", "check_stl"]

STL_WORDS = ("facet", "endfacet", "outer loop", "endloop", "solid", "endsolid")
STL_LINE = re.compile(
    rb"^[ \t]*(endsolid|solid|endfacet|facet|outer[ \t]+loop|endloop|vertex(?:[ \t]+[^\s]+){3}[ \t]*$)", re.M | re.I
)
PLY_BYTES = {
    **dict.fromkeys(("char", "uchar", "int8", "uint8"), 1),
    **dict.fromkeys(("short", "ushort", "int16", "uint16"), 2),
    **dict.fromkeys(("int", "uint", "float", "int32", "uint32", "float32"), 4),
    **dict.fromkeys(("double", "float64", "int64", "uint64"), 8),
}
"""Bytes of the types of properties, under their old and new names."""


def check_obj(content: bytes) -> None:
    """:class:`DataError` for an .obj vertex that is cut, or a face with less than three corners or an unknown one."""
    vertices, largest = 0, 0
    for number, line in enumerate(content.replace(b"\\\n", b" ").replace(b"\\\r\n", b" ").splitlines(), 1):
        words = line.partition(b"#")[0].split()
        if not words or words[0] not in (b"v", b"f"):
            continue
        if len(words) < 4:
            kind = "vertex" if words[0] == b"v" else "face"
            raise DataError(f"line {number}: a {kind} of {len(words) - 1} numbers; expected 3 or more (it may be cut)")
        if words[0] == b"v":
            vertices += 1
            continue
        try:
            corners = [int(word.partition(b"/")[0]) for word in words[1:]]
        except ValueError:
            raise DataError(f"line {number}: the corners of a face are no whole numbers") from None
        if 0 in corners or min(corners) < -vertices:
            raise DataError(f"line {number}: a face names vertex {min(corners, key=abs)}; they count from 1")
        largest = max(largest, *corners)
    if largest > vertices:
        raise DataError(f"a face names vertex {largest}, but there are {vertices} (the file may be cut short)")


def check_stl(content: bytes) -> None:
    """:class:`DataError` where a text .stl ends within a solid or a triangle."""
    counts = dict.fromkeys((*STL_WORDS, "vertex"), 0)
    for match in STL_LINE.finditer(content.replace(b"\r", b"\n")):
        words = match[1].lower().split()
        counts["outer loop" if words[0] == b"outer" else words[0].decode()] += 1
    if counts["solid"] != counts["endsolid"]:
        raise DataError(
            f"the file is cut short: it has {counts['solid']} solid and {counts['endsolid']} endsolid lines"
        )
    for word, share in (("endfacet", 1), ("outer loop", 1), ("endloop", 1), ("vertex", 3)):
        if counts[word] != share * counts["facet"]:
            raise DataError(
                f"the file is damaged or cut short: of {counts['facet']} facets it has {counts[word]} {word} lines"
            )


@dataclass(frozen=True)
class Element:
    """One kind of thing in a .ply file."""

    name: str
    count: int
    properties: list[list[str]]
    """The words of each property after ``property``: type and name, or ``list``, two types and name."""

    @property
    def lists(self) -> bool:
        """Whether its size differs from one to the next."""
        return any(words[0] == "list" for words in self.properties)

    @property
    def least_bytes(self) -> int:
        """The bytes of one, with empty lists."""
        return sum(PLY_BYTES[words[1] if words[0] == "list" else words[0]] for words in self.properties)


def check_ply(content: bytes) -> set[str]:
    """The names of the properties that are no lists; :class:`DataError` where the header does not fit the rest."""
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
            if not elements or len(words) != (5 if words[1:2] == ["list"] else 3) or not PLY_BYTES.keys() >= set(types):
                raise DataError(f"the PLY header says {' '.join(words)[:60]!r}, which is no property")
            elements[-1].properties.append(words[1:])
    if any(element.count and not element.properties for element in elements):
        raise DataError("the PLY header has an element without properties")
    if ["format", "ascii"] in [words[:2] for words in lines]:
        _check_ply_rows(content[end.end() :], elements)
    else:
        _check_ply_bytes(len(content) - end.end(), elements)
    return {words[-1] for element in elements for words in element.properties if words[0] != "list"}


def _check_ply_bytes(held: int, elements: list[Element]) -> None:
    """Compare sizes; the lists of elements that have some are left to the parser, which knows the size of each."""
    least = sum(element.count * element.least_bytes for element in elements)
    if held < least or (held > least and not any(element.lists and element.count for element in elements)):
        counts = ", ".join(f"{element.count} {element.name}" for element in elements)
        raise DataError(
            f"the file is damaged or cut short: its header says {counts}, which take {least} bytes, it holds {held}"
        )


def _check_ply_rows(body: bytes, elements: list[Element]) -> None:
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
