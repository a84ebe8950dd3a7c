"""Embeddings in the plane as SVG, a few classes in colour at a time; a script adds names, choice and linked marks."""

from collections.abc import Sequence

import numpy as np

from i2pmae.viz.charts import MOST_POINTS, neighbour_agreement, plane
from i2pmae.viz.content import EmbeddingScatter
from i2pmae.viz.text import escape

__all__ = ["scatter_section"]

SLOTS = 8
"""Classes in colour at a time: more hues than these are not told apart. The page's styles have as many colours."""
MARKS = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0Z",
    "M-3.6-3.6h7.2v7.2h-7.2Z",
    "M0-4.8 4.5 3.4h-9Z",
    "M0-5 5 0 0 5-5 0Z",
)
"""A disc, a square, a triangle and a diamond of about equal area: colours are not all that tells classes apart."""
SIZE, MARGIN = np.array([420.0, 330.0]), 14
"""Width and height of a scatter in its own units, and what is left free around the marks."""


def scatter_section(scatter: EmbeddingScatter) -> str:
    """The clouds as marks before and after training, and the classes as buttons; nothing where there are no clouds.

    Without scripts, :data:`SLOTS` classes are in colour and a browser shows the name of the mark under the pointer.
    """
    count = len(scatter.labels)
    kept = np.linspace(0, max(count - 1, 0), min(count, MOST_POINTS)).round().astype(int)
    labels = scatter.labels[kept]
    present = np.unique(labels)
    chosen = np.linspace(0, max(len(present) - 1, 0), min(SLOTS, len(present))).round().astype(int)
    slots = {int(index): slot for slot, index in enumerate(present[chosen])}
    names = [_name(scatter, row) for row in kept]
    figures = []
    for title, values in (("Untrained", scatter.untrained), ("Trained", scatter.trained)):
        if values is None or not len(values):
            continue
        places, method = plane(values[kept])
        chart = _svg(places, labels, names, slots, f"Embeddings of the {title.lower()} encoder in the plane ({method})")
        share = neighbour_agreement(values, scatter.labels)
        text = f"{title} ({method}): {share:.0%} of the clouds have their nearest neighbour in their own class."
        figures.append(f'<figure><div class="scatter">{chart}</div><figcaption>{text}</figcaption></figure>')
    if not figures:
        return ""
    drawn = "" if len(kept) == count else f" Drawn are {len(kept)} of {count} clouds."
    few = f" {len(slots)} of {len(present)} classes are in colour at a time." if len(present) > len(slots) else ""
    return f"""<section class="card embeddings"><h2>Embeddings: where the test clouds lie</h2>
<p class="caption">Each mark is a test cloud, its colour and form its class. The encoder never saw a label: the tighter
and the further apart the classes, the more of what tells them apart it found by itself. The axes have no unit, only
nearness counts.{few}{drawn}</p>
<div class="scatter-set" data-slots="{SLOTS}" data-forms="{"|".join(MARKS)}">
<div class="scatters">{"".join(figures)}</div>
<p class="hint" hidden>Point at, tap or step through marks (arrow keys) to read their names; the same cloud is ringed in
both pictures. Choose up to {SLOTS} classes:</p>
{_classes(scatter.classes, present.tolist(), slots)}
<div class="buttons" hidden></div>
<p class="tip" role="status" hidden></p>
</div></section>"""


def _name(scatter: EmbeddingScatter, row: int) -> str:
    label = scatter.classes[scatter.labels[row]]
    return label if scatter.ids is None else f"{label} · {scatter.ids[row]}"


def _svg(places: np.ndarray, labels: np.ndarray, names: Sequence[str], slots: dict[int, int], description: str) -> str:
    """Marks at ``places (t, 2)``; those of the classes in ``slots`` in colour and on top."""
    low, high = places.min(0), places.max(0)
    fit = (SIZE - 2 * MARGIN) / np.maximum(high - low, 1e-9)
    unit = np.minimum(fit, 1.5 * fit.min())  # the box is filled, but no direction is drawn out by much
    columns, rows = (SIZE / 2 + unit * (places - (low + high) / 2) * [1, -1]).T
    order = sorted(range(len(labels)), key=lambda row: int(labels[row]) in slots)
    marks = []
    for row in order:
        slot = slots.get(int(labels[row]))
        inner = "" if slot is None else f' data-slot="{slot}"'
        marks.append(
            f'<path class="mark" data-row="{row}" data-class="{labels[row]}"{inner} '
            f'transform="translate({columns[row]:.1f} {rows[row]:.1f})" d="{MARKS[(slot or 0) % len(MARKS)]}">'
            f"<title>{escape(names[row])}</title></path>"
        )
    body = "\n".join(marks)
    box = f"0 0 {SIZE[0]:.0f} {SIZE[1]:.0f}"
    return f'<svg viewBox="{box}" role="img" aria-label="{escape(description)}, coloured by class">\n{body}\n</svg>'


def _classes(names: Sequence[str], present: Sequence[int], slots: dict[int, int]) -> str:
    """Every class as a button that the script brings to life, with its mark where it is in colour."""
    items = []
    for index in present:
        slot = slots.get(index)
        inner = "" if slot is None else f' data-slot="{slot}"'
        pressed, form = str(slot is not None).lower(), MARKS[(slot or 0) % len(MARKS)]
        key = f'<svg viewBox="-6 -6 12 12" aria-hidden="true"><path d="{form}"/></svg>'
        items.append(
            f'<li><button type="button" data-class="{index}"{inner} aria-pressed="{pressed}" disabled>'
            f"{key}{escape(names[index])}</button></li>"
        )
    return f'<ul class="classes">{"".join(items)}</ul>'
