"""The page as one file: what is in it, and that few bytes find what the whole vectors find."""

import base64
import json
import re
from pathlib import Path

import numpy as np

from i2pmae.exploring.kept import kept_data, reduced
from i2pmae.exploring.looks import Looks
from i2pmae.exploring.page import explore_page
from i2pmae.exploring.shapes import Shapes
from i2pmae.retrieval.nearest import unit
from i2pmae.viz.page import asset
from tests.exploring.conftest import WILD

VENDOR = Path(__file__).parents[2] / "src/i2pmae/viz/assets/vendor"


def test_small_vectors_have_nearly_the_products_of_the_whole() -> None:
    generator = np.random.default_rng(0)
    vectors = unit(generator.normal(size=(300, 12)) @ generator.normal(size=(12, 96)) + 1)
    whole, scales = reduced(vectors, 24)
    assert whole.shape == (300, 24) and whole.dtype == np.int8
    products = (whole * scales**2) @ whole.T.astype(np.float64)
    np.testing.assert_allclose(products, vectors @ vectors.T, atol=0.02)
    assert reduced(vectors[:, :5], 24)[0].shape == (300, 5)


def test_a_file_holds_what_a_server_gives(shapes: Shapes, looks: Looks) -> None:
    kept = kept_data(shapes, looks, 2000, shown=False)
    places = np.frombuffer(base64.b64decode(kept["places"]), "<i2").reshape(36, kept["points"], 3) * 2 / 32767
    np.testing.assert_allclose(places[3], shapes.points(3), atol=1e-4)
    alike = np.frombuffer(base64.b64decode(kept["alike"]), "<i4").reshape(36, kept["found"])
    similarity = np.frombuffer(base64.b64decode(kept["similarity"]), "<u2").reshape(alike.shape) / 32767 - 1
    expected = shapes.like(3, 12)
    np.testing.assert_array_equal(alike[3], expected.rows)
    np.testing.assert_allclose(similarity[3], expected.similarity, atol=1e-4)
    assert set(kept["looks"]["0"]) == {"saliency"} and len(kept["looks"]) == 36
    assert len(base64.b64decode(kept["looks"]["0"]["saliency"]["colours"])) == 4 * kept["points"]
    few = kept_data(shapes, looks, 5, shown=False)
    assert len(few["about"]["ids"]) == len(few["about"]["labels"]) == 5
    assert few["about"]["left"].startswith("5 of 36 are in this file") and few["found"] == 4
    assert np.frombuffer(base64.b64decode(few["alike"]), "<i4").max() < 5, "what is alike is in the file"


def test_the_page_is_whole_and_its_names_are_text(shapes: Shapes, looks: Looks) -> None:
    page = explore_page("my <i>scans", kept_data(shapes, looks, 5, shown=False))
    assert WILD not in page and "<i>scans" not in page and page.count("</script>") == 2
    (data,) = re.findall(r'<script type="application/json" id="kept">(.*?)</script>', page, re.DOTALL)
    assert json.loads(data)["about"]["ids"][0] == WILD
    assert "connect-src" not in page and "default-src 'none'" in page
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", page.partition("// three.js")[0])


def test_the_library_comes_with_its_licence_and_may_stand_in_a_page() -> None:
    library = asset("vendor/three.js")
    version = re.match(r"// three\.js ([\d.]+), MIT licence", library)
    assert version and version[1] in (Path(__file__).parents[2] / "scripts/three_bundle.sh").read_text()
    assert "The MIT License" in (VENDOR / "three.LICENSE").read_text()
    assert "</script" not in library and library.isascii()
