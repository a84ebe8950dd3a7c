"""Linear support vector machines, one class against the rest, by Newton's method for all classes at once."""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.linalg import blas, lapack
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from i2pmae.typing import Bool, Float, Int

__all__ = ["LinearSVM", "SVMPath"]

TOLERANCE, ROUGH = 1e-7, 1e-1
"""Distance from the optimum at which a machine is done, as a share of the length of its weights; and one on the way."""
NEAR, DIRECT = 10, 1
"""How many times larger the next C may be, and up to which the first, before others are passed through on the way."""
ROUNDING = 16 * np.finfo(np.float64).eps
"""What the gradient may keep, as a share of what it is a difference of, where double precision allows no less."""
MOST_STEPS, MOST_TRIALS = 200, 60
"""Of Newton's method, which takes 3 to 15, and of one line search, which takes 1 to 5."""
FLAT = 1e-6
"""Slope at which a line search ends, as a share of the one it starts with."""
BLOCK = 2**26
"""Bytes of Hessians that are held at once."""


@dataclass(frozen=True)
class LinearSVM:
    """One hyperplane per class, against all others; the class whose plane a row is furthest in front of wins."""

    classes: Int[np.ndarray, "c"]
    """Ascending."""
    weights: Float[np.ndarray, "c d+1"]
    """Of the standardised features, and in the last column of a constant 1. Of two classes, each mirrors the other."""
    scaler: StandardScaler
    """With the training rows' mean and deviation."""
    converged: bool
    """Whether every plane is as near the optimum as was asked."""

    def decision_function(self, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n c"]:
        """How far every row is in front of every plane, in units of its margin."""
        ready = self.scaler.transform(np.asarray(features, dtype=np.float64))
        return np.asarray(ready @ self.weights[:, :-1].T + self.weights[:, -1])

    def predict(self, features: Float[np.ndarray, "n d"]) -> Int[np.ndarray, "n"]:
        """The class of every row."""
        return np.asarray(self.classes[self.decision_function(features).argmax(axis=1)])


class SVMPath:
    """Machines for the same rows at one C after the other, each fit started from the last.

    A fit minimises, for every class with targets t = ±1,

        ½‖w‖² + C Σᵢ max(0, 1 − tᵢ w·xᵢ)²

    over features standardised by these rows, with a constant 1 appended: the objective of LIBLINEAR (Fan et al. 2008),
    and so of scikit-learn's ``LinearSVC``. It is quadratic wherever the set of rows within the margin stays the same,
    so Newton's method with an exact line search ends at the optimum itself after a few steps, whatever the start
    (Keerthi and DeCoste 2005). From one step to the next few rows enter or leave that set: the Hessian I + 2C Σ xᵢxᵢᵀ
    over it is carried along, and costs what the rows cost that changed sides.
    """

    def __init__(self, features: Float[np.ndarray, "n d"], labels: Int[np.ndarray, "n"]) -> None:
        """``labels`` of at least two classes."""
        self.classes, indices = np.unique(labels, return_inverse=True)
        self.scaler = StandardScaler()
        ready = self.scaler.fit_transform(np.asarray(features, dtype=np.float64))
        self.rows = np.concatenate([ready, np.ones((len(ready), 1))], axis=1)
        self.basis: np.ndarray | None = None
        if self.rows.shape[0] < self.rows.shape[1]:
            # The optimum is a sum of rows: fewer rows than features need no more coordinates than there are rows.
            self.basis, coordinates = np.linalg.qr(self.rows.T)
            self.rows = np.ascontiguousarray(coordinates.T)
        # Of two classes the second's plane says everything.
        first = 1 if len(self.classes) == 2 else 0
        self.targets = np.where(np.arange(first, len(self.classes))[:, None] == indices, 1.0, -1.0)
        self.planes = np.zeros((len(self.targets), self.rows.shape[1]))
        self.gram = self.rows.T @ self.rows
        self.last = DIRECT / NEAR

    def fit(self, C: float) -> LinearSVM:
        """The machine of one C, the same to :data:`TOLERANCE` whatever was fitted before.

        A :class:`~sklearn.exceptions.ConvergenceWarning` where it is not reached.
        """
        while self.last * NEAR < C:
            self._move(self.last * NEAR, ROUGH)
        converged = self._move(C, TOLERANCE)
        if not converged:
            message = f"The SVM did not converge at C = {C:g}: its predictions may be wrong. Try smaller values of C."
            warnings.warn(message, ConvergenceWarning, stacklevel=2)
        weights = self.planes if self.basis is None else self.planes @ self.basis.T
        if len(self.classes) == 2:
            weights = np.concatenate([-weights, weights])
        return LinearSVM(self.classes, weights, self.scaler, converged)

    def _move(self, C: float, tolerance: float) -> bool:
        """Takes the planes to the optimum of another C; whether it was reached."""
        size = max(1, BLOCK // self.gram.nbytes)
        blocks = [slice(start, start + size) for start in range(0, len(self.planes), size)]
        solved = [
            _minimise(self.rows, self.targets[part], self.gram, C, self.planes[part], tolerance) for part in blocks
        ]
        self.planes, self.last = np.concatenate([planes for planes, _ in solved]), C
        return all(done for _, done in solved)


def _minimise(
    rows: Float[np.ndarray, "n d"],
    targets: Float[np.ndarray, "c n"],
    gram: Float[np.ndarray, "d d"],
    C: float,
    start: Float[np.ndarray, "c d"],
    tolerance: float,
) -> tuple[Float[np.ndarray, "c d"], bool]:
    """The planes with the least objective, and whether all are within ``tolerance`` of it."""
    planes, size = start.copy(), np.linalg.norm(rows)
    # Of 1, and of what rounding may have taken from the smallest eigenvalue.
    ridge = 1 + 2 * C * ROUNDING * size**2
    weights, short = planes, 1 - targets * (planes @ rows.T)
    live = np.arange(len(planes))
    # Sums over the rows within the margin start from those over all rows or over none, whichever is nearer.
    within = np.repeat((short > 0).mean(axis=1, keepdims=True) > 0.5, len(rows), axis=1)
    grams = gram * within[:, :1, None]
    for _ in range(MOST_STEPS):
        pull = np.maximum(short, 0)
        gradients = weights - 2 * C * ((targets[live] * pull) @ rows)
        # The objective is strongly convex with constant 1, so its gradient bounds the distance from the optimum.
        near = tolerance * np.linalg.norm(weights, axis=1)
        least = ROUNDING * 2 * C * size * np.linalg.norm(pull, axis=1)
        left = ~(np.linalg.norm(gradients, axis=1) <= np.maximum(near, least))
        planes[live] = weights
        live, weights, gradients, short = live[left], weights[left], gradients[left], short[left]
        if not len(live):
            return planes, True
        for i, now in zip(live, short > 0, strict=True):
            _follow(grams[i], rows, within[i], now)
        moves = np.stack([_newton(grams[i], gradient, C, ridge) for i, gradient in zip(live, gradients, strict=True)])
        within[live] = short > 0
        # A row's shortfall changes by so much in a full step.
        change = targets[live] * (moves @ rows.T)
        steps = _line_search(weights, moves, short, change, C)[:, None]
        weights = weights + steps * moves
        short = short - steps * change
    return planes, False


def _follow(
    gram: Float[np.ndarray, "d d"],
    rows: Float[np.ndarray, "n d"],
    before: Bool[np.ndarray, "n"],
    now: Bool[np.ndarray, "n"],
) -> None:
    """Turns Σ xᵢxᵢᵀ over the rows within the margin before into that over those within it now, in place.

    Only the half that :func:`_newton` reads is kept up.
    """
    for sign, changed in ((1.0, now & ~before), (-1.0, before & ~now)):
        if changed.any():
            blas.dsyrk(sign, rows[changed].T, beta=1.0, c=gram.T, overwrite_c=True)


def _newton(gram: Float[np.ndarray, "d d"], gradient: np.ndarray, C: float, ridge: float) -> np.ndarray:
    """The step to where the gradient would be zero if no row changed sides; NaN where the numbers have left range."""
    hessian = (2 * C * gram).T
    hessian[np.diag_indices(len(hessian))] += ridge
    _, step, failed = lapack.dposv(hessian, gradient, overwrite_a=True)
    return np.full_like(gradient, np.nan) if failed else -step.ravel()


def _line_search(
    weights: Float[np.ndarray, "c d"],
    moves: Float[np.ndarray, "c d"],
    short: Float[np.ndarray, "c n"],
    change: Float[np.ndarray, "c n"],
    C: float,
) -> Float[np.ndarray, "c"]:
    """How far along its move every plane has the least objective, at most a whole step.

    The slope along a move is piecewise linear and grows: its zero is found by Newton's method within a bracket.
    """
    across, along = np.einsum("cd,cd->c", weights, moves), np.einsum("cd,cd->c", moves, moves)

    def slope(i: int, step: float) -> tuple[float, np.ndarray]:
        pull = np.maximum(short[i] - step * change[i], 0)
        return across[i] + step * along[i] - 2 * C * (pull @ change[i]), pull > 0

    steps = np.ones(len(moves))
    for i in range(len(moves)):
        low, high, step = 0.0, 1.0, 1.0
        start = abs(slope(i, 0)[0])
        for _ in range(MOST_TRIALS):
            here, within = slope(i, step)
            if abs(here) <= FLAT * start or (step == 1 and here < 0):
                break
            low, high = (step, high) if here < 0 else (low, step)
            step -= here / (along[i] + 2 * C * (within @ np.square(change[i])))
            if not low < step < high:
                step = (low + high) / 2
        steps[i] = step
    return steps
