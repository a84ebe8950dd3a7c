"""A pre-training run from beginning to end: data, teacher, training, weights, probe, report."""

import platform
import shutil
import time
from collections.abc import Callable, Mapping
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
from i2pmae.common.seeds import derive, numpy_generator
from i2pmae.data.clouds import CloudSet
from i2pmae.data.sources import open_source
from i2pmae.evaluation.features import embed_set
from i2pmae.evaluation.probe import LinearProbeResult, linear_probe, train_and_test
from i2pmae.hub import Encoder, ModelRecord, save_weights
from i2pmae.models import I2PMAE
from i2pmae.projection import parse_views
from i2pmae.recipes.pictures import cloud_pictures, one_per_class
from i2pmae.teachers import load_teacher
from i2pmae.teachers.base import Teacher
from i2pmae.training.config import PretrainConfig
from i2pmae.training.engine import FitResult, fit
from i2pmae.training.history import History
from i2pmae.training.i2p import I2PPretraining
from i2pmae.training.runs import prepare_run_folder
from i2pmae.training.settings import FitSettings
from i2pmae.training.task import METRIC_PREFIX, Task
from i2pmae.training.teacher_maps import CachedMaps
from i2pmae.viz import EmbeddingScatter, ProbePair, ReportContent, write_report

__all__ = ["ProbeComparison", "RunResult", "build_model", "pretrain"]

PICTURED = 6
"""Clouds in the report."""
TITLES = {
    "metric/explained": "Share of the 2D features' variance that is predicted",
    "metric/visible_saliency": "Saliency of visible tokens, in standard deviations",
}
"""What to call figures that are watched."""


class ProbeComparison(Config):
    """The same linear probe before and after pre-training."""

    untrained: LinearProbeResult
    """With the initial weights of the run."""
    trained: LinearProbeResult
    """With the final weights."""


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
    """Time of the training steps alone, over all calls."""
    losses: dict[str, float]
    """Mean of each loss over the last epoch."""
    metrics: dict[str, float] = Field(default_factory=dict)
    """Mean of each other figure over the last epoch."""
    probe: ProbeComparison | None = None
    """Linear probes, where the data has labels."""
    machine: str
    """Where it ran."""
    versions: dict[str, str]
    """Of Python, PyTorch and this package."""


@dataclass(frozen=True)
class _Features:
    """Frozen features of the clouds of a probe."""

    train: np.ndarray
    test: np.ndarray


def pretrain(config: PretrainConfig, *, resume: bool = False, shown: bool = True) -> RunResult:
    """The result of a run, which is also in the run folder ``config.output``: weights, full configuration, metrics,
    results.json and report.html.

    Runs on the same machine with the same configuration end in the same weights, stopped and resumed or not. Raises the
    errors of reading data, loading a teacher and training: see :mod:`i2pmae.common.errors`.
    """
    started = time.monotonic()
    say = console().print if shown else _silent
    with prepare_run_folder(config.output, config, resume) as folder:
        if folder.note:
            say(folder.note)
        finished = _finished(config) if folder.resumed else None
        if finished is not None:
            say(f"The run in {config.output} is finished.")
            return finished
        device = resolve_device(config.device)
        teacher = load_teacher(config.teacher, precision=config.teacher_precision, device=device)
        clouds = open_source(
            config.data, seed=config.seed, shown=shown, **config.clouds.model_dump(exclude={"workers"})
        )
        for note in clouds.notes:
            say(note)
        training = _training_part(clouds)
        say(f"{len(training)} clouds of {training.points.shape[1]} points, teacher {teacher.name}, {device}")
        model = build_model(config, teacher)
        result = _train(config, model, teacher, training, folder.path, resume, shown, device)
        record = ModelRecord(
            semantic_dim=model.semantic_dim,
            points=config.clouds.points,
            teacher=teacher.name,
            notes={"recipe": config.recipe, "data": config.data, "epochs": config.epochs, "seed": config.seed},
            model=config.model,
        )
        save_weights(folder.path, model, record)
        probe, scatter = None, None
        if config.probe and clouds.labels is not None:
            try:
                probe, scatter = _probe(config, clouds, model, teacher, record, device, shown)
            except DataError as error:  # too few clouds of a class, say: the weights are there all the same
                say(f"No linear probe: {error}")
        last = {name: float(result.history.epoch_means(name)[-1]) for name in result.history.losses}
        summary = RunResult(
            output=config.output,
            clouds=len(training),
            steps=result.steps,
            seconds=round(time.monotonic() - started, 1),
            training_seconds=round(result.seconds, 1),
            losses={name: value for name, value in last.items() if not name.startswith(METRIC_PREFIX)},
            metrics={name.removeprefix(METRIC_PREFIX): v for name, v in last.items() if name.startswith(METRIC_PREFIX)},
            probe=probe,
            machine=_machine(device),
            versions={"python": platform.python_version(), "torch": torch.__version__, "i2pmae": record.i2pmae_version},
        )
        write_text(folder.path / "results.json", summary.model_dump_json(indent=2) + "\n")
        if config.report:
            say("Drawing the report")
            content = _report(config, clouds, model, teacher, result.history, summary, scatter)
            write_report(folder.path / "report.html", content)
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


