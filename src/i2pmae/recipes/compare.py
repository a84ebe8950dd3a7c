"""Several recipes on the same data, at the same budget and with the same seeds: one table and one plot."""

import csv
import io
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from i2pmae.common.config import Config
from i2pmae.common.errors import DataError, UsageError
from i2pmae.common.files import write_text
from i2pmae.common.progress import console
from i2pmae.data.sources import open_source
from i2pmae.evaluation.classifiers import usable_folds
from i2pmae.evaluation.probe import train_and_test
from i2pmae.evaluation.records import Score, describe_run
from i2pmae.recipes.compare_config import CompareConfig
from i2pmae.recipes.pretrain import RunResult, pretrain
from i2pmae.recipes.variants import Variant, changed, expand
from i2pmae.training.config import PretrainConfig
from i2pmae.training.runs import prepare_run_folder
from i2pmae.viz.comparison import ComparisonPoint, write_comparison

__all__ = ["CompareResult", "ComparedRecipe", "compare"]


FOLDS = 5
"""Of the probes' cross-validation."""


class ComparedRecipe(Config):
    """One row of the table."""

    recipe: str
    """As it was asked for."""
    method: str
    """What it trains."""
    untrained: Score
    """Linear probe of the initial weights, over the seeds."""
    trained: Score
    """Linear probe of the final weights, over the seeds."""
    seconds: float
    """Mean training time of a run: its steps, those of a stage one, and its teacher, also where maps are cached."""
    epochs: int
    """Passes over the data."""
    clouds: int
    """Clouds that were trained on."""
    runs: tuple[Path, ...]
    """Its runs, one per seed."""


