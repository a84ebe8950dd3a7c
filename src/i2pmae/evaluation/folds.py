"""Few-shot tasks: K classes with N clouds each to learn from, and the same linear probe on every fold."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from i2pmae.common.errors import DataError, UsageError, pick
from i2pmae.common.progress import track
from i2pmae.common.seeds import derive, numpy_generator
from i2pmae.data.clouds import CloudSet
from i2pmae.evaluation.classifiers import CLASSIFIERS
from i2pmae.evaluation.features import embed_set
from i2pmae.evaluation.probe import probe_features
from i2pmae.runs.record import RunRecord, Score, describe_run
from i2pmae.weights.encoder import Encoder

__all__ = ["FewShotFold", "describe_folds", "few_shot_folds", "few_shot_linear"]

ONE_SHOT_C = 0.01
"""C of the SVM where a class has one cloud and nothing can be chosen: the middle of what is tried otherwise."""


@dataclass(frozen=True)
class FewShotFold:
    """Rows of labelled clouds that make one few-shot task."""

    source: CloudSet
    """What the training rows belong to."""
    test_source: CloudSet
    """What the test rows belong to; the same set, or another with the same class indices."""
    classes: tuple[int, ...]
    """The class indices of the task, ascending."""
    train_rows: np.ndarray
    """Rows of ``source``."""
    test_rows: np.ndarray
    """Rows of ``test_source``."""
    name: str = "fold"
    """What to call it in messages."""

    def __post_init__(self) -> None:
        """Check that there are at least two classes, with clouds of every one to train on and of no other."""
        for what, clouds, rows in (
            ("training", self.source, self.train_rows),
            ("test", self.test_source, self.test_rows),
        ):
            if clouds.labels is None:
                raise DataError(f"{self.name}: the {what} clouds have no labels, which a few-shot task needs.")
            strange = np.setdiff1d(clouds.labels[rows], self.classes)
            if len(strange):
                raise DataError(f"{self.name}: {what} clouds of class {strange[0]}, which is not in the task.")
            if not len(rows):
                raise DataError(f"{self.name}: there are no {what} clouds.")
        assert self.source.labels is not None
        missing = np.setdiff1d(self.classes, self.source.labels[self.train_rows])
        if len(self.classes) < 2 or len(missing):
            lacking = f"class {missing[0]} has no training clouds" if len(missing) else "there is only one class"
            raise DataError(f"{self.name}: {lacking}.")

    @classmethod
    def of(cls, train: CloudSet, test: CloudSet, name: str = "fold") -> "FewShotFold":
        """The fold whose clouds are all those of two sets, as published folds are stored."""
        if train.labels is None or test.labels is None:
            raise DataError(f"{name}: the clouds have no labels, which a few-shot task needs.")
        classes = tuple(np.unique(train.labels).tolist())
        return cls(train, test, classes, np.arange(len(train)), np.arange(len(test)), name)

    @property
    def ways(self) -> int:
        """Classes."""
        return len(self.classes)

    @property
    def shots(self) -> int:
        """Training clouds of a class; the fewest, where they differ."""
        assert self.source.labels is not None
        return int(np.unique(self.source.labels[self.train_rows], return_counts=True)[1].min())

    def train(self) -> CloudSet:
        """The training clouds, with labels from 0 in the order of ``classes``."""
        return self._part(self.source, self.train_rows, "train")

    def test(self) -> CloudSet:
        """The test clouds, with the same labels."""
        return self._part(self.test_source, self.test_rows, "test")

    def _part(self, clouds: CloudSet, rows: np.ndarray, split: str) -> CloudSet:
        part = clouds.subset(rows, f"{self.name} ({split})")
        assert part.labels is not None
        names = self.source.classes
        return replace(
            part,
            labels=np.searchsorted(self.classes, part.labels),
            classes=tuple(str(i) if names is None else names[i] for i in self.classes),
            splits=None,
        )


def few_shot_folds(
    clouds: CloudSet, ways: int, shots: int, *, queries: int = 20, folds: int = 10, seed: int = 0
) -> list[FewShotFold]:
    """``folds`` tasks of ``ways`` random classes with ``shots`` clouds each to train and ``queries`` each to test on.

    Training clouds come from the train split and test clouds from the test split where the set has both; otherwise no
    cloud is in both parts of a fold. Folds follow from the seed alone, each for itself. :class:`DataError` where too
    few classes have so many clouds; it names those that lack some.
    """
    for what, value, least in (("ways", ways, 2), ("shots", shots, 1), ("queries", queries, 1), ("folds", folds, 1)):
        if value < least:
            raise UsageError(f"A few-shot task needs at least {least} {what}, got {value}.")
    if clouds.labels is None:
        raise DataError(
            f"{clouds.name} has no labels, and few-shot tasks need them: use --labels folder where sub-folders are "
            "classes, or an .npz file with labels."
        )
    pools = _pools(clouds)
    usable = _usable_classes(clouds, pools, ways, shots, queries)
    return [_draw(clouds, pools, usable, ways, shots, queries, seed, index) for index in range(folds)]


def _pools(clouds: CloudSet) -> tuple[np.ndarray, np.ndarray] | None:
    """Which rows may be trained and tested on, where the set says; both as masks."""
    if clouds.splits is None or not {"train", "test"} <= set(clouds.splits.tolist()):
        return None
    return clouds.splits == "train", clouds.splits == "test"


def _usable_classes(
    clouds: CloudSet, pools: tuple[np.ndarray, np.ndarray] | None, ways: int, shots: int, queries: int
) -> np.ndarray:
    """The classes with enough clouds; :class:`DataError` where there are fewer than ``ways``."""
    labels = clouds.labels
    assert labels is not None
    size = int(labels.max(initial=-1)) + 1
    names = clouds.classes or tuple(str(i) for i in range(size))
    if labels.min(initial=0) < 0 or size > len(names):
        raise DataError(f"{clouds.name}: expected labels from 0 to {len(names) - 1}, got {labels.min()} to {size - 1}.")
    if pools is None:
        have = np.bincount(labels, minlength=size)
        enough, need = have >= shots + queries, f"{shots + queries} clouds ({shots} to train, {queries} to test)"
        counts = [str(count) for count in have]
    else:
        train, test = (np.bincount(labels[pool], minlength=size) for pool in pools)
        enough, need = (train >= shots) & (test >= queries), f"{shots} training and {queries} test clouds"
        counts = [f"{a} and {b}" for a, b in zip(train, test, strict=True)]
    if enough.sum() < ways:
        lacking = [f"{names[i]} ({counts[i]})" for i in np.flatnonzero(~enough)]
        listed = ", ".join(lacking[:8]) + (f" and {len(lacking) - 8} more" if len(lacking) > 8 else "")
        raise DataError(
            f"{clouds.name}: {ways} classes with {need} each are needed, but only {enough.sum()} of {size} have so many"
            + (f". Too few: {listed}" if lacking else "")
            + ". Ask for fewer ways, shots or queries."
        )
    return np.flatnonzero(enough)


def _draw(
    clouds: CloudSet,
    pools: tuple[np.ndarray, np.ndarray] | None,
    usable: np.ndarray,
    ways: int,
    shots: int,
    queries: int,
    seed: int,
    index: int,
) -> FewShotFold:
    labels = clouds.labels
    assert labels is not None
    rng = numpy_generator(seed, "few-shot", ways, shots, queries, index)
    classes = np.sort(rng.choice(usable, ways, replace=False))
    train, test = [], []
    for label in classes:
        if pools is None:
            order = rng.permutation(np.flatnonzero(labels == label))
            train.append(order[:shots])
            test.append(order[shots : shots + queries])
        else:
            train.append(rng.choice(np.flatnonzero(pools[0] & (labels == label)), shots, replace=False))
            test.append(rng.choice(np.flatnonzero(pools[1] & (labels == label)), queries, replace=False))
    rows = np.sort(np.concatenate(train)), np.sort(np.concatenate(test))
    return FewShotFold(clouds, clouds, tuple(classes.tolist()), *rows, name=f"{clouds.name}, fold {index}")


def describe_folds(folds: Sequence[FewShotFold]) -> str:
    """The tasks in words, such as "5-way 10-shot, 10 folds, 20 test clouds per class"."""
    if not folds:
        raise UsageError("There are no folds: a few-shot score needs at least one.")

    def span(values: Sequence[float]) -> str:
        low, high = min(values), max(values)
        return f"{low:g}" if low == high else f"{low:g} to {high:g}"

    ways, shots = span([fold.ways for fold in folds]), span([fold.shots for fold in folds])
    queries = span([len(fold.test_rows) / fold.ways for fold in folds])
    return f"{ways}-way {shots}-shot, {len(folds)} folds, {queries} test clouds per class"


def few_shot_linear(
    encoder: Encoder,
    folds: Sequence[FewShotFold],
    *,
    classifier: str = "svm",
    note: str = "",
    seed: int = 0,
    batch_size: int = 64,
    shown: bool = True,
) -> RunRecord:
    """Mean accuracy over the folds of the linear probe on frozen features, with its deviation and its protocol.

    Within a fold C is chosen by cross-validation on its training clouds, with as many folds as a class has clouds (at
    most 5). A single cloud per class cannot be held out, so nothing is chosen there and the protocol says which C was
    taken. ``note`` is a sentence about where the folds come from.
    """
    started = time.monotonic()
    kind = pick("classifier", classifier, CLASSIFIERS)
    tasks = describe_folds(folds)
    results = []
    for index, fold in enumerate(track(folds, f"Few-shot, {tasks}", shown=shown)):
        train, test = fold.train(), fold.test()
        assert train.labels is not None and test.labels is not None
        features = [embed_set(encoder, part, batch_size=batch_size, shown=False) for part in (train, test)]
        given = None if fold.shots > 1 else [1.0 if kind.counts_neighbours else ONE_SHOT_C]
        results.append(
            probe_features(
                classifier,
                features[0],
                train.labels,
                features[1],
                test.labels,
                seed=derive(seed, "fold", index),
                values=given,
                classes=train.classes,
            )
        )
    first, values = folds[0], [result.selected[kind.parameter] for result in results]
    single = min(fold.shots for fold in folds) == 1
    taken = f"{1 if kind.counts_neighbours else ONE_SHOT_C:g}"
    how = (
        f"{kind.parameter} = {taken} where a class has one training cloud, which leaves none to choose by"
        if single
        else f"{kind.parameter} chosen by stratified cross-validation on the training clouds of each fold alone"
    )
    return RunRecord(
        kind="fewshot",
        primary="accuracy",
        scores={"accuracy": Score.of([result.accuracy for result in results])},
        protocol=(
            f"{tasks}. {kind.name}; {how}; every fold's test clouds scored once; mean and sample standard deviation "
            f"over the folds. {note}"
        ).strip(),
        data=first.source.name,
        method=encoder.record.method,
        seeds=(seed,),
        train_clouds=len(first.train_rows),
        test_clouds=len(first.test_rows),
        points=first.source.points.shape[1],
        chance=float(np.mean([1 / fold.ways for fold in folds])),
        selected={kind.parameter: values, "on": "nothing, it was given" if single else "each fold's training clouds"},
        seconds=round(time.monotonic() - started, 2),
        **describe_run(encoder.device),
    )
