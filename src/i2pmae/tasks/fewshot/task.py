"""Few-shot classification: folds, training on each, the mean over them."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from i2pmae.common import ranks
from i2pmae.common.errors import UsageError
from i2pmae.common.seeds import derive
from i2pmae.data.open.folds import open_folds
from i2pmae.data.open.source import request_for
from i2pmae.data.sources.benchmarks.fewshot import FEWSHOT
from i2pmae.data.sources.named import is_shapes, named, plan_source
from i2pmae.data.store.remote import is_remote
from i2pmae.encoders.base import EncoderModel
from i2pmae.evaluation.folds import FewShotFold, describe_folds, few_shot_folds, few_shot_linear
from i2pmae.evaluation.scores import score_classes
from i2pmae.runs.record import RESULTS_FILE, RunRecord, Score, describe_run
from i2pmae.tasks.base import Material
from i2pmae.tasks.classifier.task import classification_task, classify
from i2pmae.tasks.config import TaskRunConfig
from i2pmae.tasks.fewshot.config import FewShotConfig
from i2pmae.tasks.run import stored_record
from i2pmae.tasks.start import Say, Setup, open_labelled
from i2pmae.tasks.validated import trained_parts
from i2pmae.training.engine import fit
from i2pmae.weights.encoder import Encoder
from i2pmae.weights.kinds import ENCODER
from i2pmae.weights.record import ModelRecord
from i2pmae.weights.transfer import start_from

__all__ = ["FoldTasks", "open_tasks", "score"]

KIND = "fewshot"
"""What these records are."""


@dataclass(frozen=True)
class FoldTasks:
    """The folds, and where they come from."""

    folds: Sequence[FewShotFold]
    note: str
    """A sentence for the protocol."""


def open_tasks(config: TaskRunConfig, say: Say, shown: bool) -> Material:
    """The folds of a run; :class:`DataError` where too few classes have enough clouds."""
    tasks = _open(config, say, shown)
    return Material(tasks, len(tasks.folds[0].train_rows), describe_folds(tasks.folds))


def _own(config: TaskRunConfig) -> FewShotConfig:
    assert isinstance(config.task, FewShotConfig)
    return config.task


def _open(config: TaskRunConfig, say: Say, shown: bool) -> FoldTasks:
    task, data, seed = _own(config), config.data, config.training.seed
    name, path = (None, None) if is_shapes(data.source) or is_remote(data.source) else named(data.source)
    if name != FEWSHOT.name or path is None:
        clouds = open_labelled(config, say, shown)
        folds = few_shot_folds(clouds, task.ways, task.shots, queries=task.queries, folds=task.folds, seed=seed)
        return FoldTasks(folds, f"Folds drawn by seed {seed}.")
    kept = data.changed(parts="none", columns=(), clouds=None)
    request = request_for(kept, plan_source(data.source).up, seed)
    with ranks.main_first():
        sets = open_folds(
            path, task.ways, task.shots, request, cache=data.cache, max_bad_share=data.max_bad_share, shown=shown
        )
    if len(sets) < task.folds:
        raise UsageError(f"{path} has {len(sets)} folds of this setting, but {task.folds} were asked for: set --folds.")
    for note in sets[0].notes:
        say(note)
    folds = [FewShotFold.of(fold.split("train"), fold.split("test"), fold.name) for fold in sets[: task.folds]]
    return FoldTasks(folds, "Published folds.")


def score(setup: Setup, tasks: FoldTasks, folder: Path, resume: bool) -> RunRecord:
    """The mean over the folds."""
    started, config, source = time.monotonic(), setup.config, setup.source
    task = _own(config)
    if task.mode == "linear":
        folds = [_thinned(fold, task.input_points) for fold in tasks.folds]
        seed = config.training.seed
        record = few_shot_linear(_encoder(setup), folds, seed=seed, note=tasks.note, shown=setup.shown)
    else:
        record = _joined(setup, tasks, [_fold(setup, tasks, index, folder, resume) for index in range(task.folds)])
    record = record.changed(
        data=config.data.source,
        encoder=source.name,
        method=source.method,
        recipe=config.recipe,
        seconds=round(time.monotonic() - started, 1),
        output=folder,
    )
    setup.say(f"Accuracy {record.score} over {task.folds} folds ({source.name})")
    return record


def _thinned(fold: FewShotFold, points: int | None) -> FewShotFold:
    """The fold with the first points of its clouds, which are stored in random order."""
    source, test = (
        replace(clouds, points=clouds.points[:, :points], part_labels=None, columns={})
        for clouds in (fold.source, fold.test_source)
    )
    return replace(fold, source=source, test_source=test)


def _encoder(setup: Setup) -> Encoder:
    """The frozen encoder, with its pre-trained weights or with initial ones."""
    source = setup.source
    record = ModelRecord(
        method=source.method, task=ENCODER, points=source.points, pooling=source.pooling, model=source.encoder
    )
    torch.manual_seed(derive(setup.config.training.seed, "weights"))
    model = EncoderModel(source.encoder)
    model.pooling = source.pooling
    if source.trained is not None:
        start_from(model, source.trained)
    return Encoder(model, record, setup.device)


def _fold(setup: Setup, tasks: FoldTasks, index: int, folder: Path, resume: bool) -> RunRecord:
    """The record of one fold, which its own folder keeps."""
    place = folder / f"fold-{index}"
    done = ranks.on_main(lambda: stored_record(place)) if resume else None
    if done is not None:
        return done
    config, task, fold = setup.config, _own(setup.config), tasks.folds[index]
    train, test = fold.train(), fold.test()
    assert train.classes is not None and test.labels is not None
    seed = derive(config.training.seed, "fold", index)
    learner = classification_task(setup, train, train.classes, seed)
    setup.say(f"Fold {index + 1} of {task.folds}")
    fitted = fit(learner, train, config.training.changed(seed=seed), place, resume=resume, shown=setup.shown)
    predicted = classify(learner, test).argmax(-1).numpy()
    record = RunRecord(
        kind=KIND,
        primary="accuracy",
        **score_classes(test.labels, predicted, train.classes),
        protocol=_protocol(setup, [fold], tasks.note),
        data=fold.name,
        encoder=setup.source.name,
        method=setup.source.method,
        recipe=config.recipe,
        seeds=(seed,),
        train_clouds=len(train),
        test_clouds=len(test),
        classes=train.classes,
        points=learner.count,
        chance=1 / fold.ways,
        selected={"epoch": config.training.epochs, "on": "nothing, it is the last"},
        figures=fitted.figures(len(train)),
        output=place,
    )
    if ranks.is_main():
        record.save(place / RESULTS_FILE)
        shutil.rmtree(place / "checkpoints", ignore_errors=True)
    return record


def _joined(setup: Setup, tasks: FoldTasks, records: Sequence[RunRecord]) -> RunRecord:
    """One record for all folds."""
    first, training = records[0], setup.config.training
    return RunRecord(
        kind=KIND,
        primary="accuracy",
        scores={"accuracy": Score.of([record.accuracy for record in records])},
        protocol=_protocol(setup, tasks.folds, tasks.note),
        seeds=(training.seed,),
        train_clouds=first.train_clouds,
        test_clouds=first.test_clouds,
        points=first.points,
        chance=float(np.mean([record.chance for record in records if record.chance is not None])),
        selected={"epoch": training.epochs, "on": "nothing, it is the last", "settings": setup.chosen},
        figures=_figures(records),
        **describe_run(setup.device),
    )


def _figures(records: Sequence[RunRecord]) -> dict[str, float]:
    """Steps and time of all folds together; what else every fold's record has, as the mean over them."""
    shared = [name for name in records[0].figures if all(name in record.figures for record in records)]
    sums = {name: sum(record.figures[name] for record in records) for name in shared}
    return {name: sums[name] if name in ("steps", "training_seconds") else sums[name] / len(records) for name in shared}


def _protocol(setup: Setup, folds: Sequence[FewShotFold], note: str) -> str:
    training = setup.config.training
    return (
        f"{describe_folds(folds)}. {trained_parts(setup.config.task)} on the training clouds of each fold for "
        f"{training.epochs} epochs in batches of {training.batch_size}; no clouds "
        "are left to choose an epoch by, so it is the last; every fold's test clouds scored once; mean and sample "
        f"standard deviation over the folds. {note}"
    )
