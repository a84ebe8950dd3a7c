"""How a classifier is made from an encoder, and trained."""

from collections.abc import Iterable

import torch
from torch import nn

from i2pmae.common import ranks
from i2pmae.common.seeds import derive
from i2pmae.data.clouds import CloudSet
from i2pmae.encoders.norms import BatchNorm
from i2pmae.evaluation.classifiers import linear_head
from i2pmae.tasks.classifier.config import ClassifierConfig, ClassifierHead
from i2pmae.tasks.classifier.model import Classifier
from i2pmae.tasks.losses import smoothed_cross_entropy
from i2pmae.tasks.start import Setup, adapted_encoder
from i2pmae.tasks.supervised import SupervisedTask
from i2pmae.training.task import Batch, Loss, Losses
from i2pmae.typing import Float, Int, Tensor
from i2pmae.weights.transfer import start_from

__all__ = ["ClassificationTask", "classification_task", "classify", "fit_head"]


class ClassificationTask(SupervisedTask[Classifier]):
    """A classifier and its smoothed cross-entropy."""

    config: ClassifierHead

    def __init__(self, model: Classifier, config: ClassifierHead) -> None:
        super().__init__(model, config)

    def still(self) -> Iterable[nn.Module]:
        """A frozen encoder; under a head that was fitted, the encoder's norms, whose statistics it was fitted with."""
        if self.config.head_start == "fitted" and not self.config.freeze:
            return [module for module in self.model.encoder.modules() if isinstance(module, BatchNorm)]
        return super().still()

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


def classify(task: ClassificationTask, clouds: CloudSet) -> Float[Tensor, "clouds classes"]:
    """The logits of a set, on the CPU; its labels are not read."""
    return torch.cat([found.logits.cpu() for found in task.predict(clouds)])


def classification_task(setup: Setup, clouds: CloudSet, classes: tuple[str, ...], seed: int) -> ClassificationTask:
    """The classifier with the initial weights that follow from ``seed``, its encoder pre-trained where there is one,
    and its losses; the head fitted to the training ``clouds`` where that is asked for.

    :class:`UsageError` where head or neighbourhoods don't fit the encoder.
    """
    task, source = setup.config.task, setup.source
    assert isinstance(task, ClassifierHead)
    published, fitted = source.encoder.class_head, task.head_start == "fitted"
    pooling = task.pooling or (source.pooling if fitted else source.encoder.head_pooling)
    norm = published["head_norm"] and setup.config.training.batch_size != 1
    values = {
        "encoder": adapted_encoder(source, task.encoder, class_token=pooling == "class|max"),
        "classes": classes,
        "pooling": pooling,
        "head_widths": () if fitted else task.head_widths or published["head_widths"],
        "head_norm": norm if task.head_norm is None else task.head_norm,
        "dropout": task.dropout,
    }
    torch.manual_seed(derive(seed, "weights"))
    model = Classifier(ClassifierConfig.from_dict(values, "The classifier"))
    if source.trained is not None:
        start_from(model, source.trained)
    found = ClassificationTask(model, task)
    if fitted:
        fit_head(found.to(setup.device), clouds, seed)
    return found


def fit_head(task: ClassificationTask, clouds: CloudSet, seed: int) -> None:
    """Make the head, one linear layer, the logistic regression on what the encoder says of labelled clouds.

    Its penalty is chosen by cross-validation on these clouds, where every class has two of them. Of several processes
    the main one fits it for all. A class without a cloud is as unlikely as the least likely one.
    """
    (layer,) = task.model.head
    assert isinstance(layer, nn.Linear) and clouds.labels is not None
    task.model.head = nn.Sequential()
    features = classify(task, clouds).numpy()
    task.model.head = nn.Sequential(layer)
    labels = clouds.labels
    weight, bias = ranks.on_main(lambda: linear_head(features, labels, layer.out_features, seed))
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(bias))
