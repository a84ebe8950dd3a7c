"""A pre-training run from beginning to end: data, what it learns from, training, weights, probe, report."""

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field

from i2pmae.common.config import Config
from i2pmae.common.devices import resolve_device
from i2pmae.common.errors import DataError
from i2pmae.common.files import write_text
from i2pmae.common.progress import console
from i2pmae.common.seeds import numpy_generator
from i2pmae.data.clouds import CloudSet
from i2pmae.data.sources import open_source
from i2pmae.evaluation.records import describe_run
from i2pmae.hub import ModelRecord, save_weights
from i2pmae.models.base import PointModel
from i2pmae.models.methods import TITLES
from i2pmae.recipes.pretrain_pictures import cloud_pictures, one_per_class
from i2pmae.recipes.pretrain_probe import ProbeComparison, compare_probes, watcher
from i2pmae.recipes.pretrain_stage_one import StageOne, open_stage_one
from i2pmae.recipes.pretrain_task import build_model, build_task
from i2pmae.teachers import load_teacher
from i2pmae.teachers.base import Teacher
from i2pmae.training.config import PretrainConfig
from i2pmae.training.engine import FitResult, fit
from i2pmae.training.history import History
from i2pmae.training.i2p import I2PPretraining
from i2pmae.training.runs import prepare_run_folder
from i2pmae.training.settings import FitSettings
from i2pmae.training.task import METRIC_PREFIX, Task
from i2pmae.viz import EmbeddingScatter, ProbePair, ReportContent, write_report

__all__ = ["ProbeComparison", "RunResult", "build_model", "pretrain"]

PICTURED = 6
"""Clouds in the report."""
CURVES = {
    "metric/explained": "Share of the 2D features' variance that is predicted",
    "metric/visible_saliency": "Saliency of visible tokens, in standard deviations",
    "words": "Cross-entropy of masked tokens' words",
    "mixed_words": "Cross-entropy of masked tokens' words in mixtures of two clouds",
    "contrast": "Cross-entropy of finding a cloud's own description",
    "mixed_contrast": "Cross-entropy of finding the descriptions of a mixture's clouds",
    "metric/word_accuracy": "Share of masked tokens whose word is predicted",
    "reconstruction": "Chamfer-L1 of coarse and fine points",
    "divergence": "Divergence of the words from a uniform choice, weighted",
    "metric/temperature": "Temperature of the Gumbel-softmax",
    "metric/vocabulary": "Words in use, by the entropy of their shares",
}
"""What to call losses and figures that are watched."""


class RunResult(Config):
    """What a pre-training run ended in; stored as results.json."""

    output: Path
    """The run folder."""
    clouds: int
    """Clouds trained on."""
    steps: int
    """Optimiser steps."""
    seconds: float
    """Wall time of this call, everything included."""
    training_seconds: float
    """Time of the training steps alone, over all calls; with those of stage one, where the run trained one."""
    teacher_seconds: float = 0.0
    """Time that the cached maps of the teacher took, whenever they were made; a teacher that is not cached works within
    the training steps."""
    losses: dict[str, float]
    """Mean of each loss over the last epoch."""
    metrics: dict[str, float] = Field(default_factory=dict)
    """Mean of each other figure over the last epoch."""
    probe: ProbeComparison | None = None
    """Linear probes, where the data has labels."""
    machine: str
    """Where it ran."""
    versions: dict[str, str]
    """Of Python, the main libraries and this package."""
    commit: str | None = None
    """The git commit of the source tree that ran, where the package runs from one."""


