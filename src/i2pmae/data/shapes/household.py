"""Recipes: what is built into a home, and what stands about in it."""

import numpy as np

from i2pmae.data.shapes.furniture import four_legs
from i2pmae.data.shapes.sketch import Category, Sketch, category, corners, row, spread
from i2pmae.data.shapes.vessels import hollow

__all__ = ["HOUSEHOLD"]

SIDES = np.array([[-1, 1]], np.float32)


@category("tub", "foot", "tap")
def bathtub(s: Sketch) -> None:
    """A long basin: round or square at the ends, on the ground, in a block or on feet."""
    length, ratio, height = s.uniform(0.9, 1.2), s.uniform(0.4, 0.6), s.uniform(0.45, 0.75)
    floor, square, feet = s.uniform(0.6, 0.95), s.chance(0.4), s.chance(0.4)
    outer = hollow([(length * floor, 0.0), (length, height)], 0.08)
    s.lathe("tub", outer, squash=(1.0, ratio), sides=24, when=~square)
    corner = [(radius * 1.41, y) for radius, y in outer]
    s.lathe("tub", corner, squash=(1.0, ratio), sides=4, turn=(0.0, 45.0, 0.0), when=square & feet)
    for sign in (-1, 1):
        s.box("tub", (length * 2, height, 0.1), (0.0, height / 2, sign * length * ratio), when=square & ~feet)
        s.box("tub", (0.1, height, length * ratio * 2), (sign * length, height / 2, 0.0), when=square & ~feet)
    s.box("tub", (length * 2, 0.06, length * ratio * 2), (0.0, height * 0.2, 0.0), when=square & ~feet)
    x, z = corners(length * 0.6, length * ratio * 0.6)
    s.tube("foot", ((x * 1.1, -0.18, z * 1.1), (x, 0.03, z)), (0.05, 0.08), when=feet)
    end = length * 0.9
    s.tube("tap", ((end, height, 0.0), (end, height + 0.2, 0.0), (end - 0.2, height + 0.2, 0.0)), 0.035, smooth=True)


@category("basin", "tap", "support")
def sink(s: Sketch) -> None:
    """A basin, round or with corners, with a tap: on a column, in a board, in a cupboard or on the wall."""
    radius, depth, style = s.uniform(0.3, 0.45), s.uniform(0.15, 0.3), s.style(1, 1, 1, 0.6)
    ratio, level = s.uniform(0.6, 1), s.uniform(0.7, 0.9)
    square = s.chance(0.5)
    bowl = hollow([(radius * 0.5, -depth), (radius * 0.85, -depth * 0.6), (radius, 0.0)], 0.03)
    s.lathe("basin", bowl, (0.0, level, 0.0), squash=(1.0, ratio), when=~square)
    s.lathe("basin", bowl, (0.0, level, 0.0), sides=4, turn=(0.0, 45.0, 0.0), when=square)
    wide, deep = radius * s.uniform(2.2, 4), radius * 2.2
    for sign in (-1, 1):
        s.box("support", (wide, 0.04, deep / 6), (0.0, level, sign * deep * 0.45), when=(style == 1) | (style == 2))
        gap = (wide / 2 - radius * 0.8).clip(0.02)
        s.box(
            "support",
            (gap, 0.04, deep),
            (sign * (wide / 2 - gap / 2), level, 0.0),
            when=(style == 1) | (style == 2),
        )
    s.cylinder("support", radius * 0.35, level, top=radius * 0.25, when=style == 0)
    s.box("support", (wide, level * 0.85, deep), (0.0, level * 0.5, 0.0), when=style == 2)
    s.box("support", (radius * 1.6, depth * 2, 0.06), (0.0, level, -radius), when=style == 3)
    back = -radius * ratio * 0.95
    path = (
        (0.0, level, back),
        (0.0, level + 0.25, back),
        (0.0, level + 0.25, back + 0.2),
        (0.0, level + 0.18, back + 0.25),
    )
    s.tube("tap", path, s.uniform(0.015, 0.03), smooth=True)
    s.cylinder("tap", 0.03, 0.07, (SIDES * 0.12, level, back), when=s.chance(0.6))


