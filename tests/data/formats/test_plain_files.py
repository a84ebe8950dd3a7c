"""The fast readers of plain files give what the general ones give, bit for bit, and leave all else to them."""

import logging
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trimesh

from i2pmae.common.errors import DataError
from i2pmae.data.clouds import normalise
from i2pmae.data.formats import meshes, text
from i2pmae.data.formats.base import RawCloud
from i2pmae.data.formats.numbers import plain_numbers
from i2pmae.data.formats.table import quiet, read_cloud_file
from i2pmae.data.read.sampling import make_cloud, sample_surface, three_distinct
from tests.reference import reading as reference

Contents = list[tuple[str, bytes]]

WHOLE = ["0", "-0", "00012", "7", "-9007199254740991", "9007199254740993", "18446744073709551617"]
POINTS = ["-0.0", "5.", ".5", "-.5", "0.1", "123456.789", "-0.30000000000000004", "0.1234567890123456789012345"]
EXPONENTS = [
    "1e5",
    "1E-7",
    "-2.5e+3",
    "1e400",
    "1e-400",
    "1.7976931348623157e308",
    "4.9e-324",
    "2.2250738585072011e-308",
]
NOT_PLAIN = [
    *("-", "+", ".", "-.", "..", "1.2.3", "1.5.", "1-2", "5-3", "1+1", "--5", "+-3"),
    *("1e", "e", "e5", "1e5e3", "5e+3.2", "1e5-3", "1e1_0", "nane", "nan", "inf", "1_0", "0x1"),
    *("é", "\u0663", "1\v2", "1\f2", "1\r2", "1\0", "1,2", "# 1"),
]


@pytest.mark.parametrize("separator", [" ", "  ", "\t", "\n", " \n", "\n\n "])
@pytest.mark.parametrize("words", [["7"], WHOLE, POINTS, EXPONENTS, WHOLE + POINTS + EXPONENTS])
def test_plain_numbers_are_those_of_float(words: list[str], separator: str) -> None:
    numbers = plain_numbers((separator.join(words) + separator).encode())
    assert numbers is not None
    assert numbers.values.tobytes() == np.array([float(word) for word in words]).tobytes()
    widths = [1] * len(words) if "\n" in separator else [len(words)]
    assert numbers.widths.tolist() == widths
    assert numbers.firsts.tolist() == np.cumsum([0, *widths[:-1]]).tolist()


@pytest.mark.parametrize("digits", range(1, 19))
def test_plain_numbers_of_any_length(digits: int) -> None:
    generator = random.Random(digits)
    words = [f"{generator.uniform(-1, 1) * 10 ** generator.randint(-3, 6):.{digits}f}" for _ in range(500)]
    words[::9] = [str(generator.randint(-9, 9)) for _ in words[::9]]
    words[7] = "1.5e-9"
    numbers = plain_numbers(" ".join(words).encode())
    assert numbers is not None
    assert numbers.values.tobytes() == np.array([float(word) for word in words]).tobytes()


@pytest.mark.parametrize("word", NOT_PLAIN)
@pytest.mark.parametrize("around", ["1 2 {} 3", "{}", "1e4 1.5 {}", "{} 0.12345678901234567890", ". {}", "{} 5-3"])
def test_what_is_not_a_plain_number_is_left_to_others(word: str, around: str) -> None:
    with quiet():
        assert plain_numbers(around.format(word).encode()) is None


def test_no_numbers() -> None:
    for nothing in (b"", b" \n\n"):
        numbers = plain_numbers(nothing)
        assert numbers is not None
        assert len(numbers.values) == len(numbers.widths) == len(numbers.firsts) == 0


CORNERS = "0 0 0\n1.5 0 -0.0\n0 1 1e-3\n-0.25 0.3333333333333333 1\n1 1 1\n"
HEADER = "ply\nformat {} 1.0\n{}element vertex 5\nproperty {} x\nproperty {} y\nproperty {} z\n"
FACES = "element face {}\nproperty list uchar int vertex_indices\n"


