"""Depth maps and back-projection against loops over points and pixels."""

import numpy as np
import pytest
import torch

from i2pmae.common.errors import UsageError
from i2pmae.projection import rasterise
from i2pmae.projection.lift import lift
from i2pmae.projection.rasterise import project, seen_points, view_frame
from i2pmae.projection.views import AXIS_VIEWS, orbit_views, parse_views
from tests.reference import projection as reference


def clouds(count: int = 2, points: int = 60) -> torch.Tensor:
    return torch.randn(count, points, 3, generator=torch.Generator().manual_seed(3)) * torch.tensor([1.0, 0.5, 0.8])


@pytest.fixture(params=["compiled", "pytorch"])
def painter(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Maps by compiled loops, and by the operations that other devices use."""
    if request.param == "pytorch":
        monkeypatch.setattr(rasterise, "has_kernels", lambda *tensors: False)


@pytest.mark.usefixtures("painter")
@pytest.mark.parametrize("depth", ["sum", "nearest"])
@pytest.mark.parametrize("size", [32, 224])
@pytest.mark.parametrize("views", [AXIS_VIEWS, orbit_views([0, 75], 20)])
def test_maps_are_the_loops(depth, size: int, views: torch.Tensor) -> None:
    points = clouds()
    images = project(points, views, size, depth).images
    assert images.shape == (2, len(views), size, size)
    for cloud, maps in zip(points.numpy(), images, strict=True):
        for view, image in zip(views.numpy(), maps.numpy(), strict=True):
            expected = reference.depth_map(cloud, view, size, depth)
            # A coordinate on the border of two cells may round either way: such pixels are counted, not compared.
            differ = np.abs(image - expected) > 1e-4
            assert differ.mean() < (0 if views is AXIS_VIEWS else 0.01) + 1e-9


@pytest.mark.parametrize("points", [clouds(3, 400), clouds(2, 400).double(), torch.zeros(2, 9, 3), clouds(5, 1)])
def test_compiled_maps_are_those_of_pytorch(points: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    added, front = project(points).images, project(points, depth="nearest").images
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    assert torch.equal(project(points).images, added)
    torch.set_num_threads(before)
    monkeypatch.setattr(rasterise, "has_kernels", lambda *tensors: False)
    torch.testing.assert_close(added, project(points).images, rtol=0, atol=1e-6)
    assert torch.equal(front, project(points, depth="nearest").images)


def test_coordinates_that_are_no_numbers_paint_nothing_outside() -> None:
    points = clouds(2, 30)
    points[0, 3] = torch.nan
    points[1, 4] = torch.inf
    assert project(points, image_size=32).images.shape == (2, 3, 32, 32)


def test_the_axis_views_permute_the_coordinates() -> None:
    x, y, z = torch.tensor([1.0, 2.0, 3.0])
    seen = AXIS_VIEWS @ torch.stack([x, y, z])
    assert seen.tolist() == [[x, y, z], [z, x, y], [y, z, x]]


def test_a_point_is_where_its_pixel_is() -> None:
    points = clouds(3, 50)
    images, frame = project(points, AXIS_VIEWS, 64, "nearest")
    pixels = frame.pixels(points)
    for cloud in range(3):
        for view in range(3):
            rows, columns = pixels[cloud, view].unbind(-1)
            assert (images[cloud, view, rows, columns] > 0).all()


def test_the_object_is_in_the_middle() -> None:
    images = project(clouds() + 5, AXIS_VIEWS, 64, "nearest").images
    for axis in (2, 3):
        painted = (images > 0).any(axis)
        first = painted.float().argmax(-1)
        last = 63 - painted.flip(-1).float().argmax(-1)
        assert ((first + last - 63).abs() <= 2).all()


@pytest.mark.usefixtures("painter")
def test_a_cloud_without_extent_paints_one_block() -> None:
    images = project(torch.full((1, 10, 3), 0.3), AXIS_VIEWS, 32, "nearest").images
    assert (images > 0).sum((2, 3)).tolist() == [[25, 25, 25]]
    assert torch.isfinite(project(torch.full((1, 10, 3), 0.3), AXIS_VIEWS, 32).images).all()


@pytest.mark.usefixtures("painter")
def test_the_front_hides_the_back() -> None:
    points = torch.tensor([[[0.0, 0, 1], [0, 0, -1], [1, 1, -1], [-1, -1, 0]]])
    images, frame = project(points, AXIS_VIEWS[:1], 32, "nearest")
    row, column = frame.pixels(points)[0, 0, 0]
    assert images[0, 0, row, column] == pytest.approx(1.0)


@pytest.mark.parametrize("size", [(14, 14, 224), (7, 7, 224), (16, 16, 256), (5, 5, 32), (1, 1, 32)])
def test_lifting_is_enlarging_and_reading(size: tuple[int, int, int]) -> None:
    height, width, image = size
    points = clouds(2, 40)
    frame = view_frame(points, AXIS_VIEWS, image)
    maps = torch.randn(2, 3, 6, height, width, generator=torch.Generator().manual_seed(1))
    lifted = lift(maps, points[:, ::3], frame)
    assert lifted.shape == (2, 14, 3, 6)
    pixels = frame.pixels(points[:, ::3])
    for cloud in range(2):
        for view in range(3):
            expected = reference.lifted(maps[cloud, view], pixels[cloud, view].tolist(), image)
            torch.testing.assert_close(lifted[cloud, :, view], expected, rtol=1e-4, atol=1e-5)


def test_lifting_has_the_right_gradient() -> None:
    points = clouds(1, 10).double()
    frame = view_frame(points, AXIS_VIEWS, 32)
    maps = torch.randn(1, 3, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda m: lift(m, points[:, :3], frame), (maps,))


def test_the_frame_belongs_to_the_whole_cloud() -> None:
    points = clouds(1, 50)
    frame = view_frame(points, AXIS_VIEWS, 224)
    assert torch.equal(frame.pixels(points)[:, :, 10:20], frame.pixels(points[:, 10:20]))


def test_orbit_cameras_see_up_as_up() -> None:
    views = orbit_views([0, 90], 0)
    up, front, right = torch.eye(3)[[1, 2, 0]]
    assert (views[0] @ up).tolist() == pytest.approx([-1, 0, 0], abs=1e-6)
    assert (views[0] @ front).tolist() == pytest.approx([0, 0, 1], abs=1e-6)
    assert (views[0] @ right).tolist() == pytest.approx([0, 1, 0], abs=1e-6)
    assert (views[1] @ right).tolist() == pytest.approx([0, 0, 1], abs=1e-6)
    for view in orbit_views([0, 33, 200], 40):
        torch.testing.assert_close(view @ view.T, torch.eye(3), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("text", "count"), [("axes", 3), ("orbit:6", 6), ("orbit:4@-20", 4), ("orbit:1@12.5", 1)])
def test_views_have_short_names(text: str, count: int) -> None:
    assert parse_views(text).shape == (count, 3, 3)


@pytest.mark.parametrize("text", ["", "axis", "orbit", "orbit:0", "orbit:3@", "orbit:3@95", "orbit:-2"])
def test_other_views_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"expected|elevation"):
        parse_views(text)


@pytest.mark.usefixtures("painter")
@pytest.mark.parametrize("reach", [0, 2, 6])
def test_what_hides_a_point_equals_a_loop(reach):
    cloud = torch.randn(2, 80, 3, generator=torch.Generator().manual_seed(6))
    at = torch.cat([cloud[:, ::4], torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(7))], dim=1)
    frame = view_frame(cloud, AXIS_VIEWS, 64)
    found = seen_points(cloud, at, frame, reach, tolerance=0.2)
    for row in range(2):
        for view in range(3):
            depth = cloud[row] @ frame.views[view, 2]
            span = float(depth.max() - depth.min())
            painters = frame.indices(cloud)[row, view]
            for place, (pixel, point) in enumerate(zip(frame.pixels(at)[row, view], at[row], strict=True)):
                own = float(point @ frame.views[view, 2])
                blocks = (painters[:, None] + torch.tensor([-reach, reach])[:, None]).clamp(0, 63)
                over = ((blocks[:, 0] <= pixel) & (pixel <= blocks[:, 1])).all(1)
                front = max(depth[over].tolist(), default=-torch.inf)
                if abs(front - own - 0.2 * span) > 1e-4 * span:
                    assert bool(found[row, place, view]) == (own >= front - 0.2 * span)
    assert found.any() and not found.all()


@pytest.mark.parametrize("depth", ["sum", "nearest"])
def test_pixels_are_the_same_where_the_model_computes_with_fewer_digits(depth) -> None:
    points = torch.rand(3, 300, 3, generator=torch.Generator().manual_seed(5)) - 0.5
    expected = project(points, depth=depth)
    seen = seen_points(points, points[:, :64], expected.frame)
    with torch.autocast("cpu", torch.bfloat16):
        found = project(points, depth=depth)
        assert torch.equal(seen_points(points, points[:, :64], found.frame), seen)
        assert torch.equal(found.frame.pixels(points), expected.frame.pixels(points))
    assert torch.equal(found.images, expected.images)
