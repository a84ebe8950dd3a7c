"""A cloud as a section of a page: the viewer that can be turned, and the groups of pictures."""

import math
from collections.abc import Sequence

import numpy as np

from i2pmae.viz.charts import token_chart
from i2pmae.viz.colours import saliency_colours
from i2pmae.viz.content import CloudPictures
from i2pmae.viz.figures import PanelGroup, Scene, input_panel, panel_groups, scenes
from i2pmae.viz.packing import MOST_POINTS, SPAN, packed_scene
from i2pmae.viz.page import escape, picture
from i2pmae.viz.render import ball_radius
from i2pmae.viz.text import embedded

__all__ = ["cloud_sections"]


def cloud_sections(clouds: Sequence[CloudPictures]) -> str:
    """One ``<section>`` per cloud; those with nothing but their points stand side by side."""
    sections = [_section(cloud, found) for cloud, found in zip(clouds, scenes(clouds), strict=True)]
    return '<div class="clouds">\n' + "\n".join(sections) + "\n</div>"


def _section(cloud: CloudPictures, found: dict[str, Scene]) -> str:
    groups = panel_groups(cloud, found)
    beside = [_group(cloud, group) for group in groups if group.key != "masking"]
    below = [_group(cloud, group) for group in groups if group.key == "masking"]
    label = "" if cloud.label is None else f'<span class="chip">{escape(cloud.label)}</span>'
    alone = "" if beside else " alone"
    return f"""<section class="card cloud{alone}">
<header><h3>{escape(cloud.id)}</h3>{label}<span class="muted">{len(cloud.points)} points</span></header>
<div class="columns">
<div class="column">{_viewer(cloud, found)}{"".join(below)}</div>
{f'<div class="column">{"".join(beside)}</div>' if beside else ""}
</div>
</section>"""


def _group(cloud: CloudPictures, group: PanelGroup) -> str:
    figures = [
        f"<figure>{picture(panel.image, panel.alt)}<figcaption>{escape(panel.title)}</figcaption></figure>"
        for panel in group.panels
    ]
    columns = group.columns or math.ceil(len(figures) / math.ceil(len(figures) / 4))
    kept = " kept" if group.columns else ""
    tokens = ""
    if group.key == "masking" and cloud.token_saliency is not None and cloud.token_visible is not None:
        tokens = f"""<div class="chart tokens">{token_chart(cloud.token_saliency, cloud.token_visible)}</div>
<p class="caption">Tokens from the most to the least salient: blue ones were shown, grey ones masked.
{_preference(cloud.token_saliency, cloud.token_visible)}</p>"""
    bar = "" if group.scale is None else _colour_bar(*group.scale)
    return f"""<div class="group {group.key}"><div class="heading"><h4>{escape(group.title)}</h4>{bar}</div>
<div class="panels{kept}" style="--columns:{columns}">{"".join(figures)}</div>
<p class="caption">{escape(group.caption)}</p>{tokens}</div>"""


def _preference(saliency: np.ndarray, visible: np.ndarray) -> str:
    """How strongly the masking preferred salient tokens, as a sentence; empty where nothing was chosen."""
    if visible.all() or not visible.any():
        return ""
    higher = (saliency[visible][:, None] > saliency[~visible]).mean()
    equal = (saliency[visible][:, None] == saliency[~visible]).mean()
    share = higher + equal / 2
    return f"A visible token is more salient than a masked one in {share:.0%} of the pairs (50% would be chance)."


def _colour_bar(low: float, high: float) -> str:
    colours = (255 * saliency_colours(np.linspace(0, 1, 9))).round().astype(int).tolist()
    stops = ",".join(f"rgb({r},{g},{b})" for r, g, b in colours)
    size = max(abs(low), abs(high))
    digits = max(1 - math.floor(math.log10(size)), 0) if size > 0 else 0  # two figures of the larger end
    bar = f'<span class="bar" style="background:linear-gradient(90deg,{stops})"></span>'
    return f'<span class="scale"><span>{low:.{digits}f}</span>{bar}<span>{high:.{digits}f}</span></span>'


def _viewer(cloud: CloudPictures, found: dict[str, Scene]) -> str:
    """The still picture, which the page's script replaces by a canvas that can be turned."""
    still = input_panel(cloud, found, 480)
    centre = (cloud.points.min(0) + cloud.points.max(0)) / 2
    reach = float(np.linalg.norm(cloud.points - centre, axis=1).max()) or 1.0
    shown = min(len(cloud.points), MOST_POINTS)
    data = {
        "span": SPAN,
        "radius": ball_radius(shown),
        "scenes": [
            packed_scene(scene, cloud.points if key != "shape" else None, centre, reach)
            for key, scene in found.items()
            if key != "shown"
        ],
    }
    text = embedded(data)
    hint = "Drag to turn; click, then wheel or + and − to zoom; double-click to reset."
    if shown < len(cloud.points):
        hint += f" Drawn here: {shown} of {len(cloud.points)} points."
    return f"""<figure class="viewer">
<div class="stage" role="group" aria-label="Viewer of {escape(cloud.id)}">{picture(still.image, still.alt)}</div>
<div class="buttons" hidden></div>
<figcaption class="hint" hidden>{hint}</figcaption>
<script type="application/json">{text}</script>
</figure>"""
