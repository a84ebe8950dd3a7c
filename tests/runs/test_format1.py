"""Records of the first format, in each of its four forms, as they stand in the folders of earlier runs."""

import json
from pathlib import Path
from typing import Any

import pytest

from i2pmae.commands.results import results
from i2pmae.common.errors import CheckpointError
from i2pmae.runs.record import RunRecord

PROVENANCE = {"machine": "a computer", "versions": {"python": "3.11.9", "torch": "2.4.0"}, "commit": "0123abcd"}


def evaluation(accuracy: float, task: str = "linear-probe", **more: Any) -> dict[str, Any]:
    """As every evaluation stored it, shortcuts included."""
    return {
        "accuracy": accuracy,
        "C": 0.1,
        "task": task,
        "primary": "accuracy",
        "scores": {
            "accuracy": {"mean": accuracy, "std": None, "values": []},
            "mean_class_accuracy": {"mean": 0.5, "std": None, "values": []},
        },
        "protocol": "As agreed.",
        "data": "solids",
        "encoder": "runs/a",
        "method": "i2p-mae",
        "recipe": "tiny",
        "seeds": [3],
        "train_clouds": 30,
        "test_clouds": 12,
        "validation_clouds": 4,
        "classes": ["a", "b"],
        "points": 64,
        "chance": 0.25,
        "selected": {"C": 0.1, "on": "train, 5-fold"},
        "per_class": {"a": 1.0, "b": 0.5},
        "confusion": [[4, 0], [4, 4]],
        "seconds": 1.5,
        **PROVENANCE,
        "twin": None,
        **more,
    }


def load(folder: Path, values: Any) -> RunRecord:
    (folder / "results.json").write_text(json.dumps(values), encoding="utf-8")
    return RunRecord.load(folder)


def test_an_evaluation_with_its_twin(tmp_path: Path) -> None:
    found = load(tmp_path, evaluation(0.75, "finetune", twin=evaluation(0.5, "finetune", encoder="from scratch")))
    assert (found.kind, found.accuracy, found.protocol, found.seeds) == ("finetune", 0.75, "As agreed.", (3,))
    assert (found.train_clouds, found.validation_clouds, found.test_clouds, found.points) == (30, 4, 12, 64)
    assert (found.selected, found.chance, found.seconds) == ({"C": 0.1, "on": "train, 5-fold"}, 0.25, 1.5)
    assert (found.confusion, found.per_class, found.classes) == (((4, 0), (4, 4)), {"a": 1.0, "b": 0.5}, ("a", "b"))
    assert (found.machine, found.versions, found.commit) == tuple(PROVENANCE.values())
    assert found.twin is not None
    assert (found.twin.kind, found.twin.accuracy, found.twin.encoder) == ("finetune", 0.5, "from scratch")
    assert load(tmp_path, evaluation(0.75)).twin is None


def a_run(probe: Any) -> dict[str, Any]:
    return {
        "output": "runs/a",
        "clouds": 220,
        "steps": 52,
        "seconds": 90.5,
        "training_seconds": 60.0,
        "teacher_seconds": 5.0,
        "losses": {"coordinates": 0.25, "semantics": 0.5},
        "metrics": {"vocabulary": 8.0},
        "probe": probe,
        **PROVENANCE,
    }


def test_a_run_of_pretraining_with_its_probes(tmp_path: Path) -> None:
    found = load(tmp_path, a_run({"untrained": evaluation(0.5, machine=""), "trained": evaluation(0.75, machine="")}))
    assert (found.kind, found.accuracy, found.output, found.seconds) == ("pretrain", 0.75, Path("runs/a"), 90.5)
    assert (found.method, found.protocol, found.train_clouds) == ("i2p-mae", "As agreed.", 30)
    assert found.losses == {"coordinates": 0.25, "semantics": 0.5}
    assert found.figures == found.losses | {
        "clouds": 220, "steps": 52, "training_seconds": 60, "teacher_seconds": 5, "metric/vocabulary": 8,
    }  # fmt: skip
    assert (found.machine, found.versions, found.commit) == tuple(PROVENANCE.values())
    assert found.twin is not None and (found.twin.kind, found.twin.accuracy) == ("linear-probe", 0.5)


def test_a_run_of_pretraining_without_a_probe(tmp_path: Path) -> None:
    found = load(tmp_path, a_run(None))
    assert (found.kind, found.primary, found.scores, found.children) == ("pretrain", "", {}, {})
    assert found.figures["steps"] == 52 and found.losses["coordinates"] == 0.25
    assert "a pretrain run without a score" in results(tmp_path).problems[0]


def test_a_comparison(tmp_path: Path) -> None:
    rows = [
        {
            "recipe": name,
            "method": method,
            "untrained": {"mean": 0.5, "std": 0.0, "values": [0.5, 0.5]},
            "trained": {"mean": mean, "std": 0.0, "values": [mean, mean]},
            "seconds": 60.0,
            "epochs": 3,
            "clouds": 40,
            "runs": [f"runs/c/{name}/seed-0", f"runs/c/{name}/seed-1"],
        }
        for name, method, mean in (("tiny", "i2p-mae", 0.75), ("point-mae-tiny", "point-mae", 0.625))
    ]
    found = load(tmp_path, {"recipes": rows, "data": "d.npz", "seeds": [0, 1], "protocol": "Probed.", **PROVENANCE})
    assert (found.kind, found.data, found.seeds, found.protocol) == ("compare", "d.npz", (0, 1), "Probed.")
    assert (found.machine, found.commit) == ("a computer", "0123abcd")
    assert list(found.children) == ["tiny", "point-mae-tiny"]
    row = found.children["point-mae-tiny"]
    assert (row.method, row.score.mean, row.score.values, row.seeds) == ("point-mae", 0.625, (0.625, 0.625), (0, 1))
    assert row.figures == {"training_seconds": 60, "epochs": 3, "clouds": 40}
    assert row.twin is not None and row.twin.score.values == (0.5, 0.5)
    listed = results(tmp_path)
    assert [(name, record.score.mean) for name, record in listed] == [
        (f"{tmp_path}: tiny", 0.75),
        (f"{tmp_path}: point-mae-tiny", 0.625),
    ]


def test_stage_one(tmp_path: Path) -> None:
    figures = {"reconstruction": 0.125, "metric/vocabulary": 9.0}
    found = load(
        tmp_path, {"clouds": 40, "steps": 10, "training_seconds": 2.5, "figures": figures, **PROVENANCE}
    )  # fmt: skip
    assert (found.kind, found.method, found.primary) == ("stage-one", "point-bert", "")
    assert found.figures == figures | {"clouds": 40, "steps": 10, "training_seconds": 2.5}
    assert found.losses == {"reconstruction": 0.125}
    assert (found.machine, found.versions, found.commit) == tuple(PROVENANCE.values())


@pytest.mark.parametrize(
    "values",
    [
        {"probe": {"trained": 3}},
        {"probe": 3},
        {"losses": 3},
        {"recipes": 3},
        {"recipes": [3]},
        {"recipes": [{}]},
        {"figures": 3},
        {"task": "knn", "twin": {}},
        {"task": "knn", "twin": 3},
        a_run({"trained": evaluation(7.0)}),
    ],
)
def test_what_only_looks_like_one_is_refused(tmp_path: Path, values: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match=r"results\.json"):
        load(tmp_path, values)