def off_files() -> Contents:
    faces = {
        "triangles": "3 0 1 2\n3 1 2 3\n",
        "quads": "4 0 1 2 3\n4 4 3 2 1\n",
        "mixed": "4 0 1 2 3\n3 1 2 4\n5 0 1 2 3 4\n3 0 1 4\n2 0 1\n0\n",
        "colours": "3 0 1 2 255 0 0\n3 1 2 3 0 255 0\n",
        "shades": "3 0 1 2 0.5 0.5 0.5\n3 1 2 3 1 1 1\n",
        "degenerate": "2 0 1\n1 0\n",
        "none": "",
    }
    found = [
        (f"{name}-{head!r}", f"{head.format(len(body.splitlines()))}{CORNERS}{body}".encode())
        for name, body in faces.items()
        for head in ("OFF\n5 {} 0\n", "OFF5 {} 7\n", "\nCOFF\n\n5\t{}\n", "OFF # a\n# b\n5 {} 0\n")
    ]
    whole = found[0][1]
    coloured = b"COFF\n5 1 0\n" + CORNERS.replace("\n", " 9 9 9 0.5\n").encode() + b"3 0 1 2\n"
    found += [("crlf", whole.replace(b"\n", b"\r\n")), ("cr", whole.replace(b"\n", b"\r")), ("colours", coloured)]
    found += [("spaces", whole.replace(b" ", b"  ").replace(b"\n", b" \n\n")), ("unended", whole.rstrip())]
    found += [("notes", whole.replace(b"\n3", b" # note\n3")), ("latin", whole + b"# caf\xe9\n")]
    return found


def ply_files() -> Contents:
    found = []
    coordinates = np.array([row.split() for row in CORNERS.splitlines()], dtype=np.float64)
    for kind, code in (("float", "f4"), ("double", "f8"), ("float32", "f4")):
        for order, sign in (("ascii", ""), ("binary_little_endian", "<"), ("binary_big_endian", ">")):
            head = HEADER.format(order, "comment a\nobj_info b\n", kind, kind, kind)
            rows = coordinates.astype(sign + code)
            points = rows.tobytes() if sign else CORNERS.encode()
            found.append((f"{kind}-{order}-points", head.encode() + b"end_header\n" + points))
            if sign:
                labels = np.arange(5).astype(f"{sign}i4")[:, None].view(f"V{4}")
                both = np.concatenate([rows.view(f"V{rows.itemsize * 3}").view("u1"), labels.view("u1")], axis=1)
                labelled = both.tobytes()
            else:
                labelled = b"".join(b"%b %d\n" % (line, row) for row, line in enumerate(points.splitlines()))
            label = (head + "property int label\nend_header\n").encode()
            found.append((f"{kind}-{order}-labels", label + labelled))
            for size in (3, 4, 5):
                corners = np.array([list(range(size)), list(range(4, 4 - size, -1))])
                body = b"".join(
                    bytes([size]) + row.astype(f"{sign}i4").tobytes()
                    if sign
                    else b"%d %b\n" % (size, b" ".join(b"%d" % corner for corner in row))
                    for row in corners
                )
                whole = (head + FACES.format(2) + "end_header\n").encode() + points + body
                found.append((f"{kind}-{order}-{size}", whole))
    mixed = (HEADER.format("ascii", "", *["float"] * 3) + FACES.format(3) + "end_header\n" + CORNERS).encode()
    found.append(("mixed", mixed + b"4 0 1 2 3\n3 0 1 4\n3 2 3 4\n"))
    found.append(("polygons", mixed + b"4 0 1 2 3\n3 0 1 4\n5 0 1 2 3 4\n"))
    found.append(("crlf", (mixed + b"3 0 1 2\n" * 3).replace(b"\n", b"\r\n")))
    found.append(("blank", mixed.replace(b"\n1 1 1", b"\n\n1 1 1") + b"3 0 1 2\n" * 3))
    return found


