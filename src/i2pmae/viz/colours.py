"""Colours with a meaning: saliency, groups, features. All are float arrays in [0, 1], last axis red, green, blue."""

import functools
from collections.abc import Sequence

import numpy as np

from i2pmae.viz.arrays import stretch

__all__ = [
    "MASKED",
    "PREDICTED",
    "SHOWN",
    "TRUTH",
    "FeaturePalette",
    "distinct",
    "feature_colours",
    "group_colours",
    "height_colours",
    "saliency_colours",
]

MASKED = np.array([0.66, 0.69, 0.74], np.float32)
"""Grey of what the encoder was not shown; legible on white and on black."""
SHOWN = np.array([0.45, 0.56, 0.72], np.float32)
"""Blue of visible points where predictions stand beside them."""
PREDICTED = np.array([0.94, 0.45, 0.20], np.float32)
"""Orange of predicted points."""
TRUTH = np.array([0.16, 0.66, 0.53], np.float32)
"""Green of the true points of masked neighbourhoods."""


@functools.cache
def _table(name: str, start: float, stop: float) -> np.ndarray:
    """256 colours of a matplotlib map between two of its places, ``(256, 3)``."""
    import matplotlib

    return matplotlib.colormaps[name](np.linspace(start, stop, 256))[:, :3].astype(np.float32)


def _look_up(table: np.ndarray, values: np.ndarray) -> np.ndarray:
    return table[np.rint(np.clip(values, 0, 1) * 255).astype(np.intp)]


def saliency_colours(values: np.ndarray) -> np.ndarray:
    """Colours ``(..., 3)`` of values in [0, 1] (others are clipped): perceptually uniform, dark violet to yellow."""
    return _look_up(_table("inferno", 0.12, 0.96), values)


def height_colours(points: np.ndarray) -> np.ndarray:
    """Calm blues ``(n, 3)``, lighter towards the top (+y)."""
    low, high = np.array([[0.25, 0.38, 0.60], [0.55, 0.72, 0.90]], np.float32)
    return low + (high - low) * stretch(points[:, 1], 0)[:, None]


def distinct(count: int) -> np.ndarray:
    """``count`` colours ``(count, 3)`` of about equal lightness, hues spread by the golden angle, so neighbours differ.

    Oklab (Ottosson 2020) with lightness 0.68 ± 0.07 and chroma 0.15.
    """
    index = np.arange(count)
    hue = np.deg2rad(25 + 137.508 * index)
    lightness = 0.68 + 0.07 * ((index % 3) - 1)
    return _oklab_to_srgb(np.stack([lightness, 0.15 * np.cos(hue), 0.15 * np.sin(hue)], -1))


def _oklab_to_srgb(lab: np.ndarray) -> np.ndarray:
    to_lms = np.array(
        [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.291485548]]
    )
    to_rgb = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.707614701],
        ]
    )
    linear = np.clip((lab @ to_lms.T) ** 3 @ to_rgb.T, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055).astype(np.float32)


def group_colours(
    points: np.ndarray, centres: np.ndarray, token_visible: np.ndarray, point_visible: np.ndarray
) -> np.ndarray:
    """Colours ``(n, 3)``: visible points by the nearest visible token, one hue each; masked points grey."""
    colours = np.tile(MASKED, (len(points), 1))
    shown = centres[token_visible]
    if len(shown) and point_visible.any():
        from scipy.spatial import cKDTree

        nearest = cKDTree(shown).query(points[point_visible])[1]
        colours[point_visible] = distinct(len(shown))[nearest]
    return colours


class FeaturePalette:
    """Three directions of features as red, green and blue, the same for every cloud that is coloured by them."""

    def __init__(self, features: Sequence[np.ndarray]) -> None:
        """The main directions of clouds of features ``(n, c)``, at least one, each cloud's mean taken out."""
        stacked = np.concatenate([_centred(values) for values in features]).astype(np.float64)
        self._scale = float(np.abs(stacked).max(initial=0))
        self._channels: list[tuple[int, np.ndarray, float, float]] = []
        if self._scale <= 1e-6 * max(float(np.abs(values).max(initial=0)) for values in features):
            return
        stacked /= self._scale
        from scipy import linalg

        width = stacked.shape[1]
        variances, directions = linalg.eigh(stacked.T @ stacked, subset_by_index=(max(width - 3, 0), width - 1))
        variances, directions = variances[::-1], directions[:, ::-1]
        strongest = directions[np.abs(directions).argmax(0), np.arange(directions.shape[1])]
        directions = directions * np.sign(strongest)  # eigenvectors have no sign of their own
        for channel in np.flatnonzero(variances > 1e-9 * variances[0]):
            found = stacked @ directions[:, channel]
            low, high = np.percentile(found, (2, 98))
            self._channels.append((int(channel), directions[:, channel], float(low), float(high)))

    def colours(self, features: np.ndarray) -> np.ndarray:
        """Colours ``(n, 3)`` of the features ``(n, c)`` of a cloud; directions without any spread are middle grey."""
        colours = np.full((len(features), 3), 0.5, np.float32)
        centred = _centred(features).astype(np.float64) / (self._scale or 1)
        for channel, direction, low, high in self._channels:
            colours[:, channel] = 0.08 + 0.87 * stretch(centred @ direction, low=low, high=high)
        return colours


def _centred(values: np.ndarray) -> np.ndarray:
    centred: np.ndarray = values - values.mean(0, keepdims=True)
    return centred


def feature_colours(features: Sequence[np.ndarray]) -> list[np.ndarray]:
    """One ``(n, 3)`` array of colours per cloud of features ``(n, c)``: the three main directions as red, green, blue.

    Each cloud's mean is taken out and the directions are those of all clouds together, so that what differs *within*
    a cloud is seen, and the same colour means the same in every cloud. Constant features, and directions beyond the
    rank of the features, are middle grey.
    """
    if not features:
        return []
    palette = FeaturePalette(features)
    return [palette.colours(values) for values in features]
