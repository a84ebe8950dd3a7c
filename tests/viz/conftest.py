"""Synthetic clouds with everything that a report can show."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from i2pmae.viz import CloudPictures, EmbeddingScatter, ProbePair, ReportContent, RunContext


@pytest.fixture(scope="session")
def cloud() -> CloudPictures:
    """A table: a plate on four legs, with its parts known."""
    rng = np.random.default_rng(0)
    plate = rng.uniform([-0.8, 0.4, -0.5], [0.8, 0.45, 0.5], (300, 3))
    legs = rng.uniform(-0.04, 0.04, (200, 3)) * [1, 11, 1]
    legs += rng.choice([-1, 1], (200, 3)) * [0.7, 0, 0.4]
    points = np.concatenate([plate, legs]).astype(np.float32)
    is_plate = np.arange(500) < 300
    centres = points[::25]
    return CloudPictures(
        id="tables/one.off",
        points=points,
        label="table",
        views=rng.uniform(size=(3, 56, 56)).astype(np.float32),
        saliency_maps=rng.uniform(size=(3, 7, 7)).astype(np.float32),
        point_saliency=points[:, 1],
        token_centres=centres,
        token_visible=np.arange(20) % 5 == 0,
        token_saliency=centres[:, 1],
        point_visible=np.arange(500) % 125 < 30,
        reconstruction=points[100:200] + np.float32(0.01),
        masked_truth=points[100:200],
        point_features=np.stack([is_plate, ~is_plate, points[:, 0]], -1).astype(np.float32),
        before_features=rng.normal(size=(500, 5)).astype(np.float32),
    )


@pytest.fixture(scope="session")
def bare(cloud: CloudPictures) -> CloudPictures:
    """Points and a name alone."""
    return CloudPictures(id="bare", points=cloud.points)


@pytest.fixture(scope="session")
def content(cloud: CloudPictures, bare: CloudPictures) -> ReportContent:
    """A report with all of its parts."""
    rng = np.random.default_rng(1)
    labels = np.arange(24) % 4
    trained = 5 * np.eye(4, 16)[labels] + rng.normal(size=(24, 16))
    steps = np.arange(200)
    return ReportContent(
        title="A run",
        summary={"Recipe": "tiny", "Seed": "0"},
        probe=ProbePair(0.5, 0.75, "Linear SVM, C by cross-validation.", chance=0.1),
        history={
            "coordinates": (steps, np.exp(-steps / 50) + 0.01),
            "learning_rate": (steps, steps * 1e-5),
            "own_curve": (steps, steps.astype(float)),
        },
        clouds=[cloud, replace(bare, label="chair")],
        embeddings=EmbeddingScatter(
            trained,
            labels,
            ["a", "b", "c", "d"],
            rng.normal(size=(24, 16)),
            ids=[f"solids/{row}" for row in range(24)],
            points=rng.normal(size=(24, 60, 3)),
        ),
        config_yaml="recipe: tiny\n",
        run=RunContext("runs/a", "my data", ("--up", "z"), True, "I2P-MAE", "20 clouds of solids", "a-vit"),
    )


@pytest.fixture
def over_white() -> Callable[[np.ndarray], np.ndarray]:
    """Composes an RGBA image over white, as float."""

    def compose(image: np.ndarray) -> np.ndarray:
        alpha = image[..., 3:] / 255
        return image[..., :3] * alpha + 255 * (1 - alpha)

    return compose