def text_files() -> Contents:
    wide = CORNERS.replace("\n", " 1e-3 7\n")
    found = {
        "rows": CORNERS,
        "crlf": CORNERS.replace("\n", "\r\n"),
        "tabs": CORNERS.replace(" ", "\t"),
        "spaces": CORNERS.replace(" ", "   ").replace("\n", " \n\n"),
        "counted": f"5\n{CORNERS}",
        "wide": wide,
        "named": f"z a y x label\n{wide}",
        "labels": f"# x y z b label\n{wide}",
        "comment": f"{CORNERS}# 1 2 3\n",
        "ragged": wide + CORNERS,
        "narrow": CORNERS + wide,
        "names": "".join(f"a {row}\n" for row in CORNERS.splitlines()),
        "commas": CORNERS.replace(" ", ","),
    }
    return [(name, content.encode()) for name, content in found.items()]


KINDS = {"off": off_files(), "ply": ply_files(), "xyz": text_files()}
FILES = [(kind, *row) for kind, rows in KINDS.items() for row in rows]


def outcome(path: Path) -> object:
    """What reading a file gives, to the last bit, or the reason why it gives nothing."""
    try:
        raw = read_cloud_file(path)
    except DataError as error:
        return str(error)
    # Earlier versions of trimesh leave vertices out that no face names, of which no cloud is made either.
    points = raw.points if raw.faces is None else raw.points[raw.faces]
    facts = [
        None if array is None else (array.dtype, array.shape, array.tobytes()) for array in (points, raw.part_labels)
    ]
    return [*facts, points.strides, raw.extras]  # sums go in the order in memory


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], object]:
    """The outcome without the fast readers."""

    def read(path: Path) -> object:
        with monkeypatch.context() as patch:
            patch.setattr(meshes, "plain_numbers", lambda *_: None)
            patch.setattr(text, "plain_numbers", lambda *_: None)
            patch.setattr(meshes, "read_plain", lambda *_: None)
            return outcome(path)

    return read


@pytest.mark.parametrize(("kind", "name", "content"), FILES, ids=[f"{row[0]}-{row[1]}" for row in FILES])
def test_variants_whole_and_damaged(
    kind: str, name: str, content: bytes, tmp_path: Path, slowly: Callable[[Path], object]
) -> None:
    path = tmp_path / f"a.{kind}"
    path.write_bytes(content)
    assert outcome(path) == slowly(path)
    if name == "blank":
        assert isinstance(outcome(path), str)
    if kind == "ply" and int(trimesh.__version__.partition(".")[0]) < 5:
        return  # it takes vertices that are nearly equal, or infinite, for others
    generator = random.Random(name)
    start = content.index(b"end_header") if kind == "ply" else 0
    for _ in range(25):
        damaged = bytearray(content)
        place = generator.randrange(start, len(content))
        change = generator.randrange(4)
        if change == 0:
            del damaged[place:]
        elif change == 1:
            del damaged[place]
        elif change == 2:
            damaged[place] = generator.choice(b"0123456789 .-e\nx#\t\r,\xff\0")
        else:
            damaged.insert(place, generator.choice(b"0123456789 .-e\n"))
        path.write_bytes(damaged)
        assert outcome(path) == slowly(path), bytes(damaged)


HEADS = [
    "element vertex 5\nproperty float x\nproperty float y\nproperty float z\nproperty float s\nproperty float t\n",
    "element vertex 5\nproperty float x\nproperty float y\nproperty float z\nproperty float x\nproperty float t\n",
    "element vertex 5\nproperty int x\nproperty int y\nproperty int z\nproperty uchar red\nproperty uchar green\n",
    "element vertex 5\nproperty float x\nproperty float y\nproperty float w\nproperty float a\nproperty float b\n",
    "element other 5\nproperty float x\nproperty float y\nproperty float z\nproperty float a\nproperty float b\n",
]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("faces", ["", FACES.format(0), FACES.format(0) + "property int label\n", FACES.format(1)])
def test_unusual_headers(head: str, faces: str, tmp_path: Path, slowly: Callable[[Path], object]) -> None:
    rows = "".join(f"{row}.5 {row % 2} {row % 3} 1 2\n" for row in range(5))
    body = rows + ("3 0 1 2\n" if faces == FACES.format(1) else "")
    (tmp_path / "a.ply").write_text(f"ply\nformat ascii 1.0\n{head}{faces}end_header\n{body}")
    assert outcome(tmp_path / "a.ply") == slowly(tmp_path / "a.ply")


