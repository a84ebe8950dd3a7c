"""Recipes: small animals, flowers and fruit."""

import numpy as np

from i2pmae.data.shapes.sketch import Category, Sketch, category, corners, row, spread

__all__ = ["CREATURES"]

SIDES = np.array([[-1, 1]], np.float32)


@category("body", "wing", "head", "leg", "tail")
def bird(s: Sketch) -> None:
    """A bird that stands, swims or flies: beak towards +x."""
    long, girth, flying = s.uniform(0.35, 0.5), s.uniform(0.15, 0.24), s.chance(0.4)
    pitch = np.where(flying, 0, s.uniform(10, 60))
    s.ellipsoid("body", (long, girth, girth * 0.9), turn=(0.0, 0.0, pitch))
    rise, neck = np.sin(np.radians(pitch)) * long, s.uniform(0.05, 0.5)
    front = np.cos(np.radians(pitch)) * long
    top = (front * 0.8 + 0.1, rise * 0.8 + neck, 0.0)
    s.tube("head", ((front * 0.6, rise * 0.6, 0.0), top), (girth * 0.5, girth * 0.4))
    s.ellipsoid("head", (girth * 0.65, girth * 0.6, girth * 0.55), top)
    s.cylinder("head", girth * 0.25, s.uniform(0.1, 0.35), (top[0] + girth * 0.5, top[1], 0.0), top=0.0, along="x")
    span, sweep, lift = s.uniform(0.6, 1.1), s.uniform(-0.1, 0.4), s.uniform(-20, 40)
    wing = (
        (SIDES * 0.05, 0.22),
        (SIDES * span * 0.5, 0.25),
        (SIDES * span, -sweep),
        (SIDES * span * 0.5, -0.15),
        (SIDES * 0.05, -0.2),
    )
    s.plate("wing", wing, 0.03, along="x", turn=(-SIDES * lift, 0.0, 0.0), when=flying)
    s.ellipsoid(
        "wing",
        (long * 0.75, girth * 0.7, 0.05),
        (-0.05, 0.0, SIDES * girth * 0.85),
        turn=(0.0, 0.0, pitch),
        when=~flying,
    )
    s.box("tail", (0.35, 0.03, s.uniform(0.1, 0.3)), (-front - 0.1, -rise, 0.0), turn=(0.0, 0.0, pitch * 0.5))
    foot = (0.05, -girth - s.uniform(0.1, 0.5), SIDES * girth * 0.5)
    s.tube("leg", ((0.0, -girth * 0.6, SIDES * girth * 0.4), foot), 0.025, sides=6, when=~flying)
    s.box("leg", (0.18, 0.02, 0.1), foot, when=~flying)


