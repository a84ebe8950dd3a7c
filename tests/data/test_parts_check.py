"""What a task would refuse about a set, and clouds with parts that nobody can learn."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i2pmae.common.errors import UsageError
from i2pmae.data.open.check import Report, check_source
from i2pmae.data.open.fitness import TASKS
from i2pmae.data.parts_check import lone_parts, tell_parts, unseen_parts
from tests.data.layouts import cloud, clouds

PARTS = np.array([[0, 1, 0], [1, 1, 1], [0, 2, 0], [2, 2, 3], [0, 1, 1], [3, 3, 3]])
LABELS = np.array([0, 0, 0, 1, 1, 1])


def test_parts_that_no_cloud_of_the_category_has() -> None:
    found = unseen_parts(PARTS, LABELS, np.array([0, 1, 3]), np.array([5, 4, 2]))
    assert (found.rows.tolist(), found.kept.tolist()) == ([4, 2], [5])
    assert found.counts == {(0, 2): 1, (1, 0): 1, (1, 1): 1}
    # Without categories, cloud 4 has nothing new, and cloud 2 has a part of cloud 3.
    found = unseen_parts(list(PARTS), None, np.array([0, 1, 3]), np.array([5, 4, 2]))
    assert (found.rows.tolist(), found.kept.tolist(), found.counts) == ([], [5, 4, 2], {})
    found = unseen_parts(PARTS, LABELS, np.array([0]), np.array([1, 3]))
    assert found.counts == {(1, 2): 1, (1, 3): 1}


def test_parts_of_one_cloud() -> None:
    assert lone_parts(PARTS, LABELS) == {(0, 2): 1, (1, 0): 1, (1, 1): 1, (1, 2): 1}
    assert lone_parts(PARTS, None) == {}


def test_counts_in_words() -> None:
    told = tell_parts({(0, 2): 1, (1, 0): 12, (1, 1): 2}, ("cup\n", "jug"), ("a", "b", "[/red]"))
    assert told == ["cup\\n: '[/red]' in 1 cloud", "jug: 'a' in 12 clouds, 'b' in 2 clouds"]
    assert tell_parts({(0, 2): 1}, None, None) == ["all clouds: '2' in 1 cloud"]
    assert tell_parts({(row, 0): 1 for row in range(25)}, [str(row) for row in range(25)], None)[-1] == (
        "… and 5 more categories"
    )


def check(path: Path, task: Any, **arrays: Any) -> Report:
    count = next(len(values) for name, values in arrays.items() if name not in ("classes", "part_names"))
    if "part_labels" in arrays:
        arrays["part_labels"] = np.repeat(np.asarray(arrays["part_labels"]), 32, axis=1)
    np.savez(path / "set.npz", points=clouds(count), **arrays)
    return check_source(path / "set.npz", task=task, workers=0, shown=False)


def test_segment(tmp_path: Path) -> None:
    splits = ["train", "train", "val", "test", "test", "test"]
    parts = [[3, 5], [3, 7], [3, 9], [5, 9], [3, 8], [5, 5]]
    report = check(tmp_path, "segment", part_labels=parts, split=splits)
    assert report.whole and report.task == "segment"
    assert report.refusals == (
        "1 of 3 test clouds have parts that no training cloud of their category has:\n  all clouds: '8' in 1 cloud",
    )
    # By category: what another category has does not count.
    report = check(tmp_path, "segment", part_labels=parts, split=splits, labels=["a", "b", "a", "b", "a", "b"])
    assert report.refusals[-1] == (
        "3 of 3 test clouds have parts that no training cloud of their category has:\n  a: '8' in 1 cloud\n"
        "  b: '5' in 2 clouds, '9' in 1 cloud"
    )
    assert check(tmp_path, "segment", part_labels=parts[:4], split=splits[:4]).refusals == ()
    report = check(tmp_path, "segment", part_labels=parts)
    assert (
        report.refusals == () and "held out for testing, nobody can learn them. all clouds: '7' in" in report.notes[-1]
    )
    assert "no part labels" in check(tmp_path, "segment", split=splits).refusals[0]
    assert "There is 1 part" in check(tmp_path, "segment", part_labels=[[2, 2]] * 6, split=splits).refusals[0]
    assert "the split train alone" in check(tmp_path, "segment", part_labels=parts, split=["train"] * 6).refusals[0]


@pytest.mark.parametrize("task", ["finetune", "fewshot", "probe"])
def test_classification(task: str, tmp_path: Path) -> None:
    assert "There are no labels" in check(tmp_path, task, split=["train", "test"]).refusals[0]
    assert "There is 1 class" in check(tmp_path, task, labels=[1, 1]).refusals[0]
    assert check(tmp_path, task, labels=["a", "b"] * 3).refusals == ()
    assert check(tmp_path, task, labels=["a", "b"] * 3, split=["train"] * 4 + ["test"] * 2).refusals == ()
    rare = check(tmp_path, task, labels=["a", "b", "a"]).refusals
    assert rare == (() if task == "fewshot" else ("There is only 1 cloud of 'b': none can be held out for testing.",))


def test_splits_for_finetune(tmp_path: Path) -> None:
    labels = ["a", "a", "b", "b", "a", "c"]
    splits = ["train"] * 4 + ["test"] * 2
    assert check(tmp_path, "finetune", labels=labels, split=splits).refusals == (
        "There are test clouds of 'c', but none to train on.",
    )
    splits = ["train"] * 3 + ["test"] * 3
    assert (
        "only 1 training cloud of 'b', and no val split"
        in check(tmp_path, "finetune", labels=["a", "a", "b", "b", "a", "b"], split=splits).refusals[0]
    )
    assert "the split train alone" in check(tmp_path, "finetune", labels=labels, split=["train"] * 6).refusals[0]


def test_any_set_will_do_for_pretraining_and_none_that_is_empty(tmp_path: Path) -> None:
    assert check(tmp_path, "pretrain", split=["train"] * 2).refusals == ()
    np.save(tmp_path / "bad.npy", np.zeros((5, 3)))
    for task in TASKS:
        report = check_source(tmp_path / "bad.npy", task=task, workers=0, shown=False)
        assert report.refusals == ("There is no cloud that can be used.",)
    with pytest.raises(UsageError, match="Did you mean 'segment'"):
        check_source(tmp_path / "bad.npy", task="segmnt")  # type: ignore[arg-type]


def test_points_of_the_task(tmp_path: Path) -> None:
    points, parts = cloud(0, 400), np.zeros(400, np.int64)
    parts[0] = 1
    for name in ("a", "b"):
        np.savez(tmp_path / f"{name}.npz", points=points, part_labels=parts)
    seen = {
        count: check_source(tmp_path, points=count, workers=0, shown=False).parts.get("1", 0)
        for count in (3, 400, 1000)
    }
    assert (seen[3], seen[400]) == (0, 2) and seen[1000] >= 2
