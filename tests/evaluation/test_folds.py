from dataclasses import replace

import numpy as np
import pytest

from i2pmae.common.errors import DataError, UsageError
from i2pmae.data.clouds import CloudSet
from i2pmae.evaluation.folds import FewShotFold, describe_folds, few_shot_folds, few_shot_linear
from i2pmae.weights.encoder import Encoder

CLASSES = ("stick", "plate", "ball")


def test_folds_have_what_was_asked_for(clouds: CloudSet) -> None:
    folds = few_shot_folds(clouds, 2, 3, queries=4, folds=6)
    assert len(folds) == 6
    assert len({fold.classes for fold in folds}) > 1
    for fold in folds:
        train, test = fold.train(), fold.test()
        assert (fold.ways, fold.shots) == (2, 3)
        assert np.bincount(train.labels).tolist() == [3, 3] and np.bincount(test.labels).tolist() == [4, 4]
        assert train.classes == test.classes == tuple(CLASSES[i] for i in fold.classes)
        for part, split in ((train, fold.train_rows), (test, fold.test_rows)):
            assert [train.classes[i] for i in part.labels] == [CLASSES[clouds.labels[row]] for row in split]
            np.testing.assert_array_equal(part.points, clouds.points[split])


def test_clouds_stay_on_their_side_of_the_split(clouds: CloudSet) -> None:
    for fold in few_shot_folds(clouds, 3, 10, queries=4, folds=3):
        assert set(clouds.splits[fold.train_rows]) == {"train"}
        assert set(clouds.splits[fold.test_rows]) == {"test"}


def test_without_a_split_no_cloud_is_on_both_sides(clouds: CloudSet) -> None:
    whole = replace(clouds, splits=None)
    for fold in few_shot_folds(whole, 3, 7, queries=7, folds=5):
        assert not set(fold.train_rows) & set(fold.test_rows)
        assert len({*fold.train_rows, *fold.test_rows}) == 42


def test_folds_follow_from_the_seed_each_for_itself(clouds: CloudSet) -> None:
    def rows(**options: int) -> list[tuple]:
        folds = few_shot_folds(clouds, 2, 3, **({"queries": 4, "folds": 4} | options))
        return [(fold.classes, fold.train_rows.tolist(), fold.test_rows.tolist()) for fold in folds]

    assert rows() == rows() != rows(seed=1)
    assert rows(folds=2) == rows()[:2]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"ways": 4}, "4 classes .* but only 3 of 3 have so many"),
        ({"shots": 11}, r"11 training and 4 test clouds .* only 0 of 3 .*stick \(10 and 4\), plate \(10 and 4\)"),
        ({"queries": 5}, r"Too few: stick \(10 and 4\)"),
    ],
)
def test_too_few_clouds_are_named(clouds: CloudSet, options: dict, said: str) -> None:
    with pytest.raises(DataError, match=said):
        few_shot_folds(clouds, **({"ways": 2, "shots": 3, "queries": 4} | options))
    whole = replace(clouds.subset(np.flatnonzero(clouds.labels != 1)), splits=None)
    with pytest.raises(DataError, match=r"plate \(0\)"):
        few_shot_folds(whole, 3, 3, queries=4)


@pytest.mark.parametrize("options", [{"ways": 1}, {"shots": 0}, {"queries": 0}, {"folds": 0}])
def test_impossible_tasks_are_refused(clouds: CloudSet, options: dict) -> None:
    with pytest.raises(UsageError, match="at least"):
        few_shot_folds(clouds, **({"ways": 2, "shots": 3, "queries": 4} | options))
    with pytest.raises(DataError, match="solids has no labels"):
        few_shot_folds(replace(clouds, labels=None), 2, 3)


def test_a_fold_can_be_made_of_two_sets(clouds: CloudSet) -> None:
    chosen = clouds.subset(np.flatnonzero(clouds.labels != 0))
    fold = FewShotFold.of(chosen.split("train"), chosen.split("test"), "published")
    assert (fold.classes, fold.ways, fold.shots) == ((1, 2), 2, 10)
    assert fold.train().classes == ("plate", "ball")
    assert np.bincount(fold.test().labels).tolist() == [4, 4]
    with pytest.raises(DataError, match="published: test clouds of class 0, which is not in the task"):
        FewShotFold.of(chosen.split("train"), clouds.split("test"), "published")
    with pytest.raises(DataError, match="there is only one class"):
        one = clouds.subset(np.flatnonzero(clouds.labels == 0))
        FewShotFold.of(one.split("train"), one.split("test"))
    with pytest.raises(DataError, match="no labels"):
        FewShotFold.of(replace(chosen, labels=None), chosen)
    with pytest.raises(DataError, match="class 1 has no training clouds"):
        FewShotFold(clouds, clouds, (0, 1), np.array([0, 3]), np.array([1]))
    with pytest.raises(DataError, match="there are no test clouds"):
        FewShotFold(clouds, clouds, (0, 1), np.array([0, 1]), np.array([], int))


def test_tasks_are_described(clouds: CloudSet) -> None:
    folds = few_shot_folds(clouds, 2, 3, queries=4, folds=2)
    assert describe_folds(folds) == "2-way 3-shot, 2 folds, 4 test clouds per class"
    more = few_shot_folds(clouds, 3, 5, queries=2, folds=1)
    assert describe_folds([*folds, *more]) == "2 to 3-way 3 to 5-shot, 3 folds, 2 to 4 test clouds per class"
    with pytest.raises(UsageError, match="no folds"):
        describe_folds([])


@pytest.mark.parametrize("classifier", ["svm", "knn"])
def test_the_score_is_a_mean_over_folds(encoder: Encoder, clouds: CloudSet, classifier: str) -> None:
    folds = few_shot_folds(clouds, 2, 6, queries=4, folds=4)
    result = few_shot_linear(encoder, folds, classifier=classifier, note="Drawn by seed 0.", shown=False)
    assert (result.kind, result.train_clouds, result.test_clouds, result.chance) == ("fewshot", 12, 8, 0.5)
    score = result.scores["accuracy"]
    assert len(score.values) == 4 and score.mean == pytest.approx(np.mean(score.values)) and score.mean > 0.6
    assert "2-way 6-shot, 4 folds" in result.protocol and result.protocol.endswith("Drawn by seed 0.")
    assert "cross-validation on the training clouds of each fold alone" in result.protocol
    parameter = "C" if classifier == "svm" else "k"
    assert len(result.selected[parameter]) == 4
    assert few_shot_linear(encoder, folds, classifier=classifier, shown=False).scores == result.scores


@pytest.mark.parametrize(("classifier", "said"), [("svm", "C = 0.01"), ("knn", "k = 1")])
def test_one_shot_leaves_nothing_to_choose_by(encoder: Encoder, clouds: CloudSet, classifier: str, said: str) -> None:
    folds = few_shot_folds(clouds, 3, 1, queries=4, folds=3)
    result = few_shot_linear(encoder, folds, classifier=classifier, shown=False)
    assert f"{said} where a class has one training cloud" in result.protocol
    assert result.selected["on"] == "nothing, it was given"
