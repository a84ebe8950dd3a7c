"""Recipes: tools and instruments, upright: a slender handle with something at its end."""

import numpy as np

from i2pmae.data.shapes.primitives import Pair, Value
from i2pmae.data.shapes.sketch import Category, Sketch, category, mirrored, row

__all__ = ["TOOLS"]

SIDES = np.array([[-1, 1]], np.float32)


def grip(s: Sketch, length: Value, radius: Value) -> None:
    """A handle from the origin downwards: round, oval, bellied or square."""
    belly, oval, style = s.uniform(0.8, 1.3), s.uniform(0.5, 1), s.style(2, 1)
    profile = (
        (0.0, -length),
        (radius, -length * 0.97),
        (radius * belly, -length * 0.5),
        (radius * 0.8, 0.0),
        (0.0, 0.0),
    )
    s.lathe("handle", profile, squash=(1.0, oval), when=style == 0)
    s.box("handle", (radius * 2, length, radius * 1.2), (0.0, -length / 2, 0.0), when=style == 1)


@category("blade", "handle", "guard")
def knife(s: Sketch) -> None:
    """A handle and a one-edged blade with a slanted or curved tip, now and then a cleaver."""
    length, wide, handle = s.uniform(0.6, 1.2), s.uniform(0.1, 0.22), s.uniform(0.45, 0.7)
    wide = np.where(s.chance(0.2), wide * 2.2, wide)
    tip, thick = s.uniform(0.5, 0.95), s.uniform(0.015, 0.03)
    side = wide / 2
    outline = (
        (-side, 0.0),
        (side, 0.0),
        (side, length * tip),
        (-side * s.uniform(0, 1), length),
        (-side, length * 0.98),
    )
    s.plate("blade", outline, thick)
    grip(s, handle, s.uniform(0.045, 0.075))
    s.box("guard", (wide * 1.3, 0.04, 0.09), when=s.chance(0.35))


@category("blade", "handle", "guard", "pommel")
def sword(s: Sketch) -> None:
    """A handle, a cross-guard and a long two-edged blade, straight or bent; a pommel at the end."""
    length, wide, handle = s.uniform(0.9, 1.7), s.uniform(0.07, 0.16), s.uniform(0.3, 0.55)
    bend, taper, side = s.uniform(-0.15, 0.15), s.uniform(0.5, 1), wide / 2
    edge = (
        (-side, 0.0),
        (side, 0.0),
        (side * taper + bend * 0.4, length * 0.75),
        (bend, length),
        (-side * taper + bend * 0.4, length * 0.75),
    )
    s.plate("blade", edge, s.uniform(0.015, 0.035))
    grip(s, handle, s.uniform(0.03, 0.055))
    span, curl = s.uniform(0.1, 0.32), s.uniform(-0.1, 0.1)
    s.tube("guard", ((-span, curl, 0.0), (0.0, 0.0, 0.0), (span, curl, 0.0)), 0.03, when=s.chance(0.85))
    s.ellipsoid("pommel", (0.06, 0.06, 0.05), (0.0, -handle, 0.0), when=s.chance(0.8))


@category("shaft", "handle", "tip")
def screwdriver(s: Sketch) -> None:
    """A thick grip, a thin shaft and a flat or pointed tip."""
    length, radius, handle = s.uniform(0.5, 1.2), s.uniform(0.025, 0.05), s.uniform(0.4, 0.65)
    thick = radius * s.uniform(2, 4)
    s.lathe(
        "handle",
        (
            (0.0, -handle),
            (thick, -handle * 0.95),
            (thick * s.uniform(0.7, 1), -handle * 0.5),
            (thick, -handle * 0.2),
            (radius, 0.0),
        ),
    )
    s.cylinder("shaft", radius, length, (0.0, -0.02, 0.0))
    flat = s.chance(0.5)
    s.box("tip", (radius * 3, 0.14, radius * 1.6), (0.0, length + 0.05, 0.0), taper=(0.8, 0.2), when=flat)
    s.cylinder("tip", radius * 1.2, 0.16, (0.0, length, 0.0), top=radius * 0.2, when=~flat)


@category("head", "handle")
def hammer(s: Sketch) -> None:
    """A long handle with a cross-piece on top: a claw, a sledge, a mallet or a pick."""
    length, radius = s.uniform(0.8, 1.4), s.uniform(0.03, 0.06)
    s.cylinder("handle", radius, length, top=radius * s.uniform(0.7, 1), squash=(1.0, s.uniform(0.6, 1)))
    wide, thick, style = s.uniform(0.2, 0.36), s.uniform(0.06, 0.13), s.style(1, 1, 1, 0.7)
    top = length - thick * 0.6
    s.box("head", (wide * 1.6, thick * 2, thick * 2), (0.0, top, 0.0), when=style == 0)
    s.cylinder("head", thick * 1.3, wide * 1.7, (-wide * 0.85, top, 0.0), along="x", when=style == 1)
    s.cylinder("head", thick, wide, (0.0, top, 0.0), along="x", when=style == 2)
    claw = (
        (0.0, top + thick * 0.3, 0.0),
        (-wide * 0.6, top + thick * 0.3, SIDES * 0.03),
        (-wide * 1.1, top - thick * 1.3, SIDES * 0.07),
    )
    s.tube("head", claw, (thick * 0.8, thick * 0.5, 0.02), smooth=True, when=style == 2)
    pick = ((-wide * 1.5, top - wide * 0.4, 0.0), (0.0, top, 0.0), (wide * 1.5, top - wide * 0.4, 0.0))
    s.tube("head", pick, (0.015, thick * 0.7, 0.015), smooth=True, when=style == 3)


