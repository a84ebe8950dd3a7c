from dataclasses import replace

import numpy as np
import pytest

from i2pmae.common.errors import DataError
from i2pmae.data.clouds import CloudSet
from i2pmae.evaluation.splits import class_names, hold_out, three_splits


def clouds(labels: list[int] | None, splits: list[str] | None = None, classes=("a", "b", "c")) -> CloudSet:
    count = len(labels or splits or [])
    points = np.zeros((count, 4, 3), np.float32)
    return CloudSet(
        points,
        [str(i) for i in range(count)],
        None if labels is None else np.array(labels),
        None if labels is None else classes,
        None if splits is None else np.array(splits),
        name="set",
    )


def ids(*parts: CloudSet) -> list[str]:
    return [name for part in parts for name in part.ids]


def test_the_sets_own_splits_are_taken():
    own = clouds([0, 1] * 6, ["train", "train", "val", "val", "test", "test"] * 2)
    found = three_splits(own, 0.5, seed=0)
    assert [ids(part) for part in (found.train, found.validation, found.test)] == [
        ["0", "1", "6", "7"],
        ["2", "3", "8", "9"],
        ["4", "5", "10", "11"],
    ]
    assert "data's own validation split" in found.note


def test_validation_clouds_come_from_training_alone():
    own = clouds([0, 1] * 20, ["train"] * 30 + ["test"] * 10)
    found = three_splits(own, 0.2, seed=0)
    assert ids(found.test) == [str(i) for i in range(30, 40)]
    assert sorted(ids(found.train, found.validation), key=int) == [str(i) for i in range(30)]
    assert np.bincount(found.validation.labels).tolist() == [3, 3]
    assert ids(three_splits(own, 0.2, seed=0).validation) == ids(found.validation)
    assert ids(three_splits(own, 0.2, seed=1).validation) != ids(found.validation)
    assert "6 clouds held out from training" in found.note


def test_a_share_of_the_labels_is_taken_class_by_class_to_train_and_to_choose():
    own = clouds([0] * 40 + [1] * 20, (["train"] * 3 + ["test"]) * 15)
    whole = three_splits(own, 0.2, seed=0)
    found = whole.with_labels(0.5, seed=0)
    assert np.bincount(whole.train.labels).tolist() == [24, 12]
    assert np.bincount(found.train.labels).tolist() == [12, 6]
    assert np.bincount(found.validation.labels).tolist() == [3, 2]
    assert ids(found.test) == ids(whole.test)
    assert set(ids(found.train)) < set(ids(whole.train))
    assert set(ids(found.validation)) < set(ids(whole.validation))
    assert "36 training and 9 validation clouds 0.5 were used" in found.note and "18 and 5" in found.note
    assert np.bincount(whole.with_labels(0.001, seed=0).train.labels).tolist() == [1, 1]
    assert ids(whole.with_labels(0.5, seed=1).train) != ids(found.train)
    assert whole.with_labels(1, seed=0) is whole


@pytest.mark.parametrize("labels", [[0, 1, 2] * 8, None])
def test_without_splits_all_three_are_drawn(labels):
    own = clouds(labels) if labels else replace(clouds([0] * 24), labels=None, classes=None)
    found = three_splits(own, 0.25, seed=0)
    sizes = [len(part) for part in (found.train, found.validation, found.test)]
    assert sum(sizes) == 24 and sizes[2] == 6
    assert len(set(ids(found.train, found.validation, found.test))) == 24
    assert (found.train.labels is None) == (labels is None)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_every_class_is_on_both_sides(share):
    labels = np.array([0] * 2 + [1] * 3 + [4] * 50)
    kept, held = hold_out(labels, share, 0, tuple("abcde"))
    assert sorted([*kept, *held]) == list(range(55))
    assert set(labels[kept]) == set(labels[held]) == {0, 1, 4}


@pytest.mark.parametrize(
    ("own", "said"),
    [
        (clouds([0, 1, 1, 0], ["train"] * 4), "has the split train alone: expected train and test"),
        (clouds([0, 1, 1, 0], ["test"] * 2 + ["val"] * 2), "has the split test and val alone"),
        (clouds([0, 0, 1, 1, 2], ["train"] * 4 + ["test"]), "test clouds of 'c', but no training clouds"),
        (clouds([0, 0, 1, 0, 1], ["train"] * 3 + ["test"] * 2), "'b' has only 1"),
        (clouds([0, 0, 1, 3]), "expected labels from 0 to 2"),
        (clouds([0, 0, 1, -1]), "got -1 to 1"),
    ],
)
def test_what_cannot_be_split_is_refused(own, said):
    with pytest.raises(DataError, match=said):
        three_splits(own, 0.25, seed=0)


def test_classes_without_names_are_called_by_their_indices():
    assert class_names(replace(clouds([0, 2]), classes=None)) == ("0", "1", "2")
    assert class_names(clouds(None, ["train"])) == ("all",)
