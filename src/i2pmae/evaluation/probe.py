"""The linear probe: how well a linear classifier tells classes apart by frozen features (I2P-MAE §4.1, linear SVM)."""

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from i2pmae.common.config import Config
from i2pmae.common.errors import DataError, UsageError
from i2pmae.common.files import write_text
from i2pmae.common.progress import track
from i2pmae.common.seeds import derive
from i2pmae.data.clouds import CloudSet
from i2pmae.evaluation.features import embed_set
from i2pmae.hub.encoder import Encoder
from i2pmae.typing import Float, Int

__all__ = ["LinearProbeResult", "linear_probe", "probe_encoder", "train_and_test"]

GRID = tuple(float(f"{value:.3g}") for value in np.logspace(-4, 0, 9))
"""Values of C that are tried, in steps of √10."""
PATIENCE, WORSE = 2, 0.005
"""After so many values of C in a row that are worse than the best by so much, larger ones, the slowest, are left."""
TOLERANCE, MOST_ITERATIONS = 1e-2, 1000
"""Of the SVM's dual solver; benchmarks/probe.py shows what other tolerances cost and change."""
TEST_SHARE = 0.25


class LinearProbeResult(Config):
    """The score of a linear probe, with everything needed to say what it means."""

    accuracy: float
    """Share of test clouds whose class is predicted."""
    C: float
    """Weight of the errors in the SVM, chosen on the training clouds alone."""
    selected_on: str
    """How C was chosen."""
    folds: int
    """Folds of the cross-validation."""
    cross_validation: dict[str, float]
    """Mean accuracy over the folds for every C that was tried."""
    train_clouds: int
    test_clouds: int
    classes: tuple[str, ...]
    """Names of the classes."""
    chance: float
    """Test accuracy of always naming the most frequent training class."""
    class_accuracy: dict[str, float]
    """Accuracy per class, for the classes in the test set."""
    features: int
    """Channels per cloud."""
    points: int | None = None
    """Points per cloud that the encoder saw."""
    data: str = ""
    """What the clouds are."""
    encoder: str = ""
    """Where the encoder came from."""
    protocol: str
    """All of it in words."""
    seed: int
    """Decides the folds, and the split where the data has none."""

    def save(self, path: Path | str) -> None:
        """Write the record as JSON, whole or not at all."""
        write_text(Path(path), self.model_dump_json(indent=2) + "\n")


def linear_probe(
    train_features: Float[np.ndarray, "n d"],
    y_train: Int[np.ndarray, "n"],
    test_features: Float[np.ndarray, "m d"],
    y_test: Int[np.ndarray, "m"],
    *,
    seed: int = 0,
    folds: int = 5,
    Cs: Sequence[float] = GRID,
    classes: Sequence[str] | None = None,
    split_note: str = "",
    shown: bool = False,
) -> LinearProbeResult:
    """Accuracy of a linear SVM (squared hinge, one class against the rest) on standardised features, with its protocol.

    C is chosen by stratified cross-validation on the training clouds; mean and deviation are those of the training
    clouds (of a fold, in cross-validation). The test labels are read once, after everything is fixed.

    :class:`DataError` where there are fewer than two classes or two clouds in every class; :class:`UsageError` for
    arrays that don't fit together.
    """
    _check(train_features, y_train, test_features, y_test)
    names = _class_names(classes, y_train, y_test)
    present = np.unique(y_train)
    if len(present) < 2:
        raise DataError(f"A linear probe needs at least 2 classes in the training set, got {len(present)}.")
    labels = np.searchsorted(present, y_train)
    folds = _usable_folds(folds, labels, [names[i] for i in present])
    grid = sorted(Cs)
    scores = _cross_validate(train_features, labels, grid, folds, seed, shown)
    best = max(scores, key=lambda C: (scores[C], -C))
    predicted = present[_fit(best, train_features, labels).predict(test_features)]
    right = predicted == y_test
    frequent = present[np.bincount(labels).argmax()]
    return LinearProbeResult(
        accuracy=float(right.mean()),
        C=best,
        selected_on=f"train, {folds}-fold",
        folds=folds,
        cross_validation={f"{C:g}": round(score, 6) for C, score in scores.items()},
        train_clouds=len(y_train),
        test_clouds=len(y_test),
        classes=names,
        chance=float((y_test == frequent).mean()),
        class_accuracy={names[i]: float(right[y_test == i].mean()) for i in np.unique(y_test)},
        features=train_features.shape[1],
        protocol=(
            "Linear SVM (squared hinge, one class against the rest) on frozen features, standardised with the training "
            f"clouds' mean and deviation; C chosen from {grid[0]:g} to {grid[-1]:g} by stratified {folds}-fold "
            f"cross-validation on the {len(y_train)} training clouds alone; one score on the {len(y_test)} test clouds."
            + (f" {split_note}" if split_note else "")
        ),
        seed=seed,
    )


def probe_encoder(
    encoder: Encoder,
    clouds: CloudSet,
    *,
    seed: int = 0,
    folds: int = 5,
    batch_size: int = 64,
    shown: bool = True,
) -> LinearProbeResult:
    """The linear probe of an encoder on labelled clouds: on their own train and test splits where they have them,
    else on a stratified quarter held out by the seed, which the protocol then says.
    """
    train, test, note = train_and_test(clouds, seed)
    assert train.labels is not None and test.labels is not None
    features = [embed_set(encoder, part, batch_size=batch_size, shown=shown) for part in (train, test)]
    result = linear_probe(
        features[0],
        train.labels,
        features[1],
        test.labels,
        seed=seed,
        folds=folds,
        classes=clouds.classes,
        split_note=note,
        shown=shown,
    )
    return result.model_copy(update={"points": clouds.points.shape[1], "data": clouds.name})


