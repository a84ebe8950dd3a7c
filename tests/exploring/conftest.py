"""A small index with names that would be markup, and the application that shows it."""

from pathlib import Path

import numpy as np
import pytest

import i2pmae
from i2pmae.data.clouds import CloudSet, normalise
from i2pmae.exploring.looks import Looks
from i2pmae.exploring.shapes import Shapes
from i2pmae.retrieval.index import Index
from i2pmae.teachers.loading import load_teacher
from i2pmae.weights.encoder import Encoder
from tests.weights.small_models import POINTS, make_model

WILD = '</script><img src=x onerror="document.title=1">'
CLASSES = ("stick", "plate", "<b>ball")


@pytest.fixture(scope="package")
def clouds() -> CloudSet:
    labels = np.arange(36) % 3
    scale = np.array([[1, 0.1, 0.1], [1, 0.1, 1], [1, 1, 1]])[labels]
    points = np.random.default_rng(0).normal(size=(36, POINTS, 3)) * scale[:, None]
    ids = [WILD, *(f"folder/{row:02d}.off" for row in range(1, 36))]
    return CloudSet(normalise(points).astype(np.float32), ids, labels, CLASSES, name="my <i>scans")


@pytest.fixture(scope="package")
def encoder() -> Encoder:
    return Encoder(*make_model("i2p-mae pretraining"), "cpu")


@pytest.fixture(scope="package")
def index(clouds: CloudSet, encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Index:
    folder = tmp_path_factory.mktemp("explored") / "index"
    return i2pmae.index(encoder, clouds, output=folder, regions=4, radius=0.5, shown=False)


@pytest.fixture(scope="package")
def shapes(index: Index, encoder: Encoder) -> Shapes:
    return Shapes(index, encoder)


@pytest.fixture(scope="package")
def looks(shapes: Shapes, encoder: Encoder) -> Looks:
    return Looks(encoder, [shapes.points(0), shapes.points(1)], teacher=load_teacher("embedded"))  # type: ignore[arg-type]


@pytest.fixture(scope="package")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pyramid as an .off file."""
    path = tmp_path_factory.mktemp("meshes") / "pyramid <i>.off"
    corners = "0 0 0\n1 0 0\n0 1 0\n0 0 1\n"
    path.write_text(f"OFF\n4 4 0\n{corners}3 0 2 1\n3 0 1 3\n3 1 2 3\n3 0 3 2\n")
    return path
