import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from i2pmae.common.errors import CheckpointError, UsageError
from i2pmae.evaluation.scores import score_classes
from i2pmae.runs.record import RunRecord, Score, describe_run, machine_name, source_commit


def a_result(**change: object) -> RunRecord:
    fields: dict = {
        "kind": "knn",
        "primary": "accuracy",
        "scores": {"accuracy": Score(mean=0.5)},
        "protocol": "As agreed.",
        "train_clouds": 4,
        "test_clouds": 2,
        "classes": ("a", "b"),
        "confusion": ((1, 0), (1, 0)),
        "selected": {"k": 3, "on": "train", "table": {"1": 0.25}},
    }
    return RunRecord(**(fields | change))


def test_a_record_is_read_back_as_it_was(tmp_path: Path) -> None:
    result = a_result(seeds=(1, 2), commit=None, scores={"accuracy": Score.of([0.25, 0.5])}, **describe_run_fields())
    result = result.changed(figures={"near": 0.5}).with_twin(a_result())
    result.save(tmp_path / "new" / "result.json")
    assert RunRecord.load(tmp_path / "new" / "result.json") == result


def describe_run_fields() -> dict:
    return {key: value for key, value in describe_run().items() if key != "commit"}


def test_scripts_find_the_score_and_the_choice_at_the_top() -> None:
    values = json.loads(a_result().with_twin(a_result()).model_dump_json())
    assert list(values)[:2] == ["accuracy", "k"]
    assert (values["accuracy"], values["k"], values["children"]["twin"]["accuracy"]) == (0.5, 3, 0.5)
    parts = a_result(kind="segment", primary="instance_miou", scores={"instance_miou": Score(mean=0.5)}, selected={})
    assert "accuracy" not in json.loads(parts.model_dump_json())
    with pytest.raises(UsageError, match=r"Unknown score 'accuracy'\. Known: instance_miou"):
        _ = parts.accuracy
    assert parts.score.mean == 0.5


def test_a_run_without_a_score_says_so() -> None:
    bare = RunRecord(kind="pretrain", figures={"steps": 3, "near": 0.5, "metric/spread": 2.0})
    assert bare.losses == {"near": 0.5} and bare.twin is None
    with pytest.raises(UsageError, match="This pretrain run has no score"):
        _ = bare.score


def test_a_twin_takes_the_place_of_an_absent_one_and_other_children_stay(tmp_path: Path) -> None:
    whole = a_result(children={"seed-0": a_result(test_clouds=7)}).with_twin(a_result(test_clouds=9))
    whole.save(tmp_path / "results.json")
    found = RunRecord.load(tmp_path)
    assert found == whole
    assert found.twin is not None and found.twin.test_clouds == 9
    assert found.children["seed-0"].test_clouds == 7
    with pytest.raises(CheckpointError, match=r"holds no results\.json"):
        RunRecord.load(tmp_path.parent)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"primary": "miou"}, "main score 'miou' is not among the scores accuracy"),
        ({"confusion": ((1, 0),)}, "2 rows and columns"),
        ({"confusion": ((1, 0), (1,))}, "2 rows and columns"),
        ({"train_clouds": -1}, "greater than or equal to 0"),
        ({"kind": None}, "kind"),
        ({"children": {"twin": {}}}, "kind"),
    ],
)
def test_records_that_contradict_themselves_are_refused(change: dict, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        a_result(**change)


@pytest.mark.parametrize("mean", [-0.1, 1.1, 93.4, float("nan"), float("inf")])
def test_scores_are_shares(mean: float) -> None:
    with pytest.raises(ValidationError):
        Score(mean=mean)


def test_a_score_of_repeats_has_their_mean_and_sample_deviation() -> None:
    score = Score.of([0.5, 0.6, 0.7])
    assert (score.mean, score.std, score.values) == (pytest.approx(0.6), pytest.approx(0.1), (0.5, 0.6, 0.7))
    assert str(score) == "60.00 ± 10.00 %"
    assert str(Score.of([0.5])) == "50.00 %"
    assert Score.of([0.5]).std is None
    assert Score.of(np.full(10, 1.0)).mean == 1
    assert Score.of([0.1] * 3).mean == 0.1
    with pytest.raises(UsageError, match="at least one"):
        Score.of([])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "damaged or not JSON"),
        ("[]", "must hold a JSON object, but holds list"),
        ('{"format": 2}', "is not usable:\n  kind: is missing"),
        ('{"format": 3, "kind": "knn"}', "format: must be 2"),
        ('{"task": "knn", "scores": {}, "primary": "accuracy"}', "main score 'accuracy' is not among"),
        ('{"accuracy": 0.5}', "kind: is missing"),
        (b"\xff\xfe\x00", "damaged or not JSON"),
        (None, "No such file"),
    ],
)
def test_files_that_are_no_record_are_named(tmp_path: Path, text: str | bytes | None, said: str) -> None:
    path = tmp_path / "result.json"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(CheckpointError, match=said) as error:
        RunRecord.load(path)
    assert "result.json" in str(error.value)


