"""Recipes: instruments, toys, clothes and bags."""

import numpy as np

from i2pmae.data.shapes.furniture import four_legs
from i2pmae.data.shapes.primitives import Pair
from i2pmae.data.shapes.sketch import Category, Sketch, category, mirrored, row, spread
from i2pmae.data.shapes.vessels import hollow

__all__ = ["LEISURE"]

SIDES = np.array([[-1, 1]], np.float32)


@category("body", "key", "lid", "leg")
def piano(s: Sketch) -> None:
    """An upright piano, or a grand with a bent body and a raised lid; keys in front."""
    wide, grand, level = s.uniform(1.2, 1.5), s.chance(0.5), s.uniform(0.55, 0.7)
    tall, long = s.uniform(1.0, 1.3), s.uniform(1.1, 1.9)
    s.box("body", (wide, tall, 0.4), (0.0, tall / 2, -0.2), when=~grand)
    s.box("body", (wide, 0.12, 0.35), (0.0, level, 0.15), when=~grand)
    s.box("lid", (wide * 1.04, 0.04, 0.45), (0.0, tall, -0.2), when=~grand)
    half, tail = wide / 2, s.uniform(0.2, 0.5)
    outline = (
        (0.0, -half),
        (0.0, half),
        (-long * 0.4, half),
        (-long * 0.75, half * tail),
        (-long, 0.0),
        (-long, -half),
    )
    s.plate("body", outline, 0.25, (0.0, level, 0.1), along="x", when=grand)
    rise = s.uniform(20, 50)
    s.plate("lid", outline, 0.02, (0.0, level + 0.14 + half * np.sin(np.radians(rise)), 0.1), along="x",
            turn=(0.0, 0.0, rise), when=grand & s.chance(0.7))  # fmt: skip
    i = row(20)
    s.box("key", (wide * 0.04, 0.04, 0.18), ((i - 9.5) * wide * 0.047, level + 0.08, 0.24))
    s.box("body", (wide, 0.05, 0.25), (0.0, level, 0.22))
    s.cylinder("leg", 0.05, level, (SIDES * wide * 0.45, 0.0, 0.25))
    s.cylinder("leg", 0.06, level, (0.0, 0.0, -long * 0.7), when=grand)


@category("shell", "rim", "stand", "stick")
def drum(s: Sketch) -> None:
    """A round shell with rims: low or tall, straight, bellied or waisted, on legs or with sticks."""
    radius, tall, waist = s.uniform(0.3, 0.5), s.uniform(0.25, 1.1), s.uniform(0.55, 1.25)
    profile = ((0.0, 0.0), (radius, 0.0), (radius * waist, tall * 0.5), (radius, tall), (0.0, tall))
    s.lathe("shell", profile, sides=24)
    s.torus("rim", radius, 0.035, (0.0, tall * np.array([[0.03, 0.97]]), 0.0))
    a, legs = np.radians(spread(8, 8)), s.chance(0.4)
    x, z = np.cos(a) * radius * 1.02, np.sin(a) * radius * 1.02
    s.tube(
        "rim",
        ((x, 0.05, z), (x * np.minimum(waist, 1), tall / 2, z * np.minimum(waist, 1)), (x, tall, z)),
        0.012,
        sides=4,
    )
    b = np.radians(spread(3, 3))
    x, z = np.cos(b) * radius, np.sin(b) * radius
    s.tube("stand", ((x * 1.2, -0.5, z * 1.2), (x, tall * 0.6, z)), 0.025, when=legs)
    at = (SIDES * radius * 0.3, tall + 0.03, -radius * 0.8)
    s.tube("stick", (at, (SIDES * radius * 0.2, tall + s.uniform(0.05, 0.4), radius)), 0.022, when=s.chance(0.5))


