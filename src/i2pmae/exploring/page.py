"""The page of the explorer, and what its script is told of shapes."""

from string import Template
from typing import Any

import numpy as np

from i2pmae.exploring.looks import NAMES, Looks
from i2pmae.exploring.shapes import Alike, Shapes
from i2pmae.viz.colours import height_colours
from i2pmae.viz.figures import Scene
from i2pmae.viz.packing import SPAN, packed, packed_scene
from i2pmae.viz.page import asset, escape, page
from i2pmae.viz.text import embedded, line

__all__ = ["about", "explore_page", "packed_alike", "packed_look", "packed_shape"]

SCRIPTS = (
    "balls.js",
    "vendor/three.js",
    *(f"explore/{name}.js" for name in ("data", "stage", "map", "found", "explore")),
)
"""In this order: each uses what those before it define."""
STYLES = ("page.css", "explore/explore.css")
MAP_SCALE = 32767
"""What a place at the edge of the map is sent as."""


def explore_page(name: str, kept: dict[str, Any] | None = None) -> str:
    """The page of the shapes that are called ``name``: with all that it shows inside, or asking the server for it."""
    data = "" if kept is None else f'<script type="application/json" id="kept">{embedded(kept)}</script>'
    served = kept is None
    template = Template(asset("explore/body.html"))
    body = template.substitute(name=escape(line(name)), served="" if served else " hidden", data=data)
    return page(f"{line(name)}: explore", body, scripts=SCRIPTS, styles=STYLES, asks=served, kind="explorer")


def about(shapes: Shapes, kinds: list[str]) -> dict[str, Any]:
    """What the page starts with: names, classes and places of all shapes, and what can be seen of them."""
    record = shapes.index.record
    labels = shapes.index.labels
    classes = sorted(set(labels)) if labels is not None else []
    index = {name: place for place, name in enumerate(classes)}
    return {
        "name": line(record.data),
        "ids": [line(name) for name in shapes.index.ids],
        "classes": [line(name) for name in classes],
        "labels": None if labels is None else [index[name] for name in labels],
        "map": packed(np.rint(shapes.places * MAP_SCALE).astype(np.int16)),
        "method": shapes.method,
        "encoder": line(f"{record.encoder or record.method}, {record.channels} channels"),
        "kinds": {kind: NAMES[kind] for kind in kinds},
        "parts": shapes.has_parts,
        "radius": record.radius,
        "span": SPAN,
    }


def packed_shape(shapes: Shapes, number: int) -> dict[str, Any]:
    """A shape's points with plain colours, and where its regions are."""
    points = shapes.points(number)
    centres = shapes.centres(number)
    found: dict[str, Any] = packed_scene(Scene("Shape", points, height_colours(points)), None)
    return found | {"centres": None if centres is None else packed_places(centres)}


def packed_places(places: np.ndarray) -> str:
    """Places in the unit sphere, on the scale of a shape's points."""
    return packed(np.rint(np.clip(places / SPAN, -1, 1) * 32767).astype(np.int16))


def packed_look(shapes: Shapes, looks: Looks, number: int, kind: str) -> dict[str, Any]:
    """One picture of a shape; without places where these are the shape's own points."""
    points = shapes.points(number)
    scene, legend = looks.look(kind, points, shapes.label(number), number)
    found: dict[str, Any] = packed_scene(scene, points if scene.points is points else None)
    return found | {"legend": [[line(name), np.rint(255 * colour).astype(int).tolist()] for name, colour in legend]}


def packed_alike(found: Alike) -> dict[str, Any]:
    """What a search found."""
    answer: dict[str, Any] = {
        "rows": [int(row) for row in found.rows],
        "similarity": [round(float(value), 5) for value in found.similarity],
    }
    if found.places is not None and found.regions is not None and found.own is not None:
        answer["places"] = [[round(float(value), 5) for value in place] for place in found.places]
        answer["regions"] = [[round(float(value), 4) for value in row] for row in found.regions]
        answer["own"] = [round(float(value), 4) for value in found.own]
    return answer
