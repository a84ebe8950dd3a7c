"""Recipes: buildings and what is built with steps."""

import numpy as np

from i2pmae.data.shapes.sketch import Category, Sketch, category, corners, row, spread

__all__ = ["BUILDINGS"]

SIDES = np.array([[-1, 1]], np.float32)


@category("wall", "roof", "chimney", "door", "window")
def house(s: Sketch) -> None:
    """Walls under a gabled, hipped or flat roof, with a door, windows and perhaps a chimney or an annex."""
    width, depth, height = s.uniform(0.8, 1.5), s.uniform(0.7, 1.1), s.uniform(0.45, 1.1)
    s.box("wall", (width, height, depth), (0.0, height / 2, 0.0))
    style, rise, eaves = s.style(2, 1.2, 0.6), s.uniform(0.2, 0.6), s.uniform(1, 1.2)
    gable = ((-depth / 2 * eaves, 0.0), (depth / 2 * eaves, 0.0), (0.0, rise))
    s.plate("roof", gable, width * eaves, (0.0, height, 0.0), turn=(0.0, 90.0, 0.0), when=style == 0)
    s.box(
        "roof",
        (width * eaves, rise, depth * eaves),
        (0.0, height + rise / 2, 0.0),
        taper=(s.uniform(0, 0.6), 0.02),
        when=style == 1,
    )
    s.box("roof", (width * eaves, 0.06, depth * eaves), (0.0, height + 0.03, 0.0), when=style == 2)
    x = width * s.uniform(-0.35, 0.35)
    s.box("chimney", (0.12, rise + 0.1, 0.12), (x, height + rise * 0.7, depth * 0.15), when=s.chance(0.5))
    s.box("door", (0.2, height * 0.5, 0.05), (width * s.uniform(-0.3, 0.3), height * 0.25, depth / 2))
    index, floors = row(8), np.where(height > 0.8, 2, 1)
    level = height * np.where(floors == 2, 0.35 + 0.4 * (index // 4), 0.6)
    s.box(
        "window",
        (width * 0.14, height * 0.22 / np.sqrt(floors), 0.05),
        ((index % 4 - 1.5) * width * 0.23, level, depth / 2 * s.style(1, 1) * 2 - depth / 2),
        when=index // 4 < floors,
    )
    s.box(
        "wall", (width * 0.5, height * 0.5, depth * 0.6), (width * 0.6, height * 0.25, -depth * 0.1), when=s.chance(0.3)
    )


@category("canvas", "pole", "rope", "ground")
def tent(s: Sketch) -> None:
    """A ridge tent, a cone, a dome or a pavilion, with poles and guy ropes."""
    width, depth, height = s.uniform(0.8, 1.4), s.uniform(0.9, 1.6), s.uniform(0.6, 1.1)
    style = s.style(1.3, 1, 1, 0.8)
    top = (0.0, height)
    for sign in (-1, 1):
        slope = ((0.0, depth / 2), (0.0, -depth / 2), (1.0, -depth / 2), (1.0, depth / 2))
        panel = [(z, t * np.sqrt(width**2 / 4 + height**2)) for t, z in slope]
        angle = sign * np.degrees(np.arctan2(width / 2, height))
        s.plate("canvas", panel, 0.015, (sign * width / 2, 0.0, 0.0), turn=(0.0, 90.0, angle), when=style == 0)
    s.plate(
        "canvas",
        ((-width / 2, 0.0), (width / 2, 0.0), top),
        0.01,
        (0.0, 0.0, -depth / 2),
        when=(style == 0) & s.chance(0.7),
    )
    s.tube("pole", ((0.0, 0.0, SIDES * depth / 2), (0.0, height * 1.05, SIDES * depth / 2)), 0.02, when=style == 0)
    s.lathe("canvas", ((width / 2, 0.0), (0.03, height * 1.2)), sides=12, when=style == 1)
    angle = np.radians(spread(4, 4))
    s.tube(
        "pole",
        ((0.0, height * 1.15, 0.0), (np.cos(angle) * 0.12, height * 1.4, np.sin(angle) * 0.12)),
        0.015,
        when=style == 1,
    )
    s.ellipsoid("canvas", (width / 2, height * 0.75, depth / 2), span=(0.0, 90.0), when=style == 2)
    bow = [
        (c * width * 0.36, (1 - c * c) ** 0.5 * height * 0.77, c * SIDES * depth * 0.36)
        for c in (-1.0, -0.8, 0.0, 0.8, 1.0)
    ]
    s.tube("pole", bow, 0.02, smooth=True, when=(style == 2) & s.chance(0.6))
    s.box("canvas", (width, height * 0.35, depth), (0.0, height * 0.95, 0.0), taper=(0.1, 0.1), when=style == 3)
    x, z = corners(width / 2, depth / 2)
    s.tube("pole", ((x, 0.0, z), (x, height * 0.8, z)), 0.02, when=style == 3)
    s.tube(
        "rope",
        ((x * 1.5, 0.0, z * 1.15), (x * 0.5, height * 0.65, z * 0.95)),
        0.008,
        sides=4,
        when=(style != 2) & s.chance(0.6),
    )
    s.box("ground", (width, 0.015, depth), when=(style != 1) & s.chance(0.5))


@category("wall", "roof", "gallery", "base")
def tower(s: Sketch) -> None:
    """A tall round or square shaft with a roof, battlements or a lantern: a castle tower, a lighthouse, a steeple."""
    radius, height, taper = s.uniform(0.2, 0.36), s.uniform(1, 1.7), s.uniform(0.6, 1)
    round_ = s.chance(0.6)
    s.cylinder("wall", radius, height, top=radius * taper, when=round_)
    s.box("wall", (radius * 2, height, radius * 2), (0.0, height / 2, 0.0), taper=(taper, taper), when=~round_)
    top, style = radius * taper, s.style(1, 1, 1)
    rise = s.uniform(0.25, 0.8)
    cone = top * s.uniform(1.05, 1.4)
    s.cylinder("roof", cone, rise, (0.0, height, 0.0), top=0.0, when=(style == 0) & round_)
    s.box(
        "roof",
        (cone * 2, rise, cone * 2),
        (0.0, height + rise / 2, 0.0),
        taper=(0.02, 0.02),
        when=(style == 0) & ~round_,
    )
    s.cylinder("gallery", top * 1.3, 0.08, (0.0, height, 0.0), when=style > 0)
    angle = spread(8, 8)
    x, z = np.cos(np.radians(angle)) * top * 1.15, np.sin(np.radians(angle)) * top * 1.15
    s.box("gallery", (0.09, 0.16, 0.09), (x, height + 0.14, z), turn=(0.0, -angle, 0.0), when=style == 1)
    s.cylinder("gallery", top * 0.6, 0.25, (0.0, height + 0.05, 0.0), when=style == 2)
    s.ellipsoid("roof", (top * 0.7, top * 0.6, top * 0.7), (0.0, height + 0.3, 0.0), span=(0.0, 90.0), when=style == 2)
    s.box("base", (radius * 2.6, 0.14, radius * 2.6), (0.0, 0.05, 0.0), when=s.chance(0.5))


@category("step", "rail", "support")
def staircase(s: Sketch) -> None:
    """Straight or winding steps, open or solid below, perhaps with a rail."""
    steps, width = s.count(5, 10), s.uniform(0.4, 0.9)
    tread, riser = s.uniform(0.14, 0.24), s.uniform(0.1, 0.18)
    winding, solid, index = s.chance(0.3), s.chance(0.4), row(10)
    there = index < steps
    x, y = (index - steps / 2) * tread, (index + 1) * riser
    s.box("step", (tread, 0.035, width), (x, y, 0.0), when=there & ~winding & ~solid)
    s.box("step", (tread, y, width), (x, y / 2, 0.0), when=there & ~winding & solid)
    first, last = x[:, :1], (steps / 2 - 1) * tread
    low, high = (first, riser, SIDES * width / 2), (last, steps * riser, SIDES * width / 2)
    s.tube("support", (low, high), 0.03, sides=4, when=~winding & ~solid)
    rails, lift = s.chance(0.6), s.uniform(0.3, 0.45)
    up = [(px, py + lift, pz) for px, py, pz in (low, high)]
    s.tube("rail", up, 0.02, when=~winding & rails)
    for side in (-0.5, 0.5):
        s.tube(
            "rail", ((x, y, side * width), (x, y + lift, side * width)), 0.01, sides=4, when=there & ~winding & rails
        )
    angle = index * s.uniform(25, 45)
    turn = np.radians(angle)
    s.box(
        "step",
        (width, 0.04, tread * 1.3),
        (np.cos(turn) * width / 2, y, -np.sin(turn) * width / 2),
        turn=(0.0, angle, 0.0),
        when=there & winding,
    )
    s.cylinder("support", 0.05, steps * riser + 0.3, when=winding)


@category("deck", "pier", "arch", "rail")
def bridge(s: Sketch) -> None:
    """A deck on piers, under an arch or hung from towers."""
    length, width, height = s.uniform(1.6, 2.4), s.uniform(0.25, 0.5), s.uniform(0.25, 0.5)
    half, style, thick = length / 2, s.style(1, 1, 1), s.uniform(0.03, 0.08)
    s.box("deck", (length, thick, width), (0.0, height, 0.0))
    piers = s.count(2, 4)
    x = (row(4) - (piers - 1) / 2) * length / piers
    s.box(
        "pier",
        (0.09, height, width * 0.9),
        (x, height / 2, 0.0),
        taper=(0.7, 1.0),
        when=(style == 0) & (row(4) < piers),
    )
    rise, under = s.uniform(0.3, 0.7), s.chance(0.4)
    level, crown = np.where(under, 0, height), np.where(under, height * 0.95, height + rise)
    side = SIDES * width / 2
    path = [(half * t, level + (crown - level) * (1 - t * t), side) for t in (-1.0, -0.6, -0.2, 0.2, 0.6, 1.0)]
    s.tube("arch", path, 0.035, when=style == 1)
    t = (row(7) - 3) / 4
    for edge in (-0.5, 0.5):
        s.tube(
            "arch",
            ((half * t, height, edge * width), (half * t, level + (crown - level) * (1 - t * t), edge * width)),
            0.01,
            sides=4,
            when=style == 1,
        )
    place, beside = corners(half * 0.5, width / 2)
    tower = height + s.uniform(0.4, 0.8)
    s.box("pier", (0.07, tower, 0.06), (place, tower / 2, beside), when=style == 2)
    s.box("pier", (0.06, 0.05, width), (SIDES * half * 0.5, tower * 0.95, 0.0), when=style == 2)
    cable = [
        (half * t, height + (tower - height) * sag, side)
        for t, sag in ((-1.0, 0.0), (-0.5, 1.0), (-0.25, 0.35), (0.0, 0.12), (0.25, 0.35), (0.5, 1.0), (1.0, 0.0))
    ]
    s.tube("rail", cable, 0.02, when=style == 2)
    s.box("rail", (length, 0.1, 0.02), (0.0, height + thick / 2 + 0.05, side), when=s.chance(0.6))


BUILDINGS: tuple[Category, ...] = (house, tent, tower, staircase, bridge)
