import numpy as np
import pytest

from i2pmae.common.errors import UsageError
from i2pmae.viz.render import Camera, render_points

RED, GREEN = np.float32([1, 0, 0]), np.float32([0, 1, 0])


def where(image: np.ndarray, colour: np.ndarray) -> tuple[float, float]:
    """Mean row and column of the pixels in which the channel of ``colour`` is the strongest."""
    rgb = image[..., :3].astype(int)
    channel = int(colour.argmax())
    others = np.delete(rgb, channel, -1).max(-1)
    rows, columns = np.nonzero((rgb[..., channel] > others + 40) & (image[..., 3] > 128))
    assert len(rows), "the colour is not in the picture"
    return rows.mean(), columns.mean()


def test_shape_type_and_transparent_background(cloud):
    image = render_points(cloud.points, size=96)
    assert image.shape == (96, 96, 4) and image.dtype == np.uint8
    assert image[0, 0, 3] == 0
    assert 0.05 < (image[..., 3] > 250).mean() < 0.9


@pytest.mark.parametrize("azimuth", [0, 35, 120, 250])
def test_y_is_up(azimuth):
    points = np.float32([[0, 1, 0], [0, -1, 0]])
    camera = Camera(azimuth=azimuth, extent=1.5)
    image = render_points(points, np.stack([RED, GREEN]), camera=camera, size=64, radius=0.2)
    assert where(image, RED)[0] < where(image, GREEN)[0] - 10


def test_x_is_right_and_nearer_hides_farther_from_the_front():
    front = Camera(azimuth=0, elevation=0, extent=1.5)
    sides = render_points(
        np.float32([[1, 0, 0], [-1, 0, 0]]), np.stack([RED, GREEN]), camera=front, size=64, radius=0.2
    )
    assert where(sides, RED)[1] > where(sides, GREEN)[1] + 10
    for order in (slice(None), slice(None, None, -1)):
        points, colours = np.float32([[0, 0, 0.5], [0, 0, -0.5]])[order], np.stack([RED, GREEN])[order]
        image = render_points(points, colours, camera=front, size=64, radius=0.3)
        assert image[32, 32, 0] > image[32, 32, 1], "the point with the larger z is in front"


def test_fitting_camera_shows_all_points(cloud):
    for scale, shift in ((1, 0), (250, -70), (1e-3, 5)):
        points = cloud.points * np.float32(scale) + np.float32(shift)
        column, row, _ = Camera.fitting(points).project(points, 100)
        assert column.min() > 0 and column.max() < 100 and row.min() > 0 and row.max() < 100
        assert max(np.ptp(column), np.ptp(row)) > 50, "the cloud fills the picture"


def test_larger_balls_cover_more(cloud):
    small, large = (render_points(cloud.points, size=96, radius=r)[..., 3].sum(dtype=int) for r in (0.01, 0.05))
    assert large > small
    mixed = render_points(cloud.points, size=96, radius=np.linspace(0.01, 0.05, 500))[..., 3].sum(dtype=int)
    assert small < mixed < large


@pytest.mark.parametrize("points", [np.zeros((0, 3)), np.zeros((1, 3)), np.ones((50, 3)), np.full((3, 3), 1e30)])
def test_degenerate_clouds_are_drawn(points):
    assert render_points(points, size=32).shape == (32, 32, 4)


def test_points_far_outside_the_camera_do_not_matter(cloud):
    camera = Camera.fitting(cloud.points)
    wild = np.concatenate([cloud.points, np.float32([[1e9, 0, 0], [0, -1e9, 0]])])
    colours = np.tile(RED, (len(wild), 1))
    plain = render_points(cloud.points, RED, camera=camera, size=64, radius=0.04)
    image = render_points(wild, colours, camera=camera, size=64, radius=0.04)
    assert np.abs(plain.astype(int) - image).mean() < 1


def test_many_points_are_painted_in_blocks(monkeypatch, cloud):
    whole = render_points(cloud.points, size=64)
    monkeypatch.setattr("i2pmae.viz.render.STAMPS", 5000)
    assert np.array_equal(whole, render_points(cloud.points, size=64))


def test_bad_input_is_refused(cloud):
    broken = cloud.points.copy()
    broken[3, 1] = np.nan
    with pytest.raises(UsageError, match="1 of 1500 values are NaN"):
        render_points(broken)
    with pytest.raises(UsageError, match=r"shape \(any, 3\)"):
        render_points(cloud.points[:, :2])
    with pytest.raises(UsageError, match="at least 8"):
        render_points(cloud.points, size=2)
