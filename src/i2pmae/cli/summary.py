"""What a person wants to know at the end of a downstream task."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from i2pmae.evaluation import Result

__all__ = ["task_summary"]

FILES = {"report": "report.html", "confusion matrix": "confusion.png", "parts": "parts.png"}
"""What a run folder may hold for people."""


def task_summary(result: "Result", output: Path) -> str:
    """The scores first, beside those of the twin; then what they mean and where everything is."""
    rows = {}
    for name, score in result.scores.items():
        twin = None if result.twin is None else result.twin.scores.get(name)
        rows[name.replace("_", " ")] = str(score) if twin is None else f"{score}  (from scratch {twin})"
    if result.chance is not None:
        rows["chance"] = f"{100 * result.chance:.2f} %"
    validated = f"{result.validation_clouds} validation, " if result.validation_clouds else ""
    rows["clouds"] = f"{result.train_clouds} train, {validated}{result.test_clouds} test, {result.points} points each"
    if "epoch" in result.selected:
        rows["epoch"] = f"{result.selected['epoch']}  (chosen on {result.selected['on']})"
    if result.per_class:
        weakest = sorted(result.per_class.items(), key=lambda item: item[1])[:3]
        rows["weakest classes"] = ", ".join(f"{name} {share:.0%}" for name, share in weakest)
    rows["run folder"] = str(output)
    rows |= {name: str(output / file) for name, file in FILES.items() if (output / file).is_file()}
    width = max(map(len, rows))
    return "\n".join(f"{name:{width}}  {value}" for name, value in rows.items()) + f"\n\n{result.protocol}"