def build_model(config: PretrainConfig, teacher: Teacher) -> I2PMAE:
    """The model with the initial weights of a run, which follow from its seed."""
    torch.manual_seed(derive(config.seed, "weights"))
    views = len(parse_views(config.projection.views))
    return I2PMAE(config.model, views * teacher.feature_dim if config.loss.semantics > 0 else 0)


def _silent(*_: object) -> None:
    """Say nothing."""


def _training_part(clouds: CloudSet) -> CloudSet:
    """The training split where there is one, else everything."""
    return clouds.split("train") if clouds.splits is not None and "train" in clouds.splits else clouds


def _train(
    config: PretrainConfig,
    model: I2PMAE,
    teacher: Teacher,
    clouds: CloudSet,
    folder: Path,
    resume: bool,
    shown: bool,
    device: torch.device,
) -> FitResult:
    cached = None
    if config.cache_teacher:
        place = (config.clouds.cache or folder / "cache") / "teacher-maps"
        cached = CachedMaps(place, teacher, clouds, config.projection, device=device, shown=shown)
    task = I2PPretraining(model, teacher, config, cached)
    watch = [_watcher(config, clouds, shown)] if config.watch_epochs and clouds.labels is not None else []
    return fit(task, clouds, FitSettings.of(config), folder, resume=resume, on_epoch=watch, shown=shown)


def _watcher(config: PretrainConfig, clouds: CloudSet, shown: bool) -> Callable[[int, Task, History], None]:
    """Probes on training clouds alone: three quarters to fit, one quarter to score."""
    sample = _capped(clouds, config.probe_clouds, config.seed)
    fitted, held, _ = train_and_test(CloudSet(sample.points, sample.ids, sample.labels, sample.classes), config.seed)
    lines: list[str] = []

    def watch(epoch: int, task: Task, _: History) -> None:
        if epoch % (config.watch_epochs or 1):
            return
        assert isinstance(task.model, I2PMAE) and fitted.labels is not None and held.labels is not None
        record = ModelRecord(semantic_dim=task.model.semantic_dim, points=config.clouds.points, model=config.model)
        encoder = Encoder(task.model, record, next(task.model.parameters()).device)
        features = [embed_set(encoder, part, shown=False) for part in (fitted, held)]
        found = linear_probe(features[0], fitted.labels, features[1], held.labels, seed=config.seed)
        lines.append(f"{epoch},{found.accuracy:.6f}")
        write_text(
            config.output / "watch.csv", "epoch,accuracy_on_held_out_training_clouds\n" + "\n".join(lines) + "\n"
        )
        if shown:
            console().print(f"Epoch {epoch}: linear probe {found.accuracy:.1%} on held-out training clouds")

    return watch


