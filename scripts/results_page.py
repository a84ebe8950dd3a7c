"""Tables and plots of docs/results.md, made from the records in docs/records.

    python scripts/results_page.py            writes them into the page
    python scripts/results_page.py --check    exit status 1 where the page is not what the records say

What stands between ``<!-- from NAME: … -->`` and ``<!-- end -->`` is replaced; words around it are written by hand.
"""

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import tyro

from i2pmae.commands.compare import comparison_table
from i2pmae.common.files import write_text
from i2pmae.runs.record import RunRecord, Score
from i2pmae.viz.drawing import paper_figure, pixels, write_png

ROOT = Path(__file__).resolve().parents[1]
RECORDS, PAGE, IMAGES = ROOT / "docs/records", ROOT / "docs/results.md", ROOT / "docs/images"
PLACE = re.compile(r"(<!-- from (?P<name>[a-z]+): (?P<what>[^>]*?) -->\n).*?(<!-- end -->)", re.DOTALL)
"""A place in the page that a table or plot goes into."""
ON_THE_WAY = re.compile(r"after (\d+) epochs/svm")
"""What a figure of a run is called that was scored before its end."""


def percent(score: Score | None, digits: int = 1) -> str:
    """A score as the page says it."""
    if score is None:
        return "–"
    spread = "" if score.std is None else f" ± {100 * score.std:.{digits}f}"
    return f"{100 * score.mean:.{digits}f}{spread}"


def over_seeds(row: RunRecord, name: str) -> Score | None:
    """The score of a row over its seeds; None where it has none of that name."""
    found = [run.scores[name].mean for run in row.children.values() if name in run.scores]
    return Score.of(found) if found else None


def table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def compared(what: str) -> str:
    """One line per row of a comparison by ``scripts/evidence.py``: every score over its seeds, and processor time."""
    record = RunRecord.load(RECORDS / f"{what}.json")
    columns = {
        "`max`": "svm max",
        "`mean\\|max`": "svm mean|max",
        "all levels": "svm levels:mean|max",
        "kNN": "knn",
        "5-way 10-shot": "5-way 10-shot",
    }
    lines = []
    for name, row in record.children.items():
        runs = list(row.children.values())
        scores = [percent(over_seeds(row, score)) for score in columns.values()]
        if "views" in runs[0].primary:
            scores[2] = percent(over_seeds(row, "svm views"))
        seconds = sum(run.figures.get("processor_seconds", 0.0) for run in runs) / len(runs)
        steps = runs[0].figures.get("steps")
        trained = [f"{steps:.0f}", f"{seconds:.0f} s"] if steps else ["–", "–"]
        lines.append([name, *scores, *trained, str(len(runs))])
    return table(["row", *columns, "steps", "processor time", "seeds"], lines)


def probed(what: str) -> str:
    """One line per run of pre-training: its probe beside that of its untrained twin."""
    lines = []
    for name in what.split():
        record = RunRecord.load(RECORDS / f"{name}.json")
        minutes = (record.figures.get("training_seconds", 0.0) + record.figures.get("teacher_seconds", 0.0)) / 60
        lines.append(
            [
                f"[{name}](records/{name}.json)",
                "–" if record.twin is None else percent(record.twin.score, 2),
                f"**{percent(record.score, 2)}**",
                f"{record.selected.get('C', 0):g}",
                f"{record.figures.get('epochs', 0):.0f}",
                f"{minutes:.0f} min",
            ]
        )
    return table(["record", "untrained (%)", "pre-trained (%)", "C", "epochs", "teacher and training"], lines)


def transferred(what: str) -> str:
    """One line per task and share of labels: the score beside the twin's from initial weights, over seeds."""
    record = RunRecord.load(RECORDS / f"{what}.json")
    lines = []
    for name, row in record.children.items():
        runs = list(row.children.values())
        twins = [run.twin for run in runs if run.twin is not None]
        trained, scratch = Score.of([run.score.mean for run in runs]), Score.of([twin.score.mean for twin in twins])
        gain = 100 * (trained.mean - scratch.mean)
        counts = f"{runs[0].train_clouds} + {runs[0].validation_clouds}"
        lines.append([name, counts, percent(scratch), percent(trained), f"{gain:+.1f}", str(len(runs))])
    header = [
        "task",
        "labelled clouds (to train + to choose by)",
        "from scratch (%)",
        "from `tiny` (%)",
        "gain",
        "seeds",
    ]
    return table(header, lines)


