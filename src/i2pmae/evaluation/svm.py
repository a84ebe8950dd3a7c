"""A linear support vector machine for many classes, trained for all classes at once."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from i2pmae.typing import Float, Int

__all__ = ["LinearSVM", "Whitened"]

MOST_STEPS = 1000
SMALLEST = 1e-6
"""Standard deviation, as a share of the mean, up to which a feature counts as constant."""


@dataclass(frozen=True)
class LinearSVM:
    """One hyperplane per class, against all others; the class whose plane a cloud is furthest in front of wins."""

    weights: Float[np.ndarray, "d+1 classes"]
    """Weights of the standardised features, and of a constant 1 in the last row."""
    mean: Float[np.ndarray, "d"]
    deviation: Float[np.ndarray, "d"]

    def predict(self, features: Float[np.ndarray, "n d"]) -> Int[np.ndarray, "n"]:
        """Class indices."""
        return (_standardise(features, self.mean, self.deviation) @ self.weights).argmax(1)


class Whitened:
    """Training features made ready for fits at several values of C.

    A fit minimises, for every class c with targets t = ±1,

        ½‖w_c‖² + C Σ_i max(0, 1 − t_i w_c·x_i)²

    over standardised features with a constant 1 appended: the objective of LIBLINEAR, and so of scikit-learn's
    ``LinearSVC``. The classes share the matrix XᵀX, and with it a preconditioner: with P = (I + 2C XᵀX)^(−½), the
    objective in V = P⁻¹W has curvature at most 1 in every direction, so L-BFGS on all classes at once needs tens of
    products with X where coordinate descent, a class at a time, needs minutes.
    """

    def __init__(self, features: Float[np.ndarray, "n d"], labels: Int[np.ndarray, "n"], classes: int) -> None:
        self.mean = features.mean(0, dtype=np.float64)
        deviation = features.std(0, dtype=np.float64)
        self.deviation = np.where(deviation > SMALLEST * np.abs(self.mean), deviation, 1)
        self.features = _standardise(features, self.mean, self.deviation)
        self.targets = np.where(labels[:, None] == np.arange(classes), 1, -1).astype(np.float32)
        self.scales, self.axes = np.linalg.eigh((self.features.T @ self.features).astype(np.float64))

    def fit(self, C: float, start: LinearSVM | None = None, tolerance: float = 1e-6) -> LinearSVM:
        """The machine for one C, trained until a step lowers the objective by less than the share ``tolerance``.

        ``start``, the machine of a C nearby, makes it faster and no different.
        """
        shrink = 1 / np.sqrt(1 + 2 * C * self.scales.clip(min=0))
        from_white = (self.axes * shrink) @ self.axes.T
        # In these coordinates the penalty ½‖w‖² is ½ vᵀP²v.
        penalty = (self.axes * shrink**2) @ self.axes.T
        white = self.features @ from_white.astype(np.float32)

        def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
            planes = flat.reshape(len(penalty), -1)
            short = np.maximum(1 - self.targets * (white @ planes.astype(np.float32)), 0)
            pull = penalty @ planes
            value = 0.5 * np.sum(planes * pull) + C * np.sum(np.square(short), dtype=np.float64)
            return float(value), (pull - 2 * C * (white.T @ (self.targets * short))).ravel()

        first = np.zeros((len(penalty), self.targets.shape[1]))
        if start is not None:
            first = ((self.axes / shrink) @ self.axes.T) @ start.weights
        options = {"maxiter": MOST_STEPS, "ftol": tolerance, "gtol": 0}
        found = minimize(objective, first.ravel(), jac=True, method="L-BFGS-B", options=options)
        return LinearSVM(from_white @ found.x.reshape(first.shape), self.mean, self.deviation)


def _standardise(features: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> Float[np.ndarray, "n d+1"]:
    ready = ((features - mean) / deviation).astype(np.float32)
    return np.concatenate([ready, np.ones((len(ready), 1), dtype=np.float32)], axis=1)
