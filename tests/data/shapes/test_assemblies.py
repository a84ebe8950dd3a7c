"""Unnamed assemblies: no end of structures, the same everywhere, made of whole solids that hold together."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from i2pmae.data.shapes import CATEGORIES, ShapesConfig, make_shapes
from i2pmae.data.shapes.assemble import BLOCK, make_block, sample_surface
from i2pmae.data.shapes.assemblies import FAMILIES
from i2pmae.data.shapes.grammar import MOST
from i2pmae.data.shapes.sketch import warped
from i2pmae.data.shapes.sweep import FORMS, OUTLINES, PROFILES, faces, solids

CLEAN = ShapesConfig.clean()
ONLY = CLEAN.changed(assemblies=1.0)
NAMES = tuple(family.name for family in FAMILIES)


@pytest.mark.parametrize("family", FAMILIES, ids=NAMES)
def test_assemblies_are_finite_in_the_unit_sphere_and_all_different(family) -> None:
    made, part = make_block(family, 0, 256, split="train", seed=0, config=CLEAN)
    assert made.dtype == np.float32 and np.isfinite(made).all()
    np.testing.assert_allclose(np.linalg.norm(made, axis=-1).max(1), 1, atol=1e-5)
    assert part.min() >= 0 and part.max() < MOST
    # No cloud is near another one, as those of one structure with other proportions would be.
    gaps = [
        (cKDTree(a).query(b)[0].mean() + cKDTree(b).query(a)[0].mean()) / 2
        for i, a in enumerate(made)
        for b in made[:i]
    ]
    assert len(gaps) == BLOCK * (BLOCK - 1) // 2
    assert min(gaps) > 0.03


@pytest.mark.parametrize("family", FAMILIES, ids=NAMES)
def test_structures_differ_within_a_block(family) -> None:
    mesh = family.draw(np.random.default_rng(0), 64)
    copies = mesh.present[:, :: len(mesh.faces) // MOST]
    assert len({tuple(row) for row in copies}) > 20
    assert copies.min() == 0 and copies[:, 0].min() == 1
    assert copies.max() <= 8 * 16


def test_points_are_those_of_the_solids_each_copy_alike() -> None:
    """Of a solid with n copies, n times as many points, on n pieces of equal size."""
    family = next(family for family in FAMILIES if family.name == "assembly_legs")
    mesh = family.draw(np.random.default_rng(3), 64)
    place = mesh.instances
    assert place is not None
    points, part = sample_surface(mesh, 4096, np.random.default_rng(0))
    per_solid = len(mesh.faces) // MOST
    for cloud in range(64):
        area = areas(mesh.vertices[cloud].reshape(MOST, -1, 3)) * mesh.present[cloud, ::per_solid]
        share = np.bincount(part[cloud], minlength=MOST) / 4096
        np.testing.assert_allclose(share, area / area.sum(), atol=0.04)
        if not place.warp[:, cloud].any():
            here = points[cloud][part[cloud] == 0]
            inside = mesh.vertices[cloud].reshape(MOST, -1, 3)[0]
            assert (here >= inside.min(0) - 1e-4).all() and (here <= inside.max(0) + 1e-4).all()


def test_most_assemblies_hold_together() -> None:
    """In a graph of near points, the largest piece has nearly all of them in most clouds."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    shares = []
    for family in FAMILIES:
        made, _ = make_block(family, 0, 1024, split="train", seed=1, config=CLEAN)
        for cloud in made:
            pairs = cKDTree(cloud).query_pairs(0.16, output_type="ndarray")
            graph = csr_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(1024, 1024))
            shares.append(np.bincount(connected_components(graph)[1]).max() / 1024)
    assert np.mean(np.array(shares) > 0.97) > 0.75


def test_assemblies_take_their_share_of_a_set_and_leave_the_others_as_they_are() -> None:
    mixed = make_shapes(80, 32, config=CLEAN.changed(assemblies=0.25))
    plain = make_shapes(60, 32, config=CLEAN)
    assert mixed.classes == (*CATEGORIES, *NAMES)
    unnamed = mixed.labels >= len(CATEGORIES)
    assert unnamed.sum() == 20 and unnamed.reshape(20, 4).sum(1).tolist() == [1] * 20
    np.testing.assert_array_equal(mixed.points[~unnamed], plain.points)
    np.testing.assert_array_equal(mixed.labels[~unnamed], plain.labels)
    only = make_shapes(20, 32, config=ONLY)
    np.testing.assert_array_equal(mixed.points[unnamed], only.points)
    np.testing.assert_array_equal(mixed.labels[unnamed] - len(CATEGORIES), only.labels)
    assert only.classes == NAMES
    assert set(np.bincount(only.labels[:16])) == {2}


