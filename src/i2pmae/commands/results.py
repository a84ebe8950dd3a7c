"""``results``: the records of several runs, side by side."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from i2pmae.common.errors import CheckpointError, UsageError
from i2pmae.evaluation.tables import results_table
from i2pmae.runs.record import RunRecord

__all__ = ["Results", "results"]


class Results(list[tuple[str, RunRecord]]):
    """Runs, as they were named, with their records; and those that have none, with the reasons."""

    def __init__(self, rows: Sequence[tuple[str, RunRecord]], problems: Sequence[str] = ()) -> None:
        super().__init__(rows)
        self.problems = tuple(problems)
        """Why some runs are not among them."""

    def table(self, form: Literal["markdown", "csv", "json"] = "markdown") -> str:
        """Markdown for people, CSV with one line per run, or JSON with the whole records."""
        return results_table(self, form)

    def __str__(self) -> str:
        return self.table()


def results(*runs: str | Path) -> Results:
    """The records of runs of any kind; of a comparison, those of its recipes.

    >>> print(i2pmae.results("runs/a", "runs/compare", "probe.json"))

    Args:
        runs: folders of finished runs, and JSON files of records (`i2pmae probe --output FILE`).

    Raises:
        UsageError: where no run is named. Runs that cannot be read are listed in ``problems`` instead.
    """
    if not runs:
        raise UsageError("Name at least one run: `i2pmae results runs/*`.")
    rows: list[tuple[str, RunRecord]] = []
    problems = []
    for path in runs:
        try:
            rows += _rows(str(path), RunRecord.load(path))
        except CheckpointError as error:
            problems.append(str(error))
    return Results(rows, problems)


def _rows(name: str, record: RunRecord) -> list[tuple[str, RunRecord]]:
    """The record itself, or of a comparison one row for each recipe."""
    if record.kind == "compare" and record.children:
        return [(f"{name}: {child}", row) for child, row in record.children.items()]
    if not record.primary:
        raise CheckpointError(
            f"{name} is a {record.kind} run without a score: its data had no labels to score it by, or nothing was "
            "scored."
        )
    return [(name, record)]
