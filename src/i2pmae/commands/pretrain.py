"""``pretrain``: from data to the weights of an encoder, with all that a run folder holds."""

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from i2pmae.commands.pretrain_opened import OpenedRun, open_run
from i2pmae.commands.pretrain_probe import Watch, compare_probes, cross_validated
from i2pmae.commands.pretrain_start import usual_recipe, with_sizes
from i2pmae.common import ranks
from i2pmae.common.errors import CheckpointError, DataError
from i2pmae.common.progress import say
from i2pmae.common.seeds import torch_generator
from i2pmae.data.choosing import one_per_class
from i2pmae.data.config import DataConfig
from i2pmae.methods import METHODS, recipes
from i2pmae.methods.config import PretrainConfig
from i2pmae.methods.pictures import explained
from i2pmae.runs.folder import RunFolder, prepare_run_folder
from i2pmae.runs.record import RESULTS_FILE, START, RunRecord, describe_run
from i2pmae.teachers.lessons import AnyTeacher
from i2pmae.training.engine import FitResult, fit
from i2pmae.training.hooks.base import Hook, check_callbacks
from i2pmae.training.processes import joined
from i2pmae.viz import EmbeddingScatter, ProbePair, ReportContent, RunContext, write_report
from i2pmae.weights.store import save_weights

__all__ = ["pretrain"]

PICTURED = 6
"""Clouds in the report."""


def pretrain(
    config: PretrainConfig | None = None,
    *,
    teacher: AnyTeacher | None = None,
    resume: bool = False,
    shown: bool = True,
    callbacks: Sequence[Hook] = (),
    **changes: Any,
) -> RunRecord:
    """The record of a run of pre-training, whose folder gets weights, full configuration, metrics, results.json and
    report.html.

    Runs on the same machine with the same configuration end in the same weights, stopped and resumed or not.

    >>> i2pmae.pretrain(i2pmae.recipe("tiny"), data="my/scans", up="z", epochs=50, output="runs/scans")

    Args:
        config: the run; where absent, the recipe ``default`` for built-in shapes, and ``adapt``, which goes on from
            the weights in the package, for other data.
        teacher: a 2D model of your own, any object with the methods of :class:`~i2pmae.teachers.base.Teacher`, in the
            place of the one that the configuration names; or one that sees points,
            :class:`~i2pmae.teachers.lessons.PointTeacher`.
        resume: go on with the run in the output folder, as if it had never stopped.
        shown: whether progress is shown, on standard error.
        callbacks: objects of :class:`i2pmae.Hook`, told of every step and epoch, and of the end of the training.
        changes: fields of the configuration by name, as :meth:`~i2pmae.common.config.Config.changed` takes them. With
            ``start``, weights to go on from, the model has their sizes, unless the changes say otherwise.

    Raises:
        UsageError: for a configuration that cannot be, or an output folder that holds something else.
        I2PError: for data, a teacher or a checkpoint that cannot be used, a loss that is not finite, a full disk: see
            :mod:`i2pmae.common.errors`.
    """
    hooks = check_callbacks(callbacks)
    start = changes.pop("start", None)
    config = config or _usual(changes)
    if start is not None:
        config = with_sizes(config, start)
    config = config.changed(changes)
    started = time.monotonic()
    with (
        joined(config.training.device, config.training.devices),
        prepare_run_folder(config.output.folder, config, resume) as folder,
    ):
        if folder.note and shown:
            say(folder.note)
        finished = ranks.on_main(lambda: _finished(config, folder))
        if finished is not None:
            if shown:
                say(f"The run in {folder.path} is finished.")
            return finished
        run = open_run(config, folder, teacher, shown)
        fitted = _train(run, folder, resume, hooks)
        run = _with_read_out(run)
        ranks.on_main(lambda: save_weights(folder.path, run.task.student, run.record()))
        probe, scatter = _probe(run)
        return ranks.on_main(lambda: _store(run, folder, fitted, probe, scatter, time.monotonic() - started))


def _usual(changes: Mapping[str, Any]) -> PretrainConfig:
    """The recipe for what the changes name."""
    base = recipes()["default"]()
    whole = base.changed(changes)
    return recipes()[usual_recipe(whole.data.source, sized=whole.method.model != base.method.model)]()


def _store(
    run: OpenedRun,
    folder: RunFolder,
    fitted: FitResult,
    probe: RunRecord | None,
    scatter: EmbeddingScatter | None,
    seconds: float,
) -> RunRecord:
    """The record of the run, which is written into its folder, with the report."""
    record = _record(run, fitted, probe, seconds)
    record.save(folder.path / RESULTS_FILE)
    if run.config.output.report:
        run.say("Drawing the report")
        write_report(folder.path / "report.html", _report(run, fitted, record, scatter))
    shutil.rmtree(folder.path / "cache", ignore_errors=True)
    return record


def _finished(config: PretrainConfig, folder: RunFolder) -> RunRecord | None:
    """The stored record of a run that came to its end, report included; ``None`` where something is left to do."""
    if not folder.resumed or (config.output.report and not (folder.path / "report.html").exists()):
        return None
    try:
        return RunRecord.load(folder.path)
    except CheckpointError:  # absent, cut off or edited: made anew
        return None


def _train(run: OpenedRun, folder: RunFolder, resume: bool, hooks: Sequence[Hook]) -> FitResult:
    config = run.config
    watch: list[Hook] = []
    if config.output.watch_epochs and run.training.labels is not None:
        watch.append(Watch(config, run.task.student, run.record(), run.training, folder.path, run.shown))
    return fit(
        run.task, run.learnt_from, config.training, folder.path, resume=resume, hooks=[*watch, *hooks], shown=run.shown
    )


