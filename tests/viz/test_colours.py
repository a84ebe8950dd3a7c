import numpy as np

from i2pmae.viz.arrays import stretch
from i2pmae.viz.colours import MASKED, distinct, feature_colours, group_colours, saliency_colours


def test_saliency_grows_lighter():
    colours = saliency_colours(np.linspace(0, 1, 50))
    lightness = colours @ [0.2126, 0.7152, 0.0722]
    assert colours.shape == (50, 3) and (np.diff(lightness) > 0).all()
    assert np.array_equal(saliency_colours(np.array([-3.0, 7.0])), colours[[0, -1]])


def test_stretch():
    assert np.allclose(stretch(np.float32([2, 4, 3]), 0), [0, 1, 0.5])
    assert np.array_equal(stretch(np.full(4, 7.0)), np.full(4, 0.5))
    assert np.array_equal(stretch(np.float32([-1, 5]), low=0, high=2), [0, 1])
    assert stretch(np.zeros((0, 2))).shape == (0, 2)
    outlier = np.append(np.linspace(0, 1, 999), 1e6)
    assert 0.4 < stretch(outlier)[500] < 0.6, "one wild value does not flatten the others"


def test_distinct_colours_differ():
    colours = distinct(13)
    gaps = np.abs(colours[:, None] - colours[None]).sum(-1) + 9 * np.eye(13)
    assert colours.shape == (13, 3) and gaps.min() > 0.1 and 0 <= colours.min() <= colours.max() <= 1


def test_masked_points_are_grey_and_visible_ones_take_the_hue_of_their_token():
    points = np.float32([[0, 0, 0], [0.1, 0, 0], [1, 0, 0], [2, 0, 0]])
    centres, shown = points[[0, 2, 3]], np.array([True, True, False])
    colours = group_colours(points, centres, shown, np.array([True, True, True, False]))
    assert np.array_equal(colours[3], MASKED)
    assert np.array_equal(colours[0], colours[1]) and not np.allclose(colours[0], colours[2], atol=0.1)
    none = group_colours(points, centres, np.zeros(3, bool), np.zeros(4, bool))
    assert (none == MASKED).all()


def test_feature_colours_tell_clusters_apart_and_agree_between_clouds():
    rng = np.random.default_rng(0)
    parts = np.arange(100) % 2
    features = [np.eye(2, 8)[parts] + 0.01 * rng.normal(size=(100, 8)) + offset for offset in (0, 5)]
    first, second = feature_colours(features)
    for colours in (first, second):
        assert colours.shape == (100, 3) and 0 <= colours.min() <= colours.max() <= 1
        means = [colours[parts == part].mean(0) for part in (0, 1)]
        assert np.abs(means[0] - means[1]).max() > 0.5
    assert np.allclose(first[parts == 0].mean(0), second[parts == 0].mean(0), atol=0.05)


def test_feature_colours_of_poor_features():
    assert feature_colours([]) == []
    assert (feature_colours([np.full((10, 4), 3.0)])[0] == 0.5).all(), "constant features are grey"
    assert (feature_colours([np.zeros((10, 0))])[0] == 0.5).all(), "no features are grey"
    line = feature_colours([np.linspace(0, 1, 10)[:, None]])[0]
    assert np.ptp(line[:, 0]) > 0.5 and (line[:, 1:] == 0.5).all(), "one dimension is one channel"
    low_rank = feature_colours([np.outer(np.linspace(0, 1, 10), np.ones(6))])[0]
    assert np.ptp(low_rank[:, 0]) > 0.5 and (low_rank[:, 1:] == 0.5).all()
