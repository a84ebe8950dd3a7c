"""Probes: how well simple classifiers tell classes apart by frozen features (I2P-MAE §4.1: linear SVM)."""

import time
from collections.abc import Sequence
from typing import TypedDict, Unpack

import numpy as np
from pydantic import JsonValue

from i2pmae.common import ranks
from i2pmae.common.errors import DataError, UsageError, pick
from i2pmae.common.seeds import derive
from i2pmae.data.clouds import CloudSet
from i2pmae.evaluation.classifiers import CLASSIFIERS, Chosen, Classifier, choose, fit
from i2pmae.evaluation.features import check_embeddings, embed_set
from i2pmae.evaluation.scores import score_classes
from i2pmae.runs.record import RunRecord, describe_run
from i2pmae.typing import Float, Int
from i2pmae.weights.encoder import Encoder

__all__ = [
    "ProbeOptions",
    "knn_probe",
    "linear_probe",
    "logistic_probe",
    "probe_encoder",
    "probe_features",
    "split_rows",
    "train_and_test",
]

TEST_SHARE = 0.25


class ProbeOptions(TypedDict, total=False):
    """What every probe of features takes besides them."""

    seed: int
    """Decides the folds; 0 where absent."""
    folds: int
    """Folds of the cross-validation; 5 where absent, fewer where a class has fewer clouds."""
    values: Sequence[float] | None
    """Values of C or k to choose from; those of the classifier where absent. A single one is taken as it is."""
    classes: Sequence[str] | None
    """Class names in the order of the indices; the indices where absent."""
    split_note: str
    """A sentence about the split, for the protocol."""
    shown: bool
    """Whether progress is shown; not where absent."""


def linear_probe(
    train_features: Float[np.ndarray, "n d"],
    y_train: Int[np.ndarray, "n"],
    test_features: Float[np.ndarray, "m d"],
    y_test: Int[np.ndarray, "m"],
    **options: Unpack[ProbeOptions],
) -> RunRecord:
    """Accuracy of a linear SVM (squared hinge, one class against the rest) on standardised features, with its protocol.

    C is chosen by stratified cross-validation on the training clouds; mean and deviation are those of the training
    clouds (of a fold, in cross-validation). The test labels are read once, after everything is fixed.

    :class:`DataError` where there are fewer than two classes or two clouds in every class; :class:`UsageError` for
    arrays that don't fit together.
    """
    return probe_features("svm", train_features, y_train, test_features, y_test, **options)


def knn_probe(
    train_features: Float[np.ndarray, "n d"],
    y_train: Int[np.ndarray, "n"],
    test_features: Float[np.ndarray, "m d"],
    y_test: Int[np.ndarray, "m"],
    **options: Unpack[ProbeOptions],
) -> RunRecord:
    """Accuracy of the majority of the k nearest training clouds by cosine similarity; else as :func:`linear_probe`."""
    return probe_features("knn", train_features, y_train, test_features, y_test, **options)


def logistic_probe(
    train_features: Float[np.ndarray, "n d"],
    y_train: Int[np.ndarray, "n"],
    test_features: Float[np.ndarray, "m d"],
    y_test: Int[np.ndarray, "m"],
    **options: Unpack[ProbeOptions],
) -> RunRecord:
    """Accuracy of multinomial logistic regression on standardised features; else as :func:`linear_probe`."""
    return probe_features("logistic", train_features, y_train, test_features, y_test, **options)


def probe_features(
    classifier: str,
    train_features: Float[np.ndarray, "n d"],
    y_train: Int[np.ndarray, "n"],
    test_features: Float[np.ndarray, "m d"],
    y_test: Int[np.ndarray, "m"],
    *,
    seed: int = 0,
    folds: int = 5,
    values: Sequence[float] | None = None,
    classes: Sequence[str] | None = None,
    split_note: str = "",
    shown: bool = False,
) -> RunRecord:
    """The score of one of ``CLASSIFIERS``, with its protocol; errors are those of :func:`linear_probe`.

    Of several processes of a run the main one computes it for all.
    """
    kind = pick("classifier", classifier, CLASSIFIERS)
    given = train_features, y_train, test_features, y_test
    return ranks.on_main(lambda: _probe(kind, *given, seed, folds, values, classes, split_note, shown))


def _probe(
    kind: Classifier,
    train_features: np.ndarray,
    y_train: np.ndarray,
    test_features: np.ndarray,
    y_test: np.ndarray,
    seed: int,
    folds: int,
    values: Sequence[float] | None,
    classes: Sequence[str] | None,
    split_note: str,
    shown: bool,
) -> RunRecord:
    _check(train_features, y_train, test_features, y_test)
    names = _class_names(classes, y_train, y_test)
    present = np.unique(y_train)
    if len(present) < 2:
        raise DataError(f"A probe needs at least 2 classes in the training set, got {len(present)}.")
    labels = np.searchsorted(present, y_train)
    named = [names[i] for i in present]
    chosen = choose(kind, train_features, labels, values=values, folds=folds, names=named, seed=seed, shown=shown)
    fitted = fit(kind, chosen.value, train_features, labels)
    predicted = present[fitted.predict(test_features)]
    frequent = present[np.bincount(labels).argmax()]
    how = _how(kind, chosen, len(y_train))
    return RunRecord(
        kind=kind.task,
        primary="accuracy",
        **score_classes(y_test, predicted, names),
        protocol=f"{kind.name}; {how}; one score on the {len(y_test)} test clouds. {split_note}".strip(),
        seeds=(seed,),
        train_clouds=len(y_train),
        test_clouds=len(y_test),
        classes=names,
        chance=float((y_test == frequent).mean()),
        selected=_selected(kind, chosen) | {"features": train_features.shape[1]},
    )


