"""Part scores by loops over points."""

from collections.abc import Mapping, Sequence

import numpy as np


def cloud_iou(truth: np.ndarray, predicted: np.ndarray, parts: Sequence[int]) -> float:
    ious = []
    for part in parts:
        both = either = 0
        for true, found in zip(truth, predicted, strict=True):
            both += int(true == part and found == part)
            either += int(true == part or found == part)
        ious.append(1.0 if either == 0 else both / either)
    return sum(ious) / len(ious)


def part_scores(
    truth: np.ndarray, predicted: np.ndarray, categories: np.ndarray, parts: Mapping[str, Sequence[int]]
) -> tuple[float, dict[str, float]]:
    """The mean over clouds, and the mean over the clouds of each category."""
    names = list(parts)
    clouds = [
        (names[category], cloud_iou(t, p, parts[names[category]]))
        for t, p, category in zip(truth, predicted, categories, strict=True)
    ]
    per_category: dict[str, list[float]] = {}
    for name, iou in clouds:
        per_category.setdefault(name, []).append(iou)
    return sum(iou for _, iou in clouds) / len(clouds), {n: sum(v) / len(v) for n, v in per_category.items()}
