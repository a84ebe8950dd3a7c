"""The report of a downstream task, from its record."""

from pathlib import Path

from i2pmae.runs.record import RunRecord
from i2pmae.tasks.base import TaskSpec, Trained
from i2pmae.tasks.config import TaskRunConfig
from i2pmae.viz.content import NextStep
from i2pmae.viz.task_report import ScoreRow, TaskContent, write_task_report

__all__ = ["report_task"]


def report_task(folder: Path, spec: TaskSpec, config: TaskRunConfig, record: RunRecord, trained: Trained) -> None:
    """Write report.html into the run folder: scores, curves, confusion matrix or pictures of parts, configuration."""
    names = [record.primary, *(name for name in record.scores if name != record.primary)]
    content = TaskContent(
        title=f"{spec.title}: {config.recipe}",
        scores=[_row(name, record) for name in names],
        protocol=record.protocol,
        chance=record.chance,
        summary=_summary(config, record),
        history=trained.curves,
        classes=record.classes,
        confusion=record.confusion,
        parts=trained.pictures,
        per_class=record.per_class,
        twin_per_class={} if record.twin is None else record.twin.per_class,
        config_yaml=config.to_yaml(),
        opening=f"Data: {record.data}. Encoder: {record.encoder}.",
        next_steps=_next_steps(folder, spec),
    )
    write_task_report(folder / "report.html", content)


def _next_steps(folder: Path, spec: TaskSpec) -> list[NextStep]:
    """What can be done with the model that was trained; a task that stores none leaves nothing to do."""
    if spec.kind is None:
        return []
    words = ("i2pmae", "predict", str(folder), "NEW_CLOUDS", "--output", "labels.csv")
    purpose = f"{spec.predicts}, as a table with probabilities; NEW_CLOUDS stands for a folder or file of them."
    return [NextStep(words, purpose)]


def _row(name: str, record: RunRecord) -> ScoreRow:
    score, twin = record.scores[name], None if record.twin is None else record.twin.scores.get(name)
    return ScoreRow(
        name, score.mean, score.std, None if twin is None else twin.mean, None if twin is None else twin.std
    )


def _summary(config: TaskRunConfig, record: RunRecord) -> dict[str, str]:
    sizes = f"{record.train_clouds} to train, {record.test_clouds} to test"
    if record.validation_clouds:
        sizes = f"{record.train_clouds} to train, {record.validation_clouds} to validate, {record.test_clouds} to test"
    rows = {
        "Recipe": config.recipe,
        "Data": f"{record.data}: {sizes}, {record.points} points each",
        "Encoder": f"{record.method}, {record.encoder}",
        "Chosen epoch": str(record.selected.get("epoch", "")),
        "Time": "" if record.seconds is None else f"{record.seconds / 60:.1f} minutes",
        "Machine": record.machine,
        "Seed": str(config.training.seed),
        "Versions": ", ".join(f"{name} {version}" for name, version in record.versions.items()),
        "Commit": record.commit or "",
    }
    return {name: value for name, value in rows.items() if value}