def _capped(clouds: CloudSet, most: int | None, seed: int) -> CloudSet:
    """At most ``most`` random clouds, as many of each class as its share allows (at least four, where it has them)."""
    if most is None or len(clouds) <= most or clouds.labels is None:
        return clouds
    order = numpy_generator(seed, "probe", len(clouds)).permutation(len(clouds))
    share = most / len(clouds)
    rows = [
        members[: max(4, round(share * len(members)))]
        for members in (order[clouds.labels[order] == label] for label in np.unique(clouds.labels))
    ]
    return clouds.subset(np.sort(np.concatenate(rows)))


def _probe(
    config: PretrainConfig,
    clouds: CloudSet,
    model: I2PMAE,
    teacher: Teacher,
    record: ModelRecord,
    device: torch.device,
    shown: bool,
) -> tuple[ProbeComparison, EmbeddingScatter]:
    """The probe of the initial and of the final weights, and both embeddings of the test clouds."""
    train, test, note = train_and_test(clouds, config.seed)
    if note:
        note += " Pre-training saw all clouds, without their labels."
    sizes = len(train), len(test)
    train, test = (_capped(part, config.probe_clouds, config.seed) for part in (train, test))
    if (len(train), len(test)) != sizes:
        note += f" A random {len(train)} of {sizes[0]} training and {len(test)} of {sizes[1]} test clouds were used."
    assert train.labels is not None and test.labels is not None
    found: list[tuple[LinearProbeResult, _Features]] = []
    for name, weights in (("untrained", build_model(config, teacher)), ("trained", model)):
        encoder = Encoder(weights, record, device)
        features = _Features(*(embed_set(encoder, part, shown=shown) for part in (train, test)))
        result = linear_probe(
            features.train,
            train.labels,
            features.test,
            test.labels,
            seed=config.seed,
            classes=clouds.classes,
            split_note=note.strip(),
            shown=shown,
        )
        update = {"points": clouds.points.shape[1], "data": clouds.name, "encoder": f"{config.output} ({name})"}
        found.append((result.model_copy(update=update), features))
    (before, first), (after, last) = found
    classes = clouds.classes or tuple(str(i) for i in range(int(clouds.labels.max()) + 1))  # type: ignore[union-attr]
    scatter = EmbeddingScatter(trained=last.test, untrained=first.test, labels=test.labels, classes=classes)
    return ProbeComparison(untrained=before, trained=after), scatter


def _report(
    config: PretrainConfig,
    clouds: CloudSet,
    model: I2PMAE,
    teacher: Teacher,
    history: History,
    result: RunResult,
    scatter: EmbeddingScatter | None,
) -> ReportContent:
    held_out = clouds.split("test") if clouds.splits is not None and "test" in clouds.splits else clouds
    rows = one_per_class(held_out, PICTURED)
    curves: Mapping[str, tuple[Any, Any]] = {
        TITLES.get(name, name): (history["step"], history[name]) for name in (*history.losses, "total", "learning_rate")
    }
    probe = None
    if result.probe is not None:
        after = result.probe.trained
        probe = ProbePair(result.probe.untrained.accuracy, after.accuracy, after.protocol, after.chance)
    minutes = result.seconds / 60
    return ReportContent(
        title=f"I2P-MAE pre-training: {config.recipe}",
        summary={
            "Recipe": config.recipe,
            "Data": f"{clouds.name}, {result.clouds} clouds of {config.clouds.points} points",
            "Teacher": teacher.name,
            "Training": f"{config.epochs} epochs, {result.steps} steps, batch {config.batch_size}",
            "Model": f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f} M parameters",
            "Time": f"{minutes:.1f} minutes, {result.training_seconds / 60:.1f} of them training",
            "Machine": result.machine,
            "Seed": str(config.seed),
            "Versions": ", ".join(f"{name} {version}" for name, version in result.versions.items()),
        },
        probe=probe,
        history=curves,
        clouds=cloud_pictures(held_out, rows, config, teacher, model, build_model(config, teacher)),
        embeddings=scatter,
        config_yaml=config.to_yaml(),
    )


def _machine(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.system()} {platform.machine()}, {torch.get_num_threads()} CPU threads"
