"""The published few-shot folds, each as a set of its own."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from i2pmae.common.errors import DataError
from i2pmae.data.clouds import CloudSet
from i2pmae.data.read.files import Request
from i2pmae.data.read.plans import open_plan
from i2pmae.data.sources.benchmarks.fewshot import FEWSHOT, find, setting

__all__ = ["open_folds"]


def open_folds(path: Path, way: int, shots: int, request: Request, **options: Any) -> list[CloudSet]:
    """The published folds of one setting, in their order, each with train and test clouds and its own classes alone.

    ``options`` are those of :func:`i2pmae.data.read.plans.open_plan`. :class:`DataError` where ``path`` has no such
    setting.
    """
    folders = [folder for folder in (path, *path.glob("*"), *path.glob("*/*")) if setting(folder) == (way, shots)]
    plan = find(folders[0]) if folders else None
    if plan is None:
        FEWSHOT.plan(path)  # says what is there, if that is no such data at all
        raise DataError(f"{path} has no folds of {way} ways and {shots} shots ({way}way_{shots}shot/*.pkl).")
    clouds = open_plan(plan, request, **options)
    owners = np.array([name.rpartition("/")[0] for name in clouds.ids])
    return [_fold(clouds, owners == entry.file.id, entry.file.id) for entry in plan.entries]


def _fold(clouds: CloudSet, rows: np.ndarray, name: str) -> CloudSet:
    fold = clouds.subset(rows, f"{clouds.name} {name}")
    assert fold.labels is not None and fold.classes is not None
    kinds, labels = np.unique(fold.labels, return_inverse=True)
    return replace(fold, labels=labels.astype(np.int64), classes=tuple(fold.classes[kind] for kind in kinds.tolist()))
