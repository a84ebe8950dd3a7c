"""A downstream task with validation, from beginning to end: what classification and part segmentation share."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import JsonValue

from i2pmae.common.devices import resolve_device
from i2pmae.common.errors import CheckpointError
from i2pmae.data.clouds import CloudSet
from i2pmae.evaluation.records import Result, describe_run
from i2pmae.evaluation.splits import Splits
from i2pmae.hub import ModelRecord, save_weights
from i2pmae.hub.record import ModelTask
from i2pmae.recipes.downstream import Setup, open_labelled, open_start, settle, speaker
from i2pmae.recipes.downstream_report import report_task
from i2pmae.training.engine import FitResult, fit
from i2pmae.training.finetune_config import DownstreamConfig, ValidatedConfig
from i2pmae.training.runs import RunFolder, prepare_run_folder
from i2pmae.training.settings import FitSettings
from i2pmae.training.supervised import ClassificationTask, SegmentationTask
from i2pmae.training.validation import BestEpoch, Validation
from i2pmae.viz.parts import PartPicture

__all__ = [
    "VOTES",
    "Fitted",
    "Trained",
    "finished_result",
    "fit_and_choose",
    "protocol",
    "run_task",
    "shared_fields",
    "store_model",
    "stored_result",
    "trained_parts",
]

V = TypeVar("V", bound=ValidatedConfig)
VOTES = 10
"""Copies of a cloud that vote."""


@dataclass(frozen=True)
class Fitted:
    """A trained task with the weights of its best epoch."""

    fit: FitResult
    """The run of the engine."""
    best: Validation
    """The epoch that was chosen."""
    epochs: BestEpoch
    """What was measured of every epoch."""

    def curves(self) -> dict[str, tuple[Any, Any]]:
        """Losses, metrics and the validation score over the optimiser steps."""
        history, rows = self.fit.history, self.epochs.rows()
        steps = self.fit.steps // int(history["epoch"][-1])
        curves: dict[str, tuple[Any, Any]] = {
            label: (history["step"], history[label]) for label in (*history.losses, "learning_rate")
        }
        curves[f"validation {self.epochs.name}"] = ([steps * row.epoch for row in rows], [row.score for row in rows])
        return curves


@dataclass(frozen=True)
class Trained:
    """What one training ended in."""

    result: Result
    """The test."""
    fitted: Fitted
    """How it came about."""
    pictures: Sequence[PartPicture] = ()
    """Test clouds with their parts."""


def run_task(
    config: V,
    split: Callable[[CloudSet], Splits],
    train: Callable[[Setup[V], Splits, Path, bool], Trained],
    draw: Callable[[Path, Trained], object],
    *,
    resume: bool,
    shown: bool,
) -> Result:
    """The result of ``train``, with that of its twin where there is one, and all that a run folder holds.

    ``split`` refuses clouds that the task cannot use; ``train`` is called with the folder for its files and whether to
    resume, once more for the twin; ``draw`` writes the picture of the result.
    """
    say = speaker(shown)
    with prepare_run_folder(config.output, config, resume) as folder:
        finished = finished_result(folder, say)
        if finished is not None:
            return finished
        setup, splits = _set_up(config, split, shown)
        trained = train(setup, splits, folder.path, resume)
        result = trained.result
        if config.twin:
            say("The same from initial weights:")
            twin = train(setup.from_scratch(), splits, folder.path / "scratch", resume)
            result = result.model_copy(update={"twin": twin.result})
            twin.fitted.epochs.clear()
        draw(folder.path, trained)
        if config.report:
            report_task(folder.path, config, result, trained.fitted.curves(), trained.pictures)
        result.save(folder.path / "results.json")
        trained.fitted.epochs.clear()  # last: a run that is stopped before goes on from them
    return result


def finished_result(folder: RunFolder, say: Callable[..., object]) -> Result | None:
    """The result of a task that came to its end in the folder; ``None`` where something is left to do."""
    if folder.note:
        say(folder.note)
    found = stored_result(folder.path) if folder.resumed else None
    if found is not None:
        say(f"The run in {folder.path} is finished.")
    return found


def stored_result(folder: Path) -> Result | None:
    """The result in ``results.json``; ``None`` where it is absent, cut off or edited, and to be made anew."""
    try:
        return Result.load(folder / "results.json")
    except CheckpointError:
        return None


def _set_up(config: V, split: Callable[[CloudSet], Splits], shown: bool) -> tuple[Setup[V], Splits]:
    """The task of a configuration and its clouds."""
    say = speaker(shown)
    device = resolve_device(config.device)
    source = open_start(config)
    splits = split(open_labelled(config, say, shown))
    settled, chosen = settle(config, source, len(splits.train))
    say(
        f"{len(splits.train)} clouds to train, {len(splits.validation)} to validate, {len(splits.test)} to test; "
        f"encoder {source.method}, {source.name}; {device}",
        soft_wrap=True,
    )
    if chosen:
        say("Chosen: " + ", ".join(f"{field} {_shown(value)}" for field, value in chosen.items()), soft_wrap=True)
    return Setup(settled, source, device, chosen, say, shown), splits


def _shown(value: JsonValue) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def fit_and_choose(
    task: ClassificationTask | SegmentationTask,
    splits: Splits,
    setup: Setup[V],
    folder: Path,
    name: str,
    measure: Callable[[], tuple[float, float]],
    resume: bool,
) -> Fitted:
    """The task trained on the training clouds, then with the weights of the epoch that :class:`BestEpoch` chose."""
    config = setup.config
    assert config.epochs is not None
    choose = BestEpoch(folder, name, measure, epochs=config.epochs, every=config.validate_epochs, shown=setup.shown)
    run = fit(task, splits.train, FitSettings.of(config), folder, resume=resume, on_epoch=[choose], shown=setup.shown)
    return Fitted(run, choose.restore(task.model), choose)


def store_model(
    task: ClassificationTask | SegmentationTask, kind: ModelTask, setup: Setup[V], fitted: Fitted, folder: Path
) -> None:
    """Write the weights and what they are into ``folder``."""
    config, source = setup.config, setup.source
    notes: dict[str, Any] = {"recipe": config.recipe, "data": config.data, "encoder": source.name}
    notes |= {"epoch": fitted.best.epoch, "seed": config.seed}
    model = task.model.config
    save_weights(
        folder, task.model, ModelRecord(method=source.method, task=kind, points=task.count, notes=notes, model=model)
    )


def shared_fields(setup: Setup[V], splits: Splits, fitted: Fitted, started: float) -> dict[str, Any]:
    """The fields of a result that don't depend on the kind of task."""
    config, source = setup.config, setup.source
    return {
        "data": config.data,
        "encoder": source.name,
        "method": source.method,
        "recipe": config.recipe,
        "seeds": (config.seed,),
        "train_clouds": len(splits.train),
        "validation_clouds": len(splits.validation),
        "test_clouds": len(splits.test),
        "points": config.input_points,
        "selected": {
            "epoch": fitted.best.epoch,
            "on": f"{len(splits.validation)} validation clouds",
            f"validation_{fitted.epochs.name}": fitted.best.score,
            "settings": setup.chosen,
        },
        "seconds": round(time.monotonic() - started, 1),
        **describe_run(setup.device),
    }


def protocol(setup: Setup[V], splits: Splits, score: str, *more: str) -> str:
    """How ``score`` was measured, in words; ``more`` says what the kind of task adds."""
    config = setup.config
    parts = [
        f"{trained_parts(config)} for {config.epochs} epochs in batches of {config.batch_size}; one score on the "
        f"{len(splits.test)} test clouds.",
        splits.note,
        *more,
    ]
    if config.votes:
        parts.append(
            f"voted_{score}: logits averaged over {VOTES} augmented copies of each test cloud, mean and sample "
            f"standard deviation over {config.votes} repeats."
        )
    return " ".join(parts)


def trained_parts(config: DownstreamConfig) -> str:
    """What is trained, for the protocol."""
    return "Head trained on the frozen encoder" if config.freeze else "Encoder and head trained"
