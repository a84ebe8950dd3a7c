"""What a search finds: a few clouds and the ones nearest to them, by the embeddings before and after training."""

from collections.abc import Callable, Sequence

import numpy as np

from i2pmae.viz.content import EmbeddingScatter
from i2pmae.viz.page import escape, picture
from i2pmae.viz.render import Camera, render_points

__all__ = ["nearest", "neighbour_section", "spread_queries"]

QUERIES, FOUND = 5, 5
"""Clouds that are looked for, and what is shown of what is found."""
THUMBNAIL = 128
"""Pixels of a picture."""


def nearest(embeddings: np.ndarray, rows: Sequence[int], count: int) -> np.ndarray:
    """The ``count`` clouds that are nearest to each of ``rows`` by cosine, nearest first, itself left out: ``(r, k)``.

    Fewer where there are not as many others.
    """
    unit = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
    likeness = unit[list(rows)] @ unit.T
    likeness[np.arange(len(rows)), list(rows)] = -np.inf
    return np.argsort(-likeness, axis=1, kind="stable")[:, : max(min(count, len(embeddings) - 1), 0)]


def spread_queries(labels: np.ndarray, count: int) -> list[int]:
    """The first cloud of each of ``count`` classes, spread evenly over those with at least two clouds.

    Chosen by their place alone, whatever is found for them.
    """
    _, first, sizes = np.unique(labels, return_index=True, return_counts=True)
    first = first[sizes > 1]
    count = min(count, len(first))
    middles = (np.arange(count) + 0.5) * len(first) / max(count, 1)
    return first[middles.astype(int)].tolist()


def neighbour_section(scatter: EmbeddingScatter) -> str:
    """The strip of queries as a section; nothing where there are no points to draw or no two clouds of one class."""
    queries = spread_queries(scatter.labels, QUERIES)
    if scatter.points is None or not queries:
        return ""
    kinds = [(name, v) for name, v in (("Untrained", scatter.untrained), ("Trained", scatter.trained)) if v is not None]
    found = {name: nearest(values, queries, FOUND) for name, values in kinds}
    draw = _drawer(scatter)
    rows = []
    for index, query in enumerate(queries):
        label = scatter.labels[query]
        lists = []
        for name, hits in found.items():
            right = int((scatter.labels[hits[index]] == label).sum())
            pictures = "".join(draw(int(hit), bool(scatter.labels[hit] == label)) for hit in hits[index])
            lists.append(
                f'<div class="hits"><h4>{name}: {right} of {len(hits[index])} right</h4><div>{pictures}</div></div>'
            )
        rows.append(f'<div class="query">{draw(query, None)}<div>{"".join(lists)}</div></div>')
    totals = " and ".join(
        f"{int((scatter.labels[hits] == scatter.labels[queries][:, None]).sum())} of {hits.size} {name.lower()}"
        for name, hits in found.items()
    )
    return f"""<section class="card neighbours"><h2>What else looks like this?</h2>
<p class="caption">Left, a test cloud; beside it the ones whose embeddings are nearest (by cosine), nearest first.
✓ is of the same class, ✗ of another. Of all shown, right are {totals}. The clouds asked for are the first of classes
spread evenly over the data, not picked by what was found.</p>
{"".join(rows)}</section>"""


def _drawer(scatter: EmbeddingScatter) -> Callable[[int, bool | None], str]:
    """Draws a cloud of the set, each only once, with its class and whether that is ``right`` (``None``: the query)."""
    images: dict[int, np.ndarray] = {}
    assert scatter.points is not None
    points = scatter.points

    def draw(row: int, right: bool | None) -> str:
        if row not in images:
            cloud = np.asarray(points[row], np.float32)
            images[row] = render_points(cloud, camera=Camera.fitting(cloud), size=THUMBNAIL)
        label = scatter.classes[scatter.labels[row]]
        name = label if scatter.ids is None else str(scatter.ids[row])
        kind, sign = {None: ("asked", ""), True: ("right", "✓ "), False: ("wrong", "✗ ")}[right]
        told = {None: "the cloud asked for", True: "of the same class", False: "of another class"}[right]
        image = picture(images[row], f"{name}, {label}: {told}")
        caption = f"<figcaption>{sign}{escape(label)}</figcaption>"
        return f'<figure class="thumb {kind}" title="{escape(name)}">{image}{caption}</figure>'

    return draw
