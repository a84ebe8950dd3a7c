"""Built-in shapes: the same everywhere, balanced, on their surfaces, labelled, and neither too easy nor too hard."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.spatial import cKDTree

from i2pmae.common.errors import UsageError
from i2pmae.data.shapes import CATALOGUE, CATEGORIES, PARTS, WIDE, ShapesConfig, make_shapes
from i2pmae.data.shapes.assemble import BLOCK, make_block, sample_surface

CLEAN = ShapesConfig.clean()
STORED_QUANTILES = [-0.581725, -0.097049, 0.102303, 0.56845]
STORED_LABELS = [29, 8, 0, 38, 11, 37, 12, 4]


@pytest.fixture(scope="module")
def shapes():
    return make_shapes(4 * len(CATEGORIES), 256, parts=True)


def test_a_cloud_does_not_depend_on_how_many_are_made(shapes) -> None:
    count = len(CATEGORIES) + 5
    fewer = make_shapes(count, 256)
    np.testing.assert_array_equal(fewer.points, shapes.points[:count])
    np.testing.assert_array_equal(fewer.labels, shapes.labels[:count])
    assert fewer.part_labels is None


def test_a_cloud_does_not_depend_on_the_process(shapes) -> None:
    code = (
        "import hashlib; from i2pmae.data.shapes import make_shapes;"
        "print(hashlib.sha256(make_shapes(6, 256).points.tobytes()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == hashlib.sha256(shapes.points[:6].tobytes()).hexdigest()


def test_points_do_not_depend_on_the_order_of_a_partition(shapes, monkeypatch: pytest.MonkeyPatch) -> None:
    def reordered(keys: np.ndarray, place: int, axis: int) -> np.ndarray:
        order = partition(keys, place, axis=axis)
        return np.concatenate([order[:, place::-1], order[:, :place:-1]], axis=1)

    partition = np.argpartition
    monkeypatch.setattr(np, "argpartition", reordered)
    np.testing.assert_array_equal(make_shapes(6, 256).points, shapes.points[:6])


def test_later_clouds_come_from_later_blocks() -> None:
    kind = CATALOGUE["house"]
    first, second = (make_block(kind, n, 64, split="train", seed=0, config=CLEAN)[0] for n in (0, 1))
    assert not np.array_equal(first, second)
    count = len(CATEGORIES) * BLOCK + len(CATEGORIES)
    made = make_shapes(count, 16, config=CLEAN)
    rows = np.flatnonzero(made.labels == CATEGORIES.index("house"))
    expected = make_block(kind, 1, 16, split="train", seed=0, config=CLEAN)[0][0]
    np.testing.assert_array_equal(made.points[rows[BLOCK]], expected)


def test_splits_and_seeds_share_no_cloud(shapes) -> None:
    others = [make_shapes(44, 256, split="test"), make_shapes(44, 256, split="val"), make_shapes(44, 256, seed=1)]
    seen = {cloud.tobytes() for cloud in shapes.points}
    for other in others:
        assert not seen & {cloud.tobytes() for cloud in other.points}
    assert set(others[0].splits) == {"test"}
    assert others[0].ids[3] == "shapes/test/000003"


def test_classes_are_balanced_and_shuffled(shapes) -> None:
    assert len(CATEGORIES) >= 24
    assert set(np.bincount(shapes.labels)) == {4}
    rounds = shapes.labels.reshape(4, -1)
    assert not np.array_equal(rounds[0], rounds[1])
    assert not np.array_equal(rounds[0], np.sort(rounds[0]))
    assert shapes.classes == CATEGORIES


@pytest.mark.parametrize(
    "config", [ShapesConfig(catalogue="wide"), CLEAN.changed(catalogue="wide")], ids=["default", "clean"]
)
def test_clouds_are_finite_and_fill_the_unit_sphere(config: ShapesConfig) -> None:
    made = make_shapes(len(WIDE), 300, config=config)
    assert made.points.dtype == np.float32
    assert np.isfinite(made.points).all()
    np.testing.assert_allclose(np.linalg.norm(made.points, axis=-1).max(1), 1, atol=1e-5)
    np.testing.assert_allclose(made.points.mean(1), 0, atol=1e-5)


def test_every_category_has_parts_and_draws_them_all() -> None:
    for name, kind in WIDE.items():
        assert len(kind.parts) >= 2, name
        mesh = kind.draw(np.random.default_rng(0), 64)
        assert np.isfinite(mesh.vertices).all(), name
        drawn = set(np.unique(mesh.part[mesh.present.any(0)]))
        assert drawn == set(range(len(kind.parts))), name
        most = max(len(np.unique(mesh.part[mesh.present[i]])) for i in range(64))
        assert most >= 2, name


def test_the_wide_catalogue_goes_on_where_the_classic_one_ends() -> None:
    assert len(WIDE) >= 100
    assert tuple(WIDE)[: len(CATEGORIES)] == CATEGORIES
    wide, classic = CLEAN.changed(catalogue="wide"), make_shapes(len(CATEGORIES), 64, parts=True)
    made = make_shapes(len(WIDE), 64, parts=True, config=ShapesConfig(catalogue="wide"))
    assert made.classes == tuple(WIDE) and sorted(made.labels) == list(range(len(WIDE)))
    assert made.parts is not None and made.parts[: len(PARTS)] == PARTS and len(set(made.parts)) == len(made.parts)
    for label in range(len(CATEGORIES)):  # the first of each is the same object in both
        first, again = np.flatnonzero(classic.labels == label)[0], np.flatnonzero(made.labels == label)[0]
        np.testing.assert_array_equal(made.points[again], classic.points[first])
        np.testing.assert_array_equal(made.part_labels[again], classic.part_labels[first])
    assert len({cloud.tobytes() for cloud in make_shapes(300, 32, config=wide).points}) == 300


def test_the_classic_shapes_of_a_seed_stay_as_they_are() -> None:
    """Quantiles of stored runs' shapes: what is added to the generator must not change them."""
    made = make_shapes(44, 256)
    found = [float(value) for value in np.quantile(made.points, [0.05, 0.35, 0.65, 0.95])]
    np.testing.assert_allclose(found, STORED_QUANTILES, atol=1e-5)
    assert made.labels[:8].tolist() == STORED_LABELS


