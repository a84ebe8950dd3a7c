"""``pretrain``: from data to the weights of an encoder, with all that a run folder holds."""

import copy
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from pydantic import JsonValue

from i2pmae.commands.pretrain_probe import Watch, compare_probes, cross_validated
from i2pmae.commands.pretrain_start import begin, with_axis, with_sizes
from i2pmae.common import ranks
from i2pmae.common.devices import resolve_device, where_computed
from i2pmae.common.errors import CheckpointError, DataError
from i2pmae.common.progress import say
from i2pmae.common.seeds import torch_generator
from i2pmae.data.choosing import one_per_class
from i2pmae.data.clouds import CloudSet
from i2pmae.data.config import DataConfig
from i2pmae.data.sources.named import is_shapes
from i2pmae.encoders.base import PointModel
from i2pmae.encoders.pooling import Pooling
from i2pmae.methods import METHODS, recipes
from i2pmae.methods.base import Setting
from i2pmae.methods.config import PretrainConfig
from i2pmae.methods.pictures import explained
from i2pmae.methods.task import PretrainTask
from i2pmae.runs.folder import RunFolder, prepare_run_folder
from i2pmae.runs.record import RESULTS_FILE, START, RunRecord, describe_run
from i2pmae.teachers.lessons import AnyTeacher
from i2pmae.training.engine import FitResult, fit
from i2pmae.training.hooks.base import Hook, check_callbacks
from i2pmae.training.length import choose_length
from i2pmae.training.processes import joined
from i2pmae.viz import EmbeddingScatter, ProbePair, ReportContent, RunContext, write_report
from i2pmae.weights.record import ModelRecord
from i2pmae.weights.store import save_weights

__all__ = ["open_run", "pretrain"]

FEW = 1000
"""Training clouds of one's own below which pre-training from initial weights is advised against (docs/results.md)."""

PICTURED = 6
"""Clouds in the report."""


@dataclass(frozen=True)
class _Run:
    """What a run works with."""

    config: PretrainConfig
    """Its configuration."""
    clouds: CloudSet
    """All clouds."""
    training: CloudSet
    """Those that are trained on."""
    task: PretrainTask
    """What is trained, and what it learns from."""
    untrained: PointModel
    """The student with its initial weights."""
    started: PointModel | None
    """The student before the first step, where it goes on from given weights."""
    device: torch.device
    """Where it is computed."""
    shown: bool
    """Whether progress is shown."""
    chosen: Mapping[str, JsonValue] = field(default_factory=dict)
    """What the configuration left to be chosen from the number of clouds, and what was."""
    read_outs: Mapping[Pooling, float] = field(default_factory=dict)
    """What each way to pool tokens reached in cross-validation, where one was chosen by it; the best comes first."""

    def say(self, message: str) -> None:
        """Tell the user, unless nothing is to be shown."""
        if self.shown:
            say(message)

    def models(self) -> dict[str, PointModel]:
        """What is probed: the student with its initial weights, with those it began with, and as it is."""
        begun = {} if self.started is None else {START: self.started}
        return {"untrained": self.untrained, **begun, "trained": self.task.student}

    def record(self) -> ModelRecord:
        """What is stored beside the weights."""
        config, teacher = self.config, self.task.teacher
        return ModelRecord(
            method=config.method.name,
            points=config.data.points,
            files_up=self.clouds.files_up,
            teacher="" if teacher is None else teacher.name,
            notes={
                "recipe": config.recipe,
                "data": config.data.source,
                "epochs": config.training.epochs,
                "seed": config.training.seed,
                **({} if config.start is None else {"start": config.start}),
                **({f"cross-validated {name}": round(score, 6) for name, score in self.read_outs.items()}),
            },
            pooling=next(iter(self.read_outs), config.method.pooling),
            model=self.task.student.config,
        )


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
        config: the run; the recipe ``default`` where absent.
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
    config = config or recipes()["default"]()
    if (start := changes.pop("start", None)) is not None:
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


