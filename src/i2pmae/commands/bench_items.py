"""What a benchmark measures: each operation and stage as a call that can be repeated."""

import contextlib
import dataclasses
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import torch
from torch import nn

from i2pmae import ops
from i2pmae.commands.bench_measure import Call
from i2pmae.common.seeds import numpy_generator
from i2pmae.data.clouds import CloudSet
from i2pmae.data.shapes import make_shapes
from i2pmae.evaluation.probe import linear_probe
from i2pmae.methods import METHODS
from i2pmae.methods.base import Setting
from i2pmae.methods.config import PretrainConfig
from i2pmae.methods.task import PretrainTask
from i2pmae.projection.lift import lift
from i2pmae.projection.rasterise import ViewFrame, project
from i2pmae.projection.views import parse_views
from i2pmae.teachers.base import Teacher
from i2pmae.teachers.catalogue import RUN
from i2pmae.teachers.lessons import PointTeacher
from i2pmae.teachers.loading import load_teacher
from i2pmae.teachers.untrained import PUBLISHED, untrained_clip
from i2pmae.training.device import repeatable, resolve_precision
from i2pmae.training.optimiser import build_optimiser
from i2pmae.training.task import Stepwise
from i2pmae.typing import Tensor
from i2pmae.weights.encoder import Encoder
from i2pmae.weights.record import ModelRecord

__all__ = [
    "MEASURES",
    "OPERATIONS",
    "Item",
    "embedding",
    "operations",
    "probes",
    "recipe_items",
    "start_up",
    "teacher_for",
    "training_step",
    "usual_batch",
]

OPERATIONS = ("fps", "knn", "chamfer", "three_nn_interpolate")
MEASURES = (*OPERATIONS, "projection", "lift", "teacher", "step", "embedding", "probe", "start-up")
"""All that can be measured, in order."""
BATCHES = ((3e6, 32), (1e7, 16), (float("inf"), 4))
"""Clouds in a batch on a CPU, for models of up to so many parameters."""
GPU_BATCH = 128
"""Clouds in a batch on a GPU, which fewer do not fill."""
PROBE = {"clouds": 880, "test": 400, "classes": 44, "features": 192}
"""The probe of the recipe ``default``."""


@dataclasses.dataclass(frozen=True)
class Item:
    """Something to be measured."""

    measure: str
    """One of :data:`MEASURES`."""
    what: str
    """Of which size, model or kind."""
    call: Call
    """What is timed."""
    clouds: int = 0
    """Clouds in a call, where it has any."""
    precision: str | None = None
    """In which arithmetic its matrix products are computed; ``None`` for what has none worth counting."""
    inner: tuple[str, Call] | None = None
    """A part of it whose matrix products are computed in another arithmetic, and which."""
    within: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext
    """In what it is measured."""
    inside: bool = True
    """Whether this process does the work, so that its memory says something."""