@category("bell", "tube", "valve")
def trumpet(s: Sketch) -> None:
    """A flared bell on a bent tube with valves: a trumpet, a horn or a trombone."""
    flare, length, loop = s.uniform(0.2, 0.4), s.uniform(0.9, 1.4), s.uniform(0.1, 0.3)
    s.lathe(
        "bell",
        ((0.03, 0.0), (0.05, 0.3), (flare * 0.4, 0.5), (flare, 0.6)),
        (length * 0.4, 0.0, 0.0),
        along="x",
        smooth=True,
    )
    end = length * 0.5
    path = (
        (end, 0.0, 0.0),
        (-end, 0.0, 0.0),
        (-end - loop * 0.6, loop / 2, 0.0),
        (-end, loop, 0.0),
        (end * 0.5, loop, 0.0),
    )
    s.tube("tube", path, 0.03, smooth=True)
    slide = s.chance(0.4)
    high = loop * 2
    bow = ((end * 0.5, loop, 0.0), (end * 1.6, loop, 0.0), (end * 1.9, loop * 1.5, 0.0), (end * 1.6, high, 0.0))
    s.tube("tube", (*bow, (-end * 0.5, high, 0.0)), 0.025, smooth=True, when=slide)
    s.cylinder("valve", 0.05, 0.35, ((row(3) - 1) * 0.12, -0.08, 0.0), when=~slide)
    s.cylinder("valve", 0.03, 0.1, ((row(3) - 1) * 0.12, 0.27, 0.0), when=~slide)
    s.lathe("bell", ((0.02, 0.0), (0.05, 0.1)), (-end * 0.6 - 0.1, loop * 2, 0.0), along="x", when=slide)


@category("tube", "key", "mouth")
def flute(s: Sketch) -> None:
    """A long, straight pipe with keys or holes, perhaps with a flared end: a flute, a recorder or a clarinet."""
    length, radius, flare = s.uniform(0.9, 1.3), s.uniform(0.03, 0.06), s.uniform(0.8, 2.5)
    profile = ((0.0, -length), (radius, -length), (radius, length * 0.8), (radius * flare, length))
    s.lathe("tube", profile)
    i = row(8)
    s.cylinder("key", radius * 0.8, 0.03, (0.0, (i - 4.5) * length * 0.17, radius), along="z")
    s.tube("key", ((radius * 1.5, -length * 0.7, 0.0), (radius * 1.5, length * 0.6, 0.0)), 0.012, when=s.chance(0.6))
    s.lathe("mouth", ((0.0, -length * 1.15), (radius * s.uniform(0.2, 1), -length * 1.1), (radius * 1.2, -length)))
    s.cylinder("mouth", radius * 1.3, 0.06, (0.0, -length * np.array([[0.9, 0.2]]), 0.0))


@category("frame", "string", "base")
def harp(s: Sketch) -> None:
    """A bent frame with strings between its neck and its body."""
    tall, wide, bow = s.uniform(1.0, 1.5), s.uniform(0.5, 0.8), s.uniform(-0.1, 0.25)
    s.tube("frame", ((wide, 0.0, 0.0), (wide * 0.4, tall * 0.5, 0.0), (-0.05, tall * 0.95, 0.0)), (0.13, 0.09, 0.06))
    s.tube("frame", ((wide, 0.0, 0.0), (wide + bow, tall * 0.5, 0.0), (wide, tall, 0.0)), 0.045, smooth=True)
    neck = ((-0.05, tall * 0.95, 0.0), (wide * 0.3, tall * s.uniform(0.8, 1.1), 0.0), (wide, tall, 0.0))
    s.tube("frame", neck, 0.05, smooth=True)
    t = (row(10) + 1) / 11
    s.tube("string", ((wide * t, tall * (0.95 - 0.95 * t), 0.0), (wide * t, tall * 0.97, 0.0)), 0.008, sides=4)
    s.box("base", (0.4, 0.1, 0.35), (wide * 0.9, -0.02, 0.0))