def _how(kind: Classifier, chosen: Chosen, clouds: int) -> str:
    """How the parameter was chosen, in words."""
    if not chosen.folds:
        return f"{kind.parameter} = {chosen.value:g}"
    tried = sorted(chosen.scores)
    return (
        f"{kind.parameter} chosen from {tried[0]:g} to {tried[-1]:g} by stratified {chosen.folds}-fold "
        f"cross-validation on the {clouds} training clouds alone"
    )


def _selected(kind: Classifier, chosen: Chosen) -> dict[str, JsonValue]:
    """What was chosen and by what, for the record."""
    value = int(chosen.value) if kind.counts_neighbours else chosen.value
    if not chosen.folds:
        return {kind.parameter: value, "on": "nothing, it was given"}
    table: JsonValue = {f"{tried:g}": round(score, 6) for tried, score in chosen.scores.items()}
    on = f"train, {chosen.folds}-fold"
    return {kind.parameter: value, "on": on, "folds": chosen.folds, "cross_validation": table}


def probe_encoder(
    encoder: Encoder,
    clouds: CloudSet,
    *,
    classifier: str = "svm",
    seed: int = 0,
    folds: int = 5,
    batch_size: int = 64,
    copies: int = 1,
    embeddings: Float[np.ndarray, "clouds c"] | None = None,
    shown: bool = True,
) -> RunRecord:
    """The probe of an encoder on labelled clouds by one of ``CLASSIFIERS``: on their own train and test splits where
    they have them, else on a stratified quarter held out by the seed, which the protocol then says.

    ``embeddings`` of the clouds are taken where they are given, else made, both of so many ``copies``.
    """
    started = time.monotonic()
    pick("classifier", classifier, CLASSIFIERS)
    rows, note = split_rows(clouds, seed)
    assert clouds.labels is not None
    if embeddings is None:
        parts = [
            embed_set(encoder, clouds.subset(part), batch_size=batch_size, copies=copies, shown=shown) for part in rows
        ]
    else:
        check_embeddings(embeddings, clouds)
        parts = [embeddings[part] for part in rows]
    if copies > 1:
        note = f"{note} Embeddings are means over {copies} copies of a cloud, stretched by up to a tenth."
    result = probe_features(
        classifier,
        parts[0],
        clouds.labels[rows[0]],
        parts[1],
        clouds.labels[rows[1]],
        seed=seed,
        folds=folds,
        classes=clouds.classes,
        split_note=note.strip(),
        shown=shown,
    )
    update = {"points": clouds.points.shape[1], "data": clouds.name, "method": encoder.record.method}
    update |= {"seconds": round(time.monotonic() - started, 2)} | describe_run(encoder.device)
    return result.changed(update)


def train_and_test(clouds: CloudSet, seed: int) -> tuple[CloudSet, CloudSet, str]:
    """The clouds to train and to test on, and a sentence where this split is not the data's own.

    :class:`DataError` where there are no labels, or too few clouds of a class to hold any out.
    """
    (train, test), note = split_rows(clouds, seed)
    return clouds.subset(train), clouds.subset(test), note


def split_rows(clouds: CloudSet, seed: int) -> tuple[tuple[np.ndarray, np.ndarray], str]:
    """The rows to train and to test on, in ascending order, and the sentence of :func:`train_and_test`."""
    if clouds.labels is None:
        raise DataError(
            f"{clouds.name} has no labels, and a probe needs them: use --labels folder where sub-folders are "
            "classes, or an .npz file with labels."
        )
    if clouds.labels.min(initial=0) < 0:
        raise DataError(f"{clouds.name} has clouds with negative labels: give every cloud a class index from 0.")
    splits = set() if clouds.splits is None else set(clouds.splits.tolist())
    if {"train", "test"} <= splits:
        return _own_split(clouds, "train", "test"), ""
    if {"train", "val"} <= splits:
        return _own_split(clouds, "train", "val"), "The data has no test split: its validation split is used."
    counts = np.bincount(clouds.labels)
    from sklearn.model_selection import train_test_split  # takes a second to import

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
    return (np.sort(train), np.sort(test)), note


def _own_split(clouds: CloudSet, train: str, test: str) -> tuple[np.ndarray, np.ndarray]:
    return np.flatnonzero(clouds.splits == train), np.flatnonzero(clouds.splits == test)


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
