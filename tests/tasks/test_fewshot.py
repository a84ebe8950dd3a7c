import os
import pickle
import signal
from pathlib import Path

import numpy as np
import pytest

from i2pmae.commands.fewshot import fewshot
from i2pmae.common.errors import DataError, TrainingInterrupted, UsageError
from i2pmae.runs.record import RunRecord
from i2pmae.tasks import recipes
from i2pmae.tasks.classifier.task import ClassificationTask
from i2pmae.tasks.config import AugmentConfig, TaskRunConfig
from i2pmae.tasks.fewshot.config import FewShotConfig
from i2pmae.tasks.start import adapted_encoder, open_start, settle
from i2pmae.training.config import OptimiserConfig
from tests.tasks.conftest import solids

RECIPES = recipes("fewshot")


def config(tmp_path: Path, data: Path | str, weights: Path | None, **changes: object) -> TaskRunConfig:
    short = {
        "checkpoint": weights,
        "data": str(data),
        "output": tmp_path / "run",
        "ways": 2,
        "shots": 4,
        "queries": 4,
        "folds": 3,
        "epochs": 2,
        "device": "cpu",
        "report": False,
        "head_widths": (8,),
        "augment": AugmentConfig(kind="none"),
        "points": 40,
        "optimiser": OptimiserConfig(learning_rate=1e-2, warmup_epochs=0, clip_norm=10),
    }
    return TaskRunConfig(task=FewShotConfig()).changed(short | changes)


def test_the_score_is_the_mean_over_stored_folds(tmp_path, archive, weights):
    wanted = config(tmp_path, archive, weights, twin=True, report=True)
    result = fewshot(wanted, shown=False)
    assert result == RunRecord.load(tmp_path / "run")
    folds = [RunRecord.load(tmp_path / "run" / f"fold-{i}").accuracy for i in range(3)]
    assert result.score.values == tuple(folds)
    assert result.score.std == pytest.approx(np.std(folds, ddof=1))
    assert (result.train_clouds, result.test_clouds, result.chance) == (8, 8, 0.5)
    assert "no clouds are left to choose an epoch by, so it is the last" in result.protocol
    assert result.twin is not None and len(result.twin.score.values) == 3
    assert (tmp_path / "run" / "report.html").exists()
    assert not list((tmp_path / "run").glob("fold-*/checkpoints"))
    with pytest.raises(UsageError, match="holds another run"):
        fewshot(wanted, shown=False)


def test_heads_may_be_fitted_to_the_shots(tmp_path, archive, weights):
    for shots in (4, 1):  # of a class with one cloud nothing can be cross-validated
        wanted = config(tmp_path, archive, weights, head_widths=None, head_start="fitted", shots=shots, epochs=1)
        wanted = wanted.changed({"optimiser.learning_rate": 1e-5})
        result = fewshot(wanted.changed(output=tmp_path / f"{shots}"), shown=False)
        assert result.accuracy > result.chance


def test_a_stopped_run_keeps_the_folds_that_are_done(tmp_path, archive, weights, monkeypatch):
    wanted = config(tmp_path, archive, weights)
    whole = fewshot(wanted.changed(output=tmp_path / "whole"), shown=False)
    losses, calls = ClassificationTask.losses, []

    def stopping(self, batch, rng):
        calls.append(1)
        if len(calls) == 6:  # of 2 steps an epoch, 2 epochs a fold
            os.kill(os.getpid(), signal.SIGTERM)
        return losses(self, batch, rng)

    monkeypatch.setattr(ClassificationTask, "losses", stopping)
    with pytest.raises(TrainingInterrupted):
        fewshot(wanted, shown=False)
    first = tmp_path / "run" / "fold-0" / "results.json"
    written = first.stat().st_mtime_ns
    assert not (tmp_path / "run" / "fold-1" / "results.json").exists()
    with pytest.raises(UsageError, match="holds another run"):
        fewshot(wanted, shown=False)
    assert fewshot(wanted, resume=True, shown=False).score == whole.score
    assert first.stat().st_mtime_ns == written
    assert len(calls) == 12


def test_linear_mode_trains_nothing(tmp_path, archive, weights, monkeypatch):
    monkeypatch.setattr(ClassificationTask, "losses", None)
    result = fewshot(config(tmp_path, archive, weights, mode="linear", twin=True), shown=False)
    assert len(result.score.values) == 3
    assert (result.points, result.encoder) == (32, str(weights))
    assert "SVM" in result.protocol
    assert result.twin is not None and result.twin.encoder == "from scratch"


def test_published_folds_are_taken_as_they_are(tmp_path, weights):
    points, _ = solids(24)
    for fold in range(2):
        samples = [(np.asarray(cloud, np.float32), row % 2, [3, 8][row % 2]) for row, cloud in enumerate(points)]
        path = tmp_path / "folds" / "2way_6shot" / f"{fold}.pkl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps({"train": samples[:12], "test": samples[12:]}))
    data = f"modelnet-fewshot={tmp_path / 'folds'}"
    wanted = config(tmp_path, data, weights, shots=6, queries=6, folds=2)
    result = fewshot(wanted, shown=False)
    assert (len(result.score.values), result.train_clouds, result.test_clouds) == (2, 12, 12)
    assert "Published folds." in result.protocol
    other = {"output": tmp_path / "other"}
    with pytest.raises(UsageError, match="has 2 folds"):
        fewshot(wanted.changed(folds=3, **other), shown=False)
    with pytest.raises(DataError, match="no folds of 5 ways"):
        fewshot(wanted.changed(ways=5, **other), shown=False)


def test_too_few_classes_or_clouds_are_refused(tmp_path, archive, weights):
    with pytest.raises(DataError, match="5 classes with"):
        fewshot(config(tmp_path, archive, weights, ways=5), shown=False)


def test_of_folds_no_share_is_taken(tmp_path, archive, weights):
    with pytest.raises(UsageError, match=r"leave fraction 0.5 out"):
        config(tmp_path, archive, weights, fraction=0.5)


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_fit_the_encoders_they_are_for(name):
    recipe = RECIPES[name]()
    task = recipe.task
    assert recipe.recipe == name
    model = "tiny" if name == "own" else "point-mae" if "plain" in name else "paper"
    source = open_start(task.changed(model=model))
    settled, _ = settle(recipe, source, task.ways * task.shots)
    adapted_encoder(source, settled.task.encoder)
    if name != "own":
        assert name.removesuffix("-plain") == f"modelnet40-{task.ways}w{task.shots}s"
        assert (task.folds, task.queries, recipe.training.epochs) == (10, 20, 150)