def test_a_run_is_described() -> None:
    described = describe_run(torch.device("cpu"))
    assert "CPU threads" in described["machine"] == machine_name()
    assert described["versions"].keys() == {"python", "torch", "scikit-learn", "i2pmae"}
    assert torch.__version__.startswith(described["versions"]["torch"].split("+")[0])
    assert described["commit"] is None or len(described["commit"].removesuffix("+changes")) == 40


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A git work tree with the layout of this project."""
    root = tmp_path.resolve() / "tree"
    package = root / "src" / "i2pmae"
    package.mkdir(parents=True)
    (package / "code.py").write_text("")
    (root / "pyproject.toml").write_text('[project]\nname = "i2pmae"\n')
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *command], cwd=root, check=True, capture_output=True)
    source_commit.cache_clear()
    return root


def test_the_commit_of_a_source_tree_is_found(tree: Path) -> None:
    package = tree / "src" / "i2pmae"
    commit = source_commit(package)
    assert commit is not None and len(commit) == 40
    (tree / "notes.txt").write_text("not code")
    source_commit.cache_clear()
    assert source_commit(package) == commit
    (package / "more.py").write_text("")
    assert source_commit(package) == commit, "what runs was read before"
    source_commit.cache_clear()
    assert source_commit(package) == f"{commit}+changes"


def test_other_trees_are_not_taken_for_the_source(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = tree / "venv" / "i2pmae"
    installed.mkdir(parents=True)
    assert source_commit(installed) is None
    package = tree / "src" / "i2pmae"
    monkeypatch.setenv("PATH", "")
    assert source_commit(package) is None, "without git"
    monkeypatch.undo()
    (tree / "pyproject.toml").write_text('[project]\nname = "other"\n')
    source_commit.cache_clear()
    assert source_commit(package) is None
    (tree / "pyproject.toml").write_text("nonsense [")
    source_commit.cache_clear()
    assert source_commit(package) is None


def test_class_scores() -> None:
    labels, predicted = np.array([0, 0, 0, 1, 2]), np.array([0, 0, 1, 1, 0])
    found = score_classes(labels, predicted, ("a", "b", "c", "d"))
    assert found["scores"]["accuracy"].mean == pytest.approx(0.6)
    assert found["scores"]["mean_class_accuracy"].mean == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert found["per_class"] == pytest.approx({"a": 2 / 3, "b": 1, "c": 0})
    assert found["confusion"] == ((2, 1, 0, 0), (0, 1, 0, 0), (1, 0, 0, 0), (0, 0, 0, 0))


@pytest.mark.parametrize(
    ("labels", "predicted", "said"),
    [([0, 1], [0], "as many predictions"), ([], [], "at least one"), ([0], [2], "predictions as indices"),
     ([-1], [0], "labels as indices")],
)  # fmt: skip
def test_predictions_that_do_not_fit_are_refused(labels: list, predicted: list, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        score_classes(np.array(labels, int), np.array(predicted, int), ("a", "b"))
