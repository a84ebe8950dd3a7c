"""Part segmentation: the model, its losses, and what is measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from i2pmae.common.progress import track
from i2pmae.common.ranks import share_out
from i2pmae.common.seeds import derive, torch_generator
from i2pmae.data.choosing import one_per_class
from i2pmae.data.clouds import CloudSet
from i2pmae.evaluation.parts import best_parts, cloud_ious, part_ious, score_parts
from i2pmae.evaluation.splits import Splits
from i2pmae.evaluation.voting import vote
from i2pmae.runs.record import Score
from i2pmae.tasks.base import Tested
from i2pmae.tasks.config import TaskConfig
from i2pmae.tasks.losses import smoothed_cross_entropy
from i2pmae.tasks.segmentation.config import SegmentationConfig, SegmenterConfig
from i2pmae.tasks.segmentation.model import Segmenter
from i2pmae.tasks.segmentation.splits import Parts, PartSplits, split
from i2pmae.tasks.start import Setup, adapted_encoder
from i2pmae.tasks.supervised import SupervisedTask, changed
from i2pmae.tasks.validated import VOTES, validated
from i2pmae.training.task import Batch, Loss, Losses
from i2pmae.typing import Float, Int, Tensor
from i2pmae.viz.parts import PartPicture
from i2pmae.weights.transfer import start_from

__all__ = ["SegmentationTask", "build", "measure", "split", "test"]

PICTURED = 6
"""Test clouds in the picture."""
BATCH = 16
"""Clouds that are predicted at a time."""


class SegmentationTask(SupervisedTask[Segmenter]):
    """A segmenter and the cross-entropy of its points. A cloud's label is its category."""

    def __init__(self, model: Segmenter, config: TaskConfig, parts: Parts) -> None:
        super().__init__(model, config)
        self.parts = parts

    def losses(self, batch: Batch, rng: torch.Generator) -> Losses:
        """The cross-entropy and, to watch, the share of points whose part is predicted."""
        points, chosen = self.train_input(batch, rng)
        logits = self.logits(points, batch["label"] if self.parts.told else None)
        target = batch["part_label"].gather(1, chosen)
        right = (logits.argmax(-1) == target).float().mean()
        return {
            "segmentation": Loss(smoothed_cross_entropy(logits, target), "Cross-entropy of the points' parts"),
            "point_accuracy": Loss(right, "Share of the training points whose part is predicted", weight=None),
        }

    def logits(self, points: Float[Tensor, "b m 3"], label: Int[Tensor, "b"] | None) -> Float[Tensor, "b m parts"]:
        """One logit per point and part."""
        return self.model(points, label)

    def told(self, clouds: CloudSet, rows: slice) -> Int[Tensor, "b"] | None:
        """The categories of the clouds, where there are several."""
        return self.categories(clouds, rows) if self.parts.told else None

    def categories(self, clouds: CloudSet, rows: slice) -> Int[Tensor, "b"]:
        """The category of each cloud; the first where there is one kind of cloud."""
        if clouds.labels is None:
            return torch.zeros(rows.stop - rows.start, dtype=torch.int64, device=self.device)
        return torch.tensor(clouds.labels[rows], device=self.device)


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

    def ious(self, clouds: CloudSet, parts: Parts, predicted: np.ndarray | None = None) -> np.ndarray:
        """``(clouds,)``: the mean IoU of each cloud; of other predictions where they are given."""
        chosen = self.predicted if predicted is None else predicted
        return cloud_ious(self.truth, chosen, clouds.labels, parts.categories)


def build(setup: Setup, splits: Splits, seed: int) -> SegmentationTask:
    """The segmenter with the initial weights that follow from ``seed``, its encoder pre-trained where there is one.

    :class:`UsageError` where head or neighbourhoods don't fit the encoder.
    """
    config, source = setup.config.task, setup.source
    assert isinstance(config, SegmentationConfig) and isinstance(splits, PartSplits)
    parts, published = splits.parts, source.encoder.part_head
    values = {
        "encoder": adapted_encoder(source, config.encoder),
        "parts": parts.names,
        "categories": tuple(parts.categories) if parts.told else (),
        "category_parts": tuple(parts.categories.values()) if parts.told else (),
        "propagation_widths": config.propagation_widths,
        "context": config.context or published["context"],
        "category_width": config.category_width,
        "head_widths": config.head_widths or published["head_widths"],
        "dropout": config.dropout,
    }
    torch.manual_seed(derive(seed, "weights"))
    model = Segmenter(SegmenterConfig.from_dict(values, "The segmenter"))
    if source.trained is not None:
        start_from(model, source.trained)
    return SegmentationTask(model, config, parts)