@category("bowl", "seat", "tank")
def toilet(s: Sketch) -> None:
    """A bowl with a seat and a lid, open or closed, before a tank or at the wall."""
    radius, height, ratio = s.uniform(0.2, 0.26), s.uniform(0.38, 0.48), s.uniform(1.15, 1.45)
    foot, waist = s.uniform(0.5, 0.9), s.uniform(0.45, 0.8)
    outer = hollow([(radius * foot, 0.0), (radius * waist, height * 0.4), (radius, height)], 0.04)
    s.lathe("bowl", outer, smooth=True, squash=(1.0, ratio))
    s.torus("seat", radius * 0.9, 0.035, (0.0, height, 0.0))
    lid = s.style(1.2, 1, 0.6)
    oval = (radius, 0.02, radius * ratio)
    back = -radius * ratio
    s.ellipsoid("seat", oval, (0.0, height + 0.03, 0.0), when=lid == 0)
    s.ellipsoid("seat", (radius, radius * ratio, 0.025), (0.0, height + radius * ratio, back), when=lid == 1)
    tall, wide = s.uniform(0.3, 0.5), s.uniform(0.36, 0.5)
    tank = s.chance(0.85)
    s.box("tank", (wide, tall, 0.2), (0.0, height + tall / 2, back - 0.08), taper=(s.uniform(0.9, 1.1), 1.0), when=tank)
    s.box("tank", (wide * 1.06, 0.04, 0.23), (0.0, height + tall, back - 0.08), when=tank)
    s.box("bowl", (radius * 1.2, height * 0.9, 0.25), (0.0, height * 0.5, back), when=s.chance(0.7))


@category("leaf", "frame", "handle", "panel")
def door(s: Sketch) -> None:
    """A leaf in a frame, closed or open, with panels or panes; now and then two leaves or an arch."""
    wide, tall, opening = s.uniform(0.7, 1.1), s.uniform(1.8, 2.3), np.where(s.chance(0.5), 0, s.uniform(10, 100))
    two, sides = s.chance(0.25), SIDES * wide / 2
    turn = np.radians(opening)
    leaf = np.where(two, wide / 2, wide)
    for sign in (-1, 1):
        there = two | (sign < 0)
        x = sign * (wide / 2 - np.cos(turn) * leaf / 2)
        at, around = (x, tall / 2, np.sin(turn) * leaf / 2), (0.0, sign * opening, 0.0)
        s.box("leaf", (leaf, tall, 0.05), at, turn=around, when=there)
        s.box(
            "panel", (leaf * 0.65, tall * 0.3, 0.09), (x, tall * 0.25, at[2]), turn=around, when=there & s.chance(0.6)
        )
        s.box("panel", (leaf * 0.65, tall * 0.4, 0.09), (x, tall * 0.7, at[2]), turn=around, when=there & s.chance(0.6))
        end = sign * (wide / 2 - np.cos(turn) * leaf * 0.88), tall * 0.48, np.sin(turn) * leaf * 0.88
        s.ellipsoid("handle", (0.04, 0.04, 0.1), end, when=there)
    thick = s.uniform(0.05, 0.12)
    s.box("frame", (thick, tall, 0.14), (sides + SIDES * thick / 2, tall / 2, 0.0), when=s.chance(0.8))
    s.box("frame", (wide + 2 * thick, thick, 0.14), (0.0, tall + thick / 2, 0.0), when=s.chance(0.8))


@category("frame", "bar", "sill")
def window(s: Sketch) -> None:
    """A frame with bars, a sill and perhaps shutters."""
    wide, tall, thick = s.uniform(0.6, 1.4), s.uniform(0.7, 1.5), s.uniform(0.04, 0.1)
    s.box("frame", (thick, tall, thick), (SIDES * wide / 2, tall / 2, 0.0))
    s.box("frame", (wide + thick, thick, thick), (0.0, (row(2)) * tall, 0.0))
    columns, rows_ = s.count(1, 4), s.count(1, 4)
    i = row(3)
    s.box(
        "bar", (thick * 0.5, tall, thick * 0.5), (((i + 1) / columns - 0.5) * wide, tall / 2, 0.0), when=i < columns - 1
    )
    s.box("bar", (wide, thick * 0.5, thick * 0.5), (0.0, (i + 1) / rows_ * tall, 0.0), when=i < rows_ - 1)
    s.box("sill", (wide * 1.15, thick, thick * 3), (0.0, -thick / 2, thick), when=s.chance(0.8))
    slat, shut = row(8), s.chance(0.35)
    for sign in (-1, 1):
        at = (sign * wide * 0.75, (slat + 0.5) * tall / 8, thick)
        s.box("sill", (wide * 0.45, tall / 12, 0.03), at, when=shut)