@category("ball", "seam")
def ball(s: Sketch) -> None:
    """A sphere with seams, or an oval one; a beach ball, a globe's ring or a basketball's lines."""
    radius, oval = 1.0, np.where(s.chance(0.3), s.uniform(1.3, 1.7), 1)
    s.ellipsoid("ball", (radius, radius * oval, radius))
    i = row(4)
    s.torus("seam", radius * 1.01, 0.04, turn=(90.0, 45 * i, 0.0), when=(oval == 1) & (i < s.count(1, 4)))
    s.torus("seam", radius * s.uniform(0.6, 1), 0.04, (0.0, 0.3, 0.0), when=oval == 1)
    s.box("seam", (0.1, oval * 0.9, 0.05), (0.0, 0.0, radius), when=oval > 1)


@category("head", "body", "base", "crown")
def chess_piece(s: Sketch) -> None:
    """A turned figure: a pawn, a bishop, a queen or a rook, with a collar."""
    tall, foot, waist = s.uniform(0.8, 1.4), s.uniform(0.28, 0.4), s.uniform(0.1, 0.16)
    s.lathe("base", ((0.0, 0.0), (foot, 0.0), (foot, 0.08), (foot * 0.75, 0.14), (foot * 0.8, 0.2), (waist * 1.3, 0.3)))
    s.lathe("body", ((waist * 1.4, 0.25), (waist, tall * 0.6), (waist * 1.2, tall * 0.85)), smooth=True)
    s.torus("body", waist * 1.5, 0.05, (0.0, tall * 0.85, 0.0))
    style, size = s.style(1, 1, 1, 1), s.uniform(0.16, 0.22)
    s.ellipsoid("head", (size, size, size), (0.0, tall + size * 0.7, 0.0), when=style == 0)
    s.ellipsoid("head", (size * 0.9, size * 1.4, size * 0.9), (0.0, tall + size, 0.0), when=style == 1)
    s.ellipsoid("crown", (0.05, 0.05, 0.05), (0.0, tall + size * 2.4, 0.0), when=style == 1)
    s.lathe("head", ((waist, tall * 0.85), (size * 1.2, tall + 0.25), (0.0, tall + 0.25)), when=style == 2)
    a = np.radians(spread(6, 6))
    s.ellipsoid("crown", (0.05, 0.08, 0.05), (np.cos(a) * size, tall + 0.28, np.sin(a) * size), when=style == 2)
    s.cylinder("head", size * 1.2, 0.3, (0.0, tall * 0.88, 0.0), when=style == 3)
    s.box("crown", (0.1, 0.12, 0.1), (np.cos(a) * size, tall * 0.88 + 0.34, np.sin(a) * size), when=style == 3)


@category("cup", "handle", "base")
def trophy(s: Sketch) -> None:
    """A cup with two ears on a stem on a block."""
    radius, tall = s.uniform(0.3, 0.5), s.uniform(0.4, 0.8)
    s.lathe("cup", hollow([(0.05, 0.5), (radius * 0.8, 0.5 + tall * 0.4), (radius, 0.5 + tall)], 0.02), smooth=True)
    s.lathe("cup", ((0.2, 0.0), (0.05, 0.15), (0.08, 0.3), (0.04, 0.5)), smooth=True)
    ear = SIDES * radius * 0.95
    path = ((ear * 0.75, 0.5 + tall * 0.3, 0.0), (ear * 1.6, 0.5 + tall * 0.6, 0.0), (ear, 0.5 + tall * 0.95, 0.0))
    s.tube("handle", path, 0.03, smooth=True)
    s.box("base", (0.5, s.uniform(0.1, 0.35), 0.5), (0.0, -0.08, 0.0), taper=(0.85, 0.85))


