from dataclasses import fields, replace

import numpy as np
import pytest

from i2pmae.common.errors import UsageError
from i2pmae.projection.views import parse_views
from i2pmae.viz import CloudPictures, EmbeddingScatter, ProbePair
from i2pmae.viz.colours import MASKED
from i2pmae.viz.figures import input_panel, panel_groups, scenes
from i2pmae.viz.maps import depth_image, empty_outliers, saliency_image, saliency_scale, with_margin


def test_depth_image_keeps_the_values():
    image = depth_image(np.array([[0, 0.5, 1], [2, -1, 0.2]]))
    assert image.dtype == np.uint8 and image[..., 0].tolist() == [[0, 128, 255], [255, 0, 51]]


def test_saliency_image_is_brightest_where_the_saliency_is():
    saliency = np.zeros((7, 7))
    saliency[1, 5] = 1
    image = saliency_image(np.full((56, 56), 0.5), saliency, 0, 1)
    assert image.shape == (56, 56, 3) and image.dtype == np.uint8
    brightest = np.unravel_index(image.sum(-1, dtype=int).argmax(), (56, 56))
    assert brightest[0] // 8 == 1 and brightest[1] // 8 == 5


def test_saliency_image_shows_the_object_too():
    view = np.full((56, 56), 0.5)
    view[20:30, 20:30] = 1
    image = saliency_image(view, np.ones((7, 7)), 0, 2).astype(int)
    assert image[25, 25].sum() > image[5, 5].sum() + 20


@pytest.fixture
def cornered() -> tuple[np.ndarray, np.ndarray]:
    """A view with a bar in the middle, and a map of 0 to 1 on it but 5 in an empty corner."""
    view = np.full((56, 56), 0.5, np.float32)
    view[24:32] = 0.9
    saliency = np.zeros((7, 7), np.float32)
    saliency[3] = np.linspace(0, 1, 7)
    saliency[0, 0] = 5
    return view, saliency


def test_colours_span_the_object_not_empty_corners(cornered):
    view, saliency = cornered
    low, high = saliency_scale(view[None], saliency[None])
    assert low < 0.1 and 0.9 < high <= 1, "the corner has no part in the scale"
    assert np.argwhere(empty_outliers(view, saliency, high)).tolist() == [[0, 0]]
    image = saliency_image(view, saliency, low, high).astype(int).sum(-1)
    assert image[28, 50] > image[4, 4] + 100, "the object is bright, the corner pale"
    assert (image[1, 1:7] > image[4, 4] + 100).all(), "but framed"


def test_corners_are_explained_where_they_stand_out(cloud, cornered):
    view, saliency = cornered
    corner = replace(cloud, views=view[None], saliency_maps=saliency[None])
    captions = {group.key: group.caption for group in panel_groups(corner, scenes([corner])[0], 16)}
    assert "1 framed cell stands out although nothing is there" in captions["saliency"]
    saliency = np.minimum(saliency, 0.5)
    saliency[0, 0] = 0
    quiet = replace(corner, saliency_maps=saliency[None])
    captions = {group.key: group.caption for group in panel_groups(quiet, scenes([quiet])[0], 16)}
    assert "framed" not in captions["saliency"]


def test_views_on_their_side_stand_below_upright_ones(cloud):
    turned = replace(cloud, view_axes=parse_views("axes").numpy())
    group = panel_groups(turned, scenes([turned])[0], 48)[0]
    assert [panel.title for panel in group.panels] == [
        *(f"Upright, view {i}" for i in (1, 2, 3)),
        *(f"View {i}" for i in (1, 2, 3)),
    ]
    assert group.columns == 3 and "on their side on purpose" in group.caption
    orbit = replace(cloud, view_axes=parse_views("orbit:3").numpy())
    group = panel_groups(orbit, scenes([orbit])[0], 48)[0]
    assert group.panels[0].title == "Input" and "on their side" not in group.caption


def test_views_have_a_margin_around_all_of_the_map():
    image = with_margin(np.full((40, 40, 3), 7, np.uint8), np.full(3, 128))
    assert image.shape == (46, 46, 3) and (image[:2] == 128).all() and (image[3:-3, 3:-3] == 7).all()
    assert (image[2, 2:-2] > 128).all()


