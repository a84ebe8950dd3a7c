"""Fine-tuning for classification from beginning to end: data, training, the choice of the epoch, one test."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from i2pmae.common.errors import DataError, UsageError
from i2pmae.common.seeds import derive
from i2pmae.data.clouds import CloudSet
from i2pmae.evaluation.records import Result
from i2pmae.evaluation.scores import score_classes
from i2pmae.evaluation.splits import Splits, class_names, three_splits
from i2pmae.evaluation.voting import vote_score
from i2pmae.hub.transfer import start_from
from i2pmae.models import Classifier, ClassifierConfig, PlainConfig
from i2pmae.objectives import smoothed_cross_entropy
from i2pmae.ops import gather
from i2pmae.recipes.downstream import Setup, adapted_encoder
from i2pmae.recipes.downstream_run import VOTES, Trained, fit_and_choose, protocol, run_task, shared_fields, store_model
from i2pmae.training.finetune_config import FewShotConfig, FinetuneConfig
from i2pmae.training.supervised import ClassificationTask, changed
from i2pmae.typing import Tensor
from i2pmae.viz.confusion import write_confusion

__all__ = ["build_classifier", "classify", "finetune"]


def finetune(config: FinetuneConfig, *, resume: bool = False, shown: bool = True) -> Result:
    """The test accuracy of a fine-tuned classifier, with its protocol. The run folder gets weights, full configuration,
    metrics.csv, validation.csv, results.json, confusion.png and report.html.

    The weights are those of the epoch that is best on clouds held out from training; the test clouds are scored once,
    with these. Runs on the same machine with the same configuration end in the same weights, stopped and resumed or
    not. Raises the errors of reading data, loading a checkpoint and training: see :mod:`i2pmae.common.errors`.
    """
    return run_task(config, lambda clouds: _split(clouds, config), _train_and_test, _draw, resume=resume, shown=shown)


def _split(clouds: CloudSet, config: FinetuneConfig) -> Splits:
    names = class_names(clouds)
    if len(names) < 2:
        raise DataError(
            f"{clouds.name}: classification needs at least 2 classes, got {len(names)} ({', '.join(names)})."
        )
    return three_splits(clouds, config.validation_share, config.seed)


def _train_and_test(setup: Setup[FinetuneConfig], splits: Splits, folder: Path, resume: bool) -> Trained:
    """The result with the weights of the best epoch, which are stored in ``folder``."""
    started, config = time.monotonic(), setup.config
    names, held = class_names(splits.train), splits.validation
    task = ClassificationTask(build_classifier(setup, names, config.seed), config, config.smoothing)
    assert splits.train.labels is not None and held.labels is not None
    truth = torch.from_numpy(held.labels)

    def measure() -> tuple[float, float]:
        logits = classify(task, held)
        return float((logits.argmax(-1) == truth).double().mean()), float(smoothed_cross_entropy(logits, truth))

    fitted = fit_and_choose(task, splits, setup, folder, "accuracy", measure, resume)
    store_model(task, "classification", setup, fitted, folder)
    scores = _test(task, splits.test, names, setup)
    assert splits.test.labels is not None
    frequent = np.bincount(splits.train.labels).argmax()
    result = Result(
        task="finetune",
        primary="accuracy",
        **scores,
        protocol=protocol(setup, splits, "accuracy"),
        classes=names,
        chance=float((splits.test.labels == frequent).mean()),
        **shared_fields(setup, splits, fitted, started),
    )
    setup.say(f"Epoch {fitted.best.epoch} of {config.epochs}: test accuracy {result.score} ({setup.source.name})")
    return Trained(result, fitted)


def _draw(folder: Path, trained: Trained) -> None:
    result = trained.result
    assert result.confusion is not None
    write_confusion(folder / "confusion.png", result.confusion, result.classes, "Test clouds")


def build_classifier(setup: Setup[Any], classes: tuple[str, ...], seed: int) -> Classifier:
    """The classifier with the initial weights that follow from ``seed``, its encoder pre-trained where there is one.

    :class:`UsageError` where head or neighbourhoods don't fit the encoder.
    """
    config, source = setup.config, setup.source
    assert isinstance(config, FinetuneConfig | FewShotConfig)
    plain, bert = isinstance(source.encoder, PlainConfig), source.method == "point-bert"
    pooling = config.pooling or ("class|max" if plain else "mean+max")
    single = config.batch_size == 1
    if single and config.head_norm:
        raise UsageError("BatchNorm in the head needs batches of 2 clouds or more: raise --batch-size, or turn it off.")
    values = {
        "encoder": adapted_encoder(source, config.encoder, class_token=pooling == "class|max"),
        "classes": classes,
        "pooling": pooling,
        "head_widths": config.head_widths or ((256,) if bert else (256, 256)),
        "head_norm": not (bert or single) if config.head_norm is None else config.head_norm,
        "dropout": config.dropout,
    }
    torch.manual_seed(derive(seed, "weights"))
    model = Classifier(ClassifierConfig.from_dict(values, "the classifier"))
    if source.trained is not None:
        start_from(model, source.trained)
    return model


def classify(task: ClassificationTask, clouds: CloudSet) -> Tensor:
    """``(clouds, classes)``: the logits of a set, on the CPU; its labels are not read."""
    return torch.cat([found.logits.cpu() for found in task.predict(clouds)])


def _test(
    task: ClassificationTask, test: CloudSet, names: tuple[str, ...], setup: Setup[FinetuneConfig]
) -> dict[str, Any]:
    """The one test: the scores, with voting where it is asked for."""
    config = setup.config
    predicted = classify(task, test).argmax(-1).numpy()
    assert test.labels is not None
    labels = test.labels
    fields = score_classes(labels, predicted, names)
    if config.votes:

        def copy(points: Tensor, rng: torch.Generator) -> Tensor:
            return changed(gather(points, task.draw(points, rng)), config.augment, rng)

        voted = vote_score(
            task.model.eval(),
            test.points,
            copy,
            lambda found: float((found == labels).mean()),
            votes=VOTES,
            repeats=config.votes,
            seed=config.seed,
            device=task.device,
            shown=setup.shown,
        )
        fields["scores"] |= {"voted_accuracy": voted}
    return fields
