"""Charts as inline SVG whose colours follow the page's theme."""

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from i2pmae.viz.arrays import checked
from i2pmae.viz.text import escape

if TYPE_CHECKING:  # matplotlib is slow to import; only those who draw a chart wait for it
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["MOST_POINTS", "curve_chart", "neighbour_agreement", "plane", "token_chart"]

INK, MUTED, LINE, ACCENT, SOFT, BAR = "#010203", "#020304", "#030405", "#040506", "#050607", "#060708"
"""Stand-ins for the page's colours: matplotlib wants fixed ones, the page has one set per theme."""
THEME = {INK: "--ink", MUTED: "--muted", LINE: "--line", ACCENT: "--accent", SOFT: "--accent-soft", BAR: "--bar"}
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text: selectable, small, and in the page's font
    "svg.hashsalt": "i2pmae",  # the same chart is the same text
    "font.size": 10,
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "lines.solid_capstyle": "round",
}
MOST_POINTS = 600
"""Points of a curve or scatter that are drawn; of longer ones, evenly spread."""


@contextmanager
def _chart(width: float, height: float, **style: Any) -> "Iterator[tuple[Figure, Axes]]":
    """A figure of ``width`` × ``height`` inches with one pair of axes, to be drawn and saved within the block."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE | style):  # type: ignore[arg-type]
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure, figure.add_subplot()


def _svg(figure: "Figure", description: str) -> str:
    """The figure as an ``<svg>`` element without fixed size, ids or metadata, in the colours and font of the page."""
    buffer = io.StringIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the browser's font draws the text, not this one
        none = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=none)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r' id="[a-zA-Z0-9.]+_[0-9]+"', "", svg)
    svg = re.sub(r"<!--.*?-->\s*", "", svg)
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>\s*", "", svg, flags=re.DOTALL)  # would style the whole page
    svg = re.sub(r"font-family: [^;\"]*; ?", "", svg)
    for stand_in, name in THEME.items():
        svg = svg.replace(stand_in, f"var({name})")
    head = re.sub(r' (?:width|height|version)="[^"]*"', "", svg[: svg.index(">")])
    return f'{head} role="img" aria-label="{escape(description)}"' + svg[svg.index(">") :]


def curve_chart(name: str, steps: Sequence[float], values: Sequence[float], noisy: bool = True) -> str:
    """One curve over the steps as SVG; of ``noisy`` values the raw ones faint and their running mean bold.

    Values that are not finite are left out; noisy ones that span a factor of over 20 get a logarithmic axis.
    """
    x, y = np.asarray(steps, np.float64), np.asarray(values, np.float64)
    keep = np.isfinite(x) & np.isfinite(y)
    x, y = x[keep], y[keep]
    with _chart(4.2, 2.5) as (figure, axes):
        from matplotlib.ticker import MaxNLocator

        if noisy and len(y) and y.min() > 0 and y.max() / y.min() > 20:
            axes.set_yscale("log")
        else:
            axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_formatter("{x:g}")
        smooth = _running_mean(y, max(len(y) // 25, 1)) if noisy else y
        thin = np.unique(np.linspace(0, max(len(x) - 1, 0), min(len(x), MOST_POINTS)).round().astype(int))
        if noisy and len(x) > 30:
            axes.plot(x[thin], y[thin], color=SOFT, linewidth=0.8)
        axes.plot(x[thin], smooth[thin], color=ACCENT, linewidth=1.8, marker="o" if len(x) == 1 else None)
        axes.set_xlabel("step")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.margins(x=0.01)
        first, last = (float(smooth[0]), float(smooth[-1])) if len(y) else (float("nan"), float("nan"))
        return _svg(figure, f"{name} over {len(x)} points, from {first:.3g} to {last:.3g}")


def _running_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Means over ``window`` values around each, over fewer at the ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(len(values))
    low, high = np.maximum(index - window // 2, 0), np.minimum(index + (window + 1) // 2, len(values))
    return (sums[high] - sums[low]) / (high - low)


def token_chart(saliency: np.ndarray, visible: np.ndarray) -> str:
    """Tokens from the most to the least salient as bars in SVG, visible ones in colour, masked ones grey."""
    order = np.argsort(-saliency, kind="stable")
    height = (saliency[order] - float(saliency.min())) / (float(np.ptp(saliency)) or 1.0)
    with _chart(6.4, 0.95, **{"axes.grid": False, "axes.spines.left": False}) as (figure, axes):
        colours = [ACCENT if shown else BAR for shown in visible[order]]
        axes.bar(np.arange(len(order)), 0.06 + height, width=0.78, color=colours)
        axes.set_yticks([])
        axes.set_xticks([])
        axes.margins(x=0.004)
        return _svg(figure, f"Saliency of {len(order)} tokens in falling order; {int(visible.sum())} of them visible")


def plane(embeddings: np.ndarray, most: int = MOST_POINTS) -> tuple[np.ndarray, str]:
    """Places ``(t, 2)`` of embeddings ``(t, c)`` in the plane, and the name of the method.

    t-SNE (seed 0) for 30 to ``most`` of them, the two main directions (PCA) otherwise or where all are (almost) equal.
    """
    embeddings = checked("embeddings", embeddings, (None, None))
    if not embeddings.size:
        return np.zeros((len(embeddings), 2), np.float32), "PCA"
    centred = embeddings - embeddings.mean(0, keepdims=True)
    if 30 <= len(centred) <= most and centred.std() > 1e-6 * max(float(np.abs(embeddings).max()), 1e-12):
        from sklearn.decomposition import PCA
        from sklearn.manifold import TSNE

        reduced = PCA(min(32, *centred.shape), svd_solver="full").fit_transform(centred / centred.std())
        if reduced.shape[1] >= 2:
            places = TSNE(2, perplexity=min(30, len(reduced) / 4), init="pca", max_iter=500, random_state=0, n_jobs=1)
            return places.fit_transform(reduced), "t-SNE"
    directions = np.linalg.svd(centred, full_matrices=False)[2][:2]
    places = centred @ directions.T
    return np.pad(places, ((0, 0), (0, 2 - places.shape[1]))), "PCA"


def neighbour_agreement(embeddings: np.ndarray, labels: np.ndarray) -> float:
    """Share of clouds whose nearest other cloud (by cosine) has the same label; 0 for fewer than two clouds."""
    if len(embeddings) < 2:
        return 0.0
    unit = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
    likeness = unit @ unit.T
    np.fill_diagonal(likeness, -np.inf)
    return float((labels[likeness.argmax(1)] == labels).mean())