def measure(task: SupervisedTask[Any], clouds: CloudSet) -> tuple[float, float]:
    """Instance mIoU and cross-entropy."""
    assert isinstance(task, SegmentationTask)
    found = _label(task, clouds)
    return float(found.ious(clouds, task.parts).mean()), found.loss


def test(task: SupervisedTask[Any], splits: Splits, setup: Setup) -> Tested:
    """The one test: the scores, with voting where it is asked for, and some clouds to be drawn."""
    assert isinstance(task, SegmentationTask) and isinstance(splits, PartSplits)
    clouds, parts, found = splits.test, splits.parts, _label(task, splits.test)
    fields = score_parts(found.truth, found.predicted, clouds.labels, parts.categories)
    if validated(setup.config).votes:
        fields["scores"] |= {"voted_instance_miou": _voted(task, clouds, found, setup)}
    constant = _most_frequent(splits.train, clouds, parts, found.truth)
    fields |= {"classes": parts.names, "chance": float(found.ious(clouds, parts, constant).mean())}
    figures = {"left_out_clouds": float(splits.left_out)} if splits.left_out else {}
    return Tested(fields, _how(parts), figures, _pictures(clouds, found, parts))


def _how(parts: Parts) -> Sequence[str]:
    """Sentences on the scores."""
    said = [
        "IoU of each part of a cloud's category, 1 for a part that neither truth nor prediction has; instance_miou: "
        "mean over clouds, class_miou: mean over categories."
    ]
    if parts.told:
        said.append("The category of a test cloud is given; its points get the likeliest part of that category.")
    return said


def _label(task: SegmentationTask, clouds: CloudSet) -> _Labelled:
    """True and predicted parts of a set."""
    assert clouds.part_labels is not None
    points: list[np.ndarray] = []
    truth: list[np.ndarray] = []
    predicted: list[np.ndarray] = []
    losses = []
    for found in task.predict(clouds, batch_size=BATCH):
        target = torch.tensor(np.asarray(clouds.part_labels[found.rows], np.int64), device=task.device)
        target = target.gather(1, found.points)
        losses.append(len(target) * float(smoothed_cross_entropy(found.logits, target)))
        named = best_parts(found.logits, task.categories(clouds, found.rows), task.parts.categories)
        for kept, values in ((points, found.points), (truth, target), (predicted, named)):
            kept.append(values.cpu().numpy())
    return _Labelled(
        np.concatenate(points), np.concatenate(truth), np.concatenate(predicted), sum(losses) / len(clouds)
    )


def _most_frequent(train: CloudSet, test: CloudSet, parts: Parts, truth: np.ndarray) -> np.ndarray:
    """The most frequent training part of its category at every point of the test clouds."""
    assert train.part_labels is not None
    frequent = []
    for index in range(len(parts.categories)):
        rows = np.arange(len(train)) if train.labels is None else np.flatnonzero(train.labels == index)
        counts = sum((np.bincount(train.part_labels[row], minlength=len(parts.names)) for row in rows), np.zeros(1))
        frequent.append(int(np.argmax(counts)))
    category = np.zeros(len(test), np.int64) if test.labels is None else test.labels
    return np.broadcast_to(np.array(frequent)[category][:, None], truth.shape)


def _voted(task: SegmentationTask, test: CloudSet, found: _Labelled, setup: Setup) -> Score:
    """Instance mIoU of logits averaged over changed copies of the same points: mean and deviation over the repeats."""
    seen = np.take_along_axis(np.asarray(test.points), found.points[..., None], 1)
    model, parts, seed, scores = task.model.eval(), task.parts, setup.config.training.seed, []
    for repeat in track(range(validated(setup.config).votes), f"Voting, {VOTES} times", shown=setup.shown):

        def named(start: int, repeat: int = repeat) -> np.ndarray:
            rows = slice(start, min(start + BATCH, len(test)))
            category = task.categories(test, rows)
            logits = vote(
                partial(model, category=category if parts.told else None),
                torch.tensor(seen[rows], dtype=torch.float32, device=task.device),
                lambda cloud, rng: changed(cloud, task.config.augment, rng),
                VOTES,
                torch_generator(seed, "vote", repeat, start, device=task.device),
            )
            return best_parts(logits, category, parts.categories).cpu().numpy()

        voted = np.concatenate(list(share_out(range(0, len(test), BATCH), named)))
        scores.append(float(found.ious(test, parts, voted).mean()))
    return Score.of(scores)


def _pictures(test: CloudSet, found: _Labelled, parts: Parts) -> list[PartPicture]:
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
