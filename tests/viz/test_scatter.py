"""Embeddings in the plane, and what a search among them finds."""

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from i2pmae.common.errors import UsageError
from i2pmae.viz import EmbeddingScatter
from i2pmae.viz.charts import MOST_POINTS
from i2pmae.viz.neighbours import FOUND, QUERIES, nearest, neighbour_section, spread_queries
from i2pmae.viz.scatter import SLOTS, scatter_section


def tree(section: str) -> ElementTree.Element:
    return ElementTree.fromstring(section.replace(" disabled>", ">").replace(" hidden>", ">").replace("img ", "img/ "))


def scatter_of(count: int, classes: int, width: int = 8) -> EmbeddingScatter:
    rng = np.random.default_rng(0)
    labels = np.arange(count) % classes
    trained = np.eye(classes, width + classes)[labels] * 6 + rng.normal(size=(count, width + classes))
    names = [f"class {index}" for index in range(classes)]
    return EmbeddingScatter(trained, labels, names, ids=[f"cloud {row}" for row in range(count)])


def marks(section: str) -> list[ElementTree.Element]:
    return [path for path in tree(section).iter("path") if path.get("data-row") is not None]


def test_every_mark_has_its_name_and_class() -> None:
    scatter = scatter_of(24, 4)
    found = marks(scatter_section(scatter))
    assert sorted(int(mark.attrib["data-row"]) for mark in found) == list(range(24))
    for mark in found:
        row = int(mark.attrib["data-row"])
        assert int(mark.attrib["data-class"]) == row % 4
        assert mark.findtext("title") == f"class {row % 4} · cloud {row}"
        assert mark.attrib["data-slot"] == str(row % 4), "few classes are all in colour"


def test_few_classes_are_in_colour_and_all_can_be_chosen() -> None:
    section = scatter_section(scatter_of(120, 40))
    coloured = {mark.attrib["data-class"] for mark in marks(section) if "data-slot" in mark.attrib}
    buttons = list(tree(section).iter("button"))
    pressed = {button.attrib["data-class"] for button in buttons if button.attrib["aria-pressed"] == "true"}
    assert len(buttons) == 40 and len(coloured) == SLOTS and coloured == pressed
    assert f"{SLOTS} of 40 classes are in colour" in section
    slots = ["data-slot" in mark.attrib for mark in marks(section)]
    assert slots == sorted(slots), "what is in colour lies on top"


def test_marks_of_a_class_have_one_colour_and_form_in_both_pictures() -> None:
    scatter = scatter_of(60, 20)
    section = scatter_section(replace(scatter, untrained=np.random.default_rng(1).normal(size=(60, 5))))
    looks: dict[str, set[tuple[str | None, str]]] = {}
    for mark in marks(section):
        looks.setdefault(mark.attrib["data-class"], set()).add((mark.get("data-slot"), mark.attrib["d"]))
    assert len(marks(section)) == 120 and all(len(found) == 1 for found in looks.values())


def test_large_sets_are_thinned_and_say_so() -> None:
    section = scatter_section(scatter_of(MOST_POINTS + 300, 3, 2))
    assert len(marks(section)) == MOST_POINTS
    assert f"Drawn are {MOST_POINTS} of {MOST_POINTS + 300} clouds" in section


@pytest.mark.parametrize("count", [0, 1, 2])
def test_tiny_sets_are_drawn_or_left_out(count: int) -> None:
    scatter = scatter_of(count, 2)
    assert (scatter_section(scatter) == "") == (count == 0)
    assert neighbour_section(replace(scatter, points=np.zeros((count, 9, 3)))) == ""


def test_nearest_is_by_cosine_without_the_cloud_itself() -> None:
    embeddings = np.array([[1, 0], [5, 0.1], [0, 1], [-1, 0], [0, 0]], np.float32)
    assert nearest(embeddings, [0, 2], 2).tolist() == [[1, 2], [1, 0]]
    assert nearest(embeddings, [3], 99).shape == (1, 4)
    assert nearest(np.ones((1, 3)), [0], 5).shape == (1, 0)


def test_queries_are_spread_over_classes_that_have_an_answer() -> None:
    labels = np.array([5, 0, 0, 1, 1, 2, 2, 3, 3, 4])
    assert spread_queries(labels, 2) == [3, 7]
    assert spread_queries(labels, 9) == [1, 3, 5, 7]
    assert spread_queries(np.arange(3), 2) == [] and spread_queries(np.zeros(0, int), 2) == []


def test_neighbours_are_pictured_and_judged() -> None:
    rng = np.random.default_rng(0)
    scatter = replace(scatter_of(48, 8), points=rng.normal(size=(48, 50, 3)))
    section = neighbour_section(replace(scatter, untrained=rng.normal(size=(48, 5))))
    assert section.count('class="thumb asked"') == QUERIES
    right, wrong = section.count('class="thumb right"'), section.count('class="thumb wrong"')
    assert right + wrong == 2 * QUERIES * FOUND and right > wrong > 0
    assert section.count("✓ class") == right and section.count("✗ class") == wrong
    assert f"{QUERIES * FOUND} of {QUERIES * FOUND} trained" in section
    assert "Untrained: " in section and "Trained: 5 of 5 right" in section
    assert neighbour_section(replace(scatter, points=None)) == ""


@pytest.mark.parametrize("name", ["ids", "points"])
def test_names_and_points_must_be_those_of_the_clouds(name: str) -> None:
    with pytest.raises(UsageError, match=f"expected {name} of 6 clouds, got 2"):
        replace(scatter_of(6, 2), **{name: np.zeros((2, 4, 3))})