def operations(
    device: torch.device, sizes: tuple[int, int, int] = (2048, 16384, 100_000), many: int = 32
) -> Iterator[Item]:
    """Geometry: FPS, kNN, Chamfer distance and interpolation, of one cloud of each size and of ``many`` small ones."""
    small, middle, large = sizes
    clouds = {size: _shapes(1, size, device) for size in sizes}
    batch = _shapes(many, small, device)
    for points in (clouds[small], batch):
        yield Item("fps", f"{small // 4} of {small} points", _partial(ops.fps, points, small // 4), len(points))
    for points, share in ((clouds[small], 4), (clouds[middle], 16), (clouds[large], 16), (batch, 4)):
        size, queries = points.shape[1], points.shape[1] // share
        call = _partial(ops.knn, points[:, :queries], points, 16)
        yield Item("knn", f"16 of {size} points, {queries} queries", call, len(points))
    groups = _shapes(1, 2 * 8 * 196 * many, device).view(2, -1, 8, 3)  # as many as a step of the paper's model masks
    yield Item("chamfer", f"{groups.shape[1]} groups of 8, with gradient", _with_gradient(*groups), many)
    left, right = (_shapes(1, small, device, seed) for seed in range(2))
    yield Item("chamfer", f"{small} and {small} points, with gradient", _with_gradient(left, right), 1)
    left, right = (_shapes(1, middle, device, seed) for seed in range(2))
    yield Item("chamfer", f"{middle} and {middle} points", _partial(ops.chamfer_l2, left, right), 1)
    features = torch.randn(many, 64, 384, device=device)
    call = _partial(ops.three_nn_interpolate, batch, batch[:, :64], features)
    yield Item("three_nn_interpolate", f"{small} points from 64, 384 channels", call, many)


def _shapes(count: int, points: int, device: torch.device, seed: int = 0) -> Tensor:
    return torch.as_tensor(make_shapes(count, points, seed=seed).points, device=device)


def _partial(function: Callable[..., object], *arguments: object) -> Call:
    return lambda: function(*arguments)


def _with_gradient(left: Tensor, right: Tensor) -> Call:
    """The distance and its slope, as a training step wants both."""
    moving = left.clone().requires_grad_()

    def call() -> None:
        torch.autograd.grad(ops.chamfer_l2(moving, right), moving)

    return call


def recipe_items(
    config: PretrainConfig,
    device: torch.device,
    name: str,
    wanted: Collection[str],
    batch: int | None = None,
    encoder: Encoder | None = None,
) -> Iterator[Item]:
    """Projection, lift, teacher, steps and embedding of a run of pre-training, on a batch of built-in shapes.

    The embedding is that of ``encoder``, or of initial weights where there is none. What is not ``wanted`` is only made
    where the rest needs it.
    """
    count = batch or usual_batch(config.method.model.build(), device)
    clouds = make_shapes(count, config.data.points)
    points = torch.as_tensor(clouds.points, device=device)
    config = config.changed(epochs=1, batch_size=count, device=str(device))
    exact = not _only_cached(config)
    with tempfile.TemporaryDirectory(prefix="i2pmae-bench-") as folder:
        setting = Setting(
            _cached(config, not exact, folder),
            clouds,
            device,
            Path(folder),
            shown=False,
            teacher=teacher_for(config, device),
        )
        task = METHODS[config.method.name].build(setting)
        if task.teacher is None:
            yield _step(name, task, config, points)
        elif isinstance(task.teacher, PointTeacher):
            yield Item("teacher", task.teacher.name, _partial(task.teacher.teach, points), count, "fp32")
            yield _step(f"{name}, exact", task, config, points)
        else:
            images, frame = _pictures(task, points)
            yield from _looking(task, points, images, frame)
            precision = getattr(task.teacher, "precision", "fp32")
            if exact:
                yield _step(f"{name}, exact", task, config, points, (precision, _partial(task.teacher, images)))
            if "step" in wanted and _may_cache(config):
                setting = dataclasses.replace(setting, config=_cached(config, True, folder))
                kept = METHODS[config.method.name].build(setting) if exact else task
                yield _step(f"{name}, cached maps", kept, config, points)
    yield embedding(encoder or _encoder(task, config, device), clouds, name)


def usual_batch(encoder: nn.Module, device: torch.device) -> int:
    """Clouds in a call where nobody says: as many as keep the device busy for a second or so."""
    if device.type != "cpu":
        return GPU_BATCH
    parameters = sum(value.numel() for value in encoder.parameters())
    return next(clouds for most, clouds in BATCHES if parameters <= most)


def teacher_for(config: PretrainConfig, device: torch.device) -> Teacher | None:
    """The teacher of a run that names one. CLIP ViT-B/16 is made with random weights, which take as long."""
    name, precision = (getattr(config.method, field, None) for field in ("teacher", "teacher_precision"))
    if name is None or name.startswith(RUN) or not getattr(config.method, "needs_teacher", True):
        return None  # a run that teaches is opened by the method
    if name == PUBLISHED:
        return untrained_clip(precision=precision or "auto", device=device)
    return load_teacher(name, precision=precision or "auto", device=device)


def _may_cache(config: PretrainConfig) -> bool:
    return "cache_teacher" in type(config.method).model_fields


def _only_cached(config: PretrainConfig) -> bool:
    """Whether its objectives need what the teacher says of all clouds beforehand: it has no step with the teacher."""
    whole = getattr(config.method, "whole", None)
    return whole is not None and bool(whole.others or whole.views)


def _cached(config: PretrainConfig, cached: bool, folder: str) -> PretrainConfig:
    """The run with its teacher in every step, or with maps made before, which go to ``folder``."""
    changes = {"method.cache_teacher": cached} if _may_cache(config) else {}
    return config.changed({**changes, "data.cache": Path(folder)})


def _pictures(task: PretrainTask, points: Tensor) -> tuple[Tensor, ViewFrame]:
    """What a step shows to its teacher, one image after the other, and where points lie in it."""
    shown = task.projection
    images, frame = project(points, parse_views(shown.views), shown.image_size, shown.depth)
    return images.flatten(0, 1)[:, None], frame


def _looking(task: PretrainTask, points: Tensor, images: Tensor, frame: ViewFrame) -> Iterator[Item]:
    """What a teacher takes part in: depth maps, its maps at points, its own forward."""
    teacher, count, views = task.teacher, len(points), len(frame.views)
    assert teacher is not None and not isinstance(teacher, PointTeacher)
    yield Item("projection", f"{views} views of {points.shape[1]} points", _partial(_pictures, task, points), count)
    at = points[:, : task.student.min_points]
    maps = teacher(images[:views]).features.expand(count, -1, -1, -1, -1)
    what = f"{maps.shape[2]} channels of {views} views to {at.shape[1]} points"
    yield Item("lift", what, _partial(lift, maps.contiguous(), at, frame), count, "fp32")
    precision = getattr(teacher, "precision", "fp32")
    yield Item("teacher", f"{teacher.name}, {len(images)} images", _partial(teacher, images), count, precision)


def _step(
    what: str, task: PretrainTask, config: PretrainConfig, points: Tensor, inner: tuple[str, Call] | None = None
) -> Item:
    device = points.device
    precision = resolve_precision(config.training.precision, device)
    call = training_step(task, config, points)
    about = f"{what}, {points.shape[1]} points"
    return Item("step", about, call, len(points), precision, inner, lambda: repeatable(device))


def training_step(task: PretrainTask, config: PretrainConfig, points: Tensor) -> Call:
    """One step of optimisation on a batch, as a run takes it: losses, backward, AdamW."""
    device = points.device
    task.to(device)
    precision = resolve_precision(config.training.precision, device)
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    optimiser, settings = build_optimiser(task.model, config.training.optimiser), config.training.optimiser
    parameters = list(task.model.parameters())
    batch = {"points": points, "index": torch.arange(len(points), device=device)}
    rng = torch.Generator(device=device).manual_seed(0)

    def call() -> None:
        task.model.train()
        if isinstance(task, Stepwise):
            task.begin(0)
        with torch.autocast(device.type, dtype, enabled=dtype is not None):
            losses = task.losses(batch, rng).values()
        torch.stack([loss.weighted for loss in losses if loss.weight is not None]).sum().backward()
        if settings.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(parameters, settings.clip_norm)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    return call


def _encoder(task: PretrainTask, config: PretrainConfig, device: torch.device) -> Encoder:
    """The student as a run stores it."""
    method, model = config.method, task.student
    record = ModelRecord(method=method.name, points=config.data.points, pooling=method.pooling, model=model.config)
    return Encoder(model, record, device)


def embedding(encoder: Encoder, clouds: CloudSet, name: str) -> Item:
    """The embedding of clouds as a user asks for it: arrays in, arrays out."""
    points = np.asarray(clouds.points)
    what = f"{name}, {points.shape[1]} points"
    return Item("embedding", what, lambda: encoder.embed(points, batch_size=len(points)), len(points), "fp32")


def probes() -> Iterator[Item]:
    """The linear probe on made-up features of overlapping classes: choice of C, fit and score; on the CPU, as ever."""
    rng = numpy_generator(0, "bench", "probe")
    train, channels = PROBE["clouds"], PROBE["features"]
    centres = rng.normal(size=(PROBE["classes"], channels)) * np.geomspace(1, 0.02, channels)
    labels = np.arange(train + PROBE["test"]) % PROBE["classes"]
    features = (centres[labels] + rng.normal(size=(len(labels), channels)) * 0.6).astype(np.float32)
    parts = features[:train], labels[:train], features[train:], labels[train:]
    what = f"{train} x {channels}, {PROBE['classes']} classes, choice of C"
    yield Item("probe", what, lambda: linear_probe(*parts, shown=False), train + PROBE["test"])


def start_up() -> Iterator[Item]:
    """How long a new process takes until it has printed its help, or can pre-train."""
    for what, arguments in (
        ("i2pmae --help", ["-m", "i2pmae", "--help"]),
        ("i2pmae pretrain --help", ["-m", "i2pmae", "pretrain", "--help"]),
        ("import i2pmae", ["-c", "import i2pmae"]),
        ("import of pretrain", ["-c", "from i2pmae import pretrain"]),
    ):
        yield Item("start-up", what, _partial(_in_new_process, arguments), inside=False)


def _in_new_process(arguments: list[str]) -> None:
    """Run Python with the package that runs here."""
    place = str(Path(__file__).parents[2])
    path = os.pathsep.join(part for part in (place, os.environ.get("PYTHONPATH", "")) if part)
    environment = os.environ | {"PYTHONPATH": path}
    subprocess.run([sys.executable, *arguments], env=environment, stdout=subprocess.DEVNULL, check=True)
