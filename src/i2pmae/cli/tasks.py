"""What the commands of downstream tasks share."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from i2pmae.cli.configured import ConfiguredCommand
from i2pmae.cli.spread import print_once

if TYPE_CHECKING:
    from i2pmae.runs.record import RunRecord
    from i2pmae.tasks.config import TaskRunConfig

__all__ = ["TaskCommand"]

MAIN = (
    "checkpoint",
    "data",
    "output",
    "up",
    "labels",
    "points",
    "epochs",
    "batch-size",
    "twin",
    "seed",
    "device",
    "devices",
)
"""Options that the short help of every task explains."""
FILES = {"report": "report.html", "confusion matrix": "confusion.png", "parts": "parts.png"}
"""What a run folder may hold for people."""


class TaskCommand(ConfiguredCommand["TaskRunConfig"]):
    """A downstream task: a checkpoint and clouds, then options."""

    def __init__(self, name: str, about: str, main: tuple[str, ...]) -> None:
        def recipes() -> "Mapping[str, Callable[[], TaskRunConfig]]":
            from i2pmae.tasks import recipe_tables

            return recipe_tables()[name]()

        super().__init__(name, about, _kind, recipes, "own", (*MAIN, *main), ("checkpoint", "data"))

    def prepared(self, base: "TaskRunConfig", spelled: Mapping[str, str]) -> "TaskRunConfig":
        """The recipe from the weights in the package, unless an option says what it starts from."""
        return base.from_default(spelled)

    def show(self, record: "RunRecord") -> None:
        """Print the scores first, beside those of the twin; then what they mean and where everything is."""
        assert record.output is not None
        print_once(_summary(record, record.output))


def _kind() -> "type[TaskRunConfig]":
    from i2pmae.tasks.config import TaskRunConfig

    return TaskRunConfig


def _summary(record: "RunRecord", output: Path) -> str:
    rows = {}
    for name, score in record.scores.items():
        twin = None if record.twin is None else record.twin.scores.get(name)
        rows[name.replace("_", " ")] = str(score) if twin is None else f"{score}  (from scratch {twin})"
    if record.chance is not None:
        rows["chance"] = f"{100 * record.chance:.2f} %"
    validated = f"{record.validation_clouds} validation, " if record.validation_clouds else ""
    rows["clouds"] = f"{record.train_clouds} train, {validated}{record.test_clouds} test, {record.points} points each"
    if "epoch" in record.selected:
        rows["epoch"] = f"{record.selected['epoch']}  (chosen on {record.selected['on']})"
    if record.per_class:
        weakest = sorted(record.per_class.items(), key=lambda item: item[1])[:3]
        rows["weakest classes"] = ", ".join(f"{name} {share:.0%}" for name, share in weakest)
    rows["run folder"] = str(output)
    rows |= {name: str(output / file) for name, file in FILES.items() if (output / file).is_file()}
    width = max(map(len, rows))
    return "\n".join(f"{name:{width}}  {value}" for name, value in rows.items()) + f"\n\n{record.protocol}"
