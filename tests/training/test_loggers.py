import json
import sys
from types import ModuleType, SimpleNamespace

import pytest

from i2pmae.common.errors import TrainingInterrupted, UsageError
from i2pmae.training.engine import fit
from i2pmae.training.history import History
from i2pmae.training.hooks.base import Hook
from i2pmae.training.hooks.loggers import check_loggers
from tests.training.small import SmallTask, settings, small_clouds


class StopsAt(Hook):
    def __init__(self, step):
        self.step = step

    def after_step(self, record):
        if record.step == self.step:
            raise TrainingInterrupted("enough")


def test_every_step_has_a_line_also_after_a_stop(tmp_path):
    chosen = settings(logger=(), epochs=2)
    with pytest.raises(TrainingInterrupted):
        fit(SmallTask(), small_clouds(), chosen, tmp_path, hooks=[StopsAt(8)], shown=False)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 9, "ne')
    fit(SmallTask(), small_clouds(), chosen, tmp_path, resume=True, shown=False)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    history = History.read(tmp_path / "metrics.csv")
    assert [line["step"] for line in lines] == list(range(1, 11))
    assert [line["near"] for line in lines] == history["near"].tolist()
    assert all(0 <= line["waited"] <= 60 for line in lines)


def test_a_logger_that_is_not_installed_is_an_error_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    with pytest.raises(UsageError, match=r"wandb was asked for, and is not installed: pip install 'i2pmae\[wandb\]'"):
        check_loggers(["wandb"])
    with pytest.raises(UsageError, match="mlflow"):
        fit(SmallTask(), small_clouds(), settings(logger=("mlflow",)), tmp_path, shown=False)
    assert not list(tmp_path.iterdir())


def test_weights_and_biases_gets_each_step_and_the_end(tmp_path, monkeypatch):
    logged, ends, begun = [], [], []

    def init(**options):
        begun.append(options)
        log = lambda row, step: logged.append((step, row))  # noqa: E731
        return SimpleNamespace(log=log, finish=lambda exit_code: ends.append(exit_code))

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    fit(SmallTask(), small_clouds(), settings(logger=("wandb",), epochs=1), tmp_path, shown=False)
    assert [step for step, _ in logged] == [1, 2, 3, 4, 5] and "near" in logged[0][1] and ends == [0]
    assert begun[0]["resume"] == "allow" and begun[0]["config"]["epochs"] == 1


def test_mlflow_goes_on_with_the_same_run(tmp_path, monkeypatch):
    runs, steps, ends = [], [], []
    module = ModuleType("mlflow")
    given = SimpleNamespace(info=SimpleNamespace(run_id="r7"))
    module.start_run = lambda run_id, run_name: (runs.append(run_id), given)[1]
    module.log_params = lambda values: None
    module.log_metrics = lambda row, step: steps.append(step)
    module.end_run = ends.append
    monkeypatch.setitem(sys.modules, "mlflow", module)
    chosen = settings(logger=("mlflow",), epochs=2)
    with pytest.raises(TrainingInterrupted):
        fit(SmallTask(), small_clouds(), chosen, tmp_path, hooks=[StopsAt(7)], shown=False)
    fit(SmallTask(), small_clouds(), chosen, tmp_path, resume=True, shown=False)
    assert runs == [None, "r7"] and ends == ["FAILED", "FINISHED"]
    assert steps == [*range(1, 8), *range(6, 11)]


def test_trackio_goes_on_with_the_run_of_the_same_name(tmp_path, monkeypatch):
    begun, steps, ends = [], [], []

    def init(**options):
        begun.append(options)
        return SimpleNamespace(log=lambda row, step: steps.append(step), finish=lambda: ends.append(len(begun)))

    monkeypatch.setitem(sys.modules, "trackio", SimpleNamespace(init=init))
    monkeypatch.setenv("TRACKIO_PROJECT", "shapes")
    chosen = settings(logger=("trackio",), epochs=2)
    with pytest.raises(TrainingInterrupted):
        fit(SmallTask(), small_clouds(), chosen, tmp_path, hooks=[StopsAt(7)], shown=False)
    fit(SmallTask(), small_clouds(), chosen, tmp_path, resume=True, shown=False)
    assert [(row["resume"], row["project"]) for row in begun] == [("never", "shapes"), ("allow", "shapes")]
    assert begun[0]["name"] == begun[1]["name"] == str(tmp_path.resolve()) and begun[0]["config"]["epochs"] == 2
    assert steps == [*range(1, 8), *range(6, 11)] and ends == [1, 2]
