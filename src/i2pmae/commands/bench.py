"""``bench``: how fast this machine is at what the package does."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from i2pmae.commands.bench_items import (
    MEASURES,
    OPERATIONS,
    Item,
    embedding,
    operations,
    probes,
    recipe_items,
    start_up,
    usual_batch,
)
from i2pmae.commands.bench_machine import machine_facts
from i2pmae.commands.bench_measure import MatrixRates, count_flops, measure
from i2pmae.commands.bench_record import BenchRecord, BenchRow
from i2pmae.commands.use import load
from i2pmae.commands.variants import parse_variant
from i2pmae.common.devices import resolve_device
from i2pmae.common.errors import UsageError, pick
from i2pmae.common.memory import keep_freed_memory
from i2pmae.common.progress import say
from i2pmae.data.shapes import make_shapes
from i2pmae.methods import recipes as known_recipes
from i2pmae.methods.config import PretrainConfig
from i2pmae.runs.folder import CONFIG_FILE
from i2pmae.weights.kinds import PRETRAINING
from i2pmae.weights.named import locate

__all__ = ["bench"]

OF_MODELS = ("projection", "lift", "teacher", "step", "embedding")
GROUPS = {**{name: (name,) for name in MEASURES}, "operations": OPERATIONS}
"""Names that ``only`` takes, and what they stand for."""
LIMIT = 6.0
"""Seconds of repeats of one thing."""


def bench(
    checkpoint: str | Path | None = None,
    *,
    recipes: Sequence[str] = ("tiny", "small", "paper"),
    only: Sequence[str] = (),
    against: str | Path | None = None,
    output: str | Path | None = None,
    batch_size: int | None = None,
    repeats: int = 3,
    device: str = "auto",
    shown: bool = True,
) -> BenchRecord:
    """Time, clouds a second, peak memory, FLOPs and utilisation of everything that takes time here, measured now.

    Operations, projection, lift, teacher, step, embedding, probe and start-up, each beside the rate at which the device
    multiplies matrices at that moment: shares and ratios of it hold on a busy machine too. ``print`` shows a table.

    >>> print(i2pmae.bench(only=["step", "embedding"], against="before.json"))

    Args:
        checkpoint: a run folder or weights folder whose embedding is measured, and, of a run of pre-training, its step
            and teacher, in the place of the recipes; or the JSON file of an earlier benchmark, which is read instead.
        recipes: recipes of pre-training whose models are measured, also with changes, ``tiny@precision=bf16``. CLIP
            ViT-B/16, the teacher of ``paper``, gets random weights.
        only: what to measure, of ``fps``, ``knn``, ``chamfer``, ``three_nn_interpolate`` (together ``operations``),
            ``projection``, ``lift``, ``teacher``, ``step``, ``embedding``, ``probe`` and ``start-up``; all where empty.
        against: the JSON file of an earlier benchmark to be compared with.
        output: folder that gets the tables and the record, named after date and machine (.md and .json).
        batch_size: clouds at a time; where absent 4 to 32 on a CPU, by the size of the model, and 128 on a GPU.
        repeats: most repeats of each; fewer where they take more than six seconds.
        device: ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
        shown: whether it is said what is being measured.

    Raises:
        UsageError: for unknown names, a file that is no benchmark, or numbers below 1. Errors of loading.
    """
    if repeats < 1 or (batch_size is not None and batch_size < 1):
        raise UsageError(f"bench needs repeats and a batch size of at least 1, got {repeats} and {batch_size}.")
    earlier = None if against is None else BenchRecord.read(against)
    if checkpoint is not None and Path(checkpoint).suffix == ".json":
        found = BenchRecord.read(checkpoint)
    else:
        place = resolve_device(device)
        wanted = _wanted(only)
        configs = {} if checkpoint is not None else {name: _recipe(name) for name in recipes}
        found = _measured(checkpoint, configs, wanted, batch_size, repeats, place, shown)
    found = found.changed(against=earlier)
    if output is not None:
        written = found.write(Path(output))
        if shown:
            say(f"Written: {written[0]} and {written[1].name}")
    return found


def _wanted(only: Sequence[str]) -> set[str]:
    """What is to be measured; :class:`UsageError` for a name that is none."""
    return {name for given in only or MEASURES for name in pick("measure", given, GROUPS)}


def _recipe(name: str) -> PretrainConfig:
    """That of a name, or of a name with changes."""
    return parse_variant(name).config if "@" in name else pick("recipe", name, known_recipes())()


def _measured(
    checkpoint: str | Path | None,
    configs: dict[str, PretrainConfig],
    wanted: set[str],
    batch_size: int | None,
    repeats: int,
    device: torch.device,
    shown: bool,
) -> BenchRecord:
    if device.type == "cpu":
        keep_freed_memory()  # as training and models in use do
    facts = machine_facts(device)
    rates, rows = MatrixRates(device), dict[tuple[str, str, int], BenchRow]()
    rates.measure_all()
    for item in _items(checkpoint, configs, wanted, batch_size, device):
        if item.measure not in wanted or (item.measure, item.what, item.clouds) in rows:
            continue
        if shown:
            say(f"{item.measure}: {item.what}" + f", {item.clouds} clouds" * (item.clouds > 0))
        row = _row(item, rates, repeats)
        rows[row.key] = row
    rates.measure_all()
    return BenchRecord(
        **facts,
        checkpoint=None if checkpoint is None else str(checkpoint),
        rates={kind: (rate, rates.lowest[kind]) for kind, rate in rates.best.items()},
        rows=tuple(rows.values()),
    )


def _items(
    checkpoint: str | Path | None,
    configs: dict[str, PretrainConfig],
    wanted: set[str],
    batch_size: int | None,
    device: torch.device,
) -> Iterator[Item]:
    """All that is measured, each made when its turn comes."""
    if wanted & {*OPERATIONS}:
        yield from operations(device)
    if wanted & {*OF_MODELS}:
        if checkpoint is not None:
            yield from _of_checkpoint(locate(checkpoint), wanted, batch_size, device)
        for name, config in configs.items():
            yield from recipe_items(config, device, name, wanted, batch_size)
    if "probe" in wanted:
        yield from probes()
    if "start-up" in wanted:
        yield from start_up()


def _of_checkpoint(path: Path, wanted: set[str], batch_size: int | None, device: torch.device) -> Iterator[Item]:
    """The embedding of stored weights; of a run of pre-training all that its recipe would show."""
    encoder, name = load(path, device), path.name
    if encoder.record.task == PRETRAINING and (path / CONFIG_FILE).is_file():
        config = PretrainConfig.load(path / CONFIG_FILE)
        yield from recipe_items(config, device, name, wanted, batch_size, encoder)
        return
    clouds = make_shapes(batch_size or usual_batch(encoder.model.encoder, device), encoder.points)
    yield embedding(encoder, clouds, name)


def _row(item: Item, rates: MatrixRates, repeats: int) -> BenchRow:
    """What was found about an item, and the matrix rates beside it."""
    own = item.precision or "fp32"
    kinds = [own] if item.inner is None else list(dict.fromkeys([own, item.inner[0]]))
    with item.within(), rates.beside(*kinds) as beside:
        found = measure(item.call, rates.device, repeats, LIMIT, counted=item.precision is not None)
    flops = {own: found.flops} if found.flops else {}
    if item.inner is not None and flops and item.inner[0] != own:
        part = count_flops(item.inner[1])
        flops = {own: found.flops - part, item.inner[0]: part}
    return BenchRow(
        measure=item.measure,
        what=item.what,
        clouds=item.clouds,
        seconds=found.seconds,
        median=found.median,
        repeats=found.repeats,
        memory=found.memory if item.inside else None,
        flops=flops,
        rates=beside,
    )