def test_objects_of_a_category_differ() -> None:
    for name, kind in WIDE.items():
        made, _ = make_block(kind, 0, 512, split="train", seed=0, config=CLEAN)
        extents = np.ptp(made, axis=1)
        assert (extents.std(0) > 0.01).any(), name


def test_part_labels_belong_to_the_category(shapes) -> None:
    assert shapes.parts == PARTS
    assert len(set(PARTS)) == len(PARTS)
    for label, parts in zip(shapes.labels, shapes.part_labels, strict=True):
        assert {PARTS[part].split("/")[0] for part in parts} == {CATEGORIES[label]}


def test_clean_points_lie_on_the_triangles_of_their_own_part() -> None:
    for name in ("chair", "mug", "airplane", "guitar"):
        kind = CATALOGUE[name]
        mesh = kind.draw(np.random.default_rng(0), 2)
        points, part = sample_surface(mesh, 100, np.random.default_rng(1))
        for i in range(2):
            faces = mesh.faces[mesh.present[i]]
            owner = mesh.part[mesh.present[i]]
            for j in range(0, 100, 7):
                corners = mesh.vertices[i][faces[owner == part[i, j]]].astype(np.float64)
                assert distance_to_triangles(points[i, j].astype(np.float64), corners) < 1e-4


def distance_to_triangles(point: np.ndarray, triangles: np.ndarray) -> float:
    """The least distance, for a point whose foot lies inside a triangle; ``inf`` where no triangle holds the foot."""
    origin, edges = triangles[:, 0], triangles[:, 1:] - triangles[:, :1]
    keep = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=-1) > 1e-9
    origin, edges = origin[keep], edges[keep]
    offset = point - origin
    weights = np.einsum("fij,fj->fi", np.linalg.pinv(np.swapaxes(edges, 1, 2)), offset)
    inside = (weights > -1e-3).all(1) & (weights.sum(1) < 1 + 1e-3)
    foot = origin + np.einsum("fi,fij->fj", weights, edges)
    return float(np.linalg.norm(point - foot, axis=-1)[inside].min(initial=np.inf))


