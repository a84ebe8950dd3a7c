"""The report of a downstream task: one HTML file that needs nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from i2pmae.common.errors import UsageError
from i2pmae.common.files import write_text
from i2pmae.viz.confusion import confusion_figure
from i2pmae.viz.content import NextStep
from i2pmae.viz.page import escape, page, picture
from i2pmae.viz.parts import PartPicture, part_colours, part_panels
from i2pmae.viz.report import configuration, curves, facts, legend
from i2pmae.viz.story import next_section, percent

__all__ = ["ScoreRow", "TaskContent", "write_task_report"]


@dataclass(frozen=True)
class ScoreRow:
    """A score between 0 and 1 and that of the twin, which was not pre-trained."""

    name: str
    """What it is called."""
    mean: float
    """The score, or its mean over repeats."""
    std: float | None = None
    """Its standard deviation."""
    twin: float | None = None
    """The twin's."""
    twin_std: float | None = None
    """Its standard deviation."""

    def __post_init__(self) -> None:
        """Check that these are shares, not percentages."""
        for value in (self.mean, self.twin):
            if value is not None and not 0 <= value <= 1:
                raise UsageError(f"{self.name}: a score lies between 0 and 1, got {value}.")


@dataclass(frozen=True)
class TaskContent:
    """Everything that the report of a task shows; what is absent or empty is left out."""

    title: str
    """Headline."""
    scores: Sequence[ScoreRow] = ()
    """The scores, the main one first."""
    protocol: str = ""
    """How they were measured."""
    chance: float | None = None
    """The main score of always naming the most frequent class."""
    summary: Mapping[str, str] = field(default_factory=dict)
    """Facts about the run: recipe, data, encoder, machine, duration, seeds, versions."""
    history: Mapping[str, tuple[Sequence[float], Sequence[float]]] = field(default_factory=dict)
    """Curves: name to (steps, values)."""
    classes: Sequence[str] = ()
    """Class names, in the order of the confusion matrix."""
    confusion: Sequence[Sequence[int]] | None = None
    """Rows are true classes, columns predicted ones."""
    parts: Sequence[PartPicture] = ()
    """Clouds with true and predicted parts."""
    per_class: Mapping[str, float] = field(default_factory=dict)
    """The main score by class or category."""
    twin_per_class: Mapping[str, float] = field(default_factory=dict)
    """The twin's."""
    config_yaml: str | None = None
    """The full configuration."""
    opening: str = ""
    """What was done with what, in a sentence or two."""
    next_steps: Sequence[NextStep] = ()
    """Commands to go on with."""


def write_task_report(path: Path | str, content: TaskContent) -> None:
    """Write the report as one HTML file, whole or not at all; parts that ``content`` lacks are left out.

    Raises :class:`UsageError` for a confusion matrix that does not fit the classes, :class:`I2PError` where the file
    cannot be written.
    """
    overview = [_scores(content) if content.scores else "", facts(content.summary) if content.summary else ""]
    sections = [
        f'<header class="top"><h1>{escape(content.title)}</h1>{_opening(content)}</header>',
        f'<div class="overview">{"".join(overview)}</div>' if any(overview) else "",
        "" if content.confusion is None else _confusion(content),
        _per_class(content) if content.per_class else "",
        _parts(content.parts) if content.parts else "",
        curves(content.history),
        next_section(content.next_steps),
        "" if content.config_yaml is None else configuration(content.config_yaml),
    ]
    write_text(Path(path), page(content.title, "\n".join(section for section in sections if section)))


def _opening(content: TaskContent) -> str:
    """What the page is, and the main score beside that of the twin, as a paragraph."""
    told = f"This page reports one task that an i2pmae encoder was trained or measured on. {content.opening}".strip()
    headline = ""
    if content.scores:
        main = content.scores[0]
        headline = f"<strong>On the test clouds: {escape(_words(main.name))} {percent(main.mean)}.</strong>"
        if main.twin is not None:
            headline += f" The same training from scratch, without pre-training: {percent(main.twin)}."
    return f'<div class="opening"><p>{escape(told)}</p>{f"<p>{headline}</p>" if headline else ""}</div>'