@dataclass(frozen=True)
class _Run:
    """What a run works with."""

    config: PretrainConfig
    """Its configuration."""
    clouds: CloudSet
    """All clouds."""
    teacher: Teacher | None
    """The 2D model, where something needs one."""
    model: PointModel
    """What is trained."""
    device: torch.device
    """Where it is computed."""
    shown: bool
    """Whether progress is shown."""

    def say(self, message: str) -> None:
        """Tell the user, unless nothing is to be shown."""
        if self.shown:
            console().print(message)

    @property
    def training(self) -> CloudSet:
        """The training split where there is one, else everything; of it, the share that is trained on."""
        clouds, share, seed = self.clouds, self.config.fraction, self.config.seed
        part = clouds.split("train") if clouds.splits is not None and "train" in clouds.splits else clouds
        if share == 1:
            return part
        count = max(1, round(share * len(part)))
        rows = numpy_generator(seed, "fraction", len(part)).permutation(len(part))[:count]
        return part.subset(np.sort(rows), f"{part.name}, {share:.0%} by seed {seed}")

    def untrained(self) -> PointModel:
        """The model with its initial weights."""
        return build_model(self.config, self.teacher)

    def record(self) -> ModelRecord:
        """What is stored beside the weights."""
        config = self.config
        return ModelRecord(
            method=config.method,
            semantic_dim=getattr(self.model, "semantic_dim", 0),
            points=config.clouds.points,
            teacher="" if self.teacher is None else self.teacher.name,
            notes={"recipe": config.recipe, "data": config.data, "epochs": config.epochs, "seed": config.seed},
            pooling=config.pooling,
            model=config.model,
        )


def pretrain(config: PretrainConfig, *, resume: bool = False, shown: bool = True) -> RunResult:
    """The result of a run, which is also in the run folder ``config.output``: weights, full configuration, metrics,
    results.json and report.html.

    Runs on the same machine with the same configuration end in the same weights, stopped and resumed or not. Raises the
    errors of reading data, loading a teacher and training: see :mod:`i2pmae.common.errors`.
    """
    started = time.monotonic()
    with prepare_run_folder(config.output, config, resume) as folder:
        if folder.note and shown:
            console().print(folder.note)
        finished = _finished(config) if folder.resumed else None
        if finished is not None:
            if shown:
                console().print(f"The run in {config.output} is finished.")
            return finished
        run = _open(config, shown)
        stage_one = open_stage_one(config, run.training, run.device, shown)
        fitted = _train(run, stage_one, folder.path, resume)
        save_weights(folder.path, run.model, run.record())
        probe, scatter = None, None
        if config.probe and run.clouds.labels is not None:
            try:
                probe, scatter = compare_probes(
                    config, run.clouds, run.untrained(), run.model, run.record(), run.device, shown
                )
            except DataError as error:  # too few clouds of a class, say: the weights are there all the same
                run.say(f"No linear probe: {error}")
        summary = _result(run, fitted, stage_one, probe, time.monotonic() - started)
        write_text(folder.path / "results.json", summary.model_dump_json(indent=2) + "\n")
        if config.report:
            run.say("Drawing the report")
            write_report(folder.path / "report.html", _report(run, fitted.history, stage_one, summary, scatter))
        shutil.rmtree(folder.path / "cache", ignore_errors=True)
    return summary


def _finished(config: PretrainConfig) -> RunResult | None:
    """The stored result of a run that came to its end, report included; ``None`` where something is left to do."""
    path = config.output / "results.json"
    if not path.exists() or (config.report and not (config.output / "report.html").exists()):
        return None
    try:
        return RunResult.model_validate_json(path.read_text(encoding="utf-8"))
    except ValueError:  # cut off or edited: made anew
        return None


def _open(config: PretrainConfig, shown: bool) -> _Run:
    """Data, teacher and model; no teacher is loaded where nothing needs one."""
    device = resolve_device(config.device)
    teacher = None
    if config.needs_teacher:
        teacher = load_teacher(config.teacher, precision=config.teacher_precision, device=device)
    clouds = open_source(config.data, seed=config.seed, shown=shown, **config.clouds.model_dump(exclude={"workers"}))
    run = _Run(config, clouds, teacher, build_model(config, teacher), device, shown)
    for note in clouds.notes:
        run.say(note)
    taught = "" if teacher is None else f", teacher {teacher.name}"
    run.say(f"{len(run.training)} clouds of {clouds.points.shape[1]} points{taught}, {device}")
    return run


def _train(run: _Run, stage_one: StageOne | None, folder: Path, resume: bool) -> FitResult:
    config, clouds = run.config, run.training
    vae = None if stage_one is None else stage_one.vae
    task = build_task(config, run.model, run.teacher, vae, clouds, folder, run.device, run.shown)
    watch = []
    if config.watch_epochs and clouds.labels is not None:
        watch.append(watcher(config, run.model, run.record(), clouds, run.shown))
    return fit(task, clouds, FitSettings.of(config), folder, resume=resume, on_epoch=watch, shown=run.shown)