def varied(what: str) -> str:
    """One line per recipe of comparisons by ``i2pmae compare``, as its table has them."""
    tables = [comparison_table(RunRecord.load(RECORDS / f"{name}.json")).splitlines() for name in what.split()]
    return "\n".join([*tables[0][:2], *(line for lines in tables for line in lines[2:])]) + "\n"


def curve(what: str) -> str:
    """A plot of a comparison of shares of the data, with every seed; the picture is written beside the others."""
    record = RunRecord.load(RECORDS / f"{what}.json")
    rows = {float(name.rstrip("%")): row for name, row in record.children.items() if name.endswith("%")}
    with paper_figure(7.2, 4.2, **{"axes.grid": True}) as figure:
        axes = figure.add_subplot()
        for score, label, colour in (
            ("svm levels:mean|max", "SVM, all levels", "C0"),
            ("5-way 10-shot", "5-way 10-shot", "C1"),
        ):
            shares = sorted(rows)
            means = [100 * over.mean for share in shares if (over := over_seeds(rows[share], score)) is not None]
            axes.plot(shares, means, color=colour, label=label)
            for share in shares:
                values = [100 * run.scores[score].mean for run in rows[share].children.values()]
                axes.plot([share] * len(values), values, "o", color=colour, markersize=4)
        axes.set_xscale("log")
        axes.set_xticks(shares, [f"{share:g} %" for share in shares])
        axes.set_xlabel("share of the 9843 training clouds that pre-training sees")
        axes.set_ylabel("accuracy on ModelNet40's test clouds (%)")
        axes.legend(loc="center left")
        image = pixels(figure)
    write_png(IMAGES / f"{what}.png", image)
    return f"![Accuracy against the share of clouds](images/{what}.png)\n"


def course(what: str) -> str:
    """A plot of accuracy on the way: against the clouds that were seen, and the minutes of the processor."""
    record = RunRecord.load(RECORDS / f"{what}.json")
    with paper_figure(9.6, 4.2, **{"axes.grid": True}) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        for number, (name, row) in enumerate(record.children.items()):
            for seed, run in enumerate(row.children.values()):
                found = [(int(at[1]), key) for key in run.figures if (at := ON_THE_WAY.fullmatch(key))]
                epochs, keys = zip(*sorted(found), strict=True)
                accuracies = [100 * run.figures[key] for key in keys]
                clouds = [epoch * run.figures["clouds"] / 1000 for epoch in epochs]
                minutes = [run.figures[key.replace("/svm", "/seconds")] / 60 for key in keys]
                for axes, along in zip(panels, (clouds, minutes), strict=True):
                    axes.plot(along, accuracies, "o-", color=f"C{number}", markersize=4, label="" if seed else name)
        panels[0].set_xlabel("thousands of clouds seen")
        panels[1].set_xlabel("minutes of the processor")
        panels[0].set_ylabel("accuracy on held-out training clouds (%)")
        panels[0].legend(loc="lower right")
        image = pixels(figure)
    write_png(IMAGES / f"{what}-course.png", image)
    return f"![Accuracy on the way](images/{what}-course.png)\n"


MAKERS: dict[str, Callable[[str], str]] = {
    "compared": compared,
    "probed": probed,
    "transferred": transferred,
    "varied": varied,
    "curve": curve,
    "course": course,
}


def main(check: bool = False) -> None:
    """Write the page anew, or compare it with the records.

    Args:
        check: write nothing.
    """
    before = PAGE.read_text()
    after = PLACE.sub(lambda place: place[1] + "\n" + MAKERS[place["name"]](place["what"]) + "\n" + place[4], before)
    if check and after != before:
        sys.exit(f"{PAGE} is not what the records say: run scripts/results_page.py.")
    if not check:
        write_text(PAGE, after)


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