@category("body", "leg", "head")
def insect(s: Sketch) -> None:
    """Six or eight bent legs about a body in parts, with feelers, claws or wings: a spider, a beetle, a crab."""
    long, flat, pairs = s.uniform(0.25, 0.45), s.uniform(0.3, 0.8), s.count(3, 4)
    s.ellipsoid("body", (long, long * flat * 0.7, long * s.uniform(0.6, 1.2)), (-long * 0.5, 0.0, 0.0))
    s.ellipsoid("body", (long * 0.5, long * 0.35, long * 0.5), (long * 0.6, 0.0, 0.0))
    s.ellipsoid("head", (long * 0.3, long * 0.25, long * 0.3), (long * 1.2, 0.0, 0.0))
    i = row(8)
    side, place = np.where(i % 2 == 0, -1, 1), (i // 2 - (pairs - 1) / 2) * 0.5
    reach, knee = s.uniform(0.5, 0.9), s.uniform(0.05, 0.4)
    root = (long * 0.4 + place * long * 0.6, 0.0, side * long * 0.4)
    mid = (root[0] + place * 0.5, knee, side * reach * 0.6)
    s.tube("leg", (root, mid, (root[0] + place * 0.9, -0.25, side * reach)), (0.035, 0.03, 0.012), when=i // 2 < pairs)
    claw = s.chance(0.35)
    feeler = ((long * 1.3, 0.0, SIDES * 0.08), (long * 1.3 + 0.3, 0.15, SIDES * s.uniform(0.15, 0.4)))
    s.tube("head", feeler, np.where(claw, 0.05, 0.015))
    s.ellipsoid("head", (0.16, 0.06, 0.1), feeler[1], when=claw)
    s.ellipsoid("body", (long * 1.2, 0.02, long * 0.6), (-long * 0.4, 0.25, SIDES * long * 0.9), when=s.chance(0.3))


@category("shell", "head", "leg")
def turtle(s: Sketch) -> None:
    """A domed shell with a head, four legs or fins and a tail; or the coiled house of a snail."""
    radius, dome, snail = s.uniform(0.45, 0.6), s.uniform(0.25, 0.5), s.chance(0.35)
    s.ellipsoid("shell", (radius, dome, radius * 0.85), (0.0, 0.1, 0.0), span=(-10.0, 90.0), when=~snail)
    turn = np.linspace(0, 3.2 * np.pi, 14).tolist()
    coil = [(0.04 * t * np.cos(t), 0.5 + 0.04 * t * np.sin(t), 0.0) for t in turn]
    s.tube("shell", coil, [0.05 + 0.016 * t for t in turn], smooth=True, when=snail)
    s.tube("leg", ((-0.8, 0.03, 0.0), (0.0, 0.1, 0.0), (0.6, 0.1, 0.0)), (0.03, 0.16, 0.12), smooth=True, when=snail)
    x, z = corners(radius * 0.7, radius * 0.65)
    fin = s.uniform(1.2, 1.9)
    s.tube("leg", ((x * 0.7, 0.1, z * 0.7), (x * fin, s.uniform(-0.1, 0.05), z * fin)), (0.12, 0.07), when=~snail)
    reach, rise = radius * s.uniform(1.2, 1.5), s.uniform(0.1, 0.35)
    s.tube("head", ((radius * 0.7, 0.12, 0.0), (reach, rise, 0.0)), (0.1, 0.09))
    s.ellipsoid("head", (0.14, 0.1, 0.11), (reach + 0.05, rise, 0.0))


@category("petal", "stem", "leaf", "centre")
def flower(s: Sketch) -> None:
    """A stem with leaves and a head of four to ten petals, flat, cupped or hanging."""
    petals, tall, lift = s.count(4, 10), s.uniform(0.7, 1.4), s.uniform(-30, 75)
    bend, angle = s.uniform(-0.2, 0.2), spread(petals, 10)
    s.tube("stem", ((0.0, 0.0, 0.0), (bend, tall * 0.5, 0.0), (0.0, tall, 0.0)), 0.025, smooth=True)
    a, e, long = np.radians(angle), np.radians(lift), s.uniform(0.2, 0.4)
    tip = (np.cos(a) * np.cos(e) * long, tall + np.sin(e) * long, -np.sin(a) * np.cos(e) * long)
    wide = long * s.uniform(0.3, 0.6)
    s.ellipsoid(
        "petal", (long, 0.025, wide), tip, turn=(0.0, angle, 0.0), when=(row(10) < petals) & (np.abs(lift) < 25)
    )
    path, cupped = ((0.0, tall, 0.0), tip, (tip[0] * 1.6, tip[1] + 0.15, tip[2] * 1.6)), np.abs(lift) >= 25
    s.tube("petal", path, (0.03, wide * 0.5, 0.02), smooth=True, when=(row(10) < petals) & cupped)
    s.ellipsoid("centre", (0.1, s.uniform(0.04, 0.12), 0.1), (0.0, tall, 0.0))
    b, level = np.radians(s.uniform(0, 360, 4)), tall * s.uniform(0.1, 0.6, 4)
    leaf = (np.cos(b) * 0.35, level + s.uniform(0, 0.3, 4), np.sin(b) * 0.35)
    s.tube(
        "leaf",
        ((0.0, level, 0.0), (leaf[0] * 0.5, leaf[1], leaf[2] * 0.5), leaf),
        (0.02, 0.07, 0.01),
        smooth=True,
        sides=4,
    )


@category("fruit", "stalk", "leaf")
def fruit(s: Sketch) -> None:
    """An apple, a pear, a banana, a pumpkin, a carrot or a pineapple."""
    style, bulge = s.style(1, 1, 1, 1, 1), s.uniform(0.85, 1.2)
    round_ = ((0.0, 0.12), (0.35, 0.0), (0.8, 0.3), (1.0 * bulge, 0.9), (0.75, 1.5), (0.3, 1.65), (0.0, 1.45))
    s.lathe("fruit", round_, smooth=True, when=style == 0)
    s.lathe(
        "fruit",
        ((0.0, 0.0), (0.6, 0.1), (0.8 * bulge, 0.6), (0.4, 1.4), (0.25, 1.9), (0.0, 2.0)),
        smooth=True,
        when=style == 1,
    )
    path = ((-1.0, 0.7, 0.0), (-0.5, 0.2, 0.0), (0.1, 0.0, 0.0), (0.7, 0.2, 0.0), (1.1, 0.8, 0.0))
    s.tube("fruit", path, (0.08, 0.25 * bulge, 0.3 * bulge, 0.25, 0.06), smooth=True, when=style == 2)
    a, rad = spread(9, 9), np.radians(spread(9, 9))
    s.ellipsoid(
        "fruit",
        (0.5, 0.75 * bulge, 0.3),
        (np.cos(rad) * 0.5, 0.75, np.sin(rad) * 0.5),
        turn=(0.0, -a, 0.0),
        when=style == 3,
    )
    s.lathe("fruit", ((0.0, -1.5), (0.15, -1.0), (0.4 * bulge, 0.8), (0.4 * bulge, 1.2), (0.0, 1.35)), when=style == 4)
    top = np.where(style == 1, 1.95, np.where(style == 4, 1.3, 1.45))
    s.tube(
        "stalk",
        ((0.0, top - 0.1, 0.0), (s.uniform(-0.15, 0.15), top + s.uniform(0.2, 0.4), 0.0)),
        0.06,
        when=style != 2,
    )
    spike = (np.cos(rad) * 0.4, top + s.uniform(0.4, 1.1, 9), np.sin(rad) * 0.4)
    s.tube("leaf", ((0.0, top, 0.0), spike), (0.08, 0.02), sides=4, when=(style == 4) | (style == 0) & (row(9) < 1))


CREATURES: tuple[Category, ...] = (bird, insect, turtle, flower, fruit)