def _result(
    run: _Run, fitted: FitResult, stage_one: StageOne | None, probe: ProbeComparison | None, seconds: float
) -> RunResult:
    last = {name: float(fitted.history.epoch_means(name)[-1]) for name in fitted.history.losses}
    before = stage_one.result.training_seconds if stage_one is not None and stage_one.result is not None else 0.0
    return RunResult(
        output=run.config.output,
        clouds=len(run.training),
        steps=fitted.steps,
        seconds=round(seconds, 1),
        training_seconds=round(fitted.seconds + before, 1),
        teacher_seconds=round(_cache_seconds(fitted.task), 1),
        losses={name: value for name, value in last.items() if not name.startswith(METRIC_PREFIX)},
        metrics={name.removeprefix(METRIC_PREFIX): v for name, v in last.items() if name.startswith(METRIC_PREFIX)},
        probe=probe,
        **describe_run(run.device),
    )


def _cache_seconds(task: Task) -> float:
    cached = task.cached if isinstance(task, I2PPretraining) else None
    return 0.0 if cached is None else cached.seconds


def _report(
    run: _Run,
    history: History,
    stage_one: StageOne | None,
    result: RunResult,
    scatter: EmbeddingScatter | None,
) -> ReportContent:
    config, clouds = run.config, run.clouds
    held_out = clouds.split("test") if clouds.splits is not None and "test" in clouds.splits else clouds
    rows = one_per_class(held_out, PICTURED)
    probe = None
    if result.probe is not None:
        after = result.probe.trained
        probe = ProbePair(result.probe.untrained.accuracy, after.accuracy, after.protocol, after.chance)
    vae = None if stage_one is None else stage_one.vae.to(run.device)
    pictures = cloud_pictures(held_out, rows, config, run.teacher, run.model, run.untrained(), vae)
    return ReportContent(
        title=f"{TITLES[config.method]} pre-training: {config.recipe}",
        summary=_facts(run, stage_one, result),
        probe=probe,
        history=_curves(history, stage_one),
        clouds=pictures,
        embeddings=scatter,
        config_yaml=config.to_yaml(),
    )


def _curves(history: History, stage_one: StageOne | None) -> Mapping[str, tuple[Any, Any]]:
    """Losses and figures by title, those of stage one last."""
    curves = {
        CURVES.get(name, name): (history["step"], history[name]) for name in (*history.losses, "total", "learning_rate")
    }
    if stage_one is not None and stage_one.history is not None:
        earlier = stage_one.history
        curves |= {f"Stage one: {CURVES.get(name, name)}": (earlier["step"], earlier[name]) for name in earlier.losses}
    return curves


def _facts(run: _Run, stage_one: StageOne | None, result: RunResult) -> dict[str, str]:
    """What the run was, in words."""
    config = run.config
    facts = {
        "Recipe": config.recipe,
        "Data": f"{run.clouds.name}, {result.clouds} clouds of {config.clouds.points} points",
        "Teacher": "" if run.teacher is None else run.teacher.name,
        "Stage one": "" if stage_one is None else _stage_one_fact(config, stage_one),
        "Training": f"{config.epochs} epochs, {result.steps} steps, batch {config.batch_size}",
        "Model": f"{sum(p.numel() for p in run.model.parameters()) / 1e6:.1f} M parameters",
        "Time": f"{result.seconds / 60:.1f} minutes, {result.training_seconds / 60:.1f} of them training",
        "Machine": result.machine,
        "Seed": str(config.seed),
        "Versions": ", ".join(f"{name} {version}" for name, version in result.versions.items()),
    }
    return {name: fact for name, fact in facts.items() if fact}


def _stage_one_fact(config: PretrainConfig, stage_one: StageOne) -> str:
    assert config.bert is not None
    words, result = f"{stage_one.vae.config.codes} words", stage_one.result
    if result is None:
        return f"{words}, from {config.bert.vae_run}"
    return f"{words}, {result.steps} steps, {result.training_seconds / 60:.1f} minutes"
