"""``compare``: several recipes on the same data, at the same budget and with the same seeds: one table and one plot."""

import csv
import io
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from i2pmae.commands.compare_config import CompareConfig
from i2pmae.commands.pretrain import pretrain
from i2pmae.commands.pretrain_probe import probed_parts
from i2pmae.commands.variants import Variant, expand
from i2pmae.common import ranks
from i2pmae.common.errors import DataError, UsageError
from i2pmae.common.files import write_text
from i2pmae.common.progress import say
from i2pmae.data.open.source import open_clouds
from i2pmae.evaluation.classifiers import usable_folds
from i2pmae.methods import METHODS
from i2pmae.methods.config import PretrainConfig
from i2pmae.runs.folder import prepare_run_folder
from i2pmae.runs.record import RESULTS_FILE, TWIN, RunRecord, Score, describe_run
from i2pmae.training.processes import joined
from i2pmae.viz.comparison import ComparisonPoint, write_comparison

__all__ = ["compare", "comparison_table"]

FOLDS = 5
"""Of the probes' cross-validation."""
Cell = tuple[Variant, list[PretrainConfig]]
"""A variant, and its runs, one per seed."""


def compare(
    config: CompareConfig | Sequence[str], *, resume: bool = False, shown: bool = True, **changes: Any
) -> RunRecord:
    """The record of a comparison: a child for each recipe, and in each of these one for each seed.

    Its folder gets results.json, table.md, table.csv, comparison.png and a folder for each run. A stopped comparison
    goes on with ``resume``: finished runs are kept, the one that was stopped is resumed.

    >>> i2pmae.compare(["tiny", "tiny@model.mask_ratio=0.6"], data="modelnet40.npz", seeds=(0, 1))

    Args:
        config: what is compared; or the names of recipes alone, see :class:`CompareConfig`.
        resume: go on with the comparison in the output folder.
        shown: whether progress is shown.
        changes: fields of the configuration by name.

    Raises:
        UsageError: for unknown recipes, recipes of different length, or a teacher that is not there; before anything is
            trained.
        I2PError: those of pre-training.
    """
    whole = config if isinstance(config, CompareConfig) else CompareConfig(recipes=tuple(config))
    whole = whole.changed(changes)
    cells = _cells(whole)
    with (
        joined(whole.training.device, whole.training.devices),
        prepare_run_folder(whole.output.folder, whole, resume) as folder,
    ):
        _check_data(cells[0][1][0], shown)
        _check_teachers(cells)
        rows: dict[str, RunRecord] = {}
        for number, (variant, runs) in enumerate(cells, start=1):
            found = []
            for run in runs:
                if shown:
                    say(f"[{number} of {len(cells)}] {variant.name}, seed {run.training.seed}")
                there = ranks.on_main(run.output.folder.exists)
                found.append(pretrain(run, resume=there, shown=shown))
            rows[variant.name] = _row(variant, found)
        record = _record(whole, rows)
        if ranks.is_main():
            _write(folder.path, record)
            shutil.rmtree(folder.path / "cache", ignore_errors=True)
    return record


def _cells(config: CompareConfig) -> list[Cell]:
    """The runs of every variant, one per seed, at one budget."""
    seeds = config.training.seeds
    if len(set(seeds)) < len(seeds):
        raise UsageError(f"The seeds {seeds} repeat: a run with the same seed is the same run.")
    variants = expand(config.recipes, config.base)
    lengths = {variant.config.training.epochs for variant in variants}
    if config.training.epochs is None and len(lengths) > 1:
        told = ", ".join(f"{variant.name} {variant.config.training.epochs}" for variant in variants)
        raise UsageError(f"The recipes train for different numbers of epochs ({told}): set one with --epochs.")
    return [(variant, [_run(config, variant, seed) for seed in seeds]) for variant in variants]


def _run(config: CompareConfig, variant: Variant, seed: int) -> PretrainConfig:
    """The configuration of one run: the variant with what all have in common."""
    data, training, output = config.data, config.training, config.output
    common: dict[str, Any] = {
        "training.epochs": training.epochs,
        "training.batch_size": training.batch_size,
        "data.points": data.points,
        "data.clouds": data.clouds,
        "output.probe_clouds": output.probe_clouds,
    }
    if "teacher" in type(variant.config.method).model_fields:
        common["method.teacher"] = training.teacher
    given = {name: value for name, value in common.items() if value is not None}
    return variant.config.changed(
        given
        | {
            "data.source": data.source,
            "data.up": data.up,
            "data.labels": data.labels,
            "data.cache": data.cache or output.folder / "cache",
            "training.seed": seed,
            "training.device": training.device,
            "training.devices": training.devices,
            "output.folder": output.folder / _folder_name(variant.name) / f"seed-{seed}",
            "output.probe": True,
            "output.probe_on": output.probe_on,
            "output.report": output.report,
        }
    )


