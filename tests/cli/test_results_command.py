import csv
import io
import json
from pathlib import Path

import pytest

from i2pmae.commands.results import results
from i2pmae.common.errors import UsageError
from i2pmae.runs.record import RunRecord, Score
from tests.cli.conftest import Call


def a_result(**change: object) -> RunRecord:
    fields: dict = {
        "kind": "finetune",
        "primary": "accuracy",
        "scores": {"accuracy": Score.of([0.8, 0.9])},
        "protocol": "Epoch chosen on validation clouds; test clouds scored once.",
        "data": "solids",
        "encoder": "runs/pretrain",
        "method": "i2p-mae",
        "seeds": (0, 1),
        "train_clouds": 30,
        "test_clouds": 12,
        "commit": "0123456789abcdef0123456789abcdef01234567+changes",
        "points": 1024,
    }
    return RunRecord(**(fields | change))


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """A run with a twin, a result file, and a pre-training run."""
    twin = a_result(scores={"accuracy": Score(mean=0.5)}, encoder="from scratch")
    a_result().with_twin(twin).save(tmp_path / "a" / "results.json")
    parts = {"kind": "segment", "primary": "instance_miou", "scores": {"instance_miou": Score(mean=0.7)}}
    a_result(**parts, data="a|b", protocol="Parts.", commit=None).save(tmp_path / "b.json")
    untrained = a_result(kind="linear-probe", scores={"accuracy": Score(mean=0.25)})
    a_result(kind="pretrain", figures={"steps": 3}).with_twin(untrained).save(tmp_path / "c" / "results.json")
    return [tmp_path / "a", tmp_path / "b.json", tmp_path / "c"]


def test_runs_stand_side_by_side(call: Call, runs: list[Path]) -> None:
    status, out, err = call("results", *runs)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    head, rows = lines[0], lines[2:5]
    for name in ("run", "kind", "encoder", "data", "score", "twin", "points", "seeds", "commit", "protocol"):
        assert f" {name} " in head
    assert [str(run) in row for run, row in zip(runs, rows, strict=True)] == [True] * 3
    assert "| 85.00 ± 7.07 % | 50.00 % |" in rows[0] and "0123456789+changes" in rows[0] and "0, 1" in rows[0]
    assert "| instance miou | 70.00 % |  |" in rows[1] and r"a\|b" in rows[1]
    assert "| pretrain |" in rows[2] and "| 25.00 % |" in rows[2]
    assert out.count("Epoch chosen on validation clouds") == 1, "each protocol once"
    assert rows[0].endswith("[1] |") and rows[1].endswith("[2] |") and rows[2].endswith("[1] |")
    assert all(row.replace(r"\|", "").count("|") == head.count("|") for row in rows)


def test_programs_get_numbers(call: Call, runs: list[Path]) -> None:
    status, out, _ = call("results", *reversed(runs), "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert status == 0 and [row["run"] for row in rows] == [str(run) for run in reversed(runs)]
    assert (float(rows[2]["mean"]), float(rows[2]["twin_mean"]), rows[2]["twin_std"]) == (pytest.approx(0.85), 0.5, "")
    assert (rows[1]["twin_mean"], rows[1]["measure"], rows[1]["commit"]) == ("", "instance_miou", "")
    status, out, _ = call("results", *runs, "--format", "json")
    values = json.loads(out)
    assert [value.pop("run") for value in values] == [str(run) for run in runs]
    assert RunRecord.from_dict(values[0]) == RunRecord.load(runs[0] / "results.json")


def test_the_table_can_be_written(call: Call, runs: list[Path], tmp_path: Path) -> None:
    output = tmp_path / "new" / "table.md"
    status, out, _ = call("results", *runs, "--output", output)
    assert (status, out) == (0, f"{output}: 3 results\n")
    assert output.read_text(encoding="utf-8") == call("results", *runs)[1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "holds no results.json"),
        ("{", "damaged or not JSON"),
        ("3", "must hold a JSON object"),
        ('{"probe": null}', "a pretrain run without a score"),
        ('{"format": 2, "kind": "pretrain"}', "a pretrain run without a score"),
        ('{"probe": {"trained": 3}}', "is not usable"),
        ('{"recipes": []}', "a compare run without a score"),
        ('{"accuracy": 0.5}', "kind: is missing"),
    ],
)
def test_runs_without_a_result_are_named_and_the_others_shown(
    call: Call, runs: list[Path], tmp_path: Path, content: str | None, said: str
) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    if content is not None:
        (bad / "results.json").write_text(content)
    status, out, err = call("results", bad, *runs)
    assert status == 1 and len(out.splitlines()) > 5 and "85.00" in out
    assert said in " ".join(err.split()) and str(bad) in "".join(err.split("\n")) and "Traceback" not in err


def test_paths_that_do_not_exist_are_named(call: Call, tmp_path: Path) -> None:
    status, out, err = call("results", tmp_path / "nowhere", tmp_path / "else")
    assert (status, out) == (1, "")
    assert "nowhere" in err and "else" in err
    status, _, err = call("results")
    assert status == 2 and "at least one run" in err
    status, _, err = call("results", tmp_path, "--format", "xml")
    assert status == 2 and "xml" in err


def test_a_probe_file_is_a_result(call: Call, weights: Path, archive: Path, tmp_path: Path) -> None:
    assert call("probe", weights, "--data", archive, "--output", tmp_path / "p.json")[0] == 0
    status, out, _ = call("results", tmp_path / "p.json")
    assert status == 0 and "linear-probe" in out and str(weights) in out


def test_a_comparison_gives_a_row_for_each_recipe(call: Call, runs: list[Path], tmp_path: Path) -> None:
    rows = {
        name: a_result(kind="pretrain", recipe=name, scores={"accuracy": Score.of([mean, mean])}).with_twin(
            a_result(kind="linear-probe", scores={"accuracy": Score.of([0.25, 0.25])})
        )
        for name, mean in (("tiny", 0.75), ("tiny@teacher=vit-ti16", 0.5))
    }
    RunRecord(kind="compare", data="solids", children=rows).save(tmp_path / "compare" / "results.json")
    status, out, err = call("results", tmp_path / "compare", runs[0])
    assert (status, err) == (0, "")
    first, second, other = out.splitlines()[2:5]
    assert f"| {tmp_path / 'compare'}: tiny |" in first and "| 75.00 ± 0.00 % | 25.00 ± 0.00 % |" in first
    assert f"| {tmp_path / 'compare'}: tiny@teacher=vit-ti16 |" in second and "| 50.00 ± 0.00 %" in second
    assert f"| {runs[0]} |" in other
    found = list(csv.DictReader(io.StringIO(call("results", tmp_path / "compare", "--format", "csv")[1])))
    assert [(row["recipe"], float(row["mean"]), float(row["twin_mean"])) for row in found] == [
        ("tiny", 0.75, 0.25),
        ("tiny@teacher=vit-ti16", 0.5, 0.25),
    ]


def test_results_for_programs_are_rows_and_problems(runs: list[Path], tmp_path: Path) -> None:
    found = results(*map(str, runs), tmp_path / "nowhere")
    assert [name for name, _ in found] == list(map(str, runs))
    assert [record.kind for _, record in found] == ["finetune", "segment", "pretrain"]
    assert len(found.problems) == 1 and "nowhere" in found.problems[0]
    assert str(found) == found.table() and "| 85.00 ± 7.07 % |" in found.table()
    assert [value["kind"] for value in json.loads(found.table("json"))] == ["finetune", "segment", "pretrain"]
    with pytest.raises(UsageError, match="at least one run"):
        results()
