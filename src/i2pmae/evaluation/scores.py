"""Scores of predicted classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from i2pmae.common.errors import UsageError
from i2pmae.runs.record import Score
from i2pmae.typing import Int

__all__ = ["score_classes"]


def score_classes(
    labels: Int[np.ndarray, "n"], predicted: Int[np.ndarray, "n"], classes: Sequence[str]
) -> dict[str, Any]:
    """The fields ``scores`` (accuracy, mean accuracy of the classes), ``per_class`` and ``confusion`` of a record.

    Classes without test clouds count in no mean. :class:`UsageError` where labels and predictions don't fit the names.
    """
    labels, predicted = np.asarray(labels), np.asarray(predicted)
    if labels.ndim != 1 or labels.shape != predicted.shape or not len(labels):
        raise UsageError(
            "Expected labels and as many predictions, at least one of each, "
            f"got labels {labels.shape}, predictions {predicted.shape}."
        )
    for what, values in (("labels", labels), ("predictions", predicted)):
        if values.min() < 0 or values.max() >= len(classes):
            raise UsageError(
                f"Expected {what} as indices of the {len(classes)} classes, got {values.min()} to {values.max()}."
            )
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    counts = confusion.sum(1)
    present = np.flatnonzero(counts).tolist()
    shares = confusion.diagonal()[present] / counts[present]
    return {
        "scores": {
            "accuracy": Score(mean=float((labels == predicted).mean())),
            "mean_class_accuracy": Score(mean=float(shares.mean())),
        },
        "per_class": {classes[i]: float(share) for i, share in zip(present, shares, strict=True)},
        "confusion": tuple(map(tuple, confusion.tolist())),
    }