def test_all_groups_of_a_full_cloud(cloud):
    found = scenes([cloud])[0]
    groups = {group.key: group for group in panel_groups(cloud, found, 48)}
    titles = {key: [panel.title for panel in group.panels] for key, group in groups.items()}
    assert titles["views"] == ["Input", "View 1", "View 2", "View 3"]
    assert titles["saliency"] == ["Saliency, view 1", "Saliency, view 2", "Saliency, view 3", "Saliency on points"]
    assert titles["masking"] == ["Visible and masked", "Visible", "Reconstructed", "Truth"]
    assert titles["features"] == ["Features, untrained", "Features, trained"]
    low, high = groups["saliency"].scale
    assert low < high
    assert groups["masking"].caption.startswith("4 of 20 tokens were shown")
    for group in groups.values():
        assert group.caption
        for panel in group.panels:
            assert panel.alt and panel.image.dtype == np.uint8 and panel.image.shape[-1] in (3, 4)


def test_pictures_say_something(cloud, over_white):
    found = scenes([cloud])[0]
    panels = {
        p.title: p.image for group in panel_groups(cloud, found, 96) for p in group.panels if p.image.shape[2] == 4
    }

    def colourfulness(title: str) -> float:
        return float(np.ptp(over_white(panels[title]), axis=-1).max())

    assert colourfulness("Visible and masked") > 60
    hidden = replace(cloud, point_visible=np.zeros(500, bool), token_visible=np.zeros(20, bool))
    grey = panel_groups(hidden, scenes([hidden])[0], 96)[2].panels[0].image
    assert np.ptp(over_white(grey), axis=-1).max() < 40, "a cloud that was masked altogether is grey"
    assert not np.array_equal(panels["Reconstructed"], panels["Truth"])
    assert (panels["Visible"][..., 3] > 0).sum() < (panels["Truth"][..., 3] > 0).sum()
    plate_and_leg = found["features"].colours[[0, 400]]
    assert np.abs(plate_and_leg[0] - plate_and_leg[1]).max() > 0.5


def test_masked_points_are_grey_and_small(cloud):
    groups = scenes([cloud])[0]["groups"]
    assert (groups.colours[~cloud.point_visible] == MASKED).all()
    assert not (groups.colours[cloud.point_visible] == MASKED).all(-1).any()
    assert np.array_equal(groups.quiet, ~cloud.point_visible)


def test_every_part_may_be_absent(cloud):
    optional = [field.name for field in fields(CloudPictures) if field.name not in ("id", "points")]
    for name in optional:
        fewer = replace(cloud, **{name: None})
        panel_groups(fewer, scenes([fewer])[0], 16)
    for name in optional:
        alone = CloudPictures("alone", cloud.points, **{name: getattr(cloud, name)})
        panel_groups(alone, scenes([alone])[0], 16)


def test_bare_cloud_has_its_input(bare):
    found = scenes([bare])[0]
    assert list(found) == ["shape"] and panel_groups(bare, found) == []
    assert input_panel(bare, found, 32).image.shape == (32, 32, 4)


def test_perfect_reconstruction_is_at_no_distance(cloud):
    perfect = replace(cloud, reconstruction=cloud.masked_truth)
    caption = panel_groups(perfect, scenes([perfect])[0], 16)[2].caption
    assert caption.count("0.0%") == 2


@pytest.mark.parametrize(
    "name", ["points", "views", "saliency_maps", "token_saliency", "reconstruction", "point_features"]
)
def test_values_that_are_not_finite_are_refused(cloud, name):
    broken = getattr(cloud, name).copy()
    broken.flat[0] = np.inf
    with pytest.raises(UsageError, match=f"tables/one.off: {name}: 1 of"):
        replace(cloud, **{name: broken})


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("point_saliency", np.zeros(499)),
        ("token_visible", np.zeros(19, bool)),
        ("saliency_maps", np.zeros((2, 7, 7))),
        ("point_features", np.zeros(500)),
        ("masked_truth", np.zeros((5, 2))),
    ],
)
def test_wrong_shapes_are_refused(cloud, name, values):
    with pytest.raises(UsageError, match=rf"{name}: expected an array of shape"):
        replace(cloud, **{name: values})


def test_empty_cloud_is_refused():
    with pytest.raises(UsageError, match="no points"):
        CloudPictures("none", np.zeros((0, 3)))


def test_probe_and_labels_are_checked():
    with pytest.raises(UsageError, match="between 0 and 1, got 63"):
        ProbePair(63, 82, "percent")
    with pytest.raises(UsageError, match="run from 0 to 2"):
        EmbeddingScatter(np.zeros((3, 2)), np.arange(3), ["a", "b"])
