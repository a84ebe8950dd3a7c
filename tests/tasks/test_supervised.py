import numpy as np
import pytest
import torch

from i2pmae.common.errors import UsageError
from i2pmae.data.clouds import CloudSet
from i2pmae.tasks.classification.config import ClassificationConfig
from i2pmae.tasks.classifier.config import ClassifierConfig
from i2pmae.tasks.classifier.model import Classifier
from i2pmae.tasks.classifier.task import ClassificationTask
from i2pmae.tasks.config import AugmentConfig
from i2pmae.tasks.segmentation.config import SegmentationConfig, SegmenterConfig
from i2pmae.tasks.segmentation.model import Segmenter
from i2pmae.tasks.segmentation.splits import Parts
from i2pmae.tasks.segmentation.task import SegmentationTask
from i2pmae.tasks.supervised import changed
from i2pmae.training.augment import choose_points, fixed_points, turn
from i2pmae.training.engine import fit
from tests.small import SMALL
from tests.training.small import settings, weights

ENCODER = SMALL.alone()


def clouds(count: int = 12, points: int = 24) -> CloudSet:
    """Clouds whose label is 1 where they lie along y, and whose upper points are part 1."""
    labels = np.arange(count) % 2
    scale = np.array([[1, 0.1, 0.1], [0.1, 1, 0.1]])[labels]
    values = (np.random.default_rng(0).normal(size=(count, points, 3)) * scale[:, None]).astype(np.float32)
    parts = (values[..., 1] > 0).astype(np.int64)
    return CloudSet(
        values, [str(i) for i in range(count)], labels, ("x", "y"), part_labels=parts, parts=("low", "high")
    )


def config(**changes: object) -> ClassificationConfig:
    return ClassificationConfig(**{"input_points": 16, "augment": AugmentConfig(kind="none")} | changes)


def classifier() -> Classifier:
    return Classifier(ClassifierConfig(encoder=ENCODER, classes=("x", "y"), head_widths=(8,), dropout=0.0))


def segmentation(points: int, categories: tuple[str, ...] = ("x", "y")) -> SegmentationTask:
    sizes = {"propagation_widths": (16, 8), "head_widths": (16, 8), "category_width": 4, "dropout": 0.0}
    model = Segmenter(SegmenterConfig(encoder=ENCODER, parts=("low", "high"), categories=categories, **sizes))
    config = SegmentationConfig(input_points=points, augment=AugmentConfig(kind="none"))
    own = dict.fromkeys(categories or ("all",), (0, 1))
    return SegmentationTask(model, config, Parts(("low", "high"), own, told=bool(categories)))


def batch(source: CloudSet) -> dict[str, torch.Tensor]:
    assert source.labels is not None and source.part_labels is not None
    return {
        "points": torch.tensor(source.points),
        "label": torch.tensor(source.labels),
        "part_label": torch.tensor(source.part_labels),
    }


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def test_points_are_drawn_from_all_or_from_the_farthest():
    points = torch.tensor(clouds().points)
    chosen = choose_points(points, 16, rng())
    assert all(len(set(row.tolist())) == 16 for row in chosen)
    assert len({tuple(sorted(row.tolist())) for row in chosen}) > 1
    few = choose_points(points, 5, rng(), candidates=6)
    spread = fixed_points(points, 6, spread=True)
    assert all(set(row.tolist()) < set(far.tolist()) for row, far in zip(few, spread, strict=True))
    assert fixed_points(points, 4, spread=False)[0].tolist() == [0, 1, 2, 3]
    assert fixed_points(points, 24, spread=True)[0].tolist() == list(range(24))


def test_a_turn_keeps_heights_and_distances():
    points = torch.tensor(clouds().points)
    turned = turn(points, rng(), 180.0)
    assert torch.equal(turned[..., 1], points[..., 1])
    assert torch.allclose(turned.norm(dim=-1), points.norm(dim=-1), atol=1e-6)
    assert not torch.allclose(turned, points, atol=1e-2)
    assert torch.equal(turn(points, rng(), 0.0), points)