def _words(name: str) -> str:
    """The name of a score as it is written in a sentence."""
    return name.replace("_", " ")


def _percent(mean: float | None, std: float | None = None) -> str:
    if mean is None:
        return "–"
    return f"{100 * mean:.1f}" + ("" if std is None else f" ± {100 * std:.1f}") + "\u2009%"


def _scores(content: TaskContent) -> str:
    twins = any(row.twin is not None for row in content.scores)
    heads = ("Score", "Pre-trained", "From scratch", "Gain") if twins else ("Score", "")
    head = "".join(f"<th>{name}</th>" for name in heads)
    lines = []
    for index, row in enumerate(content.scores):
        cells = [escape(_words(row.name)), _percent(row.mean, row.std)]
        if twins:
            gain = "–" if row.twin is None else f"{100 * (row.mean - row.twin):+.1f}"
            cells += [_percent(row.twin, row.twin_std), gain]
        main = ' class="main"' if index == 0 else ""
        lines.append(f"<tr{main}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    caption = escape(content.protocol)
    if content.chance is not None:
        caption += f" Always naming the most frequent class would score {_percent(content.chance)}."
    table = f'<div class="scroll"><table><tr>{head}</tr>{"".join(lines)}</table></div>'
    return f'<section class="card"><h2>Scores</h2>{table}<p class="caption">{caption}</p></section>'


def _confusion(content: TaskContent) -> str:
    assert content.confusion is not None
    image = confusion_figure(content.confusion, content.classes)
    shown = picture(image, f"Confusion matrix of {len(content.classes)} classes, true by predicted class.")
    return f"""<section class="card sheet"><h2>Confusion</h2>{shown}
<p class="caption">Rows are true classes, columns predicted ones. Numbers are clouds of the test set, colours their
share of the true class.</p></section>"""


def _per_class(content: TaskContent) -> str:
    twins = bool(content.twin_per_class)
    head = f"<th>Class</th><th></th><th>Score</th>{'<th>From scratch</th>' if twins else ''}"
    lines = []
    for name, share in sorted(content.per_class.items(), key=lambda item: item[1]):
        twin = f"<td>{_percent(content.twin_per_class.get(name))}</td>" if twins else ""
        bar = f'<div class="track"><div class="fill" style="width:{100 * share:.2f}%"></div></div>'
        lines.append(f'<tr><td>{escape(name)}</td><td class="share">{bar}</td><td>{_percent(share)}</td>{twin}</tr>')
    table = f'<div class="scroll"><table><tr>{head}</tr>{"".join(lines)}</table></div>'
    return f"""<section class="card"><h2>By class</h2>{table}
<p class="caption">The main score of each class in the test set, the weakest first.</p></section>"""


def _parts(clouds: Sequence[PartPicture]) -> str:
    sections = []
    for cloud in clouds:
        figures = "".join(
            f"<figure>{picture(panel.image, panel.alt)}<figcaption>{escape(panel.title)}</figcaption></figure>"
            for panel in part_panels(cloud, 360)
        )
        names = {
            cloud.parts[part] + (f" {cloud.ious[part]:.2f}" if part in cloud.ious else ""): colour
            for part, colour in part_colours(cloud).items()
        }
        label = "" if cloud.label is None else f'<span class="chip">{escape(cloud.label)}</span>'
        sections.append(f"""<section class="card cloud">
<header><h3>{escape(cloud.id)}</h3>{label}<span class="muted">{len(cloud.points)} points</span></header>
<div class="column"><div class="panels" style="--columns:3">{figures}</div>{legend(names)}</div></section>""")
    told = "Numbers are the intersection over union of each part." if any(cloud.ious for cloud in clouds) else ""
    return f"""<h2 class="divider">Parts</h2><p class="caption">Wrong points are red in the third picture. {told}</p>
{"".join(sections)}"""
