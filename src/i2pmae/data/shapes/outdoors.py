"""Recipes: street and garden, more buildings and vehicles."""

import numpy as np

from i2pmae.data.shapes.sketch import Category, Sketch, category, corners, row, spread
from i2pmae.data.shapes.vehicles import wheels
from i2pmae.data.shapes.vessels import hollow

__all__ = ["OUTDOORS"]

SIDES = np.array([[-1, 1]], np.float32)


@category("post", "rail", "picket")
def fence(s: Sketch) -> None:
    """Posts with rails, pickets or a wall of boards, straight or round a corner."""
    fields, tall, wide = s.count(1, 4), s.uniform(0.5, 1.0), s.uniform(0.7, 1.1)
    i, style = row(5), s.style(1, 1, 1)
    x = (i - fields / 2) * wide
    s.box("post", (0.08, tall * 1.15, 0.08), (x, tall * 0.57, 0.0), when=i <= fields)
    level = (row(3) + 1) / 3.5 * tall
    s.box("rail", (fields * wide, 0.06, 0.03), (0.0, level, 0.0))
    j = row(32)
    there, x = j < fields * 8, (j - (fields * 8 - 1) / 2) * wide / 8
    lath = ((-0.03, 0.0), (0.03, 0.0), (0.03, tall * 0.9), (0.0, tall), (-0.03, tall * 0.9))
    s.plate("picket", lath, 0.02, (x, 0.0, 0.04), when=there & (style == 0))
    s.box("picket", (wide / 8.5, tall, 0.02), (x, tall / 2, 0.04), when=there & (style == 1))
    s.tube("picket", ((x, 0.0, 0.0), (x, tall * 1.05, 0.0)), 0.012, sides=4, when=there & (style == 2))


@category("pole", "arm", "lamp", "base")
def street_lamp(s: Sketch) -> None:
    """A tall pole with one or two bent arms, or with a lantern on top."""
    tall, style, reach = s.uniform(1.6, 2.4), s.style(1.3, 1), s.uniform(0.3, 0.7)
    s.cylinder("pole", s.uniform(0.03, 0.06), tall, top=0.025)
    s.cylinder("base", 0.1, s.uniform(0.1, 0.4), top=0.05)
    side, both = np.array([[1, -1]]), s.chance(0.4)
    there = (style == 0) & (both | (row(2) < 1))
    path = (
        (0.0, tall * 0.95, 0.0),
        (side * reach * 0.4, tall * s.uniform(1.0, 1.12), 0.0),
        (side * reach, tall * 1.04, 0.0),
    )
    s.tube("arm", path, 0.025, smooth=True, when=there)
    s.ellipsoid("lamp", (0.17, 0.04, 0.08), (side * reach * 1.15, tall * 1.03, 0.0), when=there)
    s.lathe("lamp", ((0.08, tall), (0.17, tall + 0.3), (0.0, tall + 0.42)), sides=6, when=style == 1)
    s.box("arm", (0.4, 0.025, 0.025), (0.0, tall * 0.9, 0.0), when=style == 1)


@category("plate", "pole", "light")
def road_sign(s: Sketch) -> None:
    """A round, triangular, square or arrow plate on a pole, or a box of three lights."""
    tall, size, style = s.uniform(1.2, 2.0), s.uniform(0.25, 0.4), s.style(1, 1, 1, 1, 1.2)
    s.cylinder("pole", 0.03, tall)
    at = (0.0, tall, 0.04)
    s.cylinder("plate", size, 0.02, at, along="z", when=style == 0)
    s.plate("plate", ((-size, -size * 0.6), (size, -size * 0.6), (0.0, size)), 0.02, at, when=style == 1)
    s.box(
        "plate",
        (size * 2, size * s.uniform(0.7, 2), 0.02),
        at,
        turn=(0.0, 0.0, np.where(s.chance(0.3), 45, 0)),
        when=style == 2,
    )
    arrow = ((-size, -size * 0.3), (size, -size * 0.3), (size * 1.4, 0.0), (size, size * 0.3), (-size, size * 0.3))
    s.plate("plate", arrow, 0.02, at, turn=(0.0, s.uniform(0, 180), 0.0), when=style == 3)
    s.box("plate", (size * 0.8, size * 2.2, size * 0.6), (0.0, tall, size * 0.2), when=style == 4)
    s.ellipsoid(
        "light", (size * 0.26, size * 0.26, 0.1), (0.0, tall + (row(3) - 1) * size * 0.7, size * 0.5), when=style == 4
    )


