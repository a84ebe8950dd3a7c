"""Measuring: what is counted is counted exactly; what is timed is only known to be there."""

import json
import sys
import time
from pathlib import Path

import pytest
import torch
from torch.nn import functional

import i2pmae
from i2pmae.cli import main
from i2pmae.commands import bench_items, bench_measure
from i2pmae.commands.bench import bench
from i2pmae.commands.bench_items import MEASURES, Item
from i2pmae.commands.bench_measure import MatrixRates, PeakMemory, count_flops, measure, seconds_of
from i2pmae.commands.bench_record import BenchRecord, BenchRow
from i2pmae.common.errors import CheckpointError, UsageError
from i2pmae.encoders.config import EncoderConfig
from i2pmae.methods.i2p_mae.config import I2PMAEMethodConfig
from i2pmae.teachers.untrained import untrained_clip
from tests.commands.conftest import Weights
from tests.small import POINT_BERT, POINT_MAE, SMALL

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rates by small products, so that a test takes a moment."""
    monkeypatch.setattr(bench_measure, "PATIENCE", 0.01)
    monkeypatch.setitem(bench_measure.SIDES, "cpu", 64)


@pytest.mark.parametrize("gradient", [False, True])
def test_flops_of_products(gradient: bool) -> None:
    left, right = torch.randn(3, 5, requires_grad=gradient), torch.randn(5, 7, requires_grad=gradient)

    def call() -> None:
        found = (left @ right).sum()
        if gradient:
            found.backward()

    assert count_flops(call) == (3 if gradient else 1) * 2 * 3 * 5 * 7
    assert count_flops(lambda: left + 1) == 0


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("gradient", [False, True])
def test_flops_of_attention(masked: bool, gradient: bool) -> None:
    b, h, rows, keys, width = 2, 3, 4, 5, 8
    query = torch.randn(b, h, rows, width, requires_grad=gradient)
    key, value = (torch.randn(b, h, keys, width, requires_grad=gradient) for _ in range(2))
    mask = torch.ones(b, 1, rows, keys, dtype=torch.bool) if masked else None

    def call() -> None:
        found = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask).sum()
        if gradient:
            found.backward()

    products = 2 + 5 * gradient
    assert count_flops(call) == products * 2 * b * h * rows * keys * width


def test_repeats_end_when_their_time_is_over() -> None:
    assert len(seconds_of(lambda: time.sleep(0.03), CPU, 3)) == 3
    assert len(seconds_of(lambda: time.sleep(0.03), CPU, 100, limit=0.05)) < 4
    calls = []
    assert len(seconds_of(lambda: calls.append(1), CPU, 2)) == 2
    assert len(calls) > 4, "a short call is made often"


def test_a_call_longer_than_its_limit_is_made_once() -> None:
    calls = []
    found = measure(lambda: (calls.append(1), time.sleep(0.05)), CPU, 5, limit=0.01)
    assert (len(calls), found.repeats) == (1, 1)
    assert found.seconds == found.median >= 0.05


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")
def test_memory_is_that_of_the_call_alone() -> None:
    size = 48 * 2**20
    kept = torch.ones(size // 4)
    with PeakMemory(CPU) as peak:
        torch.ones(size // 4)
    if peak.bytes is None:
        pytest.skip("this system does not let a process reset its peak")
    assert 0.9 * size < peak.bytes < 2 * size
    with PeakMemory(CPU) as peak:
        kept += 1
    assert peak.bytes < size / 2, "what was there before, or was freed, does not count"


def test_rates() -> None:
    rates = MatrixRates(CPU)
    assert rates.kinds[0] == "fp32"
    with rates.beside("fp32") as beside:
        assert beside == {}
    assert len(rates.seen["fp32"]) == 2
    assert beside["fp32"] == rates.best["fp32"] >= rates.lowest["fp32"] > 0


def test_every_operation_can_be_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    items = list(bench_items.operations(CPU, (64, 128, 256), many=2))
    assert {item.measure for item in items} == {*bench_items.OPERATIONS}
    assert len({(item.measure, item.what, item.clouds) for item in items}) == len(items)
    for item in items:
        item.call()


def row(**changes: object) -> BenchRow:
    values = {"measure": "step", "what": "tiny", "clouds": 4, "seconds": 0.5, "median": 0.6, "repeats": 3}
    return BenchRow(**{**values, "memory": 2_000_000, "flops": {"fp32": 1e10}, "rates": {"fp32": 4e10}, **changes})


def record(*rows: BenchRow, **changes: object) -> BenchRecord:
    values = {"date": "2026-01-31T10:00:00+00:00", "machine": "A/B (R) 9.5 CPU", "device": "cpu", "threads": 2}
    return BenchRecord(**{**values, "versions": {}, "rates": {"fp32": (5e10, 4e10)}, "rows": rows, **changes})


def test_a_row_says_how_well_the_machine_was_used() -> None:
    assert row().utilisation == pytest.approx(0.5)
    mixed = row(flops={"fp32": 1e10, "bf16": 4e10}, rates={"fp32": 4e10, "bf16": 4e11})
    assert mixed.utilisation == pytest.approx((0.25 + 0.1) / 0.5)
    assert row().clouds_per_second == 8
    assert row(flops={}).utilisation is None and row(clouds=0).clouds_per_second is None


def test_tables() -> None:
    text = str(record(row(), row(measure="start-up", what="help", clouds=0, memory=None, flops={})))
    assert text.startswith("# A/B (R) 9.5 CPU, 2026-01-31\n")
    assert "| fp32 | 50 | 40 |" in text and "was not quiet: the rate of fp32" in text
    assert "| step | tiny | 4 | 500 | 600 | 3 | 8 | 2 | 10 | 0.50 |" in text
    assert "| start-up | help |  | 500 | 600 | 3 |  |  |  |  |" in text
    assert "not quiet" not in str(record(row(), rates={"fp32": (5e10, 4.9e10)}))


def test_comparison() -> None:
    old = record(row(), row(what="gone"), threads=1)
    new = record(row(seconds=0.25, memory=1_000_000, rates={"fp32": 8e10}), row(what="new"), against=old)
    text = str(new).partition("## Against A/B (R) 9.5 CPU, 2026-01-31")[2]
    assert "| step | tiny | 4 | 500 | 250 | 2.00 | 1.00 | 0.50 |" in text
    assert "Not the same: threads 1 before, 2 now." in text
    assert "Only now: step new (4 clouds)." in text and "Only before: step gone (4 clouds)." in text
    assert "No row is in both." in str(record(row(), against=record(row(clouds=5))))
    assert "against" not in json.loads(new.model_dump_json())


def test_files(tmp_path: Path) -> None:
    first, second = record(row()).write(tmp_path), record(row(), threads=3).write(tmp_path)
    assert [path.name for path in first] == ["2026-01-31-a-b-r-9-5-cpu.md", "2026-01-31-a-b-r-9-5-cpu.json"]
    assert [path.stem for path in second] == ["2026-01-31-a-b-r-9-5-cpu-2"] * 2
    assert BenchRecord.read(second[1]) == record(row(), threads=3)
    assert first[0].read_text() == f"{record(row())}\n"


@pytest.mark.parametrize("content", [None, "{", "[]", '{"rows": []}', "\xff"])
def test_files_that_are_no_benchmark(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "old.json"
    if content is not None:
        path.write_bytes(content.encode("latin-1"))
    with pytest.raises(UsageError, match=str(path)):
        BenchRecord.read(path)
    with pytest.raises(UsageError, match=str(path)):
        bench(against=path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"only": ["stpe"]}, "Did you mean 'step'"),
        ({"recipes": ["tny"]}, "Did you mean 'tiny'"),
        ({"repeats": 0}, "at least 1"),
        ({"batch_size": 0}, "at least 1"),
        ({"device": "gpu"}, "Unknown device"),
    ],
)
def test_wrong_calls(changes: dict, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        bench(**changes)
    with pytest.raises(CheckpointError):
        bench("nowhere", only=["embedding"])


def measured(config: i2pmae.PretrainConfig, monkeypatch: pytest.MonkeyPatch, *only: str) -> BenchRecord:
    monkeypatch.setattr("i2pmae.commands.bench.known_recipes", lambda: {"mine": lambda: config})
    return bench(recipes=["mine"], only=only, batch_size=2, repeats=1, device="cpu", shown=False)


def test_a_recipe_with_a_teacher(monkeypatch: pytest.MonkeyPatch) -> None:
    config = i2pmae.recipe("tiny").changed(model=SMALL).changed(points=32)
    found = measured(config, monkeypatch, "projection", "lift", "teacher", "step", "embedding")
    assert [(each.measure, each.what) for each in found.rows] == [
        ("projection", "3 views of 32 points"),
        ("lift", "192 channels of 3 views to 16 points"),
        ("teacher", "embedded, 6 images"),
        ("step", "mine, exact, 32 points"),
        ("step", "mine, cached maps, 32 points"),
        ("embedding", "mine, 32 points"),
    ]
    _, lifted, teacher, exact, cached, embedding = found.rows
    assert all(each.clouds == 2 and each.repeats == 1 and each.seconds > 0 for each in found.rows)
    assert all(each.utilisation for each in (lifted, teacher, exact, cached, embedding))
    # The exact step is the other one and the teacher.
    total = sum(exact.flops.values())
    assert total == pytest.approx(sum(cached.flops.values()) + sum(teacher.flops.values()), rel=0.02)


def test_a_recipe_that_needs_what_the_teacher_says_of_all_clouds(monkeypatch: pytest.MonkeyPatch) -> None:
    config = i2pmae.recipe("best").changed(model=SMALL).changed(points=32)
    found = measured(config, monkeypatch, "teacher", "step", "embedding")
    assert [each.what for each in found.rows] == [
        "embedded, 6 images",
        "mine, cached maps, 32 points",
        "mine, 32 points",
    ]


def test_a_recipe_with_changes() -> None:
    small = "model.group_counts=[16,8,4],model.group_sizes=[4,2,2],points=32"
    changes = (f"point-m2ae-tiny@{small}", f"point-m2ae-tiny@{small},precision=bf16")
    found = bench(recipes=changes, only=["step"], batch_size=2, repeats=1, device="cpu", shown=False)
    assert [each.what for each in found.rows] == [f"{name}, 32 points" for name in changes]
    with pytest.raises(UsageError, match="expected field=value"):
        bench(recipes=["tiny@precision"], only=["step"], shown=False)


def test_the_published_teacher_needs_no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 4}
    small = untrained_clip(precision="fp32", **sizes, projection_dim=16)
    monkeypatch.setattr(bench_items, "untrained_clip", lambda **_: small)
    found = measured(i2pmae.recipe("paper").changed(model=SMALL).changed(points=32), monkeypatch, "teacher", "step")
    assert [each.what for each in found.rows] == [
        "random:clip-vit-b16, 6 images",
        "mine, exact, 32 points",
        "mine, cached maps, 32 points",
    ]
    assert found.rows[1].flops["fp32"] > found.rows[0].flops["fp32"]


@pytest.mark.parametrize(
    ("name", "model"), [("point-m2ae-tiny", SMALL), ("point-mae-tiny", POINT_MAE), ("point-bert-tiny", POINT_BERT)]
)
def test_a_recipe_without_a_teacher(monkeypatch: pytest.MonkeyPatch, name: str, model: EncoderConfig) -> None:
    config = i2pmae.recipe(name).changed(model=model).changed(points=32)
    found = measured(config, monkeypatch, "step", "embedding")
    assert [each.measure for each in found.rows] == ["step", "embedding"]
    assert all(each.utilisation for each in found.rows)


def test_a_run_folder_and_a_weights_folder(weights: Weights) -> None:
    folder = weights()
    options = {"only": ["step", "embedding"], "batch_size": 2, "repeats": 1, "device": "cpu", "shown": False}
    alone = bench(folder, **options)
    assert [each.measure for each in alone.rows] == ["embedding"] and alone.checkpoint == str(folder)
    method = I2PMAEMethodConfig(model=SMALL)
    i2pmae.PretrainConfig(method=method, data={"points": 64}).save(folder / "config.yaml")
    found = bench(folder, **options)
    assert [each.what.partition(",")[2] for each in found.rows] == [
        " exact, 64 points",
        " cached maps, 64 points",
        " 64 points",
    ]
    assert not list(folder.glob("*cache*")), "maps go elsewhere"


def test_nothing_but_what_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    item = Item("start-up", "nothing", lambda: calls.append("start-up"), inside=False)
    monkeypatch.setattr("i2pmae.commands.bench.start_up", lambda: [item])
    found = bench(only=["start-up"], repeats=1, device="cpu", shown=False)
    (only,) = found.rows
    assert only.measure == "start-up" and only.memory is None and calls
    assert found.rates["fp32"][0] >= found.rates["fp32"][1] > 0


def test_start_up_and_probe_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_items, "PROBE", {"clouds": 30, "test": 6, "classes": 3, "features": 4})
    assert {item.measure for item in (*bench_items.probes(), *bench_items.start_up())} == {*MEASURES[-2:]}
    (probe,) = bench_items.probes()
    probe.call()
    first = next(iter(bench_items.start_up()))
    first.call()


def test_the_command(weights: Weights, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "speed"
    line = ["bench", str(weights()), "--only", "embedding", "--batch-size", "2", "--repeats", "1", "--device", "cpu"]
    assert main([*line, "--output", str(output)]) == 0
    out, err = capfd.readouterr()
    (stored,) = output.glob("*.json")
    assert out == stored.with_suffix(".md").read_text()
    assert "embedding: " in err and f"Written: {stored.with_suffix('.md')}" in err
    assert main(["bench", str(stored), "--against", str(stored)]) == 0
    out, err = capfd.readouterr()
    assert "## Against" in out and "| 1.00 | 1.00 | 1.00 |" in out and err == ""
    assert main(["bench", str(stored), "--json"]) == 0
    assert BenchRecord.model_validate(json.loads(capfd.readouterr().out)) == BenchRecord.read(stored)
    assert main(["bench", "--only", "stpe"]) == 2
    assert "Did you mean 'step'" in capfd.readouterr().err