@category("head", "handle", "eye")
def axe(s: Sketch) -> None:
    """A long handle with a broad flat edge on one side, or on both."""
    length, radius = s.uniform(0.8, 1.4), s.uniform(0.03, 0.055)
    s.cylinder("handle", radius, length, top=radius * s.uniform(0.7, 1))
    reach, edge, neck = s.uniform(0.25, 0.42), s.uniform(0.18, 0.36), s.uniform(0.07, 0.12)
    top, drop = length - edge * 0.7, s.uniform(-0.12, 0.04)
    outline = ((0.0, -neck), (reach, drop - edge), (reach * 1.15, drop), (reach, drop + edge), (0.0, neck))
    s.plate("head", outline, s.uniform(0.03, 0.06), (0.0, top, 0.0))
    back = ((0.0, -neck), (0.0, neck), (-reach, edge), (-reach, -edge))
    s.plate("head", back, 0.04, (0.0, top, 0.0), when=s.chance(0.25))
    s.box("eye", (radius * 3, neck * 2, 0.1), (0.0, top, 0.0))


@category("blade", "shaft", "handle")
def shovel(s: Sketch) -> None:
    """A long shaft with a curved, pointed or square blade below and a grip on top: a shovel, a spade or a rake."""
    length, radius = s.uniform(0.9, 1.5), s.uniform(0.022, 0.04)
    s.cylinder("shaft", radius, length)
    wide, tall, style = s.uniform(0.14, 0.24), s.uniform(0.3, 0.5), s.style(1, 1, 0.7)
    spade = ((-wide, 0.0), (wide, 0.0), (wide, -tall * 0.7), (0.0, -tall), (-wide, -tall * 0.7))
    s.plate("blade", spade, 0.02, (0.0, 0.05, 0.0), turn=(s.uniform(-25, 0), 0.0, 0.0), when=style == 0)
    s.box("blade", (wide * 2, tall, 0.025), (0.0, -tall * 0.45, 0.0), when=style == 1)
    s.box("blade", (wide * 3, 0.06, 0.06), when=style == 2)
    tooth = (row(6) - 2.5) * wide * 0.55
    s.tube("blade", ((tooth, 0.0, 0.0), (tooth, -0.04, 0.1), (tooth, -0.2, 0.12)), 0.014, sides=4, when=style == 2)
    handle = s.style(1, 1, 1)
    s.cylinder("handle", radius * 1.2, 0.3, (-0.15, length, 0.0), along="x", when=handle == 0)
    s.torus("handle", 0.1, 0.025, (0.0, length + 0.09, 0.0), along="z", when=handle == 1)
    s.cylinder("handle", radius * 1.4, 0.3, (0.0, length - 0.28, 0.0), when=handle == 2)


@category("body", "neck", "head", "string")
def guitar(s: Sketch) -> None:
    """A waisted or horned body, a neck and a head with pegs: a guitar, a bass, a violin or a banjo."""
    lower, upper, waist = s.uniform(0.28, 0.4), s.uniform(0.2, 0.32), s.uniform(0.14, 0.22)
    tall, thick, style = s.uniform(0.75, 1), s.uniform(0.05, 0.18), s.style(3, 1, 1)
    hips: list[Pair] = [(lower * 0.8, tall * 0.06), (lower, tall * 0.25), (waist, tall * 0.58)]
    shoulders: list[Pair] = [(upper, tall * 0.82), (upper * 0.5, tall)]
    horns: list[Pair] = [(upper * 1.1, tall * 1.1), (upper * 0.4, tall * 0.85)]
    s.plate("body", [(0.0, 0.0), *mirrored(hips + shoulders)], thick, smooth=True, when=style == 0)
    s.plate("body", [(0.0, 0.0), *mirrored(hips + horns)], thick * 0.6, when=style == 1)
    s.cylinder("body", lower, thick, (0.0, tall * 0.45, -thick / 2), along="z", sides=24, when=style == 2)
    length, wide = s.uniform(0.6, 1), s.uniform(0.06, 0.1)
    front = thick / 2
    s.box("neck", (wide, length, 0.05), (0.0, tall * 0.9 + length / 2, front - 0.02), taper=(0.75, 1.0))
    top = tall * 0.9 + length
    s.box("head", (wide * 1.5, 0.22, 0.04), (0.0, top + 0.1, front - 0.03), turn=(-15.0, 0.0, 0.0))
    level = top + 0.04 + row(6) // 2 * 0.06
    side = np.where(row(6) % 2 == 0, -1, 1) * wide
    s.cylinder("head", 0.015, 0.05, (side, level, front - 0.05), along="x")
    string = (row(4) - 1.5) * wide * 0.2
    s.tube("string", ((string, tall * 0.25, front + 0.03), (string, top, front + 0.02)), 0.004, sides=4)
    s.box("string", (wide * 1.6, 0.05, 0.05), (0.0, tall * 0.25, front + 0.01))


TOOLS: tuple[Category, ...] = (knife, sword, screwdriver, hammer, axe, shovel, guitar)
