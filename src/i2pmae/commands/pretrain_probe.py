"""The linear probes that a pre-training run makes: before and after it, and on the way."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import torch

from i2pmae.common import ranks
from i2pmae.common.errors import DataError
from i2pmae.common.files import write_text
from i2pmae.common.progress import say
from i2pmae.common.seeds import numpy_generator
from i2pmae.data.clouds import CloudSet
from i2pmae.encoders.base import PointModel
from i2pmae.encoders.pooling import Pooling
from i2pmae.evaluation.classifiers import CLASSIFIERS, choose
from i2pmae.evaluation.features import embed_set
from i2pmae.evaluation.probe import linear_probe, train_and_test
from i2pmae.methods.config import PretrainConfig
from i2pmae.runs.record import RunRecord, describe_run
from i2pmae.training.hooks.base import Hook
from i2pmae.training.task import Task
from i2pmae.viz import EmbeddingScatter
from i2pmae.weights.encoder import Encoder
from i2pmae.weights.record import ModelRecord

__all__ = ["Watch", "compare_probes", "cross_validated", "probed_parts"]


@dataclass(frozen=True)
class _Features:
    """Frozen features of the clouds of a probe."""

    train: np.ndarray
    test: np.ndarray


class Watch(Hook):
    """Probes of ``model`` now and then, on training clouds alone: three quarters to fit, one quarter to score."""

    def __init__(
        self,
        config: PretrainConfig,
        model: PointModel,
        record: ModelRecord,
        clouds: CloudSet,
        folder: Path,
        shown: bool,
    ) -> None:
        self.seed, self.every = config.training.seed, config.output.watch_epochs or 1
        self.model, self.record, self.folder, self.shown = model, record, folder, shown
        sample = _capped(clouds, config.output.probe_clouds, self.seed)
        self.fitted, self.held, _ = train_and_test(replace(sample, splits=None), self.seed)
        self._lines = ["epoch,accuracy_on_held_out_training_clouds"]

    def after_epoch(self, epoch: int, _task: Task) -> None:
        """Probe the model, if the epoch's turn has come, and note the accuracy in watch.csv."""
        if epoch % self.every:
            return
        assert self.fitted.labels is not None and self.held.labels is not None
        encoder = Encoder(self.model, self.record, next(self.model.parameters()).device)
        features = [embed_set(encoder, part, shown=False) for part in (self.fitted, self.held)]
        found = linear_probe(features[0], self.fitted.labels, features[1], self.held.labels, seed=self.seed)
        self._lines.append(f"{epoch},{found.accuracy:.6f}")
        ranks.on_main(lambda: write_text(self.folder / "watch.csv", "\n".join(self._lines) + "\n"))
        if self.shown:
            say(f"Epoch {epoch}: linear probe {found.accuracy:.1%} on held-out training clouds")


def compare_probes(
    config: PretrainConfig,
    clouds: CloudSet,
    models: Mapping[str, PointModel],
    record: ModelRecord,
    device: torch.device,
    shown: bool,
) -> tuple[RunRecord, EmbeddingScatter]:
    """The probe of the final weights beside that of the initial ones, and both embeddings of the test clouds.

    ``models`` are those to probe, the initial weights first and the final ones last; the probes of others, such as that
    of the weights that a run began with, are children of the record under their names.
    """
    seed, most = config.training.seed, config.output.probe_clouds
    train, test, note = probed_parts(config, clouds)
    sizes = len(train), len(test)
    train, test = (_capped(part, most, seed) for part in (train, test))
    if (len(train), len(test)) != sizes:
        note += f" A random {len(train)} of {sizes[0]} training and {len(test)} of {sizes[1]} test clouds were used."
    assert train.labels is not None and test.labels is not None and clouds.labels is not None
    found: dict[str, tuple[RunRecord, _Features]] = {}
    for name, weights in models.items():
        encoder = Encoder(weights, record, device)
        features = _Features(*(embed_set(encoder, part, shown=shown) for part in (train, test)))
        result = linear_probe(
            features.train,
            train.labels,
            features.test,
            test.labels,
            seed=seed,
            classes=clouds.classes,
            split_note=note.strip(),
            shown=shown,
        )
        made = result.changed(
            points=clouds.points.shape[1],
            data=clouds.name,
            encoder=f"{config.output.folder} ({name})",
            method=record.method,
            recipe=config.recipe,
            **describe_run(device),
        )
        found[name] = (made, features)
    (before, first), *between, (after, last) = found.values()
    classes = clouds.classes or tuple(str(i) for i in range(int(clouds.labels.max()) + 1))
    scatter = EmbeddingScatter(last.test, test.labels, classes, first.test, ids=test.ids, points=test.points)
    others = dict(zip(list(found)[1:-1], (made for made, _ in between), strict=True))
    return after.changed(children=others).with_twin(before), scatter


def probed_parts(config: PretrainConfig, clouds: CloudSet) -> tuple[CloudSet, CloudSet, str]:
    """The clouds to fit to and to score, and a sentence where these are not the data's own training and test clouds.

    :class:`DataError` where there are no labels, or too few clouds of a class to hold any out.
    """
    seed = config.training.seed
    if config.output.probe_on == "test":
        train, test, note = train_and_test(clouds, seed)
        return train, test, note and f"{note} Pre-training saw all clouds, without their labels."
    whole = clouds.split("train") if clouds.splits is not None and "train" in clouds.splits else clouds
    train, held, _ = train_and_test(replace(whole, splits=None), seed)
    note = (
        f"Scored were {len(held)} of {len(whole)} training clouds, stratified by class, held out from the fit by seed "
        f"{seed}; pre-training saw them, without their labels. No test cloud took part."
    )
    return train, held, note


def cross_validated(
    config: PretrainConfig,
    model: PointModel,
    record: ModelRecord,
    clouds: CloudSet,
    device: torch.device,
    shown: bool,
) -> dict[Pooling, float]:
    """What every read-out of a model reaches in the cross-validation of a linear SVM on labelled training clouds, the
    best first, of equals the one with fewer channels.

    :class:`DataError` where there are no labels, or too few clouds of a class.
    """
    seed = config.training.seed
    sample = _capped(clouds, config.output.probe_clouds, seed)
    if sample.labels is None:
        raise DataError(f"{clouds.name} has no labels, by which one could be chosen.")
    present, labels = np.unique(sample.labels, return_inverse=True)
    names = [str(label) if sample.classes is None else sample.classes[label] for label in present]
    encoder = Encoder(model, record, device)
    read = [kind for kind in get_args(Pooling) if encoder.has(kind)]
    found: list[tuple[float, int, Pooling]] = []
    for kind in read:
        features = embed_set(encoder.read_out(kind), sample, shown=shown)
        chosen = ranks.on_main(
            partial(
                choose, CLASSIFIERS["svm"], features, labels, values=None, folds=5, names=names, seed=seed, shown=shown
            )
        )
        found.append((max(chosen.scores.values()), -features.shape[1], kind))
    return {kind: score for score, _, kind in sorted(found, reverse=True)}


def _capped(clouds: CloudSet, most: int | None, seed: int) -> CloudSet:
    """At most ``most`` random clouds, as many of each class as its share allows (at least four, where it has them)."""
    if most is None or len(clouds) <= most or clouds.labels is None:
        return clouds
    order = numpy_generator(seed, "probe", len(clouds)).permutation(len(clouds))
    share = most / len(clouds)
    rows = [
        members[: max(4, round(share * len(members)))]
        for members in (order[clouds.labels[order] == label] for label in np.unique(clouds.labels))
    ]
    return clouds.subset(np.sort(np.concatenate(rows)))
