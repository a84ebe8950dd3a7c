"""A refactoring is neutral where these hold: see runs.py for what each run fixes."""

from dataclasses import replace

import pytest

from tests.golden.records import GoldenRecord, Mismatch, check, digest, load, save
from tests.golden.runs import PERTURBED, RUNS
from tests.golden.write import STORED


def test_every_run_is_stored_and_nothing_else():
    assert {path.stem for path in STORED.glob("*")} == RUNS.keys()


@pytest.mark.parametrize("name", RUNS)
def test_numbers_are_those_that_were_stored(name):
    check(name, load(STORED / f"{name}.json"), RUNS[name]())


@pytest.mark.parametrize("change", PERTURBED)
def test_a_small_change_is_noticed(change):
    name, run = PERTURBED[change]
    with pytest.raises(Mismatch, match=f"golden run '{name}' has changed"):
        check(name, _without_rates(load(STORED / f"{name}.json")), _without_rates(run()))


def _without_rates(record: GoldenRecord) -> GoldenRecord:
    """The record without the rates, which alone would give a change of the optimiser away."""
    return replace(record, steps={name: values for name, values in record.steps.items() if name != "learning_rate"})


RECORD = GoldenRecord(
    recipe={"epochs": 20},
    steps={"coordinates": [0.5, 0.25], "learning_rate": [1e-6, 1e-5], "metric/point_accuracy": [0.5, 0.6]},
    digests={"embedding": digest([[1.0, 2.0, 3.0], [3.0, 1.0, 2.0]])},
    scores={"accuracy": [0.75, 0.05]},
)


def test_a_record_survives_its_file(tmp_path):
    save(RECORD, tmp_path / "new" / "run.json")
    assert check("run", load(tmp_path / "new" / "run.json"), RECORD) < 1e-3


def test_what_is_within_the_tolerance_passes():
    steps = {**RECORD.steps, "coordinates": [0.50001, 0.25], "metric/point_accuracy": [0.505, 0.6]}
    assert 0 < check("run", RECORD, replace(RECORD, steps=steps, scores={"accuracy": [0.7, 0.05]})) <= 1 + 1e-9


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"recipe": {"epochs": 21}}, "recipe, epochs: expected 20, found 21, tolerance 2e-06"),
        (
            {"steps": {**RECORD.steps, "coordinates": [0.5, 0.2503]}},
            "step 2, coordinates: expected 0.25, found 0.2503, tolerance 0.0001",
        ),
        ({"steps": {**RECORD.steps, "coordinates": [0.5, float("nan")]}}, "step 2, coordinates: .* found nan"),
        ({"steps": {**RECORD.steps, "learning_rate": [1e-6, 1.000001e-5]}}, "step 2, learning_rate"),
        ({"steps": {**RECORD.steps, "metric/point_accuracy": [0.52, 0.6]}}, "step 1, metric/point_accuracy"),
        ({"steps": {**RECORD.steps, "coordinates": [0.5]}}, "coordinates of 2 steps is missing"),
        ({"steps": {**RECORD.steps, "semantics": [1, 2]}}, "semantics of 2 steps is new"),
        ({"digests": {}}, "embedding, mean of 2 clouds is missing"),
        (
            {"digests": {"embedding": digest([[1.0, 2.0, 3.0], [3.0, 1.0, 2.01]])}},
            "after the last step, cloud 1, embedding, mean: expected 2, found 2.00333333, tolerance 0.0016",
        ),
        ({"scores": {"accuracy": [0.85, 0.05]}}, "test, accuracy: expected 0.75, found 0.85, tolerance 0.05"),
    ],
)
def test_a_mismatch_says_what_where_and_how_far(changes, said):
    with pytest.raises(Mismatch, match=f"golden run 'run' has changed:\n  {said}"):
        check("run", RECORD, replace(RECORD, **changes))


def test_a_comparison_of_nothing_is_none():
    with pytest.raises(Mismatch, match="nothing to compare"):
        check("run", GoldenRecord(), GoldenRecord())


def test_a_digest_tells_vectors_with_the_same_components_apart():
    one, other = digest([[1.0, 2.0, 3.0]]), digest([[2.0, 3.0, 1.0]])
    assert one["norm"] == other["norm"] and one["mean"] == other["mean"]
    assert one["projection 0"] != other["projection 0"]
