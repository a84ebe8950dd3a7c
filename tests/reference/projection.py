"""Depth maps and back-projection, one point and one pixel at a time."""

import math

import numpy as np
import torch
from torch.nn import functional


def frame(points: np.ndarray, view: np.ndarray, size: int) -> tuple[np.ndarray, float, list[int]]:
    plane = points @ view[:2].T
    lowest = plane.min(0)
    cell = np.float32((plane.max(0) - lowest).max() / (size - 3))
    shift = []
    for axis in range(2):
        painted = [math.floor((p - lowest[axis]) / cell) + 1 + o for p in plane[:, axis] for o in range(-2, 3)]
        shift.append(size // 2 - (max(painted) + min(painted)) // 2 - 1)
    return lowest, cell, shift


def pixel(point: np.ndarray, view: np.ndarray, lowest: np.ndarray, cell: float, shift: list[int]) -> list[int]:
    return [math.floor((point @ view[a] - lowest[a]) / cell) + 1 + shift[a] for a in range(2)]


def depth_map(points: np.ndarray, view: np.ndarray, size: int, kind: str) -> np.ndarray:
    lowest, cell, shift = frame(points, view, size)
    depth = points @ view[2]
    image = np.zeros((size, size))
    for point, d in zip(points, depth, strict=True):
        row, column = pixel(point, view, lowest, cell, shift)
        for i in range(row - 2, row + 3):
            for j in range(column - 2, column + 3):
                at = (min(max(i, 0), size - 1), min(max(j, 0), size - 1))
                if kind == "sum":
                    image[at] += d
                else:
                    image[at] = max(image[at], 0.3 + 0.7 * (d - depth.min()) / (depth.max() - depth.min()))
    return 1 / (1 + np.exp(-image)) if kind == "sum" else image


def lifted(feature_map: torch.Tensor, pixels: list[list[int]], size: int) -> torch.Tensor:
    """Enlarge the whole map (c, h, w), then read the pixels: (points, c)."""
    large = functional.interpolate(feature_map[None], size=(size, size), mode="bicubic", align_corners=False)[0]
    return torch.stack([large[:, i, j] for i, j in pixels])
