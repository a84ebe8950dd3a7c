"""The report of a downstream task, from its result."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from i2pmae.evaluation.records import Result
from i2pmae.training.finetune_config import DownstreamConfig
from i2pmae.viz.parts import PartPicture
from i2pmae.viz.task_report import ScoreRow, TaskContent, write_task_report

__all__ = ["report_task"]

TITLES = {"finetune": "Classification", "segment": "Part segmentation", "fewshot": "Few-shot classification"}


def report_task(
    folder: Path,
    config: DownstreamConfig,
    result: Result,
    curves: Mapping[str, tuple[Any, Any]] | None = None,
    parts: Sequence[PartPicture] = (),
) -> None:
    """Write report.html into the run folder: scores, curves, confusion matrix or pictures of parts, configuration."""
    names = [result.primary, *(name for name in result.scores if name != result.primary)]
    content = TaskContent(
        title=f"{TITLES[result.task]}: {config.recipe}",
        scores=[_row(name, result) for name in names],
        protocol=result.protocol,
        chance=result.chance,
        summary=_summary(config, result),
        history=curves or {},
        classes=result.classes,
        confusion=result.confusion,
        parts=parts,
        per_class=result.per_class,
        twin_per_class={} if result.twin is None else result.twin.per_class,
        config_yaml=config.to_yaml(),
    )
    write_task_report(folder / "report.html", content)


def _row(name: str, result: Result) -> ScoreRow:
    score, twin = result.scores[name], None if result.twin is None else result.twin.scores.get(name)
    return ScoreRow(
        name, score.mean, score.std, None if twin is None else twin.mean, None if twin is None else twin.std
    )


def _summary(config: DownstreamConfig, result: Result) -> dict[str, str]:
    sizes = f"{result.train_clouds} to train, {result.test_clouds} to test"
    if result.validation_clouds:
        sizes = f"{result.train_clouds} to train, {result.validation_clouds} to validate, {result.test_clouds} to test"
    rows = {
        "Recipe": config.recipe,
        "Data": f"{result.data}: {sizes}, {result.points} points each",
        "Encoder": f"{result.method}, {result.encoder}",
        "Chosen epoch": str(result.selected.get("epoch", "")),
        "Time": "" if result.seconds is None else f"{result.seconds / 60:.1f} minutes",
        "Machine": result.machine,
        "Seed": str(config.seed),
        "Versions": ", ".join(f"{name} {version}" for name, version in result.versions.items()),
        "Commit": result.commit or "",
    }
    return {name: value for name, value in rows.items() if value}