def _with_read_out(run: OpenedRun) -> OpenedRun:
    """The run with the read-out that cross-validation on its training clouds prefers, where that is asked for."""
    if not run.config.output.choose_pooling:
        return run
    try:
        found = cross_validated(run.config, run.task.student, run.record(), run.training, run.device, run.shown)
    except DataError as error:
        run.say(f"The read-out stays {run.config.method.pooling}: {error}")
        return run
    best = next(iter(found))
    run.say(f"Read-out {best}: {found[best]:.1%} in cross-validation on training clouds")
    for model in run.models().values():
        model.pooling = best
    return replace(run, read_outs=found)


def _probe(run: OpenedRun) -> tuple[RunRecord | None, EmbeddingScatter | None]:
    """The probes of the run, where they are wanted and the data has labels for them."""
    if not run.config.output.probe or run.clouds.labels is None:
        return None, None
    try:
        return compare_probes(run.config, run.clouds, run.models(), run.record(), run.device, run.shown)
    except DataError as error:  # too few clouds of a class, say: the weights are there all the same
        run.say(f"No linear probe: {error}")
        return None, None


def _record(run: OpenedRun, fitted: FitResult, probe: RunRecord | None, seconds: float) -> RunRecord:
    """What the run found: the probe of its final weights, and how the training went."""
    config = run.config
    figures = fitted.figures(len(run.learnt_from))
    figures["training_seconds"] = round(figures["training_seconds"] + run.task.earlier_seconds, 1)
    figures["teacher_seconds"] = round(run.task.teacher_seconds, 1)
    found = probe or RunRecord(kind="pretrain", data=run.clouds.name, points=run.clouds.points.shape[1])
    return found.changed(
        kind="pretrain",
        method=config.method.name,
        recipe=config.recipe,
        encoder=str(config.output.folder),
        seeds=(config.training.seed,),
        selected={**found.selected, **({"settings": dict(run.chosen)} if run.chosen else {})},
        figures=figures,
        seconds=round(seconds, 1),
        output=config.output.folder,
        **describe_run(run.device),
    )


def _report(run: OpenedRun, fitted: FitResult, record: RunRecord, scatter: EmbeddingScatter | None) -> ReportContent:
    config, clouds = run.config, run.clouds
    held_out = clouds.split("test") if clouds.splits is not None and "test" in clouds.splits else clouds
    probe = None
    if record.primary and record.twin is not None:
        probe = ProbePair(record.twin.accuracy, record.accuracy, record.protocol, record.chance)
    pictures = [
        explained(
            held_out,
            row,
            run.task,
            torch_generator(config.training.seed, "picture", row, device=run.device),
            untrained=run.untrained,
        )
        for row in one_per_class(held_out, PICTURED)
    ]
    return ReportContent(
        title=f"{METHODS[config.method.name].title} pre-training: {config.recipe}",
        summary=_facts(run, record),
        probe=probe,
        history=_curves(run, fitted),
        clouds=pictures,
        embeddings=scatter,
        config_yaml=config.to_yaml(),
        run=_context(run),
    )


def _context(run: OpenedRun) -> RunContext:
    """What the run was, for the words and the commands of its report."""
    config, data, default = run.config, run.config.data, DataConfig()
    reading = {"--up": (data.up, default.up), "--labels": (data.labels, default.labels)}
    return RunContext(
        folder=str(config.output.folder),
        data=data.source,
        options=[word for name, (value, usual) in reading.items() if value != usual for word in (name, str(value))],
        labelled=run.clouds.labels is not None,
        method=METHODS[config.method.name].title,
        trained_on=f"{len(run.training)} clouds of {run.clouds.name}{_beside(run)}",
        teacher="" if run.task.teacher is None else run.task.teacher.name,
    )


def _curves(run: OpenedRun, fitted: FitResult) -> Mapping[str, tuple[Any, Any]]:
    """Losses and figures by title, those of what was trained before last."""
    history, titles = fitted.history, fitted.titles
    names = (*history.losses, "total", "learning_rate")
    return {**{titles.get(name, name): (history["step"], history[name]) for name in names}, **run.task.earlier()}


def _facts(run: OpenedRun, record: RunRecord) -> dict[str, str]:
    """What the run was, in words."""
    config, figures = run.config, record.figures
    parameters = sum(parameter.numel() for parameter in run.task.student.parameters())
    facts = {
        "Recipe": config.recipe,
        "Data": f"{run.clouds.name}, {len(run.training)} clouds{_beside(run)} of {config.data.points} points",
        "Start": _started(run, record),
        **run.task.facts(),
        "Training": f"{figures['epochs']:.0f} epochs, {figures['steps']:.0f} steps, batch {config.training.batch_size}",
        "Model": f"{parameters / 1e6:.1f} M parameters",
        "Time": f"{(record.seconds or 0) / 60:.1f} minutes, {figures['training_seconds'] / 60:.1f} of them training",
        "Machine": record.machine,
        "Seed": str(config.training.seed),
        "Versions": ", ".join(f"{name} {version}" for name, version in record.versions.items()),
        "Commit": record.commit or "",
    }
    return {name: fact for name, fact in facts.items() if fact}


def _beside(run: OpenedRun) -> str:
    """What was learnt from beside the training clouds; empty where nothing was."""
    count = run.config.shapes_beside
    return f" and {count} built-in shapes" if count else ""


def _started(run: OpenedRun, record: RunRecord) -> str:
    """Which weights it went on from, and how good these were; empty for a run from initial weights."""
    if run.config.start is None:
        return ""
    probe = record.children.get(START)
    return run.config.start + ("" if probe is None else f", whose probe gives {probe.accuracy:.1%}")
