"""Recipes: vessels, nearly all surfaces of revolution, told apart by necks, handles, spouts and proportions."""

import numpy as np

from i2pmae.data.shapes.primitives import Pair, Value
from i2pmae.data.shapes.sketch import Category, Sketch, category, spread

__all__ = ["VESSELS"]


def hollow(outer: list[Pair], wall: Value) -> list[Pair]:
    """The profile of an open vessel with a wall: a closed bottom, the outside, the rim and the inside back down."""
    inner = [(radius - wall, height + wall * (i == 0)) for i, (radius, height) in enumerate(outer)]
    return [(0.0, outer[0][1]), *outer, *inner[::-1], (0.0, outer[0][1] + wall)]


def handle(
    s: Sketch, part: str, x: Value, low: Value, high: Value, reach: Value, when: np.ndarray | None = None
) -> None:
    """A bent bar that leaves the side at height ``high`` and comes back at ``low``."""
    path = ((x, high, 0.0), (x + reach, high - (high - low) * 0.1, 0.0),
            (x + reach, low + (high - low) * 0.25, 0.0), (x, low, 0.0))  # fmt: skip
    s.tube(part, path, s.uniform(0.03, 0.06), smooth=True, when=when)


@category("body", "handle")
def mug(s: Sketch) -> None:
    """An open cup with one handle: straight, tapered or bellied."""
    radius, height, flare = s.uniform(0.35, 0.55), s.uniform(0.6, 1.2), s.uniform(0.65, 1.1)
    belly, bellied = s.uniform(1, 1.25), s.chance(0.35)
    outer: list[Pair] = [
        (radius * flare, 0.0),
        (radius * np.where(bellied, belly, (1 + flare) / 2), height * 0.45),
        (radius, height),
    ]
    s.lathe("body", hollow(outer, 0.04), sides=24)
    low, high = height * s.uniform(0.12, 0.3), height * s.uniform(0.75, 0.92)
    handle(s, "handle", radius * (0.5 + 0.45 * flare), low, high, radius * s.uniform(0.5, 0.9))


@category("body", "handle", "rim")
def bucket(s: Sketch) -> None:
    """An open tapered pail, wider at the top, with a bail or two ears."""
    radius, height, taper = s.uniform(0.4, 0.6), s.uniform(0.6, 1.2), s.uniform(0.6, 0.9)
    s.lathe("body", hollow([(radius * taper, 0.0), (radius, height)], 0.03), sides=24)
    s.torus("rim", radius, 0.03, (0.0, height, 0.0))
    bail, swing = s.chance(0.75), s.uniform(-80, 80)
    s.torus(
        "handle", radius * 1.02, 0.025, (0.0, height * 0.95, 0.0), arc=(0, 180), turn=(swing - 90, 0.0, 0.0), when=bail
    )
    ear = np.array([[-1, 1]], np.float32)
    s.torus("handle", radius * 0.25, 0.03, (ear * radius * 0.95, height * 0.8, 0.0), along="z", when=~bail)


@category("body", "foot", "handle")
def bowl(s: Sketch) -> None:
    """A shallow open vessel, round or with corners, perhaps with a foot or two handles."""
    radius, height, foot = s.uniform(0.6, 0.9), s.uniform(0.25, 0.6), s.uniform(0.3, 0.6)
    swell = s.uniform(0.7, 0.98)
    outer: list[Pair] = [(radius * foot, 0.0), (radius * swell, height * 0.45), (radius, height)]
    s.lathe("body", hollow(outer, 0.035), sides=24, smooth=True)
    s.cylinder("foot", radius * foot, 0.12, (0.0, -0.1, 0.0), top=radius * foot * 0.9, when=s.chance(0.6))
    ear = np.array([[-1, 1]], np.float32) * radius
    s.torus("handle", 0.13, 0.03, (ear, height * 0.8, 0.0), when=s.chance(0.3))


@category("body", "neck", "cap", "label")
def bottle(s: Sketch) -> None:
    """A closed vessel with shoulders and a narrow neck, often with a cap; round or flat."""
    radius, height, shoulder = s.uniform(0.2, 0.38), s.uniform(0.9, 1.4), s.uniform(0.5, 0.75)
    neck, squash = radius * s.uniform(0.2, 0.5), np.where(s.chance(0.25), s.uniform(0.4, 0.8), 1)
    waist = np.where(s.chance(0.3), s.uniform(0.75, 0.95), 1)
    profile: list[Pair] = [
        (0.0, 0.0),
        (radius * 0.95, 0.0),
        (radius, 0.05),
        (radius * waist, height * shoulder * 0.5),
        (radius, height * shoulder),
    ]
    s.lathe("body", [*profile, (neck, height * (shoulder + 0.15))], squash=(1.0, squash))
    s.cylinder(
        "neck", neck, height * (0.85 - shoulder), (0.0, height * (shoulder + 0.14), 0.0), top=neck * s.uniform(0.7, 1)
    )
    s.cylinder("cap", neck * s.uniform(1, 1.35), s.uniform(0.06, 0.14), (0.0, height * 0.97, 0.0), when=s.chance(0.7))
    s.cylinder(
        "label",
        radius * 1.03,
        height * shoulder * 0.4,
        (0.0, height * shoulder * 0.3, 0.0),
        squash=(1.0, squash),
        when=s.chance(0.5),
    )


