"""Part segmentation from beginning to end: data, training, the choice of the epoch, one test."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from i2pmae.common.errors import DataError
from i2pmae.common.progress import track
from i2pmae.common.seeds import derive, torch_generator
from i2pmae.data.clouds import CloudSet
from i2pmae.evaluation.parts import best_parts, category_parts, cloud_ious, part_ious, score_parts
from i2pmae.evaluation.records import Result, Score
from i2pmae.evaluation.splits import Splits, class_names, three_splits
from i2pmae.evaluation.voting import vote
from i2pmae.hub.transfer import start_from
from i2pmae.models import I2PMAEConfig, Segmenter, SegmenterConfig
from i2pmae.objectives import smoothed_cross_entropy
from i2pmae.recipes.downstream import Setup, adapted_encoder
from i2pmae.recipes.downstream_run import VOTES, Trained, fit_and_choose, protocol, run_task, shared_fields, store_model
from i2pmae.recipes.pretrain_pictures import one_per_class
from i2pmae.training.finetune_config import SegmentConfig
from i2pmae.training.supervised import SegmentationTask, changed
from i2pmae.typing import Tensor
from i2pmae.viz.parts import PartPicture, write_parts

__all__ = ["build_segmenter", "segment"]

PICTURED = 6
"""Test clouds in the picture."""


@dataclass(frozen=True)
class _Parts:
    """What the points of a set can be."""

    names: tuple[str, ...]
    """All parts."""
    categories: Mapping[str, tuple[int, ...]]
    """The parts of every category, in the order of its index."""
    told: bool
    """Whether the head is told the category: there is more than one."""


@dataclass(frozen=True)
class _Labelled:
    """True and predicted parts of the points that the model saw, on the CPU."""

    points: np.ndarray
    """``(clouds, points)`` indices of the points."""
    truth: np.ndarray
    """``(clouds, points)``."""
    predicted: np.ndarray
    """``(clouds, points)``."""
    loss: float
    """Mean cross-entropy."""


def segment(config: SegmentConfig, *, resume: bool = False, shown: bool = True) -> Result:
    """The test mIoU of a part segmenter, with its protocol. The run folder gets weights, full configuration,
    metrics.csv, validation.csv, results.json, parts.png and report.html.

    Categories of clouds are the set's classes. The weights are those of the epoch with the best instance mIoU on clouds
    held out from training; the test clouds are scored once, with these. Otherwise as
    :func:`i2pmae.recipes.finetune.finetune`.
    """
    return run_task(config, lambda clouds: _split(clouds, config), _train_and_test, _draw, resume=resume, shown=shown)


def _split(clouds: CloudSet, config: SegmentConfig) -> Splits:
    """The splits; :class:`DataError` where there are no part labels, or only one part."""
    count = 0 if clouds.part_labels is None else int(clouds.part_labels.max(initial=0)) + 1
    count = count if clouds.parts is None else len(clouds.parts)
    category_parts(clouds)  # refuses a set without part labels, and labels that fit no part or category
    if count < 2:
        raise DataError(f"{clouds.name}: part segmentation needs at least 2 parts, got {count}.")
    return three_splits(clouds, config.validation_share, config.seed)


def _parts(splits: Splits) -> _Parts:
    """The parts of every category that occur in training and validation clouds.

    :class:`DataError` where test clouds have others: nothing could predict them.
    """
    labelled = [splits.train, splits.validation]
    names = class_names(splits.train)
    categories, strange = {}, []
    for index, name in enumerate(names):
        known = {part for clouds in labelled for part in _occurring(clouds, index)}
        strange += [(name, part) for part in _occurring(splits.test, index) if part not in known]
        categories[name] = tuple(sorted(known))
    assert splits.train.part_labels is not None
    most = max(int(part.part_labels.max()) for part in (*labelled, splits.test) if part.part_labels is not None)
    called = splits.train.parts or tuple(str(i) for i in range(most + 1))
    if strange:
        listed = ", ".join(f"{called[part]!r} of {name!r}" for name, part in strange[:5])
        raise DataError(
            f"{splits.train.name}: test clouds have parts that no training cloud of their category has: {listed}. "
            "Add training clouds with them, or correct the labels."
        )
    present = {name: parts for name, parts in categories.items() if parts}
    if len(present) < len(categories):  # a category without any cloud: its index stays, and any part will do
        categories = {name: parts or tuple(range(len(called))) for name, parts in categories.items()}
    return _Parts(called, categories, told=len(names) > 1)


def _occurring(clouds: CloudSet, category: int) -> list[int]:
    assert clouds.part_labels is not None
    rows = range(len(clouds)) if clouds.labels is None else np.flatnonzero(clouds.labels == category)
    return sorted({int(part) for row in rows for part in np.unique(clouds.part_labels[row])})


def _train_and_test(setup: Setup[SegmentConfig], splits: Splits, folder: Path, resume: bool) -> Trained:
    """The result with the weights of the best epoch, which are stored in ``folder``, and pictures of test clouds."""
    started, config, test = time.monotonic(), setup.config, splits.test
    parts = _parts(splits)
    task = SegmentationTask(build_segmenter(setup, parts, config.seed), config)

    def measure() -> tuple[float, float]:
        found = _label(task, splits.validation, parts)
        ious = cloud_ious(found.truth, found.predicted, splits.validation.labels, parts.categories)
        return float(ious.mean()), found.loss

    fitted = fit_and_choose(task, splits, setup, folder, "instance_miou", measure, resume)
    store_model(task, "segmentation", setup, fitted, folder)
    found = _label(task, test, parts)
    scores = score_parts(found.truth, found.predicted, test.labels, parts.categories)
    if config.votes:
        scores["scores"] |= {"voted_instance_miou": _voted(task, test, found, parts, setup)}
    constant = _most_frequent(splits.train, test, parts, found.truth)
    result = Result(
        task="segment",
        primary="instance_miou",
        **scores,
        protocol=protocol(setup, splits, "instance_miou", *_how(parts)),
        classes=parts.names,
        chance=float(cloud_ious(found.truth, constant, test.labels, parts.categories).mean()),
        **shared_fields(setup, splits, fitted, started),
    )
    setup.say(f"Epoch {fitted.best.epoch} of {config.epochs}: test instance mIoU {result.score} ({setup.source.name})")
    return Trained(result, fitted, _pictures(test, found, parts))


def _draw(folder: Path, trained: Trained) -> None:
    write_parts(folder / "parts.png", trained.pictures)


def _how(parts: _Parts) -> list[str]:
    """Sentences on the scores."""
    said = [
        "IoU of each part of a cloud's category, 1 for a part that neither truth nor prediction has; instance_miou: "
        "mean over clouds, class_miou: mean over categories."
    ]
    if parts.told:
        said.append("The category of a test cloud is given; its points get the likeliest part of that category.")
    return said


def build_segmenter(setup: Setup[SegmentConfig], parts: _Parts, seed: int) -> Segmenter:
    """The segmenter with the initial weights that follow from ``seed``, its encoder pre-trained where there is one.

    :class:`UsageError` where head or neighbourhoods don't fit the encoder.
    """
    config, source = setup.config, setup.source
    several = isinstance(source.encoder, I2PMAEConfig)
    values = {
        "encoder": adapted_encoder(source, config.encoder),
        "parts": parts.names,
        "categories": tuple(parts.categories) if parts.told else (),
        "category_parts": tuple(parts.categories.values()) if parts.told else (),
        "propagation_widths": config.propagation_widths,
        "context": config.context or ("points" if several else "tokens"),
        "category_width": config.category_width,
        "head_widths": config.head_widths or ((1024, 512, 256) if several else (512, 256)),
        "dropout": config.dropout,
    }
    torch.manual_seed(derive(seed, "weights"))
    model = Segmenter(SegmenterConfig.from_dict(values, "the segmenter"))
    if source.trained is not None:
        start_from(model, source.trained)
    return model


def _categories(clouds: CloudSet, rows: slice, device: torch.device) -> Tensor:
    """The category of each cloud; the first where there is one kind of cloud."""
    if clouds.labels is None:
        return torch.zeros(rows.stop - rows.start, dtype=torch.int64, device=device)
    return torch.tensor(clouds.labels[rows], device=device)


def _label(task: SegmentationTask, clouds: CloudSet, parts: _Parts) -> _Labelled:
    """True and predicted parts of a set."""
    assert clouds.part_labels is not None
    points: list[np.ndarray] = []
    truth: list[np.ndarray] = []
    predicted: list[np.ndarray] = []
    losses = []
    for found in task.predict(clouds, batch_size=16):
        target = torch.tensor(np.asarray(clouds.part_labels[found.rows], np.int64), device=task.device)
        target = target.gather(1, found.points)
        losses.append(len(target) * float(smoothed_cross_entropy(found.logits, target)))
        named = best_parts(found.logits, _categories(clouds, found.rows, task.device), parts.categories)
        for kept, values in ((points, found.points), (truth, target), (predicted, named)):
            kept.append(values.cpu().numpy())
    return _Labelled(
        np.concatenate(points), np.concatenate(truth), np.concatenate(predicted), sum(losses) / len(clouds)
    )


def _most_frequent(train: CloudSet, test: CloudSet, parts: _Parts, truth: np.ndarray) -> np.ndarray:
    """The most frequent training part of its category at every point of the test clouds."""
    assert train.part_labels is not None
    frequent = []
    for index in range(len(parts.categories)):
        rows = np.arange(len(train)) if train.labels is None else np.flatnonzero(train.labels == index)
        counts = sum((np.bincount(train.part_labels[row], minlength=len(parts.names)) for row in rows), np.zeros(1))
        frequent.append(int(np.argmax(counts)))
    category = np.zeros(len(test), np.int64) if test.labels is None else test.labels
    return np.broadcast_to(np.array(frequent)[category][:, None], truth.shape)


def _voted(
    task: SegmentationTask, test: CloudSet, found: _Labelled, parts: _Parts, setup: Setup[SegmentConfig]
) -> Score:
    """Instance mIoU of logits averaged over changed copies of the same points: mean and deviation over the repeats."""
    config, size = setup.config, 16
    seen = np.take_along_axis(np.asarray(test.points), found.points[..., None], 1)
    model, scores = task.model.eval(), []
    for repeat in track(range(config.votes), f"Voting, {VOTES} times", shown=setup.shown):
        named = []
        for start in range(0, len(test), size):
            rows = slice(start, min(start + size, len(test)))
            category = _categories(test, rows, task.device)
            points = torch.tensor(seen[rows], dtype=torch.float32, device=task.device)
            rng = torch_generator(config.seed, "vote", repeat, start, device=task.device)
            logits = vote(
                partial(model, category=category if parts.told else None),
                points,
                lambda cloud, rng: changed(cloud, config.augment, rng),
                VOTES,
                rng,
            )
            named.append(best_parts(logits, category, parts.categories).cpu().numpy())
        ious = cloud_ious(found.truth, np.concatenate(named), test.labels, parts.categories)
        scores.append(float(ious.mean()))
    return Score.of(scores)


def _pictures(test: CloudSet, found: _Labelled, parts: _Parts) -> list[PartPicture]:
    """Some test clouds, of different categories."""
    pictures = []
    for row in one_per_class(test, PICTURED):
        category = 0 if test.labels is None else int(test.labels[row])
        name, own = list(parts.categories.items())[category]
        ious = part_ious(found.truth[row : row + 1], found.predicted[row : row + 1], own)[0]
        pictures.append(
            PartPicture(
                id=str(test.ids[row]),
                points=np.asarray(test.points[row])[found.points[row]],
                truth=found.truth[row],
                predicted=found.predicted[row],
                parts={part: parts.names[part] for part in own},
                ious=dict(zip(own, ious.tolist(), strict=True)),
                label=name if parts.told else None,
            )
        )
    return pictures
