"""Ours beside the published formulation in one process, in turn: exact step, step with cached maps, embedding.

python -m benchmarks.published [--clouds 4] [--repeats 3] [--device cpu] [--recipe paper] [--output FOLDER]

Both have the same weights, clouds and teacher (CLIP ViT-B/16 with random weights). Ours has the arithmetic that a run
chooses by itself, the published one fp32. On a GPU the published code has CUDA extensions for sampling, neighbours and
Chamfer distances, where this has plain PyTorch: the row "grouping" says how much of its step they could save at most.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from benchmarks.published import steps
from benchmarks.published.model import PublishedI2PMAE
from i2pmae import Encoder, make_shapes, recipe
from i2pmae.commands.bench_items import teacher_for, training_step
from i2pmae.commands.bench_machine import free_stem, machine_facts
from i2pmae.commands.bench_measure import MatrixRates, PeakMemory, seconds_of, synchronise
from i2pmae.commands.bench_record import markdown_table
from i2pmae.common.devices import resolve_device
from i2pmae.common.files import write_text
from i2pmae.common.memory import keep_freed_memory
from i2pmae.methods import METHODS
from i2pmae.methods.base import Setting
from i2pmae.training.device import repeatable
from i2pmae.weights.record import ModelRecord

OURS = {"exact step": "exact step", "cached step": "exact step", "embedding": "embedding"}
"""What of ours is compared with what of the published formulation."""
Calls = dict[str, Callable[[], object]]


def calls(name: str, clouds: int, device: torch.device, folder: Path) -> tuple[Calls, Calls]:
    """What is measured of ours and of the published formulation, on the same batch."""
    config = recipe(name).changed(epochs=1, batch_size=clouds, device=str(device))
    points = config.data.points
    batch = make_shapes(clouds, points)
    tensor = torch.as_tensor(batch.points, device=device)
    teacher = teacher_for(config, device)
    assert teacher is not None
    tasks = []
    for cached in (False, True):
        changed = config.changed({"method.cache_teacher": cached, "data.cache": folder})
        setting = Setting(changed, batch, device, folder, shown=False, teacher=teacher)
        tasks.append(METHODS[config.method.name].build(setting))
    student = tasks[0].student.to(device)
    twin = PublishedI2PMAE(student.config).to(device).take(student)
    plain = teacher_for(config.changed({"method.teacher_precision": "fp32"}), device)
    assert plain is not None
    record = ModelRecord(method=config.method.name, points=points, pooling="max", model=student.config)
    encoder = Encoder(student, record, device)

    def ours(call: Callable[[], object]) -> Callable[[], object]:
        def repeated() -> None:
            with repeatable(device):  # as the engine takes its steps
                call()

        return repeated

    return {
        "exact step": ours(training_step(tasks[0], config, tensor)),
        "cached step": ours(training_step(tasks[1], config, tensor)),
        "embedding": lambda: encoder.embed(batch.points, batch_size=clouds),
    }, {
        "exact step": steps.training_step(twin, plain, tensor),
        "embedding": steps.embedding(twin, tensor),
        "grouping": lambda: twin.groups(tensor),
    }


def measured(both: tuple[Calls, Calls], repeats: int, rates: MatrixRates) -> tuple[list[dict[str, float]], ...]:
    """Seconds and peak memory of every call of both sides; each repeat goes round all, so that they share a moment."""
    device = rates.device
    found = tuple({name: {"seconds": []} for name in side} for side in both)
    for side, rows in zip(both, found, strict=True):
        for name, call in side.items():
            call()
            with PeakMemory(device) as peak:
                call()
                synchronise(device)
            rows[name]["memory"] = peak.bytes
    for _ in range(repeats):
        rates.measure_all()
        for name in dict.fromkeys(name for side in both for name in side):
            for side, rows in zip(both, found, strict=True):
                if name in side:
                    rows[name]["seconds"] += seconds_of(side[name], device, 1)
    rates.measure_all()
    return found


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.published", description=__doc__)
    parser.add_argument("--clouds", type=int, nargs="+", default=[4], help="clouds in a batch; several are measured")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--recipe", default="paper", choices=("paper", "small", "tiny"))
    parser.add_argument("--output", type=Path, help="folder to write published-DATE-MACHINE.md and .json to")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    device = resolve_device(options.device)
    if device.type == "cpu":
        keep_freed_memory()
    facts, rates, results = machine_facts(device), MatrixRates(device), []
    for clouds in options.clouds:
        with tempfile.TemporaryDirectory() as folder:
            ours, published = measured(calls(options.recipe, clouds, device, Path(folder)), options.repeats, rates)
        results += [
            {"clouds": clouds, "what": name, "ours": ours.get(name), "published": published.get(name)}
            for name in (*OURS, "grouping")
        ]
    speed = ", ".join(f"{kind} {rates.lowest[kind] / 1e9:.0f} to {best / 1e9:.0f}" for kind, best in rates.best.items())
    text = (
        f"# {options.recipe} beside the published formulation: {facts['machine']}, {facts['date'][:10]}\n\n"
        f"Device {device}, {facts['threads']} threads of {facts['cores']} cores, load {facts['load_average']} before "
        f"the start, commit {facts['commit']}. Shortest of {options.repeats} repeats in turn, in ms. Matrix rates in "
        f"GFLOP/s: {speed}.\n\n{table(results)}"
    )
    print(text)
    if options.output is not None:
        stem = free_stem(options.output, facts["date"], facts["machine"], "published")
        write_text(stem.with_suffix(".md"), f"{text}\n")
        known = {**facts, "recipe": options.recipe, "rates": rates.seen, "rows": results}
        write_text(stem.with_suffix(".json"), json.dumps(known, indent=1) + "\n")


def table(results: Sequence[dict]) -> str:
    """Ours, the published formulation, and how many times ours is as fast."""
    rows = []
    by_name = {(row["clouds"], row["what"]): row for row in results}
    for row in results:
        clouds, name = row["clouds"], row["what"]
        other = by_name[clouds, OURS.get(name, name)]["published"]
        own = row["ours"]
        then = min(other["seconds"])
        now = None if own is None else min(own["seconds"])
        memory = [None if side is None else side["memory"] for side in (own, other)]
        rows.append(
            (
                name,
                str(clouds),
                "" if now is None else f"{1e3 * now:.4g}",
                f"{1e3 * then:.4g}",
                "" if now is None else f"{then / now:.2f}",
                "" if now is None else f"{clouds / now:.4g}",
                *("" if peak is None else f"{peak / 1e6:.0f}" for peak in memory),
            )
        )
    head = ("what", "clouds", "ours", "published", "times as fast", "ours, clouds/s", "ours, MB", "published, MB")
    return markdown_table(head, rows)


if __name__ == "__main__":
    main()