@category("cloth", "rail", "ring")
def curtain(s: Sketch) -> None:
    """One or two hangings in folds from a rail, straight or gathered."""
    wide, tall, folds = s.uniform(0.6, 1.2), s.uniform(1.0, 2.0), s.uniform(4, 9)
    depth, both, gathered = s.uniform(0.03, 0.12), s.chance(0.6), s.uniform(0.3, 1)
    t = np.linspace(0, 1, 25)
    for sign in (-1, 1):
        # Strips side by side that lean to the front and to the back by turns.
        x = (t[None, :-1] + t[None, 1:]) / 2
        inner = np.where(both, s.uniform(0.25, 1.0), 1.3)
        slope = np.degrees(np.arctan(depth * folds * 8 * np.cos(x * folds * 2 * np.pi)))
        at = (sign * wide * (1 - x * inner * 0.95), tall / 2, depth * np.sin(x * folds * 2 * np.pi))
        size = (wide * inner / 22, tall, 0.012)
        taper = np.where(s.chance(0.3), gathered, 1)
        s.box("cloth", size, at, taper=(taper, 1.0), turn=(0.0, -sign * slope * 0.8, 0.0), when=both | (sign > 0))
    s.cylinder("rail", 0.025, wide * 2.3, (-wide * 1.15, tall + 0.03, 0.0), along="x")
    s.ellipsoid("rail", (0.06, 0.06, 0.06), (SIDES * wide * 1.15, tall + 0.03, 0.0))
    s.torus("ring", 0.05, 0.012, ((row(7) - 3) * wide * 0.32, tall + 0.03, 0.0), along="x", when=s.chance(0.6))


@category("body", "door", "drawer", "foot")
def wardrobe(s: Sketch) -> None:
    """A tall cupboard with two or three doors, a drawer below, a cornice, on feet; a door may be open."""
    wide, tall, deep = s.uniform(0.8, 1.6), s.uniform(1.5, 2.2), s.uniform(0.45, 0.65)
    doors, foot = s.count(2, 3), s.uniform(0.02, 0.15)
    s.box("body", (wide, tall, deep), (0.0, foot + tall / 2, 0.0))
    s.box("body", (wide * 1.08, 0.07, deep * 1.1), (0.0, foot + tall, 0.0), when=s.chance(0.6))
    low, i = np.where(s.chance(0.5), 0.2, 0.02) * tall, row(3)
    leaf, x = wide / doors, (i - (doors - 1) / 2) * wide / doors
    ajar = np.where(s.chance(0.3) & (i == 0), s.uniform(20, 90), 0)
    turn = np.radians(ajar)
    at = (x - leaf / 2 * (1 - np.cos(turn)), foot + (tall + low) / 2, deep / 2 + np.sin(turn) * leaf / 2)
    s.box("door", (leaf * 0.94, tall - low - 0.06, 0.04), at, turn=(0.0, -ajar, 0.0), when=i < doors)
    s.box("door", (0.02, 0.2, 0.05), (x + leaf * 0.35, foot + tall * 0.5, deep / 2 + 0.04), when=i < doors)
    s.box("drawer", (wide * 0.92, tall * 0.14, 0.04), (0.0, foot + tall * 0.1, deep / 2), when=low > 0.1)
    fx, fz = corners(wide * 0.45, deep * 0.42)
    s.cylinder("foot", 0.04, foot, (fx, 0.0, fz))


