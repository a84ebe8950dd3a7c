"""Whether .obj and .stl files hold what they say: a cut face or solid, indices that fit nothing."""

import re

from i2pmae.common.errors import DataError

__all__ = ["check_obj", "check_stl"]

STL_WORDS = ("facet", "endfacet", "outer loop", "endloop", "solid", "endsolid")
STL_LINE = re.compile(
    rb"^[ \t]*(endsolid|solid|endfacet|facet|outer[ \t]+loop|endloop|vertex(?:[ \t]+[^\s]+){3}[ \t]*$)", re.M | re.I
)


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