def test_an_assembly_does_not_depend_on_how_many_are_made_and_splits_share_none() -> None:
    many, few = make_shapes(300, 64, config=ONLY, parts=True), make_shapes(7, 64, config=ONLY)
    np.testing.assert_array_equal(many.points[:7], few.points)
    assert many.parts is not None and len(many.parts) == MOST * len(FAMILIES)
    for label, parts in zip(many.labels, many.part_labels, strict=True):
        assert {many.parts[part].split("/")[0] for part in parts} == {NAMES[label]}
    others = make_shapes(300, 64, config=ONLY, split="test")
    assert not {cloud.tobytes() for cloud in many.points} & {cloud.tobytes() for cloud in others.points}
    assert len({cloud.tobytes() for cloud in many.points}) == 300


def areas(vertices: np.ndarray) -> np.ndarray:
    """The area of solids ``(..., v, 3)``."""
    corners = vertices.astype(np.float64)[..., faces(1), :]
    along, across = corners[..., 1, :] - corners[..., 0, :], corners[..., 2, :] - corners[..., 0, :]
    return np.linalg.norm(np.cross(along, across), axis=-1).sum(-1) / 2


@pytest.mark.parametrize("outline", OUTLINES)
@pytest.mark.parametrize("profile", PROFILES)
def test_every_kind_of_solid_is_finite_centred_and_has_a_surface(outline: str, profile: str) -> None:
    generator = np.random.default_rng(0)
    form = np.tile(np.arange(len(FORMS)), (8, 1))
    weights = [float(name == outline) for name in OUTLINES], [float(name == profile) for name in PROFILES]
    vertices = solids(generator, form, *weights, bent=0.5)
    assert np.isfinite(vertices).all()
    np.testing.assert_allclose(vertices.max(2) + vertices.min(2), 0, atol=1e-5)
    assert (np.abs(vertices).max((2, 3)) > 0.25).all() and np.abs(vertices).max() < 2
    assert (areas(vertices) > 0.005).all()


def test_a_straight_prism_of_a_polygon_has_the_area_of_its_faces() -> None:
    """A ring of quadrilaterals and two fans, whatever the size: 24 outline points include the corners."""
    form = np.full((64, 1), FORMS.index("block"))
    weights = [float(name == "plus") for name in OUTLINES], [float(name == "prism") for name in PROFILES]
    vertices = solids(np.random.default_rng(0), form, *weights, bent=0.0)[:, 0].astype(np.float64)
    half = vertices.max(1)
    ring = vertices.reshape(64, -1, 24, 3)[:, 1]
    wall = np.linalg.norm(np.roll(ring, -1, 1) - ring, axis=-1).sum(1)
    x, z = ring[..., 0], ring[..., 2]
    end = np.abs((x * np.roll(z, -1, 1) - z * np.roll(x, -1, 1)).sum(1)) / 2
    np.testing.assert_allclose(areas(vertices), wall * 2 * half[:, 1] + 2 * end, rtol=1e-4)
    # Around a plus the outline is as long as around its box.
    np.testing.assert_allclose(wall, 4 * (half[:, 0] + half[:, 2]), rtol=1e-4)


def test_a_warp_keeps_the_middle_and_none_changes_nothing() -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (2, 500, 3)).astype(np.float32)
    np.testing.assert_array_equal(warped(points, np.zeros((3, 2), np.float32)), points)
    strength = np.zeros((3, 2), np.float32)
    strength[0, 0], strength[1, 1] = 1, 1
    tapered, twisted = warped(points, strength)
    level = (points[..., 1] - (points[..., 1].max(1) + points[..., 1].min(1))[:, None] / 2).astype(np.float64)
    wide = np.ptp(tapered[level[0] > 0.8][:, 0]), np.ptp(tapered[level[0] < -0.8][:, 0])
    assert wide[0] > 2.5 * wide[1]
    middle = (points[1].max(0) + points[1].min(0)) / 2
    before, after = np.hypot(*(points[1] - middle)[:, [0, 2]].T), np.hypot(*(twisted - middle)[:, [0, 2]].T)
    np.testing.assert_allclose(after, before, atol=1e-5)
    assert np.abs(twisted - points[1]).max() > 0.3