@category("top", "drawer", "leg", "body")
def nightstand(s: Sketch) -> None:
    """A small table with one to three drawers or a shelf, on legs or on the ground."""
    wide, tall, deep = s.uniform(0.4, 0.6), s.uniform(0.45, 0.7), s.uniform(0.35, 0.5)
    drawers, legs, i = s.count(1, 3), np.where(s.chance(0.6), s.uniform(0.15, 0.5), 0.03) * tall, row(3)
    s.box("top", (wide * 1.05, 0.035, deep * 1.05), (0.0, tall, 0.0))
    four_legs(s, "leg", wide / 2, deep / 2, legs + 0.05)
    open_ = s.chance(0.3)
    s.box("body", (0.03, tall - legs, deep), (SIDES * wide / 2, (tall + legs) / 2, 0.0))
    s.box("body", (wide, tall - legs, 0.02), (0.0, (tall + legs) / 2, -deep / 2))
    s.box("body", (wide, 0.03, deep), (0.0, legs, 0.0))
    step = (tall - legs) / drawers
    shown = (i < drawers) & ~(open_ & (i == 0))
    out = np.where(s.chance(0.15), 0.15, 0)
    s.box("drawer", (wide * 0.92, step * 0.88, 0.03), (0.0, legs + (i + 0.5) * step, deep / 2 + out), when=shown)
    s.ellipsoid("drawer", (0.025, 0.025, 0.035), (0.0, legs + (i + 0.5) * step, deep / 2 + out + 0.03), when=shown)


@category("body", "drawer", "mirror", "foot")
def dresser(s: Sketch) -> None:
    """A low, broad chest of drawers on feet, now and then with a mirror above."""
    wide, tall, deep = s.uniform(0.9, 1.6), s.uniform(0.6, 1.0), s.uniform(0.4, 0.55)
    columns, rows_, foot, index = s.count(1, 3), s.count(2, 5), s.uniform(0.03, 0.2), row(15)
    s.box("body", (wide, tall, deep), (0.0, foot + tall / 2, 0.0))
    s.box("body", (wide * 1.05, 0.04, deep * 1.08), (0.0, foot + tall, 0.0))
    i, j = index % 3, index // 3
    drawer, at = (
        (i < columns) & (j < rows_),
        ((i - (columns - 1) / 2) * wide / columns, foot + (j + 0.5) * tall / rows_),
    )
    s.box("drawer", (wide * 0.9 / columns, tall * 0.85 / rows_, 0.04), (*at, deep / 2), when=drawer)
    s.ellipsoid("drawer", (0.05, 0.02, 0.03), (*at, deep / 2 + 0.05), when=drawer)
    shown, round_, high = s.chance(0.5), s.chance(0.5), s.uniform(0.5, 0.9)
    level = foot + tall
    s.box("mirror", (wide * 0.6, high, 0.03), (0.0, level + high / 2, -deep * 0.4), when=shown & ~round_)
    s.cylinder("mirror", high / 2, 0.03, (0.0, level + high / 2, -deep * 0.4), along="z", when=shown & round_)
    four_legs(s, "foot", wide / 2, deep / 2, foot + 0.02)


@category("pole", "hook", "base")
def coat_rack(s: Sketch) -> None:
    """A pole with hooks in a ring at one or two heights, on feet or a disc."""
    tall, thick, hooks = s.uniform(1.3, 1.9), s.uniform(0.02, 0.045), s.count(3, 8)
    s.cylinder("pole", thick, tall)
    angle = np.radians(spread(hooks, 8))
    x, z, reach, rise = np.cos(angle), np.sin(angle), s.uniform(0.12, 0.28), s.uniform(0.05, 0.2)
    for level, there in ((tall * 0.95, s.chance(1.0)), (tall * s.uniform(0.65, 0.8), s.chance(0.4))):
        path = ((0.0, level, 0.0), (x * reach * 0.8, level, z * reach * 0.8), (x * reach, level + rise, z * reach))
        s.tube("hook", path, 0.015, smooth=True, when=there & (row(8) < hooks))
    foot, star = s.uniform(0.2, 0.35), s.chance(0.6)
    angle = np.radians(spread(4, 4))
    s.tube("base", ((0.0, 0.18, 0.0), (np.cos(angle) * foot, 0.0, np.sin(angle) * foot)), 0.025, when=star)
    s.cylinder("base", foot, 0.05, when=~star)


