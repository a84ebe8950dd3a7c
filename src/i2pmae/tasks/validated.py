"""One training with validation and one test: what classification and part segmentation share."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i2pmae.common import ranks
from i2pmae.data.clouds import CloudSet
from i2pmae.evaluation.splits import Splits, three_splits
from i2pmae.runs.record import RunRecord, describe_run
from i2pmae.tasks.base import Tested, Trained, ValidatedSpec
from i2pmae.tasks.config import TaskConfig, TaskRunConfig, ValidatedTask
from i2pmae.tasks.start import Setup
from i2pmae.tasks.supervised import SupervisedTask
from i2pmae.training.engine import FitResult, fit
from i2pmae.training.hooks.best_epoch import BestEpoch, Validation
from i2pmae.weights.record import ModelRecord
from i2pmae.weights.store import save_weights

__all__ = ["VOTES", "held_out", "train_and_test", "trained_parts", "validated"]

VOTES = 10
"""Copies of a cloud that vote."""


@dataclass(frozen=True)
class _Fitted:
    """A trained task with the weights of its best epoch."""

    fit: FitResult
    """The run of the engine."""
    best: Validation
    """The epoch that was chosen."""
    epochs: BestEpoch
    """What was measured of every epoch."""

    def curves(self) -> dict[str, tuple[Any, Any]]:
        """Losses, figures and the validation score over the optimiser steps."""
        history, titles, rows = self.fit.history, self.fit.titles, self.epochs.rows()
        steps = self.fit.steps // int(history["epoch"][-1])
        curves: dict[str, tuple[Any, Any]] = {
            titles.get(name, name): (history["step"], history[name]) for name in (*history.losses, "learning_rate")
        }
        curves[f"validation {self.epochs.name}"] = ([steps * row.epoch for row in rows], [row.score for row in rows])
        return curves


def validated(config: TaskRunConfig) -> ValidatedTask:
    """The task of the configuration, which must be one that chooses its epoch."""
    assert isinstance(config.task, ValidatedTask)
    return config.task


def held_out(clouds: CloudSet, config: TaskRunConfig) -> Splits:
    """The splits of a set for a task that chooses its epoch; errors are those of :func:`three_splits`."""
    seed = config.training.seed
    splits = three_splits(clouds, validated(config).validation_share, seed)
    return splits.with_labels(config.data.fraction, seed)


def train_and_test(spec: ValidatedSpec, setup: Setup, splits: Splits, folder: Path, resume: bool) -> Trained:
    """The test with the weights of the best epoch, which are stored in ``folder``."""
    started = time.monotonic()
    task = spec.build(setup, splits, setup.config.training.seed)
    fitted = _fit(spec, task, splits, setup, folder, resume)
    ranks.on_main(lambda: _store(spec, task, splits, setup, fitted, folder))
    tested = spec.test(task, splits, setup)
    record = _record(spec, setup, splits, fitted, tested, folder, time.monotonic() - started)
    score = spec.primary.replace("_", " ").replace("miou", "mIoU")
    epochs, name = setup.config.training.epochs, setup.source.name
    setup.say(f"Epoch {fitted.best.epoch} of {epochs}: test {score} {record.score} ({name})")
    return Trained(record, fitted.curves(), tested.pictures, fitted.epochs.clear)


def _fit(
    spec: ValidatedSpec, task: SupervisedTask[Any], splits: Splits, setup: Setup, folder: Path, resume: bool
) -> _Fitted:
    """The task trained on the training clouds, then with the weights of the epoch that :class:`BestEpoch` chose."""
    training = setup.config.training
    choose = BestEpoch(
        folder,
        spec.primary,
        lambda: spec.measure(task, splits.validation),
        epochs=training.length[0],
        every=validated(setup.config).validate_epochs,
        shown=setup.shown,
    )
    run = fit(task, splits.train, training, folder, resume=resume, hooks=[choose, *setup.hooks], shown=setup.shown)
    return _Fitted(run, choose.restore(task.model), choose)


def _store(
    spec: ValidatedSpec, task: SupervisedTask[Any], splits: Splits, setup: Setup, fitted: _Fitted, folder: Path
) -> None:
    """Write the weights and what they are into ``folder``."""
    config, source = setup.config, setup.source
    if spec.kind is None:
        return
    record = ModelRecord(
        method=source.method,
        task=spec.kind.name,
        points=task.count,
        files_up=splits.train.files_up,
        notes={
            "recipe": config.recipe,
            "data": config.data.source,
            "encoder": source.name,
            "epoch": fitted.best.epoch,
            "seed": config.training.seed,
        },
        # A head that pools the tokens says how; another leaves them to be pooled as in pre-training.
        pooling=getattr(task.model.config, "pooling", source.pooling),
        model=task.model.config,
    )
    save_weights(folder, task.model, record)


def _record(
    spec: ValidatedSpec,
    setup: Setup,
    splits: Splits,
    fitted: _Fitted,
    tested: Tested,
    folder: Path,
    seconds: float,
) -> RunRecord:
    config, source = setup.config, setup.source
    return RunRecord(
        kind=spec.name,
        primary=spec.primary,
        protocol=_protocol(spec, setup, splits, tested.protocol),
        data=config.data.source,
        encoder=source.name,
        method=source.method,
        recipe=config.recipe,
        seeds=(config.training.seed,),
        train_clouds=len(splits.train),
        validation_clouds=len(splits.validation),
        test_clouds=len(splits.test),
        points=config.task.input_points,
        selected={
            "epoch": fitted.best.epoch,
            "on": f"{len(splits.validation)} validation clouds",
            f"validation_{spec.primary}": fitted.best.score,
            "settings": setup.chosen,
        },
        figures={**fitted.fit.figures(len(splits.train)), **tested.figures},
        seconds=round(seconds, 1),
        output=folder,
        **tested.fields,
        **describe_run(setup.device),
    )


def _protocol(spec: ValidatedSpec, setup: Setup, splits: Splits, more: Sequence[str]) -> str:
    """How the primary score was measured, in words; ``more`` is what the test says of itself."""
    training, votes = setup.config.training, validated(setup.config).votes
    parts = [
        f"{trained_parts(setup.config.task)} for {training.epochs} epochs in batches of {training.batch_size}; one "
        f"score on the {len(splits.test)} test clouds.",
        splits.note,
        *more,
    ]
    if votes:
        parts.append(
            f"voted_{spec.primary}: logits averaged over {VOTES} augmented copies of each test cloud, mean and sample "
            f"standard deviation over {votes} repeats."
        )
    return " ".join(parts)


def trained_parts(task: TaskConfig) -> str:
    """What is trained, for the protocol."""
    return "Head trained on the frozen encoder" if task.freeze else "Encoder and head trained"