@category("body", "cap", "outlet")
def hydrant(s: Sketch) -> None:
    """A stout post with a dome and outlets to the sides; or a letter box on a post."""
    radius, tall = s.uniform(0.2, 0.3), s.uniform(0.6, 1.0)
    s.cylinder("body", radius, tall)
    s.cylinder("body", radius * 1.35, 0.08)
    s.torus("body", radius * 1.15, 0.05, (0.0, tall, 0.0))
    s.ellipsoid("cap", (radius, radius * s.uniform(0.6, 1.2), radius), (0.0, tall, 0.0), span=(0.0, 90.0))
    s.cylinder("cap", 0.06, 0.12, (0.0, tall + radius, 0.0))
    level, reach = tall * s.uniform(0.55, 0.8), radius * s.uniform(1.4, 1.8)
    s.cylinder("outlet", 0.1, reach * 2, (-reach, level, 0.0), along="x")
    s.cylinder("outlet", 0.14, reach, (0.0, level, 0.0), along="z", when=s.chance(0.6))


@category("basin", "column", "bowl", "water")
def fountain(s: Sketch) -> None:
    """A round basin with one to three bowls on a column, and jets."""
    radius, bowls = s.uniform(0.7, 1.0), s.count(1, 3)
    s.lathe("basin", hollow([(radius, 0.0), (radius, s.uniform(0.15, 0.35))], 0.08), sides=24)
    step = s.uniform(0.4, 0.6)
    s.cylinder("column", 0.09, bowls * step, top=0.05)
    for number in range(3):
        size, level = radius * (0.62 - 0.17 * number), (number + 1) * step
        bowl = hollow([(0.05, level - 0.12), (size * 0.8, level - 0.06), (size, level)], 0.03)
        s.lathe("bowl", bowl, when=bowls > number)
    a, jets = np.radians(spread(8, 8)), s.chance(0.5)
    x, z, top = np.cos(a) * radius * 0.8, np.sin(a) * radius * 0.8, bowls * step
    s.tube(
        "water", ((0.0, top, 0.0), (x * 0.5, top + 0.3, z * 0.5), (x, 0.1, z)), 0.015, smooth=True, sides=4, when=jets
    )
    s.ellipsoid("water", (0.1, s.uniform(0.1, 0.3), 0.1), (0.0, top + 0.1, 0.0), when=~jets)


@category("tower", "cap", "sail", "door")
def windmill(s: Sketch) -> None:
    """A tapered tower with a cap and three or four sails: a mill or a wind turbine."""
    tall, old, blades = s.uniform(1.2, 1.7), s.chance(0.55), s.count(3, 4)
    s.cylinder("tower", s.uniform(0.35, 0.5), tall, top=0.25, sides=8, when=old)
    s.cylinder("tower", 0.08, tall * 1.3, top=0.05, when=~old)
    level = np.where(old, tall, tall * 1.3)
    s.ellipsoid("cap", (0.28, 0.28, 0.28), (0.0, level, 0.0), span=(0.0, 90.0), when=old)
    s.ellipsoid("cap", (0.07, 0.07, 0.2), (0.0, level, 0.0), when=~old)
    s.box("door", (0.2, 0.35, 0.1), (0.0, 0.18, 0.42))
    angle = spread(blades, 4) + s.uniform(0, 90)
    a, long = np.radians(angle), s.uniform(0.6, 1.0)
    there, front = row(4) < blades, np.where(old, 0.35, 0.2)
    tip = (-np.sin(a) * long, level + 0.05 + np.cos(a) * long, front)
    s.tube("sail", ((0.0, level + 0.05, front), tip), (0.04, 0.015), when=there)
    at = (-np.sin(a) * long * 0.6, level + 0.05 + np.cos(a) * long * 0.6, front)
    s.box("sail", (np.where(old, 0.22, 0.08), long * 0.75, 0.015), at, turn=(0.0, 0.0, angle), when=there)


