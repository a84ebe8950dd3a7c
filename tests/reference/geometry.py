"""Geometry by loops over points."""

import numpy as np


def fps(points: np.ndarray, count: int, weight: np.ndarray | None = None) -> list[int]:
    chosen = [0]
    while len(chosen) < count:
        distance = [min(float(((p - points[c]) ** 2).sum()) for c in chosen) for p in points]
        if weight is not None:
            distance = [float(w) * d**0.5 for w, d in zip(weight, distance, strict=True)]
        chosen.append(int(np.argmax(distance)))
    return chosen


def knn(query: np.ndarray, points: np.ndarray, k: int) -> list[list[int]]:
    order = []
    for q in query:
        distance = [(float(((q - p) ** 2).sum()), i) for i, p in enumerate(points)]
        order.append([i for _, i in sorted(distance)[:k]])
    return order


def three_nn(target: np.ndarray, source: np.ndarray, features: np.ndarray) -> np.ndarray:
    rows = []
    for point in target:
        near = knn(point[None], source, min(3, len(source)))[0]
        weight = np.array([1 / (((point - source[i]) ** 2).sum() + 1e-8) for i in near])
        rows.append((features[near] * (weight / weight.sum())[:, None]).sum(0))
    return np.stack(rows)


def chamfer_l2(a: np.ndarray, b: np.ndarray) -> float:
    there = np.mean([min(((p - q) ** 2).sum() for q in b) for p in a])
    back = np.mean([min(((p - q) ** 2).sum() for p in a) for q in b])
    return float(there + back)


def chamfer_l1(a: np.ndarray, b: np.ndarray) -> float:
    there = np.mean([min(np.sqrt(((p - q) ** 2).sum()) for q in b) for p in a])
    back = np.mean([min(np.sqrt(((p - q) ** 2).sum()) for p in a) for q in b])
    return float(there + back) / 2
