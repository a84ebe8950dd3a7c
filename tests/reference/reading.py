"""Sampling and scaling of clouds as the formulas say it, point by point along the last axis."""

import numpy as np


def normalise(points: np.ndarray) -> np.ndarray:
    """Clouds ``(..., n, 3)`` about their centroid, in the unit sphere."""
    points = points - points.mean(-2, keepdims=True)
    radius = np.linalg.norm(points, axis=-1).max(-1)[..., None, None]
    return points / np.where(radius > 0, radius, 1)


def sample_surface(vertices: np.ndarray, faces: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """``(count, 3)`` points on triangles: one of them by its area, then a place in it."""
    corner, second, third = (vertices[faces[:, column]] for column in range(3))
    edges = second - corner, third - corner
    total = np.cumsum(np.linalg.norm(np.cross(*edges), axis=-1) / 2)
    chosen = np.searchsorted(total, generator.random(count) * total[-1], side="right").clip(max=len(faces) - 1)
    u, v = generator.random((2, count, 1))
    outside = u + v > 1
    u, v = np.where(outside, 1 - u, u), np.where(outside, 1 - v, v)
    return corner[chosen] + u * edges[0][chosen] + v * edges[1][chosen]


def three_distinct(points: np.ndarray) -> bool:
    """Whether a cloud ``(n, 3)`` holds at least three different points."""
    return len(np.unique(points + 0.0, axis=0)) >= 3
