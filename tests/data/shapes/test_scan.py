"""Partial views and sparse clouds: what a camera sees of an object, and nothing else of it."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from i2pmae.common.errors import UsageError
from i2pmae.data.clouds import normalise
from i2pmae.data.shapes import CATALOGUE, ShapesConfig
from i2pmae.data.shapes.assemble import BLOCK, make_block, sample_surface
from i2pmae.data.shapes.scan import DISTANCE, ELEVATION, hidden, repeats
from i2pmae.data.shapes.sketch import Category, Sketch

CLEAN = ShapesConfig.clean()
ALL = CLEAN.changed(partial=1.0)


def ball(s: Sketch) -> None:
    angle = np.linspace(-np.pi / 2, np.pi / 2, 40)
    s.lathe("ball", list(zip(np.cos(angle), np.sin(angle), strict=True)), sides=60)


def block(name: str, config: ShapesConfig, points: int = 512) -> tuple[np.ndarray, np.ndarray]:
    return make_block(CATALOGUE[name], 0, points, split="train", seed=0, config=config)


def test_of_a_ball_the_side_towards_the_camera_is_seen() -> None:
    mesh = Category("ball", ("ball",), ball).draw(np.random.default_rng(0), 32)
    cloud = normalise(sample_surface(mesh, 2000, np.random.default_rng(1))[0])
    gone = hidden(cloud, np.random.default_rng(2), ALL)
    seen = ~gone
    assert not np.isnan(cloud).any()
    # The points that are seen lie around one direction, within the elevations of cameras.
    towards = np.stack([points[kept].mean(0) for points, kept in zip(cloud, seen, strict=True)])
    towards /= np.linalg.norm(towards, axis=-1, keepdims=True)
    elevation = np.degrees(np.arcsin(towards[:, 1]))
    assert ELEVATION[0] - 10 < elevation.min() and elevation.max() < ELEVATION[1] + 10
    assert np.ptp(np.arctan2(towards[:, 2], towards[:, 0])) > 4
    height = np.einsum("bni,bi->bn", cloud, towards)
    # From a distance d the cap above 1 / d is seen; the depth buffer is vague at its edge.
    assert seen[height > 1 / DISTANCE[0]].mean() > 0.9
    assert seen[height < -0.7].mean() < 0.01
    assert seen[height < -0.1].mean() < 0.08
    assert 0.25 < seen.mean() < 0.45


def test_partial_views_lack_a_side_of_the_object_and_hold_nothing_else() -> None:
    (whole, _), (seen, part) = block("cabinet", CLEAN, 4096), block("cabinet", ALL)
    assert seen.shape == (BLOCK, 512, 3) and part.shape == (BLOCK, 512)
    np.testing.assert_allclose(np.linalg.norm(seen, axis=-1).max(1), 1, atol=1e-5)
    assert min(len(np.unique(view, axis=0)) for view in seen) > 150
    lacking = [(cKDTree(view).query(complete)[0] > 0.25).mean() for complete, view in zip(whole, seen, strict=True)]
    assert np.mean(lacking) > 0.15


def test_only_a_share_of_the_clouds_is_seen_from_one_side() -> None:
    mesh = CATALOGUE["car"].draw(np.random.default_rng(0), 400)
    cloud = normalise(sample_surface(mesh, 300, np.random.default_rng(1))[0])
    gone = hidden(cloud, np.random.default_rng(2), CLEAN.changed(partial=0.25))
    assert 0.18 < gone.any(1).mean() < 0.32


def test_the_number_of_distinct_points_varies_down_to_the_fewest() -> None:
    config = CLEAN.changed(fewest=64)
    made, part = block("chair", config, 1024)
    distinct = np.array([len(np.unique(cloud, axis=0)) for cloud in made])
    assert 60 < distinct.min() < 200 and 500 < distinct.max() <= 1024
    whole, _ = block("chair", CLEAN, 1024)
    for sparse, cloud in zip(made, whole, strict=True):
        # They are points of the whole cloud, which is centred anew.
        assert len(np.unique(sparse, axis=0)) < 1024 or np.allclose(np.sort(sparse, 0), np.sort(cloud, 0), atol=1e-4)
    assert part.shape == (BLOCK, 1024)


def test_repeated_points_are_exactly_equal_even_with_noise() -> None:
    made, _ = block("chair", ShapesConfig(fewest=16), 256)
    assert min(len(np.unique(cloud, axis=0)) for cloud in made) < 100


def test_points_that_are_gone_are_not_repeated_unless_there_are_no_others() -> None:
    generator = np.random.default_rng(0)
    gone = generator.random((50, 80)) < 0.7
    gone[0], gone[1] = True, False
    again = repeats(gone, generator, CLEAN)
    assert not np.take_along_axis(gone, again, 1)[1:].any()
    assert [len(np.unique(row)) for row in again[1:]] == (~gone[1:]).sum(1).tolist()
    assert sorted(again[0]) == list(range(80))


@pytest.mark.parametrize(
    "more", [{"partial": 0.5}, {"fewest": 32}, {"warp": 1.0}, {"catalogue": "wide"}], ids=lambda more: next(iter(more))
)
def test_conditions_are_a_function_of_seed_split_and_index(more: dict) -> None:
    config = ShapesConfig().changed(**more)
    first, second = (block("mug", config)[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert np.isfinite(first).all()
    if "catalogue" not in more:
        assert not np.array_equal(first, block("mug", ShapesConfig())[0])


@pytest.mark.parametrize("wrong", [{"partial": 1.5}, {"assemblies": -0.1}, {"fewest": 3}, {"catalogue": "wider"}])
def test_what_cannot_be_is_explained(wrong: dict) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        ShapesConfig.from_dict(wrong)