@category("crown", "brim", "band")
def hat(s: Sketch) -> None:
    """A crown with a brim or a peak: a top hat, a bowler, a sun hat, a cap, a cone or a cook's hat."""
    radius, tall, style = s.uniform(0.35, 0.45), s.uniform(0.25, 0.7), s.style(1, 1, 1, 0.7)
    brim = radius * s.uniform(1.3, 2.2)
    s.cylinder("crown", radius, tall, top=radius * s.uniform(0.7, 1.2), squash=(1.0, 1.2), when=style == 0)
    s.ellipsoid("crown", (radius, tall * 0.8, radius * 1.2), span=(0.0, 90.0), when=(style == 1) | (style == 2))
    s.lathe("crown", ((radius, 0.0), (0.0, tall * 1.8)), when=style == 3)
    s.lathe("brim", ((radius, 0.0), (brim, s.uniform(-0.15, 0.12))), squash=(1.0, 1.15), when=(style != 2))
    peak = (
        (-radius, 0.0),
        (radius, 0.0),
        (radius * 0.8, radius * 1.0),
        (0.0, radius * 1.2),
        (-radius * 0.8, radius * 1.0),
    )
    s.plate(
        "brim",
        [(y, x) for x, y in peak],
        0.03,
        (0.0, 0.02, radius * 0.8),
        along="x",
        turn=(12.0, 0.0, 0.0),
        when=style == 2,
    )
    s.torus("band", radius * 1.02, 0.035, (0.0, 0.05, 0.0))


@category("upper", "sole", "heel")
def shoe(s: Sketch) -> None:
    """A shoe, a boot or a pump, with its sole and heel."""
    length, wide, heel = (
        s.uniform(0.5, 0.6),
        s.uniform(0.17, 0.22),
        np.where(s.chance(0.35), s.uniform(0.15, 0.4), 0.06),
    )
    toe = (0.0, wide * 0.45, length * 0.55)
    s.ellipsoid("upper", (wide, wide * 0.6, length * 0.55), toe, power=(1.0, 0.8))
    shaft = np.where(s.chance(0.5), s.uniform(0.2, 1.0), 0.1)
    ankle = heel + 0.1
    s.tube("upper", ((0.0, wide * 0.5, length * 0.5), (0.0, ankle, -length * 0.1)), (wide * 0.7, wide * 0.8))
    profile: list[Pair] = [
        (wide * 0.85, ankle),
        (wide * 0.7, ankle + shaft * 0.5),
        (wide * s.uniform(0.8, 1.2), ankle + shaft),
    ]
    s.lathe("upper", hollow(profile, 0.02), (0.0, 0.0, -length * 0.25), squash=(0.9, 1.2))
    s.box("sole", (wide * 1.9, 0.05, length * 1.1), (0.0, 0.02, length * 0.5))
    rise = np.degrees(np.arctan(heel / length))
    s.box("sole", (wide * 1.6, 0.05, length * 0.9), (0.0, heel * 0.6, -length * 0.1), turn=(rise, 0.0, 0.0))
    s.box("heel", (wide * s.uniform(0.5, 1.6), heel, wide * s.uniform(0.5, 1.4)), (0.0, heel / 2, -length * 0.4))


@category("frame", "glass", "temple")
def glasses(s: Sketch) -> None:
    """Two rims or panes joined by a bridge, with temples, open."""
    size, ratio, gap = s.uniform(0.25, 0.38), s.uniform(0.6, 1), s.uniform(0.05, 0.12)
    x = SIDES * (size + gap)
    pane = s.chance(0.5)
    s.torus("frame", size, 0.025, (x, 0.0, 0.0), along="z", when=~pane | (ratio > 0.85))
    s.ellipsoid(
        "glass", (size, size * ratio, 0.025), (x, 0.0, 0.0), power=(1.0, s.uniform(0.4, 1)), along="z", when=pane
    )
    s.ellipsoid("glass", (size, size * ratio, 0.02), (x, 0.0, 0.0), power=(0.6, 1.0), when=pane | s.chance(0.3))
    s.tube("frame", ((-gap * 1.3, 0.05, 0.0), (0.0, 0.1, 0.02), (gap * 1.3, 0.05, 0.0)), 0.025, smooth=True)
    out, long = (size * 2 + gap) * SIDES, s.uniform(0.8, 1.1)
    s.tube("temple", ((out, 0.1, 0.0), (out, 0.1, -long), (out * 0.95, -0.15, -long * 1.25)), 0.025, smooth=True)