def train_and_test(clouds: CloudSet, seed: int) -> tuple[CloudSet, CloudSet, str]:
    """The clouds to train and to test on, and a sentence where this split is not the data's own.

    :class:`DataError` where there are no labels, or too few clouds of a class to hold any out.
    """
    if clouds.labels is None:
        raise DataError(
            f"{clouds.name} has no labels, and a linear probe needs them: use --labels folder where sub-folders are "
            "classes, or an .npz file with labels."
        )
    if clouds.labels.min(initial=0) < 0:
        raise DataError(f"{clouds.name} has clouds with negative labels: give every cloud a class index from 0.")
    splits = set() if clouds.splits is None else set(clouds.splits.tolist())
    if {"train", "test"} <= splits:
        return clouds.split("train"), clouds.split("test"), ""
    if {"train", "val"} <= splits:
        return clouds.split("train"), clouds.split("val"), "The data has no test split: its validation split is used."
    counts = np.bincount(clouds.labels)
    rare = np.flatnonzero(counts == 1)
    if len(rare):
        names = clouds.classes or tuple(str(i) for i in range(len(counts)))
        raise DataError(
            f"{clouds.name} has no test split, and holding one out needs at least 2 clouds in every class, but "
            f"{', '.join(names[i] for i in rare[:5])} {'has' if len(rare) == 1 else 'have'} only 1."
        )
    classes = int((counts > 0).sum())
    held_out = max(round(TEST_SHARE * len(clouds)), classes)
    if len(clouds) - held_out < classes:
        held_out = classes
    train, test = train_test_split(
        np.arange(len(clouds)),
        test_size=held_out,
        stratify=clouds.labels,
        random_state=derive(seed, "hold out") % 2**32,
    )
    note = (
        f"The data has no train and test split: {len(test)} of its {len(clouds)} clouds, stratified by class, were "
        f"held out for testing by seed {seed}."
    )
    return clouds.subset(np.sort(train)), clouds.subset(np.sort(test)), note


def _cross_validate(
    features: np.ndarray, labels: np.ndarray, grid: Sequence[float], folds: int, seed: int, shown: bool
) -> dict[float, float]:
    """Mean accuracy for each C in ascending order, until larger ones have stopped helping."""
    splitter = StratifiedKFold(folds, shuffle=True, random_state=derive(seed, "folds") % 2**32)
    splits = list(splitter.split(features, labels))
    scores: dict[float, float] = {}

    def hits(fold: int, C: float) -> int:
        train, held = splits[fold]
        machine = _fit(C, features[train], labels[train])
        return int((machine.predict(features[held]) == labels[held]).sum())

    # The solver runs without Python's lock, so threads are enough to use all cores.
    with ThreadPoolExecutor(min(folds, torch.get_num_threads())) as pool:
        for C in track(grid, "Choosing C", shown=shown):
            scores[C] = sum(pool.map(hits, range(folds), [C] * folds)) / len(labels)
            if max(list(scores.values())[-PATIENCE:]) < max(scores.values()) - WORSE:
                break
    return scores


def _fit(C: float, features: np.ndarray, labels: np.ndarray) -> Pipeline:
    """A linear SVM on features standardised by their own mean and deviation."""
    machine = LinearSVC(C=C, dual=True, tol=TOLERANCE, max_iter=MOST_ITERATIONS, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # at large C, which cross-validation then does not choose
        return make_pipeline(StandardScaler(), machine).fit(features.astype(np.float64), labels)


def _usable_folds(folds: int, labels: np.ndarray, names: Sequence[str]) -> int:
    """As many folds as asked for, or fewer where a class has fewer clouds."""
    if folds < 2:
        raise UsageError(f"Cross-validation needs at least 2 folds, got {folds}.")
    counts = np.bincount(labels)
    if counts.min() < 2:
        raise DataError(
            "Choosing C by cross-validation needs at least 2 training clouds in every class, but "
            f"{names[int(counts.argmin())]!r} has 1. Add clouds, or leave the class out."
        )
    return int(min(folds, counts.min()))


def _class_names(classes: Sequence[str] | None, *labels: np.ndarray) -> tuple[str, ...]:
    most = max(int(part.max()) for part in labels) + 1
    if classes is None:
        return tuple(str(i) for i in range(most))
    if len(classes) < most:
        raise UsageError(f"There are {len(classes)} class names, but labels go up to {most - 1}.")
    return tuple(classes)


def _check(train: np.ndarray, y_train: np.ndarray, test: np.ndarray, y_test: np.ndarray) -> None:
    for what, features, labels in (("training", train, y_train), ("test", test, y_test)):
        if features.ndim != 2 or labels.shape != features.shape[:1]:
            raise UsageError(
                f"Expected {what} features (clouds, channels) and one label per cloud, got features {features.shape} "
                f"and labels {labels.shape}."
            )
        if len(labels) == 0:
            raise DataError(f"There are no {what} clouds.")
        if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
            raise UsageError(f"Expected {what} labels as class indices from 0, got {labels.dtype} from {labels.min()}.")
        if not np.isfinite(features).all():
            raise DataError(f"Some {what} features are NaN or infinite: the encoder's weights are damaged.")
    if train.shape[1] != test.shape[1]:
        raise UsageError(f"Training features have {train.shape[1]} channels, test features {test.shape[1]}.")
