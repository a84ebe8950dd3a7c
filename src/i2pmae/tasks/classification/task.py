"""Fine-tuning for classification: splits, the model, and what is measured."""

from typing import Any

import numpy as np
import torch

from i2pmae.common.errors import DataError
from i2pmae.data.clouds import CloudSet
from i2pmae.evaluation.scores import score_classes
from i2pmae.evaluation.splits import Splits, class_names
from i2pmae.evaluation.voting import vote_score
from i2pmae.ops import gather
from i2pmae.runs.record import Score
from i2pmae.tasks.base import Tested
from i2pmae.tasks.classifier.task import ClassificationTask, classification_task, classify
from i2pmae.tasks.config import TaskRunConfig
from i2pmae.tasks.losses import smoothed_cross_entropy
from i2pmae.tasks.start import Setup
from i2pmae.tasks.supervised import SupervisedTask, changed
from i2pmae.tasks.validated import VOTES, held_out, validated
from i2pmae.typing import Float, Tensor

__all__ = ["build", "measure", "split", "test"]


def split(clouds: CloudSet, config: TaskRunConfig) -> Splits:
    """Three splits; :class:`DataError` where there is one class alone."""
    names = class_names(clouds)
    if len(names) < 2:
        raise DataError(
            f"{clouds.name}: classification needs at least 2 classes, got {len(names)} ({', '.join(names)})."
        )
    return held_out(clouds, config)


def build(setup: Setup, splits: Splits, seed: int) -> ClassificationTask:
    """The classifier with the initial weights that follow from ``seed``, and its losses."""
    return classification_task(setup, splits.train, class_names(splits.train), seed)


def measure(task: SupervisedTask[Any], clouds: CloudSet) -> tuple[float, float]:
    """Accuracy and cross-entropy."""
    assert isinstance(task, ClassificationTask) and clouds.labels is not None
    truth, logits = torch.from_numpy(clouds.labels), classify(task, clouds)
    return float((logits.argmax(-1) == truth).double().mean()), float(smoothed_cross_entropy(logits, truth))


def test(task: SupervisedTask[Any], splits: Splits, setup: Setup) -> Tested:
    """The one test: the scores, with voting where it is asked for."""
    assert isinstance(task, ClassificationTask)
    clouds, names = splits.test, class_names(splits.train)
    assert clouds.labels is not None and splits.train.labels is not None
    fields = score_classes(clouds.labels, classify(task, clouds).argmax(-1).numpy(), names)
    if validated(setup.config).votes:
        fields["scores"] |= {"voted_accuracy": _voted(task, clouds, clouds.labels, setup)}
    frequent = np.bincount(splits.train.labels).argmax()
    return Tested({**fields, "classes": names, "chance": float((clouds.labels == frequent).mean())})


def _voted(task: ClassificationTask, clouds: CloudSet, labels: np.ndarray, setup: Setup) -> Score:
    """The accuracy of logits averaged over changed copies of other points: mean and deviation over the repeats."""

    def copy(points: Float[Tensor, "b n 3"], rng: torch.Generator) -> Float[Tensor, "b m 3"]:
        return changed(gather(points, task.draw(points, rng)), task.config.augment, rng)

    return vote_score(
        task.model.eval(),
        clouds.points,
        copy,
        lambda found: float((found == labels).mean()),
        votes=VOTES,
        repeats=validated(setup.config).votes,
        seed=setup.config.training.seed,
        device=task.device,
        shown=setup.shown,
    )
