"""Few-shot classification from beginning to end: folds, training on each, the mean over them."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from i2pmae.common.devices import resolve_device
from i2pmae.common.errors import UsageError
from i2pmae.common.seeds import derive
from i2pmae.data.benchmarks.fewshot import FEWSHOT, open_folds
from i2pmae.data.sources import is_shapes, named, plan_source, request_for
from i2pmae.evaluation.folds import FewShotFold, describe_folds, few_shot_folds, few_shot_linear
from i2pmae.evaluation.records import Result, Score, describe_run
from i2pmae.evaluation.scores import score_classes
from i2pmae.hub import Encoder, ModelRecord
from i2pmae.hub.transfer import start_from
from i2pmae.models.base import EncoderModel
from i2pmae.recipes.downstream import Setup, open_labelled, open_start, settle, speaker
from i2pmae.recipes.downstream_report import report_task
from i2pmae.recipes.downstream_run import finished_result, stored_result, trained_parts
from i2pmae.recipes.finetune import build_classifier, classify
from i2pmae.training.engine import fit
from i2pmae.training.finetune_config import FewShotConfig
from i2pmae.training.runs import prepare_run_folder
from i2pmae.training.settings import FitSettings
from i2pmae.training.supervised import ClassificationTask

__all__ = ["fewshot"]


@dataclass(frozen=True)
class _Tasks:
    """The folds, and where they come from."""

    folds: Sequence[FewShotFold]
    note: str


def fewshot(config: FewShotConfig, *, resume: bool = False, shown: bool = True) -> Result:
    """Mean test accuracy over the folds, with its deviation and its protocol. The run folder gets results.json,
    report.html and, in ``finetune`` mode, a folder with metrics.csv and results.json for each fold.

    A fold has no clouds to choose an epoch by: the weights are those after the last. With ``resume`` the folds that are
    done stay as they are. Raises the errors of :func:`i2pmae.recipes.finetune.finetune`.
    """
    say = speaker(shown)
    with prepare_run_folder(config.output, config, resume) as folder:
        finished = finished_result(folder, say)
        if finished is not None:
            return finished
        device = resolve_device(config.device)
        source = open_start(config)
        tasks = _open(config, shown)
        settled, chosen = settle(config, source, len(tasks.folds[0].train_rows))
        setup = Setup(settled, source, device, chosen, say, shown)
        say(f"{describe_folds(tasks.folds)}; encoder {source.method}, {source.name}; {device}", soft_wrap=True)
        result = _score(setup, tasks, folder.path, resume)
        if config.twin:
            say("The same from initial weights:")
            twin = _score(setup.from_scratch(), tasks, folder.path / "scratch", resume)
            result = result.model_copy(update={"twin": twin})
        if config.report:
            report_task(folder.path, config, result)
        result.save(folder.path / "results.json")
    return result


def _open(config: FewShotConfig, shown: bool) -> _Tasks:
    name, path = (None, None) if is_shapes(config.data) else named(config.data)
    if name != FEWSHOT.name or path is None:
        clouds = open_labelled(config, speaker(shown), shown)
        folds = few_shot_folds(
            clouds, config.ways, config.shots, queries=config.queries, folds=config.folds, seed=config.seed
        )
        return _Tasks(folds, f"Folds drawn by seed {config.seed}.")
    read = config.clouds
    request = request_for(plan_source(config.data), read.points, read.up, parts="none", seed=config.seed)
    sets = open_folds(
        path, config.ways, config.shots, request, cache=read.cache, max_bad_share=read.max_bad_share, shown=shown
    )
    if len(sets) < config.folds:
        raise UsageError(
            f"{path} has {len(sets)} folds of this setting, but {config.folds} were asked for: set --folds."
        )
    for note in sets[0].notes:
        speaker(shown)(note, soft_wrap=True)
    folds = [FewShotFold.of(fold.split("train"), fold.split("test"), fold.name) for fold in sets[: config.folds]]
    return _Tasks(folds, "Published folds.")


def _score(setup: Setup[FewShotConfig], tasks: _Tasks, folder: Path, resume: bool) -> Result:
    started, config, source = time.monotonic(), setup.config, setup.source
    if config.mode == "linear":
        folds = [_thinned(fold, config.input_points) for fold in tasks.folds]
        result = few_shot_linear(_encoder(setup), folds, seed=config.seed, note=tasks.note, shown=setup.shown)
    else:
        result = _joined(setup, tasks, [_fold(setup, tasks, index, folder, resume) for index in range(config.folds)])
    result = result.model_copy(
        update={
            "data": config.data,
            "encoder": source.name,
            "method": source.method,
            "recipe": config.recipe,
            "seconds": round(time.monotonic() - started, 1),
        }
    )
    setup.say(f"Accuracy {result.score} over {config.folds} folds ({source.name})")
    return result


def _thinned(fold: FewShotFold, points: int | None) -> FewShotFold:
    """The fold with the first points of its clouds, which are stored in random order."""
    source, test = (
        replace(clouds, points=clouds.points[:, :points], part_labels=None)
        for clouds in (fold.source, fold.test_source)
    )
    return replace(fold, source=source, test_source=test)


def _encoder(setup: Setup[FewShotConfig]) -> Encoder:
    """The frozen encoder, with its pre-trained weights or with initial ones."""
    source = setup.source
    record = ModelRecord(method=source.method, task="encoder", points=source.points, model=source.encoder)
    torch.manual_seed(derive(setup.config.seed, "weights"))
    model = EncoderModel(source.encoder)
    if source.trained is not None:
        start_from(model, source.trained)
    return Encoder(model, record, setup.device)


def _fold(setup: Setup[FewShotConfig], tasks: _Tasks, index: int, folder: Path, resume: bool) -> Result:
    """The result of one fold, which its own folder keeps."""
    place = folder / f"fold-{index}"
    done = stored_result(place) if resume else None
    if done is not None:
        return done
    config, fold = setup.config, tasks.folds[index]
    train, test = fold.train(), fold.test()
    assert train.classes is not None and test.labels is not None
    seed = derive(config.seed, "fold", index)
    task = ClassificationTask(build_classifier(setup, train.classes, seed), config, config.smoothing)
    settings = FitSettings.of(config).model_copy(update={"seed": seed})
    setup.say(f"Fold {index + 1} of {config.folds}")
    fit(task, train, settings, place, resume=resume, shown=setup.shown)
    predicted = classify(task, test).argmax(-1).numpy()
    result = Result(
        task="fewshot",
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
        points=task.count,
        chance=1 / fold.ways,
        selected={"epoch": config.epochs, "on": "nothing, it is the last"},
    )
    result.save(place / "results.json")
    shutil.rmtree(place / "checkpoints", ignore_errors=True)
    return result


def _joined(setup: Setup[FewShotConfig], tasks: _Tasks, results: Sequence[Result]) -> Result:
    """One result for all folds."""
    first = results[0]
    return Result(
        task="fewshot",
        primary="accuracy",
        scores={"accuracy": Score.of([result.accuracy for result in results])},
        protocol=_protocol(setup, tasks.folds, tasks.note),
        seeds=(setup.config.seed,),
        train_clouds=first.train_clouds,
        test_clouds=first.test_clouds,
        points=first.points,
        chance=float(np.mean([result.chance for result in results if result.chance is not None])),
        selected={"epoch": setup.config.epochs, "on": "nothing, it is the last", "settings": setup.chosen},
        **describe_run(setup.device),
    )


def _protocol(setup: Setup[FewShotConfig], folds: Sequence[FewShotFold], note: str) -> str:
    config = setup.config
    return (
        f"{describe_folds(folds)}. {trained_parts(config)} on the training clouds of each fold for {config.epochs} "
        f"epochs in batches of {config.batch_size}; no clouds "
        "are left to choose an epoch by, so it is the last; every fold's test clouds scored once; mean and sample "
        f"standard deviation over the folds. {note}"
    )
