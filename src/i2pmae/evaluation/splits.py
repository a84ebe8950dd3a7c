"""Clouds to train on, to choose by and to test on: three sets that share nothing."""

from dataclasses import dataclass, replace

import numpy as np

from i2pmae.common.errors import DataError
from i2pmae.common.seeds import numpy_generator
from i2pmae.data.clouds import CloudSet
from i2pmae.evaluation.probe import split_rows

__all__ = ["Splits", "class_names", "hold_out", "three_splits"]


@dataclass(frozen=True)
class Splits:
    """The parts of a set, and what to say about how they came about."""

    train: CloudSet
    """What weights are fitted to."""
    validation: CloudSet
    """What the epoch is chosen by."""
    test: CloudSet
    """What is scored once, at the end."""
    note: str
    """Sentences for the protocol."""

    def with_labels(self, share: float, seed: int) -> "Splits":
        """The splits with a share of the labelled clouds, to fit to and to choose by: of every class about so many, and
        one at least; all test clouds."""
        if share == 1:
            return self
        train, validation = (_part_of(clouds, share, seed) for clouds in (self.train, self.validation))
        note = (
            f"{self.note} Of {len(self.train)} training and {len(self.validation)} validation clouds {share:g} were "
            f"used, class by class, by seed {seed}: {len(train)} and {len(validation)}."
        )
        return replace(self, train=train, validation=validation, note=note)


def three_splits(clouds: CloudSet, share: float, seed: int) -> Splits:
    """The set's own ``train``, ``val`` and ``test`` splits; what is missing is held out, stratified by class.

    Validation clouds are ``share`` of the training clouds, test clouds a quarter of a set that has no splits. Without
    labels all clouds count as one class. :class:`DataError` where labels don't fit the class names, there is a split
    but none to train or test on, a class is too small to hold any of it out, or a test class has no training clouds.
    """
    names = class_names(clouds)
    labels = np.zeros(len(clouds), np.int64) if clouds.labels is None else clouds.labels
    splits = set() if clouds.splits is None else set(clouds.splits.tolist())
    if splits and not ("train" in splits and splits & {"test", "val"}):
        raise DataError(
            f"{clouds.name} has the split {' and '.join(sorted(splits))} alone: expected train and test. Open the "
            "folder or file that holds both, or clouds without splits, of which some are then held out."
        )
    (train, test), note = split_rows(replace(clouds, labels=labels, classes=names), seed)
    unseen = np.setdiff1d(labels[test], labels[train])
    if len(unseen):
        raise DataError(
            f"{clouds.name}: test clouds of {_some([names[i] for i in unseen])}, but no training clouds of "
            f"{'that class' if len(unseen) == 1 else 'those classes'}. Add some, or leave the class out."
        )
    if {"train", "val", "test"} <= splits:
        held, said = np.flatnonzero(clouds.splits == "val"), "the data's own validation split"
    else:
        kept, chosen = hold_out(labels[train], share, seed, names)
        train, held = train[kept], train[chosen]
        said = f"{len(held)} clouds held out from training, stratified by class, by seed {seed}"
    note = f"The epoch was chosen on {said}. {note}".strip()
    return Splits(
        clouds.subset(train, f"{clouds.name} (train)"),
        clouds.subset(held, f"{clouds.name} (validation)"),
        clouds.subset(test, f"{clouds.name} (test)"),
        note,
    )


def hold_out(labels: np.ndarray, share: float, seed: int, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Indices that are kept and that are held out, ascending: of every class about ``share``, and one at least."""
    counts = np.bincount(labels)
    rare = np.flatnonzero(counts == 1)
    if len(rare):
        raise DataError(
            "Choosing the epoch needs at least 2 training clouds in every class, one of them held out, but "
            f"{_some([names[i] for i in rare])} {'has' if len(rare) == 1 else 'have'} only 1. Add clouds, leave the "
            "class out, or give the data a val split."
        )
    held = []
    for label in np.flatnonzero(counts):
        members = numpy_generator(seed, "validation", int(label)).permutation(np.flatnonzero(labels == label))
        held.append(members[: min(max(round(share * len(members)), 1), len(members) - 1)])
    chosen = np.sort(np.concatenate(held))
    return np.setdiff1d(np.arange(len(labels)), chosen), chosen


def _part_of(clouds: CloudSet, share: float, seed: int) -> CloudSet:
    """A share of every class, one cloud at least, in the order of the set."""
    labels = np.zeros(len(clouds), np.int64) if clouds.labels is None else clouds.labels
    rows = []
    for label in np.unique(labels):
        members = numpy_generator(seed, "labels", int(label)).permutation(np.flatnonzero(labels == label))
        rows.append(members[: max(1, round(share * len(members)))])
    return clouds.subset(np.sort(np.concatenate(rows)))


def class_names(clouds: CloudSet) -> tuple[str, ...]:
    """The names of the classes, which are the indices where the set has none; ``all`` where it has no labels.

    :class:`DataError` for labels that are no indices of the names.
    """
    if clouds.labels is None:
        return ("all",)
    low, high = int(clouds.labels.min(initial=0)), int(clouds.labels.max(initial=0))
    names = clouds.classes or tuple(str(i) for i in range(high + 1))
    if low < 0 or high >= len(names):
        raise DataError(
            f"{clouds.name}: expected labels from 0 to {len(names) - 1}, indices of the {len(names)} classes, got "
            f"{low} to {high}."
        )
    return names


def _some(names: list[str], most: int = 5) -> str:
    listed = ", ".join(map(repr, names[:most]))
    return listed + (f" and {len(names) - most} more" if len(names) > most else "")
