"""Primitives: their vertices lie where their equations say, and their areas are right."""

import numpy as np
import pytest

from i2pmae.data.shapes import primitives
from i2pmae.data.shapes.assemble import sample_surface
from i2pmae.data.shapes.sketch import Mesh, Sketch, corners, rotations


def area(surface: primitives.Surface) -> float:
    vertices, faces = surface
    a, b, c = np.moveaxis(vertices[0, 0][faces], 1, 0)
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=-1).sum() / 2)


def test_box_has_the_area_of_its_six_sides() -> None:
    assert area(primitives.box((1, 2, 3))) == pytest.approx(2 * (2 + 3 + 6), rel=1e-5)


def test_tapered_box_has_the_area_of_a_truncated_pyramid() -> None:
    # Bottom 2 × 2, top 1 × 1, height 1: four trapezoids with slant height √(1 + 0.5²).
    slanted = 4 * (2 + 1) / 2 * np.sqrt(1.25)
    assert area(primitives.box((2, 1, 2), taper=(0.5, 0.5))) == pytest.approx(4 + 1 + slanted, rel=1e-5)


def test_sheared_box_moves_its_top_only() -> None:
    vertices = primitives.box((1, 1, 1), shear=(0.25, -0.5))[0][0, 0]
    top = vertices[:, 1] > 0
    np.testing.assert_allclose(vertices[top].mean(0), (0.25, 0.5, -0.5), atol=1e-6)
    np.testing.assert_allclose(vertices[~top].mean(0), (0, -0.5, 0), atol=1e-6)


@pytest.mark.parametrize(
    ("surface", "expected"),
    [
        (primitives.lathe(((0, 0), (2, 0), (2, 3), (0, 3)), 64, False), 2 * np.pi * 4 + 2 * np.pi * 2 * 3),
        (primitives.lathe(((1, 0), (0, 2)), 64, False), np.pi * np.sqrt(5)),
        (primitives.torus(1.0, 0.2, sides=48), 4 * np.pi**2 * 0.2),
        (primitives.ellipsoid((1, 1, 1)), 4 * np.pi),
        (primitives.ellipsoid((1, 1, 1), span=(0, 90)), 2 * np.pi),
        (primitives.tube(((0, 0, 0), (1, 2, 2)), (0.1, 0.1), 64, False), 2 * np.pi * 0.1 * 3 + 2 * np.pi * 0.01),
        (primitives.plate(((0, 0), (2, 0), (0, 2)), 0.5), 2 * 2 + 0.5 * (4 + np.sqrt(8))),
    ],
    ids=["cylinder", "cone", "torus", "sphere", "dome", "tube", "triangle"],
)
def test_areas_match_their_formulas(surface: primitives.Surface, expected: float) -> None:
    assert area(surface) == pytest.approx(expected, rel=0.04)


def test_vertices_fulfil_their_equations() -> None:
    x, y, z = np.moveaxis(primitives.ellipsoid((1, 2, 3), power=(0.5, 0.7))[0][0, 0], -1, 0)
    around = np.abs(x) ** (2 / 0.7) + np.abs(z / 3) ** (2 / 0.7)
    np.testing.assert_allclose(around ** (0.7 / 0.5) + np.abs(y / 2) ** (2 / 0.5), 1, atol=1e-4)
    x, y, z = np.moveaxis(primitives.torus(1.0, 0.3, (0, 90))[0][0, 0], -1, 0)
    np.testing.assert_allclose((np.hypot(x, z) - 1) ** 2 + y**2, 0.09, atol=1e-5)
    assert x.min() > -1e-6
    assert z.min() > -1e-6
    x, _, z = np.moveaxis(primitives.lathe(((0.5, 0), (0.5, 1)), 16, False, (1, 0.5))[0][0, 0], -1, 0)
    np.testing.assert_allclose(x**2 + (z / 0.5) ** 2, 0.25, atol=1e-6)


def test_tube_keeps_its_radius_and_reaches_its_ends() -> None:
    path = ((0, 0, 0), (0, 1, 0), (1, 2, 0))
    rings = primitives.tube(path, (0.1, 0.2, 0.1), 8, False)[0][0, 0].reshape(5, 8, 3)
    for ring, centre, radius in zip(rings[1:-1], path, (0.1, 0.2, 0.1), strict=True):
        np.testing.assert_allclose(np.linalg.norm(ring - centre, axis=-1), radius, atol=1e-6)
    np.testing.assert_allclose(rings[-1], np.broadcast_to(path[-1], (8, 3)), atol=1e-6)


@pytest.mark.parametrize("closed", [False, True])
def test_smooth_curves_pass_through_their_control_points(closed: bool) -> None:
    control = np.random.default_rng(0).random((5, 2)).astype(np.float32)
    curve = primitives.smoothing(5, closed) @ control
    np.testing.assert_allclose(curve[:: primitives.SMOOTHING][:5], control, atol=1e-6)
    np.testing.assert_allclose(primitives.smoothing(5, closed).sum(1), 1, atol=1e-6)


def test_rotations_turn_about_x_then_y_then_z() -> None:
    turned = rotations((90.0, 0.0, 90.0))[0, 0] @ np.array([0, 1, 0], np.float32)
    np.testing.assert_allclose(turned, (0, 0, 1), atol=1e-6)
    turned = rotations((0.0, 90.0, 90.0))[0, 0] @ np.array([0, 0, 1], np.float32)
    np.testing.assert_allclose(turned, (0, 1, 0), atol=1e-6)


def test_points_fall_on_faces_in_proportion_to_their_area() -> None:
    sketch = Sketch(np.random.default_rng(0), 3, ("large", "small", "absent"))
    sketch.box("large", (3, 3, 3))
    sketch.box("small", (1, 1, 1), (5.0, 0.0, 0.0))
    sketch.box("absent", (9, 9, 9), when=np.zeros((3, 1), bool))
    points, part = sample_surface(sketch.mesh(), 20_000, np.random.default_rng(1))
    assert np.bincount(part.ravel(), minlength=3)[2] == 0
    np.testing.assert_allclose((part == 1).mean(1), 0.1, atol=0.01)
    outside = points - np.where(part == 1, 5, 0)[..., None] * np.array([1, 0, 0])
    np.testing.assert_allclose(np.abs(outside).max(-1), np.where(part == 1, 0.5, 1.5), atol=1e-5)
    # Within a face the density is even: a quarter of the points of a side lies in a quarter of it.
    side = points[(part == 0) & (points[..., 1] > 1.4999)]
    assert ((side[:, 0] > 0) & (side[:, 2] > 0)).mean() == pytest.approx(0.25, abs=0.01)


def test_copies_and_conditions_broadcast() -> None:
    sketch = Sketch(np.random.default_rng(0), 2, ("leg",))
    x, z = corners(np.array([[1.0], [2.0]], np.float32), 1.0)
    sketch.tube("leg", ((x, 0.0, z), (x, 1.0, z)), 0.1, when=np.array([[1, 1, 1, 1], [1, 0, 0, 0]], bool))
    mesh = sketch.mesh()
    assert isinstance(mesh, Mesh)
    assert mesh.present[0].all()
    assert mesh.present[1].mean() == 0.25
    assert mesh.vertices[1, :, 0].max() == pytest.approx(2.1)