def _folder_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.=-]+", "_", name)


def _check_data(run: PretrainConfig, shown: bool) -> None:
    """:class:`DataError` before anything is trained, where its encoder could not be probed afterwards."""
    seed = run.training.seed
    with ranks.main_first():
        clouds = open_clouds(run.data, seed=seed, shown=shown)
    train, _, _ = probed_parts(run, clouds)
    assert train.labels is not None
    present, labels = np.unique(train.labels, return_inverse=True)
    names = clouds.classes or tuple(str(i) for i in range(int(present.max()) + 1))
    usable_folds(FOLDS, labels, [names[i] for i in present], "C")


def _check_teachers(cells: Sequence[Cell]) -> None:
    """The errors of what the methods learn from, before anything is trained."""
    for variant, _ in cells:
        METHODS[variant.config.method.name].check(variant.config.method)


def _row(variant: Variant, runs: Sequence[RunRecord]) -> RunRecord:
    """One row of the table: the scores over the seeds, the untrained ones as the twin."""
    scored = [(run.score, run.twin.score) for run in runs if run.primary and run.twin is not None]
    if len(scored) < len(runs):
        raise DataError(f"There is no linear probe of {variant.name}: its classes have too few clouds.")
    first, config = runs[0], variant.config
    times = [run.figures["training_seconds"] + run.figures.get("teacher_seconds", 0.0) for run in runs]
    shared = {
        "primary": "accuracy",
        "method": config.method.name,
        "recipe": variant.name,
        "data": first.data,
        "protocol": first.protocol,
        "points": first.points,
        "chance": first.chance,
        "train_clouds": first.train_clouds,
        "test_clouds": first.test_clouds,
        "seeds": tuple(seed for run in runs for seed in run.seeds),
    }
    twin = RunRecord(
        kind="linear-probe", scores={"accuracy": Score.of([untrained.mean for _, untrained in scored])}, **shared
    )
    return RunRecord(
        kind="pretrain",
        scores={"accuracy": Score.of([trained.mean for trained, _ in scored])},
        figures={
            "training_seconds": round(sum(times) / len(times), 1),
            "epochs": first.figures["epochs"],
            "clouds": first.figures["clouds"],
        },
        children={TWIN: twin, **{f"seed-{run.seeds[0]}": run for run in runs}},
        **shared,
    )


def _record(config: CompareConfig, rows: dict[str, RunRecord]) -> RunRecord:
    return RunRecord(
        kind="compare",
        data=config.data.source,
        seeds=config.training.seeds,
        protocol=next(iter(rows.values())).protocol,
        output=config.output.folder,
        children=rows,
        **describe_run(),
    )


def _write(folder: Path, record: RunRecord) -> None:
    """Everything that a comparison leaves for people and programs."""
    record.save(folder / RESULTS_FILE)
    write_text(folder / "table.md", comparison_table(record) + "\n")
    write_text(folder / "table.csv", _csv(record))
    points = [
        ComparisonPoint(name, row.figures["training_seconds"] / 60, row.score.mean, row.score.std or 0.0)
        for name, row in record.children.items()
    ]
    write_comparison(folder / "comparison.png", points)


def comparison_table(record: RunRecord) -> str:
    """The table of a comparison in Markdown: one row for each recipe."""
    header = ["recipe", "method", "untrained", "linear probe", "training", "epochs", "clouds"]
    lines = [header, ["---"] * len(header)]
    for name, row in record.children.items():
        before = "" if row.twin is None else str(row.twin.score)
        time = f"{row.figures['training_seconds'] / 60:.1f} min"
        counts = [f"{row.figures[what]:.0f}" for what in ("epochs", "clouds")]
        lines.append([name, row.method, before, str(row.score), time, *counts])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _csv(record: RunRecord) -> str:
    """The table for programs: one line per run."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["recipe", "method", "seed", "untrained", "trained", "mean_seconds", "epochs", "clouds", "run"])
    for name, row in record.children.items():
        for run in (run for child, run in row.children.items() if child != TWIN):
            before = None if run.twin is None else run.twin.score.mean
            figures = (row.figures["training_seconds"], run.figures["epochs"], run.figures["clouds"])
            table.writerow([name, row.method, run.seeds[0], before, run.score.mean, *figures, run.output])
    return text.getvalue()
