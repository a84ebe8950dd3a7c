"""The report of a run: one HTML file that needs nothing else."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from i2pmae.common.files import write_text
from i2pmae.viz.charts import curve_chart
from i2pmae.viz.content import ProbePair, ReportContent, RunContext
from i2pmae.viz.neighbours import neighbour_section
from i2pmae.viz.page import escape, page
from i2pmae.viz.scatter import scatter_section
from i2pmae.viz.story import after_pretraining, next_section, opening
from i2pmae.viz.strips import cloud_sections

__all__ = ["configuration", "curves", "facts", "legend", "write_report"]

CURVES = {
    "total": ("Total loss", "Weighted sum of all losses; this is what is minimised."),
    "coordinates": ("3D coordinates", "Chamfer distance between predicted and true points of masked neighbourhoods."),
    "semantics": ("2D semantics", "Squared error of the teacher's features, predicted at visible tokens."),
    "learning_rate": ("Learning rate", "Linear warm-up, then a cosine."),
}
"""Titles and captions of the curves that are known; others are shown under their own name."""


def write_report(path: Path, content: ReportContent) -> None:
    """Write the report as one HTML file, whole or not at all; parts that ``content`` lacks are left out.

    Raises :class:`I2PError` where the file cannot be written.
    """
    path = Path(path)
    found = content.embeddings
    parts = [
        f'<header class="top"><h1>{escape(content.title)}</h1>{opening(content)}</header>',
        _overview(content),
        "" if found is None else scatter_section(found) + neighbour_section(found),
        _clouds(content),
        curves(content.history),
        next_section(after_pretraining(content.run or RunContext(str(path.parent)))),
        "" if content.config_yaml is None else configuration(content.config_yaml),
    ]
    write_text(path, page(content.title, "\n".join(part for part in parts if part)))


def _overview(content: ReportContent) -> str:
    cards = []
    if content.probe is not None:
        cards.append(_probe(content.probe))
    if content.summary:
        cards.append(facts(content.summary))
    return f'<div class="overview">{"".join(cards)}</div>' if cards else ""


def facts(summary: Mapping[str, str]) -> str:
    """What is known about a run, as a section."""
    rows = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in summary.items())
    return f'<section class="card"><h2>Run</h2><dl>{rows}</dl></section>'


def _probe(probe: ProbePair) -> str:
    chance = "" if probe.chance is None else f'<i class="chance" style="left:{100 * probe.chance:.2f}%"></i>'

    def bar(name: str, value: float) -> str:
        return (
            f'<div class="bar-row {name.lower()}"><span>{name} encoder</span><b>{100 * value:.1f}\u2009%</b>'
            f'<div class="track"><div class="fill" style="width:{100 * value:.2f}%"></div>{chance}</div></div>'
        )

    gain = 100 * (probe.trained - probe.untrained)
    note = f"Pre-training {'adds' if gain >= 0 else 'costs'} {abs(gain):.1f} points."
    if probe.chance is not None:
        note += f" The mark at {100 * probe.chance:.1f}\u2009% is chance."
    return f"""<section class="card probe"><h2>Linear probe</h2>
{bar("Untrained", probe.untrained)}{bar("Trained", probe.trained)}
<p>{escape(note)}</p><p class="caption">{escape(probe.protocol)}</p></section>"""


def curves(history: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> str:
    """A chart for each curve, as a section; nothing where there is none."""
    known = [name for name in CURVES if name in history]
    figures = []
    for name in known + [name for name in history if name not in CURVES]:
        title, caption = CURVES.get(name, (name.replace("_", " "), ""))
        chart = curve_chart(title, *history[name], noisy="rate" not in name)
        text = f'<p class="caption">{escape(caption)}</p>' if caption else ""
        figures.append(f'<figure><h4>{escape(title)}</h4><div class="chart">{chart}</div>{text}</figure>')
    if not figures:
        return ""
    return f"""<section class="card"><h2>Training</h2><div class="curves">{"".join(figures)}</div>
<p class="caption">Faint: every recorded value; bold: their running mean.</p></section>"""


def legend(colours: Mapping[str, np.ndarray]) -> str:
    """Names with their colours ``(3,)`` in [0, 1], as a list."""
    items = []
    for name, colour in colours.items():
        r, g, b = (255 * colour).round().astype(int).tolist()
        items.append(f'<li><i style="background:rgb({r},{g},{b})"></i>{escape(name)}</li>')
    return f'<ul class="legend">{"".join(items)}</ul>'


def _clouds(content: ReportContent) -> str:
    if not content.clouds:
        return ""
    note = "A few clouds one by one: what the encoder is given, what it makes of it. Drag the large picture to turn it."
    return f'<h2 class="divider">Clouds</h2><p class="lead muted">{note}</p>\n{cloud_sections(content.clouds)}'


def configuration(text: str) -> str:
    """The full configuration, folded away, as a section."""
    return f"""<details class="card"><summary>Configuration</summary>
<p class="caption">Saved as config.yaml, this repeats the run.</p><pre>{escape(text)}</pre></details>"""
