"""Scores of predicted parts: intersection over union by part, cloud and category, as ShapeNetPart is scored."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from i2pmae.common.errors import DataError, UsageError
from i2pmae.data.clouds import CloudSet
from i2pmae.data.views import extent
from i2pmae.runs.record import Score
from i2pmae.typing import Float, Int, Tensor

__all__ = ["best_parts", "category_parts", "cloud_ious", "part_ious", "score_parts"]

ALL = "all"
"""The one category of a set without categories."""


def category_parts(clouds: CloudSet) -> dict[str, tuple[int, ...]]:
    """The part indices of every category, by its name and in the order of the categories' indices.

    The categories are the set's classes; a set without labels has one, ``all``. Parts that are all called
    "Category/part" belong to that category; otherwise a category has the parts that occur in its clouds.
    :class:`DataError` where there are no part labels, or a cloud has a part that its category lacks.
    """
    if clouds.part_labels is None:
        raise DataError(f"{clouds.name} has no part labels: part segmentation needs one for every point.")
    count = _part_count(clouds)
    if clouds.labels is None:
        return {ALL: tuple(range(count))}
    size = int(clouds.labels.max(initial=-1)) + 1
    classes = clouds.classes or tuple(str(i) for i in range(size))
    named = None if clouds.parts is None else [name.partition("/") for name in clouds.parts]
    if named is not None and all(slash and category in classes for category, slash, _ in named):
        parts = {name: tuple(i for i, (owner, _, _) in enumerate(named) if owner == name) for name in classes}
        _check_members(clouds, parts)
        return parts
    found = {}
    for label, name in enumerate(classes):
        labels = [clouds.part_labels[row] for row in np.flatnonzero(clouds.labels == label)]
        found[name] = tuple(np.unique(np.concatenate(labels)).tolist()) if labels else ()
    return found


def _part_count(clouds: CloudSet) -> int:
    assert clouds.part_labels is not None
    low, high = extent(clouds.part_labels)
    count = high + 1 if clouds.parts is None else len(clouds.parts)
    if low < 0 or high >= count:
        raise DataError(f"{clouds.name}: expected part labels from 0 to {count - 1}, got {low} to {high}.")
    return count


def _check_members(clouds: CloudSet, parts: Mapping[str, Sequence[int]]) -> None:
    """:class:`DataError` where a cloud has a part of another category."""
    assert clouds.labels is not None and clouds.part_labels is not None and clouds.parts is not None
    for label, (name, own) in enumerate(parts.items()):
        for row in np.flatnonzero(clouds.labels == label).tolist():
            strange = np.setdiff1d(clouds.part_labels[row], own).tolist()
            if strange:
                raise DataError(
                    f"{clouds.name}: {clouds.ids[row]} is a {name!r}, but has the part {clouds.parts[strange[0]]!r}. "
                    "Check its category and its part labels."
                )


def best_parts(
    logits: Float[Tensor, "b n p"], categories: Int[Tensor, "b"], parts: Mapping[str, Sequence[int]]
) -> Int[Tensor, "b n"]:
    """The likeliest part of every point among the parts of its cloud's category."""
    allowed = torch.zeros(len(parts), logits.shape[-1], dtype=torch.bool, device=logits.device)
    for row, own in enumerate(parts.values()):
        allowed[row, list(own)] = True
    return logits.masked_fill(~allowed[categories][:, None], -torch.inf).argmax(-1)


def part_ious(
    truth: Int[np.ndarray, "b n"], predicted: Int[np.ndarray, "b n"], parts: Sequence[int]
) -> Float[np.ndarray, "b k"]:
    """Intersection over union of each of ``parts`` in each cloud; 1 for a part that neither has."""
    ious = np.ones((len(truth), len(parts)))
    for column, part in enumerate(parts):
        true, found = truth == part, predicted == part
        union = (true | found).sum(1)
        np.divide((true & found).sum(1), union, out=ious[:, column], where=union > 0)
    return ious


def cloud_ious(
    truth: Int[np.ndarray, "b n"],
    predicted: Int[np.ndarray, "b n"],
    categories: Int[np.ndarray, "b"] | None,
    parts: Mapping[str, Sequence[int]],
) -> Float[np.ndarray, "b"]:
    """For each cloud the mean of :func:`part_ious` over the parts of its category.

    Where ``categories`` are absent, all clouds belong to the first. A predicted part of another category is wrong, and
    makes no part of its own. :class:`UsageError` for arrays that don't fit together or true parts of another category.
    """
    truth, predicted, rows = _checked(truth, predicted, categories, parts)
    ious = np.zeros(len(truth))
    for category, own in enumerate(parts.values()):
        mine = rows == category
        if mine.any():
            ious[mine] = part_ious(truth[mine], predicted[mine], own).mean(1)
    return ious


def score_parts(
    truth: Int[np.ndarray, "b n"],
    predicted: Int[np.ndarray, "b n"],
    categories: Int[np.ndarray, "b"] | None,
    parts: Mapping[str, Sequence[int]],
) -> dict[str, Any]:
    """The fields ``scores`` and ``per_class`` of a record, with arguments and errors of :func:`cloud_ious`.

    ``instance_miou`` is the mean over the clouds, ``class_miou`` the mean over the categories' means (``per_class``),
    ``point_accuracy`` the share of points whose part is predicted. Categories without clouds count in no mean.
    """
    ious = cloud_ious(truth, predicted, categories, parts)
    rows = np.zeros(len(ious), np.int64) if categories is None else np.asarray(categories)
    means = {name: float(ious[rows == i].mean()) for i, name in enumerate(parts) if (rows == i).any()}
    return {
        "scores": {
            "instance_miou": Score(mean=float(ious.mean())),
            "class_miou": Score(mean=float(np.mean(list(means.values())))),
            "point_accuracy": Score(mean=float((np.asarray(truth) == np.asarray(predicted)).mean())),
        },
        "per_class": means,
    }


def _checked(
    truth: np.ndarray, predicted: np.ndarray, categories: np.ndarray | None, parts: Mapping[str, Sequence[int]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    if truth.ndim != 2 or truth.shape != predicted.shape or not truth.size:
        raise UsageError(
            "Expected true and predicted parts (clouds, points), at least one cloud and one point, "
            f"got {truth.shape} and {predicted.shape}."
        )
    rows = np.zeros(len(truth), np.int64) if categories is None else np.asarray(categories)
    if rows.shape != truth.shape[:1] or rows.min() < 0 or rows.max() >= len(parts):
        raise UsageError(
            f"Expected one category from 0 to {len(parts) - 1} for each of the {len(truth)} clouds, got {rows.shape} "
            f"from {rows.min()} to {rows.max()}."
        )
    for category, (name, own) in enumerate(parts.items()):
        strange = np.setdiff1d(truth[rows == category], own)
        if len(strange):
            raise UsageError(f"Part {strange[0]} occurs in clouds of {name!r}, whose parts are {list(own)}.")
    return truth, predicted, rows
