"""Results of several runs, side by side: Markdown for people, CSV and JSON for programs."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence

from i2pmae.common.errors import pick
from i2pmae.runs.record import RunRecord, Score

__all__ = ["FORMATS", "results_table"]

COMMIT = 10
"""Digits of a commit that people are shown."""
Row = tuple[str, RunRecord]
"""The run, as it was named, and its result."""


def results_table(rows: Sequence[Row], form: str = "markdown") -> str:
    """The results as text in one of ``FORMATS``, in the order in which they were given, ending in a line break."""
    return pick("format", form, FORMATS)(rows)


def _markdown(rows: Sequence[Row]) -> str:
    """A table, and below it each protocol once, by number."""
    protocols = list(dict.fromkeys(result.protocol for _, result in rows))
    lines = []
    for run, result in rows:
        encoder = ", ".join(part for part in (result.method, result.encoder) if part)
        lines.append(
            {
                "run": run,
                "kind": result.kind,
                "encoder": encoder,
                "recipe": result.recipe,
                "data": result.data,
                "measure": result.primary.replace("_", " "),
                "score": str(result.score),
                "twin": "" if result.twin is None else str(_twin(result)),
                "chance": "" if result.chance is None else f"{100 * result.chance:.2f} %",
                "clouds": f"{result.train_clouds} / {result.test_clouds}",
                "points": "" if result.points is None else str(result.points),
                "seeds": ", ".join(map(str, result.seeds)),
                "commit": _short(result.commit),
                "protocol": f"[{protocols.index(result.protocol) + 1}]",
            }
        )
    names = [name for name in lines[0] if any(line[name] for line in lines)] if lines else []
    table = [names, ["---"] * len(names), *([line[name] for name in names] for line in lines)]
    text = "\n".join("| " + " | ".join(_cell(cell) for cell in cells) + " |" for cells in table)
    notes = "\n".join(f"{number}. {protocol}" for number, protocol in enumerate(protocols, start=1))
    return f"{text}\n\nClouds are those to train on / to test on. Protocols:\n\n{notes}\n"


def _twin(result: RunRecord) -> Score | str:
    assert result.twin is not None
    return result.twin.scores.get(result.primary, "")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _short(commit: str | None) -> str:
    digits, mark, rest = (commit or "").partition("+")
    return digits[:COMMIT] + mark + rest


def _csv(rows: Sequence[Row]) -> str:
    """One line per run; scores are shares between 0 and 1."""
    text = io.StringIO()
    names = (
        *("run", "kind", "method", "encoder", "recipe", "data", "measure", "mean", "std", "twin_mean", "twin_std"),
        *("chance", "train_clouds", "validation_clouds", "test_clouds", "points", "seeds", "seconds", "machine"),
        *("commit", "protocol"),
    )
    table = csv.DictWriter(text, names, lineterminator="\n")
    table.writeheader()
    for run, result in rows:
        twin = None if result.twin is None else result.twin.scores.get(result.primary)
        known = {name: value for name, value in result if name in names}
        known |= {"run": run, "measure": result.primary, "mean": result.score.mean, "std": result.score.std}
        known |= {"twin_mean": twin and twin.mean, "twin_std": twin and twin.std}
        table.writerow(known | {"seeds": " ".join(map(str, result.seeds))})
    return text.getvalue()


def _json(rows: Sequence[Row]) -> str:
    """A list with the whole record of each run."""
    values = [{"run": run} | result.model_dump(mode="json") for run, result in rows]
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


FORMATS: Mapping[str, Callable[[Sequence[Row]], str]] = {"markdown": _markdown, "csv": _csv, "json": _json}
"""How each format is written."""
