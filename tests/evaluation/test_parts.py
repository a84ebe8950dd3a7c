import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from i2pmae.common.errors import DataError, UsageError
from i2pmae.data.clouds import CloudSet
from i2pmae.evaluation.parts import best_parts, category_parts, cloud_ious, part_ious, score_parts
from tests.reference.parts import part_scores

PARTS = {"chair": (0, 1, 2), "mug": (3, 4), "ball": (5,)}


def random_case(seed: int, clouds: int, points: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True parts of each cloud's category, and predictions that are mostly but not only of that category."""
    generator = np.random.default_rng(seed)
    categories = generator.integers(0, 3, clouds)
    own = list(PARTS.values())
    truth = np.stack([generator.choice(own[c][: generator.integers(1, 4)], points) for c in categories])
    predicted = np.where(generator.random(truth.shape) < 0.5, truth, generator.integers(0, 6, truth.shape))
    return truth, predicted, categories


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 12))
def test_scores_are_those_of_the_loops(seed: int, clouds: int, points: int) -> None:
    truth, predicted, categories = random_case(seed, clouds, points)
    found = score_parts(truth, predicted, categories, PARTS)
    instance, per_category = part_scores(truth, predicted, categories, PARTS)
    assert found["scores"]["instance_miou"].mean == pytest.approx(instance)
    assert found["scores"]["class_miou"].mean == pytest.approx(np.mean(list(per_category.values())))
    assert found["per_class"] == pytest.approx(per_category)
    assert found["scores"]["point_accuracy"].mean == pytest.approx((truth == predicted).mean())


@given(st.integers(0, 10_000))
def test_the_order_of_points_and_clouds_does_not_matter(seed: int) -> None:
    truth, predicted, categories = random_case(seed, 5, 9)
    generator = np.random.default_rng(seed + 1)
    rows, points = generator.permutation(5), generator.permutation(9)
    again = score_parts(truth[rows][:, points], predicted[rows][:, points], categories[rows], PARTS)
    first = score_parts(truth, predicted, categories, PARTS)
    for name, score in first["scores"].items():
        assert again["scores"][name].mean == pytest.approx(score.mean)


def test_a_part_that_neither_has_counts_as_one() -> None:
    truth = np.array([[0, 0, 1, 1]])
    assert part_ious(truth, truth, (0, 1, 2)).tolist() == [[1, 1, 1]]
    wrong = np.array([[0, 0, 0, 1]])
    np.testing.assert_allclose(part_ious(truth, wrong, (0, 1, 2)), [[2 / 3, 1 / 2, 1]])
    assert part_ious(truth, np.array([[2, 0, 1, 1]]), (2,)).tolist() == [[0]]


def test_parts_of_other_categories_are_wrong_but_no_part_of_the_cloud() -> None:
    truth, predicted = np.array([[3, 3, 4, 4]]), np.array([[3, 0, 4, 4]])
    assert cloud_ious(truth, predicted, np.array([1]), PARTS).tolist() == [(1 / 2 + 1) / 2]


def test_categories_weigh_the_same_in_one_mean_and_clouds_in_the_other() -> None:
    truth = np.array([[5, 5], [3, 4], [3, 4], [3, 4]])
    predicted = np.array([[5, 5], [4, 3], [4, 3], [4, 3]])
    found = score_parts(truth, predicted, np.array([2, 1, 1, 1]), PARTS)
    assert found["scores"]["instance_miou"].mean == 0.25
    assert found["scores"]["class_miou"].mean == 0.5
    assert found["per_class"] == {"mug": 0.0, "ball": 1.0}


def test_without_categories_there_is_one() -> None:
    truth = np.array([[0, 1], [1, 1]])
    found = score_parts(truth, truth, None, {"all": (0, 1)})
    assert found["per_class"] == {"all": 1}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"predicted": np.zeros((2, 3), int)}, r"got \(2, 4\) and \(2, 3\)"),
        ({"truth": np.zeros((0, 4), int), "predicted": np.zeros((0, 4), int)}, "at least one cloud"),
        ({"categories": np.array([0])}, r"each of the 2 clouds, got \(1,\)"),
        ({"categories": np.array([0, 3])}, "category from 0 to 2"),
        ({"categories": np.array([0, -1])}, "category from 0 to 2"),
        ({"truth": np.array([[0, 1, 2, 3], [0, 0, 0, 0]])}, r"Part 3 occurs in clouds of 'chair', whose parts are \[0"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change: dict, said: str) -> None:
    arguments = {"truth": np.zeros((2, 4), int), "predicted": np.zeros((2, 4), int), "categories": np.zeros(2, int)}
    with pytest.raises(UsageError, match=said):
        score_parts(**(arguments | change), parts=PARTS)


def part_set(**change: object) -> CloudSet:
    points = np.random.default_rng(0).normal(size=(3, 4, 3)).astype(np.float32)
    fields = {
        "labels": np.array([0, 1, 0]),
        "classes": ("cup", "jug"),
        "part_labels": np.array([[0, 0, 1, 1], [2, 2, 2, 2], [0, 0, 0, 0]]),
        "parts": ("cup/body", "cup/handle", "jug/body", "jug/lid"),
        "name": "pots",
    }
    return CloudSet(points, ["a", "b", "c"], **(fields | change))  # type: ignore[arg-type]


def test_parts_belong_to_the_category_in_their_name() -> None:
    assert category_parts(part_set()) == {"cup": (0, 1), "jug": (2, 3)}


def test_plain_part_names_belong_to_the_categories_they_occur_in() -> None:
    labels = np.array([[0, 0, 1, 1], [0, 2, 2, 2], [1, 1, 0, 0]])
    found = category_parts(part_set(parts=("body", "handle", "lid"), part_labels=labels))
    assert found == {"cup": (0, 1), "jug": (0, 2)}
    assert category_parts(part_set(parts=None, part_labels=labels)) == found


def test_a_set_without_categories_has_one() -> None:
    assert category_parts(part_set(labels=None, classes=None)) == {"all": (0, 1, 2, 3)}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"part_labels": None}, "pots has no part labels"),
        ({"part_labels": np.full((3, 4), 4)}, "part labels from 0 to 3, got 0 to 4"),
        ({"part_labels": np.full((3, 4), -1)}, "got -1"),
        ({"part_labels": np.full((3, 4), 2)}, "a is a 'cup', but has the part 'jug/body'"),
    ],
)
def test_part_labels_that_do_not_fit_are_refused(change: dict, said: str) -> None:
    with pytest.raises(DataError, match=said):
        category_parts(part_set(**change))


def test_only_parts_of_the_category_are_predicted() -> None:
    logits = torch.tensor([[[0.0, 1, 2, 9, 8, 7]], [[9, 8, 7, 0, 1, 2]], [[9, 8, 7, 6, 5, 0]]])
    assert best_parts(logits, torch.tensor([0, 1, 2]), PARTS).tolist() == [[2], [4], [5]]
