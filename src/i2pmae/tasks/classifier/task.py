"""How a classifier is made from an encoder, and trained."""

import torch

from i2pmae.common.seeds import derive
from i2pmae.data.clouds import CloudSet
from i2pmae.tasks.classifier.config import ClassifierConfig, ClassifierHead
from i2pmae.tasks.classifier.model import Classifier
from i2pmae.tasks.losses import smoothed_cross_entropy
from i2pmae.tasks.start import Setup, adapted_encoder
from i2pmae.tasks.supervised import SupervisedTask
from i2pmae.training.task import Batch, Loss, Losses
from i2pmae.typing import Float, Int, Tensor
from i2pmae.weights.transfer import start_from

__all__ = ["ClassificationTask", "build_classifier", "classify"]


class ClassificationTask(SupervisedTask[Classifier]):
    """A classifier and its smoothed cross-entropy."""

    config: ClassifierHead

    def __init__(self, model: Classifier, config: ClassifierHead) -> None:
        super().__init__(model, config)

    def losses(self, batch: Batch, rng: torch.Generator) -> Losses:
        """The cross-entropy and, to watch, the accuracy of the batch."""
        points, _ = self.train_input(batch, rng)
        logits, label = self.logits(points, None), batch["label"]
        right = (logits.argmax(-1) == label).float().mean()
        return {
            "classification": Loss(
                smoothed_cross_entropy(logits, label, self.config.smoothing), "Cross-entropy of the classes"
            ),
            "accuracy": Loss(right, "Share of the training clouds whose class is predicted", weight=None),
        }

    def logits(self, points: Float[Tensor, "b m 3"], label: Int[Tensor, "b"] | None) -> Float[Tensor, "b classes"]:
        """One logit per class; the classifier is told nothing."""
        del label
        return self.model(points)


def build_classifier(setup: Setup, classes: tuple[str, ...], seed: int) -> Classifier:
    """The classifier with the initial weights that follow from ``seed``, its encoder pre-trained where there is one.

    :class:`UsageError` where head or neighbourhoods don't fit the encoder.
    """
    task, source = setup.config.task, setup.source
    assert isinstance(task, ClassifierHead)
    published = source.encoder.class_head
    pooling = task.pooling or source.encoder.head_pooling
    norm = published["head_norm"] and setup.config.training.batch_size != 1
    values = {
        "encoder": adapted_encoder(source, task.encoder, class_token=pooling == "class|max"),
        "classes": classes,
        "pooling": pooling,
        "head_widths": task.head_widths or published["head_widths"],
        "head_norm": norm if task.head_norm is None else task.head_norm,
        "dropout": task.dropout,
    }
    torch.manual_seed(derive(seed, "weights"))
    model = Classifier(ClassifierConfig.from_dict(values, "The classifier"))
    if source.trained is not None:
        start_from(model, source.trained)
    return model


def classify(task: ClassificationTask, clouds: CloudSet) -> Float[Tensor, "clouds classes"]:
    """The logits of a set, on the CPU; its labels are not read."""
    return torch.cat([found.logits.cpu() for found in task.predict(clouds)])