@category("body", "foot", "handle", "flower")
def vase(s: Sketch) -> None:
    """An open vessel with a curved profile: bellied, waisted or slender; handles or flowers now and then."""
    height, radius = s.uniform(0.8, 1.4), s.uniform(0.2, 0.42)
    foot, neck, lip = s.uniform(0.4, 0.9), s.uniform(0.3, 0.85), s.uniform(0.45, 1.1)
    where = s.uniform(0.25, 0.6)
    outer: list[Pair] = [
        (radius * foot, 0.0),
        (radius, height * where),
        (radius * neck, height * (where + 0.3)),
        (radius * lip, height),
    ]
    s.lathe("body", hollow(outer, 0.025), smooth=True)
    s.cylinder("foot", radius * foot * 1.2, 0.07, (0.0, -0.05, 0.0), when=s.chance(0.5))
    both, handles = np.array([[-1, 1]], np.float32), s.chance(0.25)
    low = (both * radius * 0.9, height * where, 0.0)
    bend = (both * radius * s.uniform(1.3, 1.8), height * (where + 0.2), 0.0)
    s.tube("handle", (low, bend, (both * radius * neck, height * (where + 0.32), 0.0)), 0.03, smooth=True, when=handles)
    flowers, stem = s.chance(0.3), np.radians(spread(5, 5) + s.uniform(0, 30, 5))
    x, z, tall = np.cos(stem) * 0.25, np.sin(stem) * 0.25, height * s.uniform(1.3, 1.7, 5)
    s.tube("flower", ((0.0, height * 0.5, 0.0), (x, tall, z)), 0.012, sides=4, when=flowers)
    s.ellipsoid("flower", (0.08, 0.06, 0.08), (x, tall, z), when=flowers)


@category("body", "spout", "handle", "lid")
def teapot(s: Sketch) -> None:
    """A bellied or conical pot with a spout, a handle opposite or on top, and a lid with a knob."""
    radius, height = s.uniform(0.4, 0.6), s.uniform(0.5, 1)
    conical, belly = s.chance(0.35), s.uniform(0.35, 0.55)
    middle, top = np.where(conical, 0.85, 1.08), np.where(conical, 0.55, s.uniform(0.45, 0.75))
    profile: list[Pair] = [
        (0.0, 0.0),
        (radius * np.where(conical, 1, 0.65), 0.0),
        (radius * middle, height * belly),
        (radius * top, height),
    ]
    s.lathe("body", profile, smooth=True)
    s.lathe("lid", ((radius * top, 0.0), (radius * top * 0.6, 0.1), (0.0, 0.14)), (0.0, height, 0.0))
    s.ellipsoid("lid", (0.06, 0.06, 0.06), (0.0, height + 0.17, 0.0))
    reach, tip = radius * s.uniform(1.5, 1.9), height * s.uniform(0.85, 1.15)
    path = ((radius * 0.8, height * 0.25, 0.0), (radius * 1.3, height * 0.45, 0.0), (reach, tip, 0.0))
    s.tube("spout", path, (0.13, 0.09, 0.05), smooth=True)
    over = s.chance(0.25)
    handle(s, "handle", -radius * 0.85, height * 0.85, height * 0.2, -radius * s.uniform(0.5, 0.8), ~over)
    s.torus(
        "handle",
        radius * 0.8,
        0.04,
        (0.0, height * 0.95, 0.0),
        arc=(0, 180),
        along="z",
        turn=(0.0, 0.0, 90.0),
        when=over,
    )


@category("pot", "saucer", "stem", "leaf")
def potted_plant(s: Sketch) -> None:
    """A flower pot with a bush, hanging blades or a cactus."""
    radius, height, taper = s.uniform(0.3, 0.5), s.uniform(0.4, 0.8), s.uniform(0.55, 0.95)
    s.lathe("pot", hollow([(radius * taper, 0.0), (radius, height)], 0.04))
    s.cylinder("pot", radius * 0.93, 0.02, (0.0, height * 0.88, 0.0))
    s.cylinder("saucer", radius * 1.15, 0.06, when=s.chance(0.4))
    style, tall = s.style(1.2, 1, 0.7), s.uniform(0.4, 1)
    angle = np.radians(spread(10, 10) + s.uniform(0, 30, 10))
    lean, length = s.uniform(0.2, 0.8, 10), tall * s.uniform(0.6, 1.1, 10)
    x, z = np.cos(angle) * lean, np.sin(angle) * lean
    root, middle = (0.0, height * 0.88, 0.0), (x * 0.4, height + length * 0.8, z * 0.4)
    droop = s.uniform(0.1, 0.9, 10)
    s.tube(
        "leaf",
        (root, middle, (x, height + length * droop, z)),
        (0.02, 0.05, 0.004),
        smooth=True,
        sides=4,
        when=style == 0,
    )
    s.tube("stem", (root, (x * 0.6, height + length * 0.8, z * 0.6)), 0.015, sides=4, when=style == 1)
    s.ellipsoid(
        "leaf",
        (s.uniform(0.1, 0.2, 10), 0.06, s.uniform(0.1, 0.2, 10)),
        (x * 0.6, height + length * 0.8, z * 0.6),
        turn=(0.0, 0.0, s.uniform(-40, 40, 10)),
        when=style == 1,
    )
    thick = s.uniform(0.1, 0.22)
    s.ellipsoid("stem", (thick, tall * 0.6, thick), (0.0, height + tall * 0.4, 0.0), when=style == 2)
    side = np.array([[-1, 1]], np.float32)
    level = height + tall * s.uniform(0.2, 0.6, 2)
    arm = ((0.0, level, 0.0), (side * thick * 1.8, level, 0.0), (side * thick * 1.9, level + tall * 0.35, 0.0))
    s.tube("leaf", arm, thick * 0.4, smooth=True, when=(style == 2) & s.chance(0.6, 2))


VESSELS: tuple[Category, ...] = (mug, bucket, bowl, bottle, vase, teapot, potted_plant)