def test_clean_objects_stand_upright_and_the_default_turns_them() -> None:
    kind, arguments = CATALOGUE["airplane"], {"split": "train", "seed": 0}
    clean, _ = make_block(kind, 0, 512, config=CLEAN, **arguments)
    turned, _ = make_block(kind, 0, 512, config=ShapesConfig.clean(rotation=180), **arguments)
    # The same objects and the same points, turned about the up axis: heights stay, headings go.
    np.testing.assert_allclose(turned[..., 1], clean[..., 1], atol=1e-5)
    np.testing.assert_allclose(np.hypot(*turned[..., [0, 2]].T), np.hypot(*clean[..., [0, 2]].T), atol=1e-5)
    assert np.abs(turned[..., 0] - clean[..., 0]).max() > 0.5
    tilted, _ = make_block(kind, 0, 512, config=CLEAN.model_copy(update={"tilt": 20.0}), **arguments)
    cosine = np.einsum("bni,bni->bn", tilted, clean) / np.maximum((clean**2).sum(-1), 1e-9)
    angles = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    assert 5 < angles[:, :].max() < 20.5


@pytest.mark.parametrize(
    "knob", [{"noise": 0.1}, {"outliers": 0.3}, {"occlusion": 0.6}, {"density": 4.0}, {"stretch": 0.5}]
)
def test_each_knob_moves_the_cloud_away_from_the_clean_object(knob: dict[str, float]) -> None:
    kind = CATALOGUE["car"]
    clean, _ = make_block(kind, 0, 512, split="train", seed=0, config=CLEAN)
    changed, part = make_block(kind, 0, 512, split="train", seed=0, config=CLEAN.model_copy(update=knob))
    reference, _ = make_block(kind, 0, 513, split="train", seed=0, config=CLEAN)

    def gap(clouds: np.ndarray) -> float:
        pairs = zip(clouds, reference, strict=True)
        return float(np.mean([cKDTree(a).query(b)[0].mean() + cKDTree(b).query(a)[0].mean() for a, b in pairs]))

    assert changed.shape == (BLOCK, 512, 3)
    assert part.shape == (BLOCK, 512)
    assert gap(changed) > 1.05 * gap(clean)


def test_occlusion_leaves_distinct_points() -> None:
    config = ShapesConfig(occlusion=0.9, noise=0, outliers=0)
    made, _ = make_block(CATALOGUE["vase"], 0, 400, split="train", seed=0, config=config)
    for cloud in made:
        assert len(np.unique(cloud, axis=0)) > 395


def test_categories_are_told_apart_by_simple_descriptors_but_not_perfectly() -> None:
    """Nearest neighbour on sorted height and distance profiles, which do not change with the heading."""

    def describe(points: np.ndarray) -> np.ndarray:
        quantiles = np.linspace(0, 1, 16)
        level = np.quantile(points[..., 1], quantiles, axis=1).T
        away = np.quantile(np.hypot(points[..., 0], points[..., 2]), quantiles, axis=1).T
        return np.concatenate((level, away), 1)

    train, test = (make_shapes(BLOCK * len(CATEGORIES), 256, split=split) for split in ("train", "test"))
    gaps = np.linalg.norm(describe(test.points)[:, None] - describe(train.points)[None], axis=-1)
    accuracy = (train.labels[gaps.argmin(1)] == test.labels).mean()
    assert 5 / len(CATEGORIES) < accuracy < 0.75


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "count of at least 1"),
        ({"count": 4, "points": 0}, "points of at least 1"),
        ({"count": 4, "split": "trian"}, "Did you mean 'train'"),
    ],
)
def test_wrong_arguments_are_explained(arguments: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make_shapes(**arguments)


def test_configuration_is_validated() -> None:
    with pytest.raises(ValidationError):
        ShapesConfig(noise=-1)
    with pytest.raises(UsageError, match="noise"):
        ShapesConfig.from_dict({"noise": -1})
    assert ShapesConfig.from_yaml(CLEAN.to_yaml()) == CLEAN