@category("body", "handle", "flap")
def bag(s: Sketch) -> None:
    """A handbag, a shopping bag, a backpack or a suitcase."""
    wide, tall, deep, style = s.uniform(0.6, 1.0), s.uniform(0.5, 1.0), s.uniform(0.2, 0.4), s.style(1, 1, 1)
    soft = s.chance(0.4)
    taper = (s.uniform(0.6, 1.1), s.uniform(0.4, 1))
    s.box("body", (wide, tall, deep), (0.0, tall / 2, 0.0), taper=taper, when=~soft)
    s.ellipsoid("body", (wide / 2, tall / 2, deep / 2), (0.0, tall / 2, 0.0), power=(0.5, 0.4), when=soft)
    reach = s.uniform(0.15, 0.5)
    for sign in (-1, 1):
        z = sign * deep * 0.25
        path = (
            (-wide * 0.25, tall * 0.9, z),
            (-wide * 0.2, tall + reach, z),
            (wide * 0.2, tall + reach, z),
            (wide * 0.25, tall * 0.9, z),
        )
        s.tube("handle", path, 0.025, smooth=True, when=(style == 0) | (style == 1) & (sign > 0))
    strap = (
        (SIDES * wide * 0.25, tall * 0.95, -deep / 2),
        (SIDES * wide * 0.3, tall * 0.6, -deep),
        (SIDES * wide * 0.3, 0.1, -deep / 2),
    )
    s.tube("handle", strap, 0.04, smooth=True, when=style == 2)
    s.box("flap", (wide * 0.8, tall * 0.45, 0.06), (0.0, tall * s.uniform(0.3, 0.75), deep / 2))
    s.cylinder("flap", 0.06, 0.05, (SIDES * wide * 0.4, -0.05, 0.0), along="z", when=style == 1)


@category("tier", "topping", "plate")
def cake(s: Sketch) -> None:
    """One to four round or square tiers on a plate, with a rim of toppings, candles or a missing slice."""
    tiers, radius, square = s.count(1, 4), s.uniform(0.6, 0.9), s.chance(0.25)
    i, tall = row(4), s.uniform(0.25, 0.45)
    size = radius * (1 - 0.22 * i)
    s.cylinder("tier", size, tall, (0.0, i * tall, 0.0), sides=24, when=~square & (i < tiers))
    s.box("tier", (size * 1.8, tall, size * 1.8), (0.0, (i + 0.5) * tall, 0.0), when=square & (i < tiers))
    a, top = np.radians(spread(10, 10)), tiers * tall
    reach = radius * (1 - 0.22 * (tiers - 1)) * 0.75
    x, z, candle = np.cos(a) * reach, np.sin(a) * reach, s.chance(0.5)
    s.ellipsoid("topping", (0.08, 0.08, 0.08), (x, top + 0.05, z), when=~candle)
    s.cylinder("topping", 0.025, 0.3, (x, top, z), when=candle)
    s.cylinder("plate", radius * s.uniform(1.1, 1.4), 0.04, (0.0, -0.04, 0.0), sides=24)
    s.cylinder("plate", radius * 0.3, 0.4, (0.0, -0.44, 0.0), top=0.1, when=s.chance(0.3))