class CompareResult(Config):
    """What a comparison found; stored as results.json."""

    recipes: tuple[ComparedRecipe, ...]
    """One row each, in the order in which they were asked for."""
    data: str
    """What was trained and probed on."""
    seeds: tuple[int, ...]
    """Seeds of every recipe."""
    protocol: str
    """Of the probes, in words."""
    machine: str
    """Where it ran."""
    versions: dict[str, str]
    """Of Python, the main libraries and this package."""
    commit: str | None = None
    """The git commit of the source tree that ran, where the package runs from one."""

    def markdown(self) -> str:
        """The table for people."""
        header = ["recipe", "method", "untrained", "linear probe", "training", "epochs", "clouds"]
        lines = [header, ["---"] * len(header)]
        for row in self.recipes:
            time = f"{row.seconds / 60:.1f} min"
            figures = [str(row.untrained), str(row.trained), time, str(row.epochs), str(row.clouds)]
            lines.append([row.recipe, row.method, *figures])
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)

    def csv(self) -> str:
        """The table for programs: one line per run."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["recipe", "method", "seed", "untrained", "trained", "mean_seconds", "epochs", "clouds", "run"])
        for row in self.recipes:
            scores = zip(self.seeds, _each(row.untrained), _each(row.trained), row.runs, strict=True)
            for seed, before, after, run in scores:
                table.writerow([row.recipe, row.method, seed, before, after, row.seconds, row.epochs, row.clouds, run])
        return text.getvalue()


def compare(config: CompareConfig, *, resume: bool = False, shown: bool = True) -> CompareResult:
    """The table of a comparison, which is also in its folder as results.json, table.md, table.csv and comparison.png.

    A stopped comparison goes on with ``resume``: finished runs are kept, the one that was stopped is resumed.
    Raises :class:`UsageError` for unknown recipes or recipes of different length, and the errors of pre-training.
    """
    cells = _cells(config)
    with prepare_run_folder(config.output, config, resume) as folder:
        _check_data(cells[0][1][0], shown)
        results: list[list[RunResult]] = []
        for number, (variant, runs) in enumerate(cells, start=1):
            results.append([])
            for run in runs:
                if shown:
                    console().print(f"[{number} of {len(cells)}] {variant.name}, seed {run.seed}", markup=False)
                results[-1].append(pretrain(run, resume=run.output.exists(), shown=shown))
        rows = tuple(_row(variant, runs, found) for (variant, runs), found in zip(cells, results, strict=True))
        probe = results[0][0].probe
        assert probe is not None
        result = CompareResult(
            recipes=rows, data=config.data, seeds=config.seeds, protocol=probe.trained.protocol, **describe_run()
        )
        write_text(folder.path / "results.json", result.model_dump_json(indent=2) + "\n")
        write_text(folder.path / "table.md", result.markdown() + "\n")
        write_text(folder.path / "table.csv", result.csv())
        points = [
            ComparisonPoint(row.recipe, row.seconds / 60, row.trained.mean, row.trained.std or 0.0) for row in rows
        ]
        write_comparison(folder.path / "comparison.png", points)
        shutil.rmtree(folder.path / "cache", ignore_errors=True)
    return result


def _cells(config: CompareConfig) -> list[tuple[Variant, list[PretrainConfig]]]:
    """The runs of every variant, one per seed, at one budget."""
    if len(set(config.seeds)) < len(config.seeds):
        raise UsageError(f"The seeds {config.seeds} repeat: a run with the same seed is the same run.")
    variants = expand(config.recipes, config.base)
    lengths = {variant.config.epochs for variant in variants}
    if config.epochs is None and len(lengths) > 1:
        told = ", ".join(f"{variant.name} {variant.config.epochs}" for variant in variants)
        raise UsageError(f"The recipes train for different numbers of epochs ({told}): set one with --epochs.")
    return [
        (variant, [_run(config, variant, config.output / _folder_name(variant.name), seed) for seed in config.seeds])
        for variant in variants
    ]


def _run(config: CompareConfig, variant: Variant, folder: Path, seed: int) -> PretrainConfig:
    changes: dict[str, Any] = {
        "epochs": config.epochs,
        "batch_size": config.batch_size,
        "teacher": config.teacher,
        "clouds.points": config.points,
        "clouds.clouds": config.clouds,
        "probe_clouds": config.probe_clouds,
    }
    always: dict[str, Any] = {
        "data": config.data,
        "output": folder / f"seed-{seed}",
        "seed": seed,
        "device": config.device,
        "probe": True,
        "report": config.reports,
        "clouds.up": config.up,
        "clouds.labels": config.labels,
        "clouds.cache": config.cache or config.output / "cache",
    }
    given = {name: value for name, value in changes.items() if value is not None}
    return changed(variant.config, given | always, variant.name)


def _folder_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.=-]+", "_", name)


def _check_data(run: PretrainConfig, shown: bool) -> None:
    """:class:`DataError` before anything is trained, where its encoder could not be probed afterwards."""
    reading = run.clouds.model_dump(exclude={"workers"})
    clouds = open_source(run.data, seed=run.seed, shown=shown, **reading)
    train, _, _ = train_and_test(clouds, run.seed)
    assert train.labels is not None
    present, labels = np.unique(train.labels, return_inverse=True)
    names = clouds.classes or tuple(str(i) for i in range(int(present.max()) + 1))
    usable_folds(FOLDS, labels, [names[i] for i in present], "C")


def _row(variant: Variant, configs: Sequence[PretrainConfig], runs: Sequence[RunResult]) -> ComparedRecipe:
    probes = [run.probe for run in runs if run.probe is not None]
    if len(probes) < len(runs):
        raise DataError(f"There is no linear probe of {variant.name}: its classes have too few clouds.")
    return ComparedRecipe(
        recipe=variant.name,
        method=variant.config.method,
        untrained=Score.of([probe.untrained.accuracy for probe in probes]),
        trained=Score.of([probe.trained.accuracy for probe in probes]),
        seconds=round(sum(run.training_seconds + run.teacher_seconds for run in runs) / len(runs), 1),
        epochs=configs[0].epochs,
        clouds=runs[0].clouds,
        runs=tuple(run.output for run in runs),
    )


def _each(score: Score) -> tuple[float, ...]:
    return score.values or (score.mean,)
