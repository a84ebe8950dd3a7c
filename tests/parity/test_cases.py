"""The comparison itself: every kind is stored, every kind that is there is known, and nothing passes uncompared."""

from pathlib import Path

import pytest
import torch

from tests.parity import cases as shared
from tests.parity.cases import KINDS, STORED, Case, judge, paths


def case(stored: bool, *lacks: str, **records: torch.Tensor) -> Case:
    weights = {"layer.weight": torch.zeros(2)}
    return Case("mae-pretrain", "a-run", {}, weights, records, lacks, stored)


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_of_every_kind_is_stored(kind: str) -> None:
    assert [path for known, path in paths() if known == kind and path.parent == STORED]


def test_every_run_is_of_a_kind_that_is_compared() -> None:
    unknown = {str(path): kind for kind, path in paths() if kind not in KINDS}
    assert not unknown, f"no test compares runs of these kinds: {unknown}"


def test_a_run_of_an_unknown_kind_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "new.json").write_text('{"case": "i2p-detection"}')
    monkeypatch.setattr(shared, "FOLDERS", [STORED, tmp_path])
    with pytest.raises(AssertionError, match="i2p-detection"):
        test_every_run_is_of_a_kind_that_is_compared()


@pytest.mark.parametrize("use", [lambda c: c.check("loss", torch.zeros(1)), lambda c: c.given("loss")])
def test_a_stored_run_must_have_what_it_does_not_say_it_lacks(use) -> None:
    with pytest.raises(AssertionError, match="a-run has no record loss"):
        use(case(True))


def test_a_stored_run_may_say_what_it_lacks() -> None:
    one = case(True, "loss", "eval.grad.*", points=torch.ones(2))
    one.check("loss", torch.zeros(1))
    assert one.gradients("eval") == []
    with pytest.raises(AssertionError, match=r"no record train\.grad"):
        one.gradients("train")
    one.check("points", torch.ones(2))
    judge([one])
    assert one.compared == ["points"]


def test_a_test_that_compared_nothing_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "LACKED", set())
    with pytest.raises(AssertionError, match="compared nothing"):
        judge([case(True, "loss")])
    outside = case(False)
    outside.check("loss", torch.zeros(1))
    with pytest.raises(pytest.skip.Exception, match="nothing to compare: a-run lacks loss"):
        judge([outside])
    with pytest.raises(pytest.skip.Exception, match="a-run lacks points"):
        outside.given("points")
    assert {"a-run lacks loss", "a-run lacks points"} == shared.LACKED


def test_what_was_compared_beside_what_is_lacking_passes_and_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "LACKED", set())
    outside = case(False, points=torch.ones(2))
    outside.check("loss", torch.zeros(1))
    outside.check("points", torch.ones(2))
    judge([outside])
    assert {"a-run lacks loss"} == shared.LACKED


@pytest.mark.parametrize(
    ("record", "value", "where"),
    [
        (torch.ones(3), torch.tensor([1, 1, 1.001]), None),
        (torch.ones(3), torch.ones(2), None),
        (torch.tensor([1, 2]), torch.tensor([1, 3]), None),
        (torch.tensor([True]), torch.tensor([False]), None),
        (torch.ones(3), torch.full((3,), torch.nan), None),
        (torch.full((2,), torch.nan), torch.ones(2), None),
        (torch.ones(0), torch.ones(0), None),
        (torch.ones(2), torch.ones(2), torch.zeros(2, dtype=torch.bool)),
    ],
)
def test_differences_are_noticed(record: torch.Tensor, value: torch.Tensor, where: torch.Tensor | None) -> None:
    with pytest.raises(AssertionError, match="a: "):
        case(True, a=record).check("a", value, where=where)


def test_only_what_counts_is_compared() -> None:
    case(True, a=torch.tensor([1.0, 5.0])).check("a", torch.tensor([1.0, 7.0]), where=torch.tensor([True, False]))
