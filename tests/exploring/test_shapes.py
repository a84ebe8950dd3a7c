"""Shapes by number, what is like them, their map, and what is drawn of them."""

from pathlib import Path

import numpy as np
import pytest

import i2pmae
from i2pmae.common.errors import DataError, UsageError
from i2pmae.exploring.dropped import read_dropped
from i2pmae.exploring.looks import Looks
from i2pmae.exploring.places import map_places
from i2pmae.exploring.shapes import Shapes
from i2pmae.methods import METHODS
from i2pmae.retrieval.index import Index
from i2pmae.retrieval.nearest import unit
from i2pmae.teachers.loading import load_teacher
from i2pmae.weights.encoder import Encoder
from tests.weights.small_models import make_model


def test_points_are_kept_with_the_index(shapes: Shapes, clouds: i2pmae.CloudSet) -> None:
    for row in (0, 35):
        np.testing.assert_allclose(shapes.points(row), clouds.points[row], atol=2e-5)


def test_what_is_alike_is_what_search_finds(shapes: Shapes, index: Index) -> None:
    found = shapes.like(5, 4)
    expected = i2pmae.search(index, index.ids[5], top=4)
    assert [index.ids[row] for row in found.rows] == expected["id"].to_pylist()
    places = shapes.points(5)[:1]
    part = shapes.like_part(5, places, 3)
    from_file = i2pmae.search(index, i2pmae.CloudSet(shapes.points(5)[None], ["query"]), near=places[0], top=4,
                              checkpoint=shapes.encoder, shown=False)  # fmt: skip
    others = [name for name in from_file["id"].to_pylist() if name != index.ids[5]]
    assert [index.ids[row] for row in part.rows] == others[:3]
    assert part.regions is not None and part.own is not None
    np.testing.assert_allclose(part.regions.max(1), part.similarity, atol=1e-3)
    assert part.own.shape == (4,)
    both = shapes.like_part(5, shapes.points(5)[:2], 3)
    assert not np.allclose(both.similarity, part.similarity), "a second place widens the part"


def test_a_dropped_file_has_a_number_a_place_and_neighbours(shapes: Shapes, mesh: Path) -> None:
    content = mesh.read_bytes()
    name, points = read_dropped("C:\\a/../../etc/pyramid.off", content, 64, "z")
    assert name == "pyramid.off" and points.shape == (64, 3)
    number, place = shapes.drop(name, points)
    assert number >= len(shapes) and shapes.name(number) == name and shapes.label(number) is None
    assert np.isfinite(place).all() and np.abs(place).max() <= 1
    assert len(shapes.like(number, 3).rows) == 3 and len(shapes.like_part(number, points[:1], 3).rows) == 3
    again, _ = shapes.drop("again", shapes.points(7))
    assert shapes.like(again, 1).rows[0] == 7
    for _ in range(32):
        shapes.drop("more", points)
    with pytest.raises(UsageError, match=f"no shape {number}"):
        shapes.points(number)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.exe", b"x", "unknown file format '.exe'"),
        ("../../etc/passwd", b"x", "passwd: unknown file format"),
        ("", b"x", "unknown file format"),
        ("a.off", b"", "the file is empty"),
        ("a.off", b"OFF\n1 0 0\n0 0 0\n", "a.off cannot be used"),
        ("a.gltf", b'{"buffers": [{"uri": "../../x.bin", "byteLength": 4}]}', "save it as .glb"),
    ],
)
def test_what_cannot_be_read_says_why(name: str, content: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_dropped(name, content, 64, "y")


@pytest.mark.parametrize("places", [np.zeros((0, 3)), np.zeros((17, 3)), np.full((1, 3), np.nan), np.full((1, 3), 9.0)])
def test_places_that_are_none_are_refused(shapes: Shapes, places: np.ndarray) -> None:
    with pytest.raises(UsageError, match=r"1 to 16 places|are numbers|No point of the cloud"):
        shapes.like_part(0, places, 3)


def test_the_map_is_the_same_each_time_and_keeps_like_shapes_together() -> None:
    generator = np.random.default_rng(0)
    middle = np.repeat(generator.normal(size=(4, 12)), 50, 0)
    vectors = unit(middle + 0.1 * generator.normal(size=middle.shape))
    places, method = map_places(vectors, anchors=60)
    again, _ = map_places(vectors, anchors=60)
    np.testing.assert_array_equal(places, again)
    assert method == "t-SNE" and places.shape == (200, 2) and np.abs(places).max() == pytest.approx(1)
    groups = places.reshape(4, 50, 2)
    within = np.linalg.norm(groups - groups.mean(1, keepdims=True), axis=-1).max()
    apart = np.linalg.norm(groups.mean(1)[:, None] - groups.mean(1)[None], axis=-1)[~np.eye(4, dtype=bool)].min()
    assert within < apart
    same, _ = map_places(np.tile(vectors[:1], (5, 1)))
    assert np.isfinite(same).all()


def test_looks_are_those_that_there_is_something_to_make_of(shapes: Shapes, looks: Looks, encoder: Encoder) -> None:
    points = shapes.points(0)
    assert looks.kinds == ["features", "saliency"]
    for kind in looks.kinds:
        scene = looks.look(kind, points, None, 0).scene
        assert scene.colours.shape == points.shape and np.ptp(scene.colours) > 0.1
    with pytest.raises(UsageError, match="no parts here"):
        looks.look("parts", points, None, 0)
    with pytest.raises(UsageError, match="no such picture here"):
        looks.look("../x", points, None, 0)
    config = METHODS["i2p-mae"].Config.from_dict({"model": encoder.record.model.model_dump()})
    teacher = load_teacher("embedded")
    task = METHODS["i2p-mae"].reopen(config, encoder.model, teacher)
    explained = Looks(encoder, [points], task=task, teacher=teacher)  # type: ignore[arg-type]
    assert explained.kinds == ["features", "saliency", "groups", "reconstruction", "truth"]
    for kind in explained.kinds:
        assert len(explained.look(kind, points, None, 3).scene.points) > 0
    first, second = (explained.look("groups", points, None, 3).scene.colours for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_segmenter_shows_its_parts(shapes: Shapes) -> None:
    model, record = make_model("i2p-mae segmentation")
    encoder = Encoder(model, record, "cpu")
    segmenter = record.kind.applied(model, record, "cpu")  # type: ignore[misc]
    looks = Looks(encoder, [shapes.points(0)], segmenter=segmenter)
    assert looks.kinds == ["features", "parts"]
    scene, legend = looks.look("parts", shapes.points(0), "chair", 0)
    assert {name for name, _ in legend} <= {"leg", "seat"} and len(legend) == len(np.unique(scene.colours, axis=0))
    with pytest.raises(UsageError, match="say what the clouds show"):
        looks.look("parts", shapes.points(0), None, 0)
