import re
from xml.etree import ElementTree

import numpy as np
import pytest

from i2pmae.viz.charts import curve_chart, neighbour_agreement, plane, token_chart


def test_curve_follows_the_theme_and_is_valid():
    svg = curve_chart("Loss <total>", range(100), np.linspace(1, 0.5, 100))
    root = ElementTree.fromstring(svg)
    assert root.tag.endswith("svg") and "width" not in root.attrib and "viewBox" in root.attrib
    assert root.attrib["aria-label"].startswith("Loss <total> over 100 points, from 0.997 to 0.505")
    assert "var(--accent)" in svg and "DejaVu" not in svg
    assert not re.search(r"#0[0-9]0[0-9]0[0-9]", svg), "no stand-in colour is left"
    assert "<style" not in svg and not re.search(r'id="[a-z0-9.]+_\d+"', svg)


@pytest.mark.parametrize("values", [[], [1.0], [np.nan, np.nan], [1.0, np.nan, np.inf, 2.0], [0.0] * 50, [1e-6, 1e3]])
def test_odd_curves_are_drawn(values):
    ElementTree.fromstring(curve_chart("odd", range(len(values)), values))


def test_axis_is_logarithmic_where_values_span_much():
    wide = curve_chart("loss", range(60), np.geomspace(1e-3, 10, 60))
    assert ">0.01<" in wide and ">0.1<" in wide
    assert "mathdefault" not in wide


def test_token_chart_counts():
    svg = token_chart(np.arange(8.0), np.arange(8) < 3)
    assert "8 tokens in falling order; 3 of them visible" in svg
    assert svg.count("fill: var(--accent)") == 3 and svg.count("fill: var(--bar)") == 5
    ElementTree.fromstring(token_chart(np.ones(4), np.ones(4, bool)))


def test_plane_keeps_classes_together():
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    clusters = 10 * np.eye(3, 12)[labels] + rng.normal(size=(60, 12))
    for rows in (slice(None), slice(0, 12)):
        places, method = plane(clusters[rows].astype(np.float32))
        assert places.shape == (len(labels[rows]), 2) and method == ("t-SNE" if rows == slice(None) else "PCA")
        assert neighbour_agreement(places - places.mean(0), labels[rows]) > 0.7


@pytest.mark.parametrize("shape", [(0, 5), (4, 0), (1, 5), (2, 1), (50, 1), (700, 3)])
def test_plane_of_odd_shapes(shape):
    places, _ = plane(np.random.default_rng(0).normal(size=shape))
    assert places.shape == (shape[0], 2) and np.isfinite(places).all()


def test_plane_of_equal_embeddings():
    places, method = plane(np.ones((40, 8)))
    assert method == "PCA" and np.allclose(places, 0, atol=1e-4)


def test_neighbour_agreement():
    axes = np.repeat(np.eye(4), 2, axis=0)
    assert neighbour_agreement(axes, np.repeat(np.arange(4), 2)) == 1
    assert neighbour_agreement(axes, np.arange(8)) == 0
    assert neighbour_agreement(np.ones((1, 3)), np.zeros(1)) == 0