@category("seat", "rope", "frame")
def swing(s: Sketch) -> None:
    """One or two seats on ropes under a beam between two pairs of legs."""
    wide, tall, seats = s.uniform(0.9, 1.6), s.uniform(1.0, 1.4), s.count(1, 2)
    s.tube("frame", ((-wide, tall, 0.0), (wide, tall, 0.0)), 0.035)
    spread_ = s.uniform(0.3, 0.5)
    for sign in (-1, 1):
        s.tube("frame", ((SIDES * wide, tall, 0.0), (SIDES * wide * 1.08, 0.0, sign * spread_)), 0.035)
    i, sway = row(2), np.radians(s.uniform(-30, 30, 2))
    x, drop = (i - (seats - 1) / 2) * wide * 0.9, tall * s.uniform(0.6, 0.8)
    low, front = tall - np.cos(sway) * drop, np.sin(sway) * drop
    s.box("seat", (0.4, 0.04, 0.2), (x, low, front), turn=(-np.degrees(sway), 0.0, 0.0), when=i < seats)
    for sign in (-1, 1):
        s.tube("rope", ((x + sign * 0.17, tall, 0.0), (x + sign * 0.19, low, front)), 0.012, sides=4, when=i < seats)


@category("sail", "spar", "tail")
def kite(s: Sketch) -> None:
    """A flat or bent diamond, or a box, with spars and a tail."""
    wide, low, high = s.uniform(0.5, 0.9), s.uniform(0.8, 1.3), s.uniform(0.3, 0.6)
    boxed = s.chance(0.25)
    s.plate("sail", mirrored([(0.0, -low), (wide, 0.0), (0.02, high)]), 0.02, when=~boxed)
    for level in (-0.5, 0.5):
        for angle in (0.0, 90.0):
            for sign in (-1, 1):
                at = (0.3 * sign * np.sin(np.radians(angle)), level, 0.3 * sign * np.cos(np.radians(angle)))
                s.box("sail", (0.6, 0.35, 0.012), at, turn=(0.0, angle, 0.0), when=boxed)
    s.tube("spar", ((-wide, 0.0, 0.03), (wide, 0.0, 0.03)), 0.02)
    s.tube("spar", ((0.0, -low, 0.03), (0.0, high, 0.03)), 0.02)
    t, sway = np.linspace(0, 1, 8).tolist(), s.uniform(0.05, 0.3)
    s.tube(
        "tail", [(sway * np.sin(6 * x), -low - x * 1.2, sway * np.cos(5 * x)) for x in t], 0.02, smooth=True, sides=4
    )
    bow = row(4) / 4 + 0.2
    s.ellipsoid("tail", (0.1, 0.05, 0.02), (sway * np.sin(6 * bow), -low - bow * 1.2, sway * np.cos(5 * bow)))


@category("body", "rocker", "head", "leg")
def rocking_horse(s: Sketch) -> None:
    """A horse on two bows, with a neck, a head and a grip."""
    length, tall = s.uniform(0.45, 0.6), s.uniform(0.4, 0.55)
    s.ellipsoid("body", (length, s.uniform(0.14, 0.2), 0.16), (0.0, tall, 0.0))
    four_legs(s, "leg", length * 0.8, 0.17, tall)
    z, rise = SIDES * 0.16, s.uniform(0.1, 0.3)
    path = ((-length * 1.5, rise, z), (-length * 0.7, 0.0, z), (length * 0.7, 0.0, z), (length * 1.5, rise, z))
    s.tube("rocker", path, 0.03, smooth=True)
    top = (length * 1.2, tall + s.uniform(0.35, 0.55), 0.0)
    s.tube("head", ((length * 0.7, tall, 0.0), top), (0.13, 0.09))
    s.ellipsoid("head", (0.2, 0.1, 0.08), (top[0] + 0.1, top[1], 0.0), turn=(0.0, 0.0, -30.0))
    s.tube("head", ((top[0] - 0.05, top[1], -0.2), (top[0] - 0.05, top[1], 0.2)), 0.022)


LEISURE: tuple[Category, ...] = (
    piano, drum, trumpet, flute, harp, ball, chess_piece, trophy, hat, shoe, glasses, bag, cake, swing, kite,
    rocking_horse,
)  # fmt: skip