@category("rail", "rung", "stay")
def ladder(s: Sketch) -> None:
    """Two rails with rungs, upright, leaning or a stepladder."""
    tall, wide, rungs = s.uniform(1.2, 2.4), s.uniform(0.3, 0.6), s.count(4, 10)
    lean, top, i = s.uniform(0, 0.35) * tall, s.uniform(0.6, 1), row(10)
    s.tube("rail", ((SIDES * wide / 2, 0.0, lean / 2), (SIDES * wide / 2 * top, tall, -lean / 2)), 0.03, sides=4)
    t = (i + 1) / (rungs + 1)
    half, level, place = wide / 2 * (1 - (1 - top) * t), tall * t, lean * (0.5 - t)
    flat = s.chance(0.4)
    s.tube("rung", ((-half, level, place), (half, level, place)), 0.02, sides=6, when=~flat & (i < rungs))
    s.box("rung", (2 * half, 0.025, 0.12), (0.0, level, place), when=flat & (i < rungs))
    stay = s.chance(0.5)
    s.tube(
        "stay",
        ((SIDES * wide / 2 * top, tall, -lean / 2), (SIDES * wide / 2, 0.0, -lean * 1.6 - 0.1)),
        0.025,
        when=stay,
    )
    s.box("stay", (wide * top, 0.04, 0.2), (0.0, tall, -lean / 2), when=stay)


@category("surround", "shelf", "chimney")
def fireplace(s: Sketch) -> None:
    """A surround of two pillars and a beam about an opening, a shelf above and perhaps the chimney."""
    wide, tall, deep = s.uniform(0.9, 1.4), s.uniform(0.7, 1.1), s.uniform(0.25, 0.45)
    pillar, beam = wide * s.uniform(0.12, 0.25), tall * s.uniform(0.15, 0.3)
    s.box("surround", (pillar, tall, deep), (SIDES * (wide - pillar) / 2, tall / 2, 0.0))
    s.box("surround", (wide, beam, deep), (0.0, tall - beam / 2, 0.0))
    s.box("surround", (wide, tall, 0.03), (0.0, tall / 2, -deep / 2))
    s.box("shelf", (wide * 1.15, 0.06, deep * 1.25), (0.0, tall + 0.03, 0.0))
    s.box("shelf", (wide * 1.15, 0.06, deep * 2), (0.0, 0.03, deep * 0.4), when=s.chance(0.7))
    high, taper = s.uniform(0.4, 1.1), s.uniform(0.4, 1)
    s.box(
        "chimney", (wide * 0.75, high, deep * 0.8), (0.0, tall + high / 2, 0.0), taper=(taper, 1.0), when=s.chance(0.6)
    )


@category("hood", "duct", "rim")
def range_hood(s: Sketch) -> None:
    """A flat, tapered or bent hood below a duct."""
    wide, deep, flare = s.uniform(0.6, 1.0), s.uniform(0.45, 0.6), s.uniform(0.2, 0.6)
    low, high, duct = s.uniform(0.05, 0.12), s.uniform(0.05, 0.5), s.uniform(0.2, 0.9)
    s.box("rim", (wide, low, deep), (0.0, low / 2, 0.0))
    shear = (0.0, -deep * (1 - flare) / 2 * np.where(s.chance(0.6), 1, 0))
    s.box("hood", (wide, high, deep), (0.0, low + high / 2, 0.0), taper=(flare, flare), shear=shear)
    round_ = s.chance(0.3)
    size = wide * flare * s.uniform(0.6, 1)
    s.box("duct", (size, duct, deep * flare), (0.0, low + high + duct / 2, shear[1]), when=~round_)
    s.cylinder("duct", deep * flare / 2, duct, (0.0, low + high, shear[1]), when=round_)


