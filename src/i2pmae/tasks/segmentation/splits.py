"""Clouds with parts, split: which parts each category has, and test clouds with parts that nobody can learn."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from i2pmae.common.errors import DataError
from i2pmae.data.clouds import CloudSet
from i2pmae.data.parts_check import tell_parts, unseen_parts
from i2pmae.data.views import extent
from i2pmae.evaluation.parts import category_parts
from i2pmae.evaluation.splits import Splits, class_names
from i2pmae.tasks.config import TaskRunConfig
from i2pmae.tasks.segmentation.config import SegmentationConfig
from i2pmae.tasks.validated import held_out

__all__ = ["PartSplits", "Parts", "split"]


@dataclass(frozen=True)
class Parts:
    """What the points of a set can be."""

    names: tuple[str, ...]
    """All parts."""
    categories: Mapping[str, tuple[int, ...]]
    """The parts of every category, in the order of its index."""
    told: bool
    """Whether the head is told the category: there is more than one."""


@dataclass(frozen=True)
class PartSplits(Splits):
    """Splits of clouds with parts."""

    parts: Parts
    """What their points can be."""
    left_out: int = 0
    """Test clouds that were left out for parts that no training cloud of their category has."""
    left_note: str = ""
    """What to say about them."""


def split(clouds: CloudSet, config: TaskRunConfig) -> PartSplits:
    """The splits; :class:`DataError` where there are no part labels, only one part, or test clouds with unseen ones."""
    assert isinstance(config.task, SegmentationConfig)
    count = 0 if clouds.part_labels is None else max(0, extent(clouds.part_labels)[1]) + 1
    count = count if clouds.parts is None else len(clouds.parts)
    category_parts(clouds)  # refuses a set without part labels, and labels that fit no part or category
    if count < 2:
        raise DataError(f"{clouds.name}: part segmentation needs at least 2 parts, got {count}.")
    splits = held_out(clouds, config)
    test, note = _learnable(clouds, splits, config.task.unseen_parts == "leave-out")
    return PartSplits(
        splits.train,
        splits.validation,
        test,
        note=" ".join(filter(None, (splits.note, note))),
        parts=_parts(splits, count),
        left_out=len(splits.test) - len(test),
        left_note=note,
    )


def _learnable(clouds: CloudSet, splits: Splits, leave_out: bool) -> tuple[CloudSet, str]:
    """The test clouds whose parts occur in training or validation clouds of their category, and what was left out."""
    together = [splits.train, splits.validation, splits.test]
    part_labels = [row for part in together if part.part_labels is not None for row in part.part_labels]
    labels = np.concatenate([_category(part) for part in together])
    first = len(splits.train) + len(splits.validation)
    found = unseen_parts(part_labels, labels, np.arange(first), np.arange(first, len(labels)))
    if not len(found.rows):
        return splits.test, ""
    listed = "; ".join(tell_parts(found.counts, None if clouds.labels is None else class_names(clouds), clouds.parts))
    which = "test clouds have parts that no training cloud of their category has"
    if not leave_out:
        raise DataError(
            f"{clouds.name}: {len(found.rows)} of {len(splits.test)} {which}: {listed}. Add training clouds with them, "
            "correct the labels, or leave these clouds out of the test with --unseen-parts leave-out."
        )
    if not len(found.kept):
        raise DataError(f"{clouds.name}: all {len(splits.test)} {which}: {listed}. Nothing is left to test on.")
    told = f"{len(found.rows)} of {len(splits.test)} test clouds left out, for their parts: {listed}."
    return splits.test.subset(found.kept - first, splits.test.name), told


def _category(clouds: CloudSet) -> np.ndarray:
    """The category of each cloud; the first where there is one kind of cloud."""
    return np.zeros(len(clouds), np.int64) if clouds.labels is None else clouds.labels


def _parts(splits: Splits, count: int) -> Parts:
    """The parts of every category that occur in training and validation clouds."""
    names = class_names(splits.train)
    occurring: list[set[int]] = [set() for _ in names]
    for clouds in (splits.train, splits.validation):
        assert clouds.part_labels is not None
        for category, row in zip(_category(clouds).tolist(), clouds.part_labels, strict=True):
            occurring[category].update(np.unique(row).tolist())
    called = splits.train.parts or tuple(str(part) for part in range(count))
    # A category without any cloud: its index stays, and any part will do.
    owned = {name: tuple(sorted(own)) or tuple(range(len(called))) for name, own in zip(names, occurring, strict=True)}
    return Parts(called, owned, told=len(names) > 1)
