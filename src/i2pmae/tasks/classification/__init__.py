"""Classification: an encoder and labelled clouds become a classifier (I2P-MAE §4.2)."""

from pathlib import Path
from typing import TYPE_CHECKING

from i2pmae.tasks.base import Recipes, Trained, ValidatedSpec, made_by
from i2pmae.tasks.classification.config import ClassificationConfig
from i2pmae.tasks.classifier.config import ClassifierConfig
from i2pmae.weights.kinds import ModelKind

if TYPE_CHECKING:
    from i2pmae.weights.released.spec import ReleasedHead

__all__ = ["CLASSIFICATION"]


class _Classification(ValidatedSpec):
    title = "Classification"
    Config = ClassificationConfig
    kind = ModelKind(
        name="classification",
        holds="a classifier",
        command="`i2pmae finetune`",
        read=ClassifierConfig.model_validate,
        build=made_by("i2pmae.tasks.classifier.model", "Classifier"),
        applied=made_by("i2pmae.tasks.classification.predict", "CloudClassifier"),
    )
    predicts = "The class of each new cloud"
    work = "i2pmae.tasks.classification.task"
    primary = "accuracy"

    @property
    def recipes(self) -> Recipes:
        """Own data, ModelNet40 and ScanObjectNN."""
        from i2pmae.tasks.classification.recipes import RECIPES

        return RECIPES

    @property
    def released(self) -> "ReleasedHead":
        """What released files of classifiers look like, whatever the method."""
        from i2pmae.tasks.classification.released import RELEASED

        return RELEASED

    def draw(self, folder: Path, trained: Trained) -> None:
        """Write the confusion matrix as confusion.png."""
        from i2pmae.viz.confusion import write_confusion

        assert trained.record.confusion is not None
        write_confusion(folder / "confusion.png", trained.record.confusion, trained.record.classes, "Test clouds")


CLASSIFICATION = _Classification()