@category("body", "door", "plate", "knob")
def stove(s: Sketch) -> None:
    """A cooker: a box with an oven door, four to six plates on top and a row of knobs."""
    wide, tall, deep = s.uniform(0.5, 0.9), s.uniform(0.75, 0.95), s.uniform(0.5, 0.65)
    s.box("body", (wide, tall, deep), (0.0, tall / 2, 0.0))
    s.box("body", (wide, s.uniform(0.05, 0.3), 0.05), (0.0, tall + 0.05, -deep / 2), when=s.chance(0.5))
    s.box("door", (wide * 0.85, tall * 0.5, 0.05), (0.0, tall * 0.42, deep / 2))
    s.tube("door", ((-wide * 0.35, tall * 0.65, deep / 2 + 0.08), (wide * 0.35, tall * 0.65, deep / 2 + 0.08)), 0.02)
    i, plates = row(6), np.where(s.chance(0.3), 6, 4)
    at = ((i // 2 - (plates / 2 - 1) / 2) * wide / (plates / 2) * 0.9, tall, (i % 2 - 0.5) * deep * 0.45)
    s.cylinder("plate", wide * s.uniform(0.11, 0.15), 0.03, at, when=i < plates)
    s.cylinder("knob", 0.03, 0.05, ((row(5) - 2) * wide * 0.17, tall * 0.88, deep / 2), along="z")


@category("body", "door", "handle", "foot")
def fridge(s: Sketch) -> None:
    """A tall box with one or two doors, above each other or side by side, with long handles."""
    wide, tall, deep = s.uniform(0.5, 0.95), s.uniform(1.2, 1.9), s.uniform(0.5, 0.7)
    s.box("body", (wide, tall, deep), (0.0, tall / 2 + 0.03, 0.0))
    style, split = s.style(1, 1.5, 1), s.uniform(0.3, 0.7)
    front = deep / 2 + 0.03
    for part, low, high in ((0, 0.0, split), (1, split, 1.0)):
        level, size = tall * (low + high) / 2 + 0.03, tall * (high - low)
        s.box("door", (wide * 0.98, size * 0.97, 0.06), (0.0, level, front), when=style == 1)
        s.box("handle", (0.03, size * 0.4, 0.05), (wide * 0.4, level, front + 0.06), when=style == 1)
        x = (part - 0.5) * wide / 2
        s.box("door", (wide * 0.48, tall * 0.98, 0.06), (x, tall / 2 + 0.03, front), when=style == 2)
        s.box("handle", (0.03, tall * 0.4, 0.05), (x * 0.2, tall * 0.55, front + 0.06), when=style == 2)
    s.box("door", (wide * 0.98, tall * 0.97, 0.06), (0.0, tall / 2 + 0.03, front), when=style == 0)
    s.box("handle", (0.03, tall * 0.3, 0.05), (wide * 0.42, tall * 0.55, front + 0.06), when=style == 0)
    side, z = corners(wide * 0.42, deep * 0.42)
    s.cylinder("foot", 0.04, 0.04, (side, 0.0, z))


@category("body", "window", "panel")
def washing_machine(s: Sketch) -> None:
    """A box with a round window in front, or a lid above, and a panel of knobs."""
    wide, tall, deep = s.uniform(0.55, 0.65), s.uniform(0.75, 0.95), s.uniform(0.5, 0.65)
    s.box("body", (wide, tall, deep), (0.0, tall / 2, 0.0))
    radius, top = wide * s.uniform(0.25, 0.36), s.chance(0.2)
    at = (0.0, tall * s.uniform(0.42, 0.52), deep / 2)
    s.torus("window", radius, 0.04, at, along="z", when=~top)
    s.ellipsoid("window", (radius, radius, 0.08), at, when=~top & s.chance(0.7))
    s.box("window", (wide * 0.7, 0.04, deep * 0.6), (0.0, tall + 0.02, 0.05), when=top)
    s.box("panel", (wide * 0.95, tall * 0.12, 0.03), (0.0, tall * 0.9, deep / 2), when=~top)
    s.box("panel", (wide, 0.16, 0.08), (0.0, tall + 0.08, -deep / 2 + 0.04), when=top)
    s.cylinder("panel", 0.04, 0.06, (wide * s.uniform(-0.35, 0.35), tall * 0.9, deep / 2), along="z", when=~top)


HOUSEHOLD: tuple[Category, ...] = (
    bathtub, sink, toilet, door, window, curtain, wardrobe, nightstand, dresser, coat_rack, ladder, fireplace,
    range_hood, stove, fridge, washing_machine,
)  # fmt: skip