def _store(
    run: _Run,
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


def open_run(config: PretrainConfig, folder: RunFolder, teacher: AnyTeacher | None, shown: bool) -> _Run:
    """Data and task; the method makes ready what it learns from."""
    device, seed = resolve_device(config.training.device), config.training.seed
    config, said = with_axis(config)
    if said and shown:
        say(said)
    with ranks.main_first():
        clouds = config.data.open(seed=seed, shown=shown)
    training = config.data.training_part(clouds, seed)
    chosen = choose_length(config.training, len(training))
    config = config.changed({f"training.{name}": value for name, value in chosen.items()})
    notes = ranks.on_main(lambda: clouds.notes_in(folder.path))
    if shown:
        for note in notes:
            say(note)
        say(f"{len(training)} clouds of {clouds.points.shape[1]} points, {where_computed(device)}")
        if chosen:
            say("Chosen: " + ", ".join(f"{name} {value}" for name, value in chosen.items()))
        if config.start is None and len(training) < FEW and not is_shapes(config.data.source):
            say(
                "So few clouds make a worse encoder from initial weights than the one in the package is as it is: "
                "`i2pmae embed DATA` uses that, and `i2pmae pretrain best --start tiny` goes on from it."
            )
    setting = Setting(config, training, device, folder.path, shown, teacher)
    task = METHODS[config.method.name].build(setting)
    untrained, started = task.untrained(), None
    if config.start is not None:
        done = begin(task, config.start)
        started = copy.deepcopy(task.student)
        if shown:
            say(f"Going on from {config.start}: {done}")
    return _Run(config, clouds, training, task, untrained, started, device, shown, chosen)


def _train(run: _Run, folder: RunFolder, resume: bool, hooks: Sequence[Hook]) -> FitResult:
    config = run.config
    watch: list[Hook] = []
    if config.output.watch_epochs and run.training.labels is not None:
        watch.append(Watch(config, run.task.student, run.record(), run.training, folder.path, run.shown))
    return fit(
        run.task, run.training, config.training, folder.path, resume=resume, hooks=[*watch, *hooks], shown=run.shown
    )


def _with_read_out(run: _Run) -> _Run:
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


def _probe(run: _Run) -> tuple[RunRecord | None, EmbeddingScatter | None]:
    """The probes of the run, where they are wanted and the data has labels for them."""
    if not run.config.output.probe or run.clouds.labels is None:
        return None, None
    try:
        return compare_probes(run.config, run.clouds, run.models(), run.record(), run.device, run.shown)
    except DataError as error:  # too few clouds of a class, say: the weights are there all the same
        run.say(f"No linear probe: {error}")
        return None, None


def _record(run: _Run, fitted: FitResult, probe: RunRecord | None, seconds: float) -> RunRecord:
    """What the run found: the probe of its final weights, and how the training went."""
    config = run.config
    figures = fitted.figures(len(run.training))
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


def _report(run: _Run, fitted: FitResult, record: RunRecord, scatter: EmbeddingScatter | None) -> ReportContent:
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


def _context(run: _Run) -> RunContext:
    """What the run was, for the words and the commands of its report."""
    config, data, default = run.config, run.config.data, DataConfig()
    reading = {"--up": (data.up, default.up), "--labels": (data.labels, default.labels)}
    return RunContext(
        folder=str(config.output.folder),
        data=data.source,
        options=[word for name, (value, usual) in reading.items() if value != usual for word in (name, str(value))],
        labelled=run.clouds.labels is not None,
        method=METHODS[config.method.name].title,
        trained_on=f"{len(run.training)} clouds of {run.clouds.name}",
        teacher="" if run.task.teacher is None else run.task.teacher.name,
    )


def _curves(run: _Run, fitted: FitResult) -> Mapping[str, tuple[Any, Any]]:
    """Losses and figures by title, those of what was trained before last."""
    history, titles = fitted.history, fitted.titles
    names = (*history.losses, "total", "learning_rate")
    return {**{titles.get(name, name): (history["step"], history[name]) for name in names}, **run.task.earlier()}


def _facts(run: _Run, record: RunRecord) -> dict[str, str]:
    """What the run was, in words."""
    config, figures = run.config, record.figures
    parameters = sum(parameter.numel() for parameter in run.task.student.parameters())
    facts = {
        "Recipe": config.recipe,
        "Data": f"{run.clouds.name}, {len(run.training)} clouds of {config.data.points} points",
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


def _started(run: _Run, record: RunRecord) -> str:
    """Which weights it went on from, and how good these were; empty for a run from initial weights."""
    if run.config.start is None:
        return ""
    probe = record.children.get(START)
    return run.config.start + ("" if probe is None else f", whose probe gives {probe.accuracy:.1%}")