def test_usual_files_take_the_fast_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, reader in ((meshes, "_any_off"), (meshes, "_flattened"), (text, "_any_table")):
        monkeypatch.setattr(module, reader, lambda *_: pytest.fail("read slowly"))
    slow = ("polygons", "blank", "shades", "comment", "ragged", "narrow", "names", "commas")
    read = 0
    for kind, name, content in FILES:
        if not name.startswith(slow) and not name.endswith("-5"):
            (tmp_path / f"a.{kind}").write_bytes(content)
            assert isinstance(outcome(tmp_path / f"a.{kind}"), list), name
            read += 1
    assert read > 50


def test_log_lines_of_libraries_are_held_back(caplog: pytest.LogCaptureFixture) -> None:
    loggers = [logging.getLogger(name) for name in ("trimesh", "laspy.reader")]
    with quiet():
        for logger in loggers:
            logger.error("held back")
    loggers[1].error("let through")
    assert [record.message for record in caplog.records] == ["let through"]


@pytest.mark.parametrize(("vertices", "faces"), [(3, 1), (4, 2), (40, 60), (700, 1300)])
@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_surfaces_are_sampled_as_the_formulas_say(vertices: int, faces: int, shift: float) -> None:
    generator = np.random.default_rng(vertices)
    points = generator.normal(size=(vertices, 3)) + shift
    triangles = generator.integers(vertices, size=(faces, 3))
    triangles[0] = (0, 1, 2)
    triangles[1:3] = triangles[0]  # twice the same, so that areas tie
    found, expected = (
        sample(points, triangles, 500, np.random.default_rng(1))
        for sample in (sample_surface, reference.sample_surface)
    )
    assert found.tobytes() == expected.tobytes()
    assert found.flags.c_contiguous


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 3), (2048, 3), (4, 100, 3), (0, 5, 3)])
def test_normalised_clouds_are_those_of_the_formula(shape: tuple[int, ...], dtype: type) -> None:
    points = (np.random.default_rng(0).normal(size=shape) + 50).astype(dtype)
    for laid in (points, np.asfortranarray(points), points[..., [0, 2, 1]], np.repeat(points, 2, axis=-2)[..., ::2, :]):
        found, expected = normalise(laid), reference.normalise(laid)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("places", [(), (1,), (1, 2), (60,), (60, 61), (3, 63)])
def test_three_points_that_differ_are_found_anywhere(places: tuple[int, ...]) -> None:
    points = np.zeros((64, 3))
    points[0, 1] = -0.0
    for number, place in enumerate(places, 1):
        points[place, 2] = number
    expected = reference.three_distinct(points)
    assert bool(three_distinct(points)) == expected
    if expected:
        make_cloud(RawCloud(points), 64, "y", np.random.default_rng(0))
    else:
        with pytest.raises(DataError, match=r"equal|fewer than 3"):
            make_cloud(RawCloud(points), 64, "y", np.random.default_rng(0))


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<i2"])
def test_npy_files_of_every_kind(version: tuple[int, int], order: str, dtype: str, tmp_path: Path) -> None:
    for count in (5, 7):
        points = np.asarray(np.arange(count * 4).reshape(count, 4), dtype=dtype, order=order)  # type: ignore[call-overload]
        with (tmp_path / "a.npy").open("wb") as file:
            np.lib.format.write_array(file, points, version=version)
        raw = read_cloud_file(tmp_path / "a.npy")
        np.testing.assert_array_equal(raw.points, points[:, :3])
        # The order in memory is that of sums.
        assert raw.points.strides == np.load(tmp_path / "a.npy")[:, :3].astype(np.float64).strides
