"""A method and a task from outside the package go through every command without a change in it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import nn

import i2pmae
from i2pmae import methods, tasks
from i2pmae.cli import main
from i2pmae.commands.tasks import run_task
from i2pmae.common.config import Config
from i2pmae.encoders import starts
from i2pmae.encoders.base import PointModel
from i2pmae.encoders.config import ENCODERS, EncoderConfig, PlainConfig
from i2pmae.encoders.plain import PlainEncoder
from i2pmae.encoders.pooling import Pooling
from i2pmae.encoders.tokens import pool, pooled_width
from i2pmae.evaluation.scores import score_classes
from i2pmae.evaluation.splits import class_names
from i2pmae.methods.base import Method, Recipes, Setting
from i2pmae.methods.config import METHOD_CONFIGS, MethodConfig, PretrainConfig
from i2pmae.methods.task import PretrainTask
from i2pmae.tasks import base
from i2pmae.tasks.config import TASK_CONFIGS, TaskRunConfig, ValidatedTask
from i2pmae.tasks.supervised import SupervisedTask
from i2pmae.tasks.validated import held_out
from i2pmae.training.task import Batch, Loss, Losses
from i2pmae.weights import kinds
from i2pmae.weights.kinds import ModelKind

SIZES = {"group_count": 16, "group_size": 8, "embed_widths": (8, 16, 32), "width": 24, "depth": 1, "heads": 2}


# A method: a cloud's encoder predicts its extent along each axis.


class ExtentSizes(PlainConfig):
    hidden: int = 8


class ExtentConfig(MethodConfig):
    name: Literal["extents"] = "extents"
    pooling: Pooling = "mean|max"
    model: ExtentSizes = ExtentSizes(**SIZES)


class ExtentModel(PointModel):
    def __init__(self, config: ExtentSizes) -> None:
        super().__init__()
        self.config = config
        self.encoder = PlainEncoder(config)
        self.head = nn.Sequential(nn.Linear(config.width, config.hidden), nn.ReLU(), nn.Linear(config.hidden, 3))

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        return self.head(pool(self.encoder(self.tokenise(points)), "max"))


class ExtentTask(PretrainTask):
    def __init__(self, model: PointModel, config: MethodConfig, points: int = 0) -> None:
        self.model, self.config, self.points = model, config, points

    @property
    def student(self) -> PointModel:
        return self.model

    def losses(self, batch: Batch, rng: torch.Generator) -> Losses:
        _, points = self.drawn(batch, rng)
        extents = points.amax(1) - points.amin(1)
        return {"extents": Loss((self.model(points) - extents).square().mean(), "Squared error of the extents")}


def extents() -> PretrainConfig:
    """Extents of clouds, in a second."""
    return PretrainConfig(recipe="extents", method=ExtentConfig())


class Extents(Method):
    title = "Extents"
    Config = ExtentConfig

    @property
    def recipes(self) -> Recipes:
        return {"extents": extents}

    def module(self, sizes: Any) -> PointModel:
        return ExtentModel(sizes)

    def build(self, setting: Setting) -> PretrainTask:
        torch.manual_seed(setting.config.training.seed)
        model = ExtentModel(setting.config.method.model)
        model.pooling = setting.config.method.pooling
        return ExtentTask(model, setting.config.method, setting.config.data.points)

    def reopen(self, config: MethodConfig, model: PointModel, teacher: object) -> PretrainTask:
        return ExtentTask(model, config)


# A task: the class of a cloud, by a linear layer on the largest tokens.


class LinearSizes(Config):
    encoder: ENCODERS.of(EncoderConfig)
    classes: tuple[str, ...]


class LinearModel(PointModel):
    def __init__(self, config: LinearSizes) -> None:
        super().__init__()
        self.config = config
        self.encoder = config.encoder.build()
        self.head = nn.Linear(pooled_width(self.encoder.widths, "max"), len(config.classes))

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        return self.head(self.embed(points, "max"))


class LinearTask(SupervisedTask[LinearModel]):
    def logits(self, points: torch.Tensor, label: torch.Tensor | None) -> torch.Tensor:
        return self.model(points)

    def losses(self, batch: Batch, rng: torch.Generator) -> Losses:
        points, _ = self.train_input(batch, rng)
        return {"naming": Loss(nn.functional.cross_entropy(self.model(points), batch["label"]), "Cross-entropy")}


class NamingConfig(ValidatedTask):
    name: Literal["naming"] = "naming"


def naming() -> TaskRunConfig:
    """Names of clouds, in a second."""
    return TaskRunConfig(recipe="own", task=NamingConfig())


class Naming(base.ValidatedSpec):
    title = "Naming"
    Config = NamingConfig
    primary = "accuracy"
    kind = ModelKind("naming", "a namer", "`naming`", LinearSizes.model_validate, LinearModel)

    @property
    def recipes(self) -> base.Recipes:
        return {"own": naming}

    def split(self, clouds: Any, config: TaskRunConfig) -> Any:
        return held_out(clouds, config)

    def build(self, setup: Any, splits: Any, seed: int) -> LinearTask:
        torch.manual_seed(seed)
        source = setup.source
        model = LinearModel(LinearSizes(encoder=source.encoder, classes=class_names(splits.train)))
        if source.trained is not None:
            model.encoder.load_state_dict(source.trained.encoder.state_dict())
        return LinearTask(model, setup.config.task)

    def measure(self, task: SupervisedTask, clouds: Any) -> tuple[float, float]:
        found = torch.cat([part.logits for part in task.predict(clouds)])
        truth = torch.from_numpy(clouds.labels)
        loss = float(nn.functional.cross_entropy(found, truth))
        return float((found.argmax(-1) == truth).double().mean()), loss

    def test(self, task: SupervisedTask, splits: Any, setup: Any) -> base.Tested:
        found = torch.cat([part.logits for part in task.predict(splits.test)]).argmax(-1).numpy()
        names = class_names(splits.train)
        return base.Tested(score_classes(splits.test.labels, found, names) | {"classes": names})


@pytest.fixture
def registered() -> Iterator[None]:
    """Both made known, and forgotten again."""
    tables = (methods.METHODS, METHOD_CONFIGS._kinds, tasks.TASKS, TASK_CONFIGS._kinds, kinds.KINDS, starts.STARTS)
    before = [dict(table) for table in tables]
    methods.register(Extents())
    METHOD_CONFIGS.add(ExtentConfig)
    tasks.register(Naming())
    yield
    for table, known in zip(tables, before, strict=True):
        table.clear()
        table.update(known)


@pytest.mark.usefixtures("registered")
def test_a_method_and_a_task_from_outside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, report, place = tmp_path / "run", tmp_path / "run" / "report.html", ["--points", "64", "--clouds", "220"]
    call = ["pretrain", "extents", *place, "--output", str(run), "--epochs", "2", "--device", "cpu"]
    assert main([*call, "--model.hidden", "4"]) == 0, capsys.readouterr().err
    assert "extents" in (run / "metrics.csv").read_text().splitlines()[0]
    assert "Squared error of the extents" in report.read_text() and "Extents pre-training" in report.read_text()
    assert "method:\n  name: extents" in (run / "config.yaml").read_text()
    assert main(["pretrain", "--output", str(run), "--resume"]) == 0  # finished: told again

    encoder = i2pmae.load(run, device="cpu")
    assert encoder.record.method == "extents" and encoder.model.config.hidden == 4
    assert encoder.embed(torch.randn(2, 40, 3)).shape == (2, 48)
    assert main(["embed", str(run), "shapes", "--clouds", "10", "--output", str(tmp_path / "v.parquet")]) == 0
    assert main(["probe", str(run), "shapes", "--clouds", "220", "--output", str(tmp_path / "probe.json")]) == 0
    assert main(["view", str(run), "shapes", "--clouds", "4", "--output", str(tmp_path / "view.html")]) == 0

    named = tmp_path / "named"
    changes = {"checkpoint": run, "data": "shapes", "points": 64, "clouds": 220, "epochs": 2, "twin": True}
    record = run_task("naming", None, changes | {"labels": "none", "output": named, "device": "cpu"}, shown=False)
    assert record.kind == "naming" and record.twin is not None and (named / "report.html").is_file()
    assert i2pmae.load(named, device="cpu").record.task == "naming"
    capsys.readouterr()
    assert main(["results", str(run), str(named), str(tmp_path / "probe.json")]) == 0
    table = capsys.readouterr().out
    assert "| pretrain | extents" in table and "| naming | extents" in table and "| linear-probe | extents" in table


def test_what_is_not_registered_is_explained(tmp_path: Path) -> None:
    (tmp_path / "model.yaml").write_text("format: 2\nmethod: extents\npoints: 64\npooling: max\nmodel: {}\n")
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(i2pmae.I2PError, match="method 'extents', which this version"):
        i2pmae.load(tmp_path)