@category("column", "base", "beam")
def temple(s: Sketch) -> None:
    """Rows of columns on steps under a beam and a gable; now and then a single column or a ruin."""
    columns, tall, gap = s.count(2, 6), s.uniform(0.8, 1.4), s.uniform(0.28, 0.45)
    i, radius = row(12), s.uniform(0.05, 0.1)
    wide, deep = columns * gap, s.uniform(0.5, 1.2)
    place = ((i // 2 - (columns - 1) / 2) * gap, 0.0, (i % 2 - 0.5) * deep)
    ruin = s.chance(0.25)
    height = tall * np.where(ruin, s.uniform(0.3, 1, 12), 1)
    s.box(
        "column",
        (radius * 2, height, radius * 2),
        (place[0], height / 2, place[2]),
        when=(i // 2 < columns) & s.chance(0.3),
    )
    s.tube("column", (place, (place[0], height, place[2])), (radius, radius * 0.8), sides=12, when=i // 2 < columns)
    step = row(3)
    s.box("base", (wide + 0.1 + 0.12 * step, 0.06, deep + 0.3 + 0.12 * step), (0.0, -0.03 - 0.06 * step, 0.0))
    s.box("beam", (wide, 0.14, deep + 0.25), (0.0, tall + 0.07, 0.0), when=~ruin)
    gable = ((-(deep + 0.3) / 2, 0.0), ((deep + 0.3) / 2, 0.0), (0.0, s.uniform(0.15, 0.35)))
    s.plate("beam", gable, wide * 1.05, (0.0, tall + 0.14, 0.0), turn=(0.0, 90.0, 0.0), when=~ruin & s.chance(0.8))


@category("block", "storey", "top")
def skyscraper(s: Sketch) -> None:
    """Tall blocks that step back, with floors marked, round or square or twisted, and a mast."""
    wide, tall, steps = s.uniform(0.4, 0.6), s.uniform(1.4, 2.4), s.count(1, 4)
    i, round_ = row(4), s.chance(0.25)
    size, high = wide * (1 - 0.2 * i), tall * (0.4 + 0.2 * i)
    s.box("block", (size, high, size * s.uniform(0.6, 1)), (0.0, high / 2, 0.0), when=~round_ & (i < steps))
    s.cylinder("block", size / 2, tall, top=size * 0.4, when=round_ & (i < 1))
    floor, twist = row(12), s.uniform(-4, 4) * (s.chance(0.4))
    s.box(
        "storey",
        (wide * 1.1, 0.03, wide * 1.05),
        (0.0, (floor + 1) * tall * 0.033, 0.0),
        turn=(0.0, twist * floor, 0.0),
    )
    top = np.where(round_, tall, tall * (0.4 + 0.2 * (steps - 1)))
    s.cylinder("top", 0.03, s.uniform(0.2, 0.7), (0.0, top, 0.0), top=0.0, when=s.chance(0.7))
    s.box("top", (wide * 0.3, 0.12, wide * 0.3), (0.0, top + 0.05, 0.0))


@category("canopy", "pole", "floor")
def gazebo(s: Sketch) -> None:
    """A roof on a ring of posts, with a floor and a low wall: a pavilion, a bandstand or a shelter."""
    posts, radius, tall = s.count(4, 8), s.uniform(0.6, 0.8), s.uniform(0.8, 1.1)
    a, there = np.radians(spread(posts, 8)), row(8) < posts
    x, z, rise = np.cos(a) * radius, np.sin(a) * radius, s.uniform(0.2, 0.6)
    s.tube("pole", ((x, 0.0, z), (x, tall, z)), s.uniform(0.025, 0.05), when=there)
    dome = s.chance(0.4)
    s.lathe("canopy", ((radius * 1.2, tall), (0.0, tall + rise)), sides=8, when=~dome)
    s.ellipsoid("canopy", (radius * 1.1, rise, radius * 1.1), (0.0, tall, 0.0), span=(0.0, 90.0), when=dome)
    s.cylinder("floor", radius * 1.15, 0.08, (0.0, -0.08, 0.0), sides=8, when=s.chance(0.8))
    b = np.radians(spread(posts, 8) + 360 / posts)
    s.tube("floor", ((x, 0.35, z), (np.cos(b) * radius, 0.35, np.sin(b) * radius)), 0.02, when=there & s.chance(0.6))


@category("frame", "wheel", "seat", "bar")
def motorcycle(s: Sketch) -> None:
    """Two wheels with an engine, a tank, a seat and a handlebar: a motorcycle or a scooter."""
    base, radius, tread = s.uniform(0.55, 0.75), s.uniform(0.22, 0.34), s.uniform(0.05, 0.09)
    s.torus("wheel", radius, tread, (SIDES * base, radius, 0.0), along="z")
    s.cylinder("wheel", radius * 0.3, 0.08, (SIDES * base, radius, -0.04), along="z")
    seat = radius + s.uniform(0.25, 0.4)
    s.ellipsoid("frame", (base * 0.35, 0.16, 0.12), (0.15, seat + 0.03, 0.0))
    s.box("frame", (base * 0.6, 0.28, 0.22), (0.0, radius * 1.1, 0.0))
    s.ellipsoid("seat", (base * 0.4, 0.07, 0.12), (-base * 0.4, seat, 0.0), power=(0.6, 0.6))
    s.tube("frame", ((base, radius, SIDES * 0.08), (base * 0.65, seat + 0.25, SIDES * 0.08)), 0.03)
    s.tube("frame", ((-base, radius, SIDES * 0.08), (-base * 0.2, radius * 0.9, SIDES * 0.08)), 0.03)
    grip = s.uniform(0.25, 0.4)
    s.tube(
        "bar",
        ((base * 0.55, seat + 0.3, -grip), (base * 0.65, seat + 0.25, 0.0), (base * 0.55, seat + 0.3, grip)),
        0.022,
    )
    s.ellipsoid("bar", (0.08, 0.09, 0.09), (base * 0.75, seat + 0.15, 0.0))
    s.tube("frame", ((0.0, radius * 0.6, 0.16), (-base * 1.2, radius * 0.8, 0.16)), 0.045, when=s.chance(0.7))


@category("body", "cab", "wheel", "tool")
def tractor(s: Sketch) -> None:
    """Two large wheels behind, two small ones before, a bonnet, a cab or a seat, and perhaps a shovel."""
    large, small = s.uniform(0.38, 0.5), s.uniform(0.18, 0.3)
    long, wide = s.uniform(0.8, 1.1), s.uniform(0.32, 0.42)
    wheels(s, row(2) * 0 - long * 0.5, SIDES * wide, large)
    wheels(s, row(2) * 0 + long * 0.5, SIDES * wide * 0.9, small)
    s.box("body", (long * 0.8, 0.3, wide), (long * 0.25, large * 1.1, 0.0), taper=(0.95, 0.8))
    s.box("body", (long * 1.1, 0.14, wide * 0.8), (0.0, large * 0.75, 0.0))
    tall, open_ = s.uniform(0.5, 0.7), s.chance(0.3)
    s.box(
        "cab",
        (long * 0.5, tall, wide * 1.3),
        (-long * 0.4, large * 1.2 + tall / 2, 0.0),
        taper=(0.85, 0.9),
        when=~open_,
    )
    s.box("cab", (0.3, 0.06, 0.3), (-long * 0.4, large * 1.3, 0.0), when=open_)
    s.cylinder("tool", 0.03, 0.4, (long * 0.4, large * 1.4, 0.0))
    front = long * 0.5 + small + 0.25
    shovel = s.chance(0.35)
    s.tube("tool", ((0.0, large * 1.2, SIDES * wide * 0.6), (front, small, SIDES * wide * 0.6)), 0.035, when=shovel)
    s.box("tool", (0.25, 0.3, wide * 2.2), (front + 0.1, small, 0.0), taper=(0.4, 1.0), when=shovel)


@category("boiler", "cab", "wheel", "chimney")
def locomotive(s: Sketch) -> None:
    """A steam engine: a boiler with a chimney and domes, a cab behind, wheels in a row."""
    long, radius, pairs = s.uniform(1.4, 2.0), s.uniform(0.22, 0.32), s.count(3, 5)
    wheel = s.uniform(0.14, 0.22)
    level = wheel * 1.5 + radius
    s.cylinder("boiler", radius, long * 0.75, (-long * 0.2, level, 0.0), along="x")
    s.box("boiler", (long, 0.12, radius * 2), (0.0, wheel * 1.4, 0.0))
    tall = s.uniform(0.7, 0.95)
    s.box("cab", (long * 0.28, tall, radius * 2.3), (-long * 0.36, wheel * 1.5 + tall / 2, 0.0))
    s.box("cab", (long * 0.36, 0.05, radius * 2.6), (-long * 0.36, wheel * 1.5 + tall, 0.0))
    s.cylinder(
        "chimney", 0.07, s.uniform(0.15, 0.4), (long * 0.42, level + radius * 0.8, 0.0), top=s.uniform(0.06, 0.14)
    )
    s.ellipsoid("chimney", (0.1, 0.14, 0.1), (long * np.array([[0.05, 0.22]]), level + radius, 0.0))
    i = row(10)
    x = (i // 2 - (pairs - 1) / 2) * long * 0.85 / pairs
    wheels(s, x, np.where(i % 2 == 0, -1, 1) * radius, wheel, i // 2 < pairs)
    s.box("chimney", (0.15, 0.2, radius * 2), (long * 0.53, wheel, 0.0), taper=(0.2, 0.7), when=s.chance(0.6))


@category("hull", "tower", "fin", "propeller")
def submarine(s: Sketch) -> None:
    """A long round hull with a tower, fins crosswise behind and a propeller."""
    long, radius = s.uniform(0.9, 1.3), s.uniform(0.15, 0.25)
    s.lathe(
        "hull",
        ((0.02, -long), (radius * 0.7, -long * 0.6), (radius, 0.0), (radius, long * 0.6), (0.0, long)),
        along="x",
        smooth=True,
    )
    x = long * s.uniform(0, 0.3)
    s.box("tower", (0.35, 0.25, 0.12), (x, radius + 0.1, 0.0), taper=(0.8, 0.9))
    s.tube("tower", ((x + 0.1 * row(2), radius, 0.0), (x + 0.1 * row(2), radius + 0.5, 0.0)), 0.015, sides=6)
    fin = ((0.0, 0.03), (0.2, 0.0), (0.05, radius * 1.5), (-0.05, radius * 1.5))
    s.plate("fin", fin, 0.025, (-long * 0.85, 0.0, 0.0), turn=(90 * row(4), 0.0, 0.0))
    s.box("fin", (0.15, 0.02, radius * 3), (x, radius + 0.1, 0.0), when=s.chance(0.6))
    s.box("propeller", (0.02, radius * 1.6, 0.05), (-long, 0.0, 0.0), turn=(s.uniform(0, 90) + 60 * row(3), 0.0, 0.0))


@category("envelope", "basket", "rope")
def balloon(s: Sketch) -> None:
    """A hot-air balloon: a drop of gores over a basket on ropes; or an airship with a gondola."""
    radius, ship, stretch = s.uniform(0.6, 0.8), s.chance(0.35), s.uniform(0.9, 1.3)
    drop = (
        (0.18, 0.0),
        (radius * 0.85, 0.55 * stretch),
        (radius, 0.95 * stretch),
        (radius * 0.6, 1.4 * stretch),
        (0.0, 1.5 * stretch),
    )
    s.lathe("envelope", drop, smooth=True, when=~ship)
    cigar = ((0.0, -1.4), (radius * 0.5, -0.8), (radius * 0.6, 0.2), (radius * 0.4, 0.9), (0.0, 1.3))
    s.lathe("envelope", cigar, along="x", smooth=True, when=ship)
    fin = ((-1.3, 0.05), (-0.8, 0.2), (-1.0, 0.6), (-1.4, 0.6))
    s.plate("envelope", fin, 0.03, turn=(90 * row(4), 0.0, 0.0), when=ship)
    s.box("basket", (0.25, 0.2, 0.25), (0.0, -0.45, 0.0), when=~ship)
    s.ellipsoid("basket", (0.35, 0.1, 0.1), (0.0, -radius * 0.65, 0.0), power=(0.5, 0.5), when=ship)
    x, z = corners(0.11, 0.11)
    s.tube("rope", ((x, -0.4, z), (x * 1.3, 0.05, z * 1.3)), 0.01, sides=4, when=~ship)
    s.box("rope", (0.05, 0.15, 0.05), (SIDES * 0.2, -radius * 0.55, 0.0), when=ship)


OUTDOORS: tuple[Category, ...] = (
    fence, street_lamp, road_sign, hydrant, fountain, windmill, temple, skyscraper, gazebo, motorcycle, tractor,
    locomotive, submarine, balloon,
)  # fmt: skip