@pytest.mark.parametrize("kind", ["scale-shift", "scale-rotate"])
def test_changes_stay_in_their_ranges(kind):
    points = torch.ones(500, 1, 3)
    found = changed(points, AugmentConfig(kind=kind, shift=(0.0, 0.0)), rng())
    low, high = (2 / 3, 3 / 2) if kind == "scale-shift" else (0.9, 1.1)
    heights = found[..., 1]
    assert heights.min() >= low and heights.max() <= high
    assert heights.max() - heights.min() > 0.9 * (high - low)
    assert changed(points, AugmentConfig(kind="none"), rng()) is points


def test_a_range_goes_upwards():
    with pytest.raises(ValueError, match="from the smaller to the larger"):
        AugmentConfig(scale=(1.5, 0.5))


def test_part_labels_follow_their_points():
    seen: list[torch.Tensor] = []
    task = segmentation(16)
    task.logits = lambda points, label: seen.append(points) or torch.stack([-points[..., 1], points[..., 1]], -1)
    losses = task.losses(batch(clouds()), rng())
    assert seen[0].shape == (12, 16, 3)
    assert losses["point_accuracy"].value == 1  # the sign of y is the part, if labels and points still fit


def test_a_classifier_learns(tmp_path):
    task = ClassificationTask(classifier(), config())
    losses = task.losses(batch(clouds()), rng())
    assert {loss.column(name) for name, loss in losses.items()} == {"classification", "metric/accuracy"}
    fit(task, clouds(), settings(epochs=30, batch_size=6), tmp_path, shown=False)
    predicted = torch.cat([found.logits for found in task.predict(clouds(), batch_size=5)]).argmax(-1)
    assert (predicted.numpy() == clouds().labels).mean() > 0.9


@pytest.mark.parametrize("categories", [(), ("x", "y")])
def test_a_segmenter_learns(tmp_path, categories):
    source = clouds()
    task = segmentation(24, categories)
    fit(task, source, settings(epochs=30, batch_size=6), tmp_path, shown=False)
    right = [
        (found.logits.argmax(-1) == torch.tensor(source.part_labels[found.rows]).gather(1, found.points)).float().mean()
        for found in task.predict(source)
    ]
    assert torch.stack(right).mean() > 0.8


@pytest.mark.parametrize("size", [5, 12])
def test_predictions_do_not_depend_on_the_batch(size):
    task = ClassificationTask(classifier(), config(candidates=20))
    whole, parts = (torch.cat([f.logits for f in task.predict(clouds(), batch_size=b)]) for b in (12, size))
    assert torch.allclose(whole, parts, atol=1e-5)
    assert not task.model.training


def test_a_frozen_encoder_keeps_weights_and_statistics(tmp_path):
    task = ClassificationTask(classifier(), config(freeze=True))
    before = weights(task)
    fit(task, clouds(), settings(epochs=2, batch_size=6), tmp_path, shown=False)
    after = weights(task)
    encoder = [name for name in before if name.startswith("encoder.")]
    assert any("running_mean" in name for name in encoder)
    assert all(torch.equal(before[name], after[name]) for name in encoder)
    assert not torch.equal(before["head.0.weight"], after["head.0.weight"])


def test_the_encoder_trains_otherwise(tmp_path):
    task = ClassificationTask(classifier(), config())
    before = weights(task)
    fit(task, clouds(), settings(epochs=1, batch_size=6), tmp_path, shown=False)
    after = weights(task)
    assert all(
        not torch.equal(before[name], after[name])
        for name in ("encoder.embeddings.0.lift.weight", "encoder.embeddings.0.lift_norm.running_mean")
    )


def test_the_number_of_points_must_be_known():
    with pytest.raises(UsageError, match="number of points"):
        ClassificationTask(classifier(), ClassificationConfig())
