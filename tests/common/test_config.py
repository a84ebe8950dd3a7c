from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from pydantic import Field, ValidationError, model_validator

from i2pmae.common.config import Config
from i2pmae.common.errors import UsageError


class Data(Config):
    leading: ClassVar[str | None] = "source"

    source: str = "shapes"
    points: int = Field(1024, ge=1)
    seed: int = 0


class Rate(Config):
    peak: float = 1e-3
    warmup: float = 1.0


class Training(Config):
    epochs: int = Field(3, ge=1)
    seed: int = 0
    rate: Rate = Rate()


class LargeConfig(Config):
    name: Literal["large"] = "large"
    width: int = 64


class SmallConfig(Config):
    name: Literal["small"] = "small"
    width: int = 8
    depth: int = 1


class Deep(SmallConfig):
    """A class that no annotation names."""

    skips: int = 2


class Run(Config):
    sections: ClassVar[tuple[str, ...]] = ("data", "training", "method")

    output: Path = Path("runs")
    data: Data = Data()
    training: Training = Training()
    method: LargeConfig | SmallConfig = LargeConfig()
    extra: Rate | None = None
    notes: dict[str, int] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> "Run":
        if self.training.epochs > self.data.points:
            raise ValueError("more epochs than points")
        return self


def test_changes_reach_fields_by_full_and_by_bare_names() -> None:
    run = Run()
    changed = run.changed({"training.rate.peak": 0.5, "points": "99"}, epochs=7, output="elsewhere")
    assert changed.training == Training(epochs=7, rate=Rate(peak=0.5))
    assert (changed.data, changed.output) == (Data(points=99), Path("elsewhere"))
    assert run == Run()
    assert run.changed() == run


def test_a_plain_value_stands_for_the_leading_field_and_keeps_the_rest() -> None:
    run = Run(data=Data(points=7))
    assert run.changed(data="my/scans").data == Data(source="my/scans", points=7)
    assert run.changed(data={"source": "my/scans"}).data == Data(source="my/scans")
    assert run.changed(data=Data(seed=5), points=9).data == Data(seed=5, points=9)
    assert run.changed({"points": 9, "data": "my/scans"}).data == Data(source="my/scans", points=9)
    assert Run.from_dict({"data": "my/scans"}).data == Run.from_yaml("data: my/scans").data == Data(source="my/scans")
    with pytest.raises(UsageError, match="data: must be a section of fields"):
        run.changed(data=None)


def test_the_class_of_a_section_survives_and_can_be_replaced() -> None:
    run = Run(method=Deep(skips=3))
    changed = run.changed(depth=4, epochs=2)
    assert changed.method == Deep(skips=3, depth=4)
    assert changed.changed(skips=1).method == Deep(skips=1, depth=4)
    # The new record's own fields are known at once.
    assert Run().changed(method=SmallConfig(), depth=9).method == SmallConfig(depth=9)
    assert Run().changed(method={"name": "small"}).method == SmallConfig()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"epoch": 3}, r"Run has no field 'epoch'\. Did you mean 'epochs'"),
        ({"training.epoch": 3}, r"no field 'training\.epoch'\. Did you mean 'training\.epochs'"),
        ({"seed": 3}, r"several fields 'seed': say which, data\.seed or training\.seed"),
        ({"epochs": "two"}, r"training\.epochs: must be a whole number \(got 'two'\)"),
        ({"epochs": 0}, r"training\.epochs: must be at least 1 \(got 0\)"),
        ({"training.rate.peak": float("nan")}, r"training\.rate\.peak: must be a finite number \(got nan\)"),
        ({"data": {"points": 5, "sauce": "x"}}, r"data\.sauce: no such field\. Did you mean 'source'"),
        (
            {"training": {"epochs": 2, "rate": {"peek": 2}}},
            r"training\.rate\.peek: no such field\. Did you mean 'peak'",
        ),
        ({"epochs": 3, "training.epochs": 4}, r"training\.epochs and training\.epochs were both given"),
        ({"training": {}, "epochs": 4}, r"training\.epochs and training were both given"),
        ({"epochs": 2000}, "The changed Run is not usable:\n  more epochs than points$"),
        ({"extra.peak": 1.0}, r"no field 'extra\.peak': extra is None here"),
        ({"notes.a": 1}, r"no field 'notes\.a': notes is \{\} here"),
        ({"output.name": 1}, r"output is .*Path\('runs'\) here"),
        ({"depth": 3}, "no field 'depth'"),
        ({"": 1}, "no field ''"),
        ({7: 1}, "no field 7"),
        ({"x" * 10**6: 1}, "no field 'xxx"),
    ],
)
def test_wrong_changes_name_the_field(changes: dict[Any, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        Run().changed(changes)
    assert len(str(caught.value)) < 1000


def test_names_can_be_resolved() -> None:
    run = Run(method=SmallConfig())
    assert run.resolve("epochs") == ("training", "epochs")
    assert run.resolve("training.rate.warmup") == run.resolve("rate.warmup") == ("training", "rate", "warmup")
    assert run.resolve("depth") == ("method", "depth")
    assert run.resolve("data") == ("data",)
    with pytest.raises(UsageError, match="no field 'warmup'"):  # the rate is no section
        run.resolve("warmup")


def test_a_copy_with_changes_is_checked_as_well() -> None:
    run = Run()
    assert run.model_copy() == run
    assert run.model_copy(deep=True).data is not run.data
    assert run.model_copy(update={"output": "there"}).output == Path("there")
    for update, said in (({"epoch": 3}, "Did you mean"), ({"training": {"epochs": "two"}}, "whole number")):
        with pytest.raises(UsageError, match=said):
            run.model_copy(update=update)


def test_numbers_are_finite_everywhere() -> None:
    for value in ("inf", ".inf", ".nan", "-.inf"):
        with pytest.raises(UsageError, match=r"training\.rate\.peak: .*number"):
            Run.from_yaml(f"training: {{rate: {{peak: {value}}}}}")
    with pytest.raises(ValidationError):
        Rate(peak=float("inf"))


def test_messages_are_short_whatever_came() -> None:
    for values in (
        {"output": ["x" * 10**6] * 100},
        {f"x{i}": i for i in range(10**4)},
        {"data": {"points": "9" * 10**5}},
    ):
        with pytest.raises(UsageError) as caught:
            Run.from_dict(values)
        assert len(str(caught.value)) < 10_000


def test_the_place_of_a_fault_is_that_of_the_field_whatever_kinds_it_may_hold() -> None:
    for change, said in (({"method": None}, "method: must be"), ({"method": {"width": "x"}}, "method")):
        with pytest.raises(UsageError) as caught:
            Run().changed(change)
        assert all(line.startswith(f"  {said}") for line in str(caught.value).splitlines()[1:])
        assert "function" not in str(caught.value)


def test_yaml_goes_both_ways_also_where_values_repeat(tmp_path: Path) -> None:
    class Lists(Config):
        first: tuple[int, ...] = (1, 2)
        second: tuple[int, ...] = (1, 2)
        text: str = "2024-01-01"

    shared = (4, 5)
    record = Lists(first=shared, second=shared)
    record.save(tmp_path / "record.yaml")
    assert Lists.load(tmp_path / "record.yaml") == record
    (tmp_path / "record.yaml").write_bytes(b"text: \xff\xfe")
    with pytest.raises(UsageError, match=r"Cannot read the configuration .*record\.yaml"):
        Lists.load(tmp_path / "record.yaml")
    with pytest.raises(UsageError, match="Cannot read the configuration"):
        Lists.load("a\0b")
