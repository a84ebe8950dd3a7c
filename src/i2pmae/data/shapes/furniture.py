"""Recipes: furniture. Seats, tables and beds share legs, slabs and proportions: no outline alone tells one."""

import numpy as np

from i2pmae.data.shapes.primitives import Value
from i2pmae.data.shapes.sketch import Category, Sketch, category, corners, row, spread

__all__ = ["FURNITURE"]


def four_legs(s: Sketch, part: str, x: Value, z: Value, height: Value, when: np.ndarray | None = None) -> None:
    """Four straight, splayed or tapered legs, square or round, under a top that reaches (±x, ±z)."""
    thick, splay, taper = s.uniform(0.02, 0.045), s.uniform(0.9, 1.15), s.uniform(0.5, 1)
    inset = s.uniform(0.8, 0.95)
    top_x, top_z = corners(x * inset, z * inset)
    square = s.chance(0.5)
    square, round_ = (square, ~square) if when is None else (square & when, ~square & when)
    ends = ((top_x * splay, 0.0, top_z * splay), (top_x, height, top_z))
    s.tube(part, ends, (thick * taper, thick), sides=8, when=round_)
    s.tube(part, ends, (thick * taper * 1.3, thick * 1.3), sides=4, when=square)


def pedestal(s: Sketch, part: str, reach: Value, height: Value, when: np.ndarray) -> None:
    """One column on a disc or on a star of three to five feet."""
    thick, star = s.uniform(0.025, 0.06), s.chance(0.5)
    s.cylinder(part, thick, height, when=when)
    s.cylinder(part, reach, 0.04, top=reach * 0.7, when=when & ~star)
    feet = s.count(3, 5)
    angle = np.radians(spread(feet, 5))
    tip = (np.cos(angle) * reach, 0.02, np.sin(angle) * reach)
    s.tube(part, ((0.0, 0.1, 0.0), tip), 0.025, when=when & star & (row(5) < feet))


@category("seat", "back", "leg", "arm")
def chair(s: Sketch) -> None:
    """A seat with a back: solid, of slats or of rails; four legs or a pedestal; perhaps arms."""
    width, depth, height = s.uniform(0.42, 0.6), s.uniform(0.4, 0.58), s.uniform(0.38, 0.52)
    thick, back, lean = s.uniform(0.03, 0.1), s.uniform(0.3, 0.7), s.uniform(0, 0.15)
    legs, style, round_seat = s.style(3, 1), s.style(2, 1, 1), s.chance(0.25)
    s.box("seat", (width, thick, depth), (0.0, height, 0.0), when=~round_seat)
    s.cylinder("seat", width / 2, thick, (0.0, height - thick / 2, 0.0), squash=(1.0, depth / width), when=round_seat)
    four_legs(s, "leg", width / 2, depth / 2, height, legs == 0)
    pedestal(s, "leg", width * 0.5, height, legs == 1)
    rear, middle = -depth / 2 + 0.02, height + back / 2
    s.box("back", (width, back, 0.04), (0.0, middle, rear), shear=(0.0, -lean), when=style == 0)
    post = (width * 0.46 * np.array([[-1, 1]], np.float32), height, rear)
    s.tube("back", (post, (post[0], height + back, rear - lean)), 0.022, when=style > 0)
    slat = (row(5) - 2) * width * 0.18
    s.tube("back", ((slat, height, rear), (slat, height + back, rear - lean)), 0.014, when=style == 1)
    s.box("back", (width, 0.06, 0.03), (0.0, height + back, rear - lean), when=style == 1)
    level = (row(3) + 1) / 3
    s.box("back", (width, 0.08, 0.025), (0.0, height + back * level, rear - lean * level), when=style == 2)
    arms, side = s.chance(0.35), width / 2 * np.array([[-1, 1]], np.float32)
    rise = s.uniform(0.16, 0.26)
    s.box("arm", (0.05, 0.03, depth * 0.9), (side, height + rise, 0.0), when=arms)
    s.box("arm", (0.035, rise, 0.035), (side, height + rise / 2, depth * 0.38), when=arms)


@category("seat", "leg", "rung")
def stool(s: Sketch) -> None:
    """A seat without a back: round or square, low or high; three or four legs or a pedestal; perhaps rungs."""
    width, height, thick = s.uniform(0.3, 0.5), s.uniform(0.35, 0.8), s.uniform(0.03, 0.12)
    round_seat, legs = s.chance(0.6), s.style(2, 2, 1)
    s.cylinder("seat", width / 2, thick, (0.0, height - thick, 0.0), when=round_seat)
    s.box("seat", (width, thick, width), (0.0, height - thick / 2, 0.0), when=~round_seat)
    four_legs(s, "leg", width * 0.4, width * 0.4, height - thick, legs == 0)
    angle, splay = np.radians(spread(3, 3)), s.uniform(0.35, 0.6)
    x, z = np.cos(angle) * width, np.sin(angle) * width
    s.tube("leg", ((x * splay, 0.0, z * splay), (x * 0.35, height - thick, z * 0.35)), 0.022, when=legs == 1)
    pedestal(s, "leg", width * 0.5, height - thick, legs == 2)
    level = height * s.uniform(0.25, 0.5)
    s.torus("rung", width * 0.38, 0.014, (0.0, level, 0.0), when=s.chance(0.5))


@category("top", "leg", "shelf")
def table(s: Sketch) -> None:
    """A round, square or long top, high or low; four legs, side panels or a pedestal; perhaps a shelf."""
    width, ratio, height = s.uniform(0.6, 1.5), s.uniform(0.45, 1), s.uniform(0.35, 0.8)
    thick, round_top, legs = s.uniform(0.025, 0.08), s.chance(0.35), s.style(3, 1, 1.2)
    depth = width * ratio
    s.cylinder("top", width / 2, thick, (0.0, height, 0.0), squash=(1.0, ratio), sides=24, when=round_top)
    s.box("top", (width, thick, depth), (0.0, height + thick / 2, 0.0), when=~round_top)
    shrink = np.where(round_top, 0.7, 1).astype(np.float32)
    four_legs(s, "leg", width / 2 * shrink, depth / 2 * shrink, height, legs == 0)
    side = width * 0.44 * shrink * np.array([[-1, 1]], np.float32)
    s.box("leg", (0.04, height, depth * 0.85 * shrink), (side, height / 2, 0.0), when=legs == 1)
    pedestal(s, "leg", depth * 0.35, height, legs == 2)
    s.box(
        "shelf",
        (width * 0.8 * shrink, 0.025, depth * 0.8 * shrink),
        (0.0, height * s.uniform(0.2, 0.5), 0.0),
        when=s.chance(0.25) & (legs < 2),
    )


@category("top", "panel", "drawer", "leg")
def desk(s: Sketch) -> None:
    """A long top over one or two blocks of drawers; a panel or legs on the other side."""
    width, depth, height = s.uniform(1, 1.6), s.uniform(0.5, 0.8), s.uniform(0.65, 0.8)
    block, both, thick = s.uniform(0.28, 0.45), s.chance(0.4), s.uniform(0.03, 0.06)
    s.box("top", (width, thick, depth), (0.0, height, 0.0))
    tall = height * s.uniform(0.5, 0.98)
    right, left = width / 2 - block / 2, -width / 2 + block / 2
    s.box("drawer", (block, tall, depth * 0.92), (right, height - tall / 2, 0.0))
    s.box("drawer", (block, tall, depth * 0.92), (left, height - tall / 2, 0.0), when=both)
    level = height - tall * (row(3) + 0.5) / 3
    s.box("drawer", (block * 0.9, tall * 0.28, 0.03), (right, level, depth * 0.47))
    panel = s.chance(0.5)
    s.box("panel", (0.04, height, depth * 0.92), (-width / 2 + 0.03, height / 2, 0.0), when=~both & panel)
    s.box("panel", (width * 0.9, height * 0.5, 0.03), (0.0, height * 0.72, -depth * 0.4), when=s.chance(0.5))
    x, z = corners(width * 0.46, depth * 0.42)
    s.tube("leg", ((x, 0.0, z), (x, height, z)), 0.025, sides=4, when=~panel | (tall < height * 0.8))


@category("seat", "leg", "back", "arm")
def bench(s: Sketch) -> None:
    """A long seat of planks or one slab, on legs or blocks; often a low back, sometimes arms."""
    width, depth, height = s.uniform(1, 1.8), s.uniform(0.32, 0.55), s.uniform(0.36, 0.5)
    planks, back = s.chance(0.5), s.chance(0.5)
    s.box("seat", (width, 0.05, depth), (0.0, height, 0.0), when=~planks)
    s.box("seat", (width, 0.03, depth / 5), (0.0, height, (row(4) - 1.5) * depth / 4), when=planks)
    blocks = s.chance(0.35)
    four_legs(s, "leg", width / 2, depth / 2, height, ~blocks)
    side = width * 0.42 * np.array([[-1, 1]], np.float32)
    s.box("leg", (0.08, height, depth * 0.9), (side, height / 2, 0.0), when=blocks)
    rise, lean = s.uniform(0.25, 0.5), s.uniform(0, 0.15)
    level = (row(3) + 1) / 3
    s.box("back", (width, rise / 5, 0.03), (0.0, height + rise * level, -depth / 2 - lean * level), when=back)
    s.tube("back", ((side, height, -depth / 2), (side, height + rise, -depth / 2 - lean)), 0.02, when=back)
    end = width * 0.48 * np.array([[-1, 1]], np.float32)
    arm = back & s.chance(0.5)
    s.tube(
        "arm",
        ((end, height, depth * 0.42), (end, height + 0.2, depth * 0.42), (end, height + 0.2, -depth * 0.5)),
        0.02,
        when=arm,
    )


@category("seat", "back", "arm", "cushion", "foot")
def sofa(s: Sketch) -> None:
    """An upholstered block with a back and arms, one to four seats, cushions, sometimes a corner piece."""
    width, depth, height = s.uniform(0.8, 2), s.uniform(0.7, 0.95), s.uniform(0.3, 0.45)
    arm, rise, thick = s.uniform(0.1, 0.25), s.uniform(0.3, 0.55), s.uniform(0.12, 0.25)
    s.box("seat", (width, height * 0.75, depth), (0.0, height * 0.5, 0.0))
    s.ellipsoid(
        "back",
        (width / 2, rise * 0.75, thick / 2),
        (0.0, height + rise * 0.25, -depth / 2 + thick / 2),
        power=(0.3, 0.3),
        turn=(-s.uniform(0, 12), 0.0, 0.0),
    )
    side, rolled = width / 2 * np.array([[-1, 1]], np.float32), s.chance(0.4)
    tall = height + rise * s.uniform(0.15, 0.6)
    has_arms = s.chance(0.85)
    s.box("arm", (arm, tall, depth), (side, tall / 2 + 0.04, 0.0), when=has_arms)
    s.cylinder("arm", arm * 0.7, depth, (side, tall, -depth / 2), along="z", when=has_arms & rolled)
    seats = s.count(1, 3)
    place = (row(3) - (seats - 1) / 2) * width * 0.9 / seats
    s.ellipsoid(
        "cushion",
        (width * 0.43 / seats, 0.08, depth * 0.42),
        (place, height + 0.03, thick * 0.4),
        power=(0.4, 0.3),
        when=row(3) < seats,
    )
    x, z = corners(width * 0.45, depth * 0.42)
    s.cylinder("foot", 0.03, 0.1, (x, 0.0, z), when=s.chance(0.6))
    hand = np.where(s.chance(0.5), 1, -1)
    s.box(
        "seat",
        (width * 0.32, height * 0.8, depth * 0.8),
        (hand * width * 0.34, height * 0.5, depth * 0.85),
        when=s.chance(0.15),
    )


@category("mattress", "frame", "headboard", "pillow", "leg")
def bed(s: Sketch) -> None:
    """A mattress on a frame or legs, with a headboard, pillows, perhaps a footboard or a second storey."""
    width, length, height = s.uniform(0.8, 1.8), s.uniform(1.8, 2.1), s.uniform(0.25, 0.55)
    thick, head = s.uniform(0.12, 0.28), s.uniform(0.25, 0.8)
    s.ellipsoid("mattress", (width / 2, thick / 2, length / 2), (0.0, height + thick / 2, 0.0), power=(0.2, 0.15))
    s.box("frame", (width * 1.04, height * 0.45, length * 1.02), (0.0, height * 0.75, 0.0))
    style = s.style(2, 1, 0.5)
    s.box("headboard", (width * 1.05, head + height, 0.06), (0.0, (head + height) / 2, -length / 2), when=style == 0)
    bar = (row(6) - 2.5) * width / 5
    s.tube("headboard", ((bar, height * 0.5, -length / 2), (bar, height + head, -length / 2)), 0.02, when=style == 1)
    s.box("headboard", (width * 1.05, 0.06, 0.05), (0.0, height + head, -length / 2), when=style == 1)
    s.box(
        "headboard",
        (width * 1.05, height + head * 0.5, 0.06),
        (0.0, (height + head * 0.5) / 2, length / 2),
        when=s.chance(0.35),
    )
    x, z = corners(width * 0.48, length * 0.48)
    s.cylinder("leg", s.uniform(0.03, 0.06), height, (x, 0.0, z))
    pillows = np.where(width > 1.2, 2, 1)
    place = (row(2) - (pillows - 1) / 2) * width * 0.45
    s.ellipsoid(
        "pillow",
        (0.28, 0.08, 0.18),
        (place, height + thick + 0.05, -length / 2 + 0.28),
        power=(0.6, 0.4),
        when=row(2) < pillows,
    )


@category("shelf", "side", "book", "back")
def bookshelf(s: Sketch) -> None:
    """Boards between two sides, open or with a rear panel, with some books."""
    width, height, depth = s.uniform(0.6, 1.3), s.uniform(0.8, 2), s.uniform(0.22, 0.4)
    boards = s.count(3, 6)
    step = height / (boards - 1)
    s.box("shelf", (width, 0.03, depth), (0.0, row(6) * step + 0.015, 0.0), when=row(6) < boards)
    sides = width / 2 * np.array([[-1, 1]], np.float32)
    s.box("side", (0.035, height, depth), (sides, height / 2, 0.0), when=s.chance(0.8))
    x, z = corners(width / 2, depth * 0.45)
    s.tube("side", ((x, 0.0, z), (x, height, z)), 0.02, sides=4)
    s.box("back", (width, height, 0.015), (0.0, height / 2, -depth / 2), when=s.chance(0.6))
    tall, slots = s.uniform(0.4, 0.85, 24) * step, np.tile(row(4), 6) * 0.2 + 0.02
    level = np.repeat(row(6), 4, 1)
    wide = s.uniform(0.06, 0.16, 24) * width
    where = (-width * 0.45 + slots * width * 1.05 + wide / 2, level * step + tall / 2 + 0.03, 0.0)
    s.box("book", (wide, tall, depth * 0.6), where, when=(level < boards - 1) & s.chance(0.6, 24) & s.chance(0.8))


@category("body", "door", "handle", "foot")
def cabinet(s: Sketch) -> None:
    """A closed box with doors or drawers, on feet or a plinth: a wardrobe, a chest or a fridge."""
    width, height, depth = s.uniform(0.5, 1.4), s.uniform(0.6, 2), s.uniform(0.35, 0.65)
    foot = s.uniform(0.02, 0.2)
    s.box("body", (width, height, depth), (0.0, foot + height / 2, 0.0))
    x, z = corners(width * 0.45, depth * 0.42)
    s.cylinder("foot", 0.03, foot, (x, 0.0, z))
    columns, drawers = s.count(1, 3), s.chance(0.5)
    rows_ = np.where(drawers, s.count(2, 5), 1)
    index = row(15)
    i, j = index % 3, index // 3
    shown = (i < columns) & (j < rows_)
    x, y = (i - (columns - 1) / 2) * width / columns, foot + (j + 0.5) * height / rows_
    s.box("door", (width * 0.9 / columns, height * 0.92 / rows_, 0.04), (x, y, depth / 2), when=shown)
    s.ellipsoid("handle", (0.03, 0.03, 0.05), (x, y, depth / 2 + 0.05), when=shown)
    s.box("body", (width * 1.1, 0.05, depth * 1.15), (0.0, foot + height, 0.0), when=s.chance(0.4))


@category("shade", "pole", "base")
def lamp(s: Sketch) -> None:
    """A shade on a pole: a floor or table lamp, a bent reading lamp, or a hanging lamp."""
    height, reach, radius = s.uniform(0.5, 1.7), s.uniform(0.12, 0.25), s.uniform(0.1, 0.28)
    style, flare, tall = s.style(2, 1, 1), s.uniform(0.3, 1), s.uniform(0.15, 0.35)
    shade = ((radius, 0.0), (radius * flare, tall))
    s.lathe("shade", shade, (0.0, height - tall / 2, 0.0), when=style == 0)
    s.cylinder("pole", s.uniform(0.012, 0.03), height, when=style == 0)
    s.lathe(
        "base",
        ((0.0, 0.0), (reach, 0.0), (reach * s.uniform(0.2, 0.9), 0.05), (0.02, s.uniform(0.06, 0.3))),
        when=style < 2,
    )
    out, bend = s.uniform(0.25, 0.6), height * s.uniform(0.4, 0.7)
    path = ((0.0, 0.0, 0.0), (-0.1 * out, bend, 0.0), (out * 0.8, height, 0.0))
    s.tube("pole", path, 0.018, when=style == 1)
    s.lathe(
        "shade",
        ((radius * 0.7, -tall * 0.7), (radius * 0.2, 0.0), (0.0, 0.02)),
        (out * 0.8, height, 0.0),
        turn=(0.0, 0.0, s.uniform(0, 50)),
        when=style == 1,
    )
    s.lathe("shade", ((radius * 1.3, 0.0), (radius, tall * 0.5), (0.03, tall)), smooth=True, when=style == 2)
    s.cylinder("pole", 0.012, height * 0.7, (0.0, tall, 0.0), when=style == 2)
    s.cylinder("base", reach * 0.6, 0.03, (0.0, tall + height * 0.7, 0.0), when=style == 2)


@category("screen", "stand", "base", "keyboard")
def monitor(s: Sketch) -> None:
    """A flat screen on a stand: a monitor or a television, perhaps with a keyboard in front."""
    width, ratio, depth = s.uniform(0.5, 1.2), s.uniform(0.5, 0.8), s.uniform(0.02, 0.08)
    height, rise = width * ratio, s.uniform(0.05, 0.2)
    s.box("screen", (width, height, depth), (0.0, rise + height / 2, 0.0), turn=(-s.uniform(0, 12), 0.0, 0.0))
    s.box("screen", (width * 0.6, height * 0.6, depth * 2), (0.0, rise + height / 2, -depth), when=s.chance(0.4))
    forked = s.chance(0.3)
    s.box(
        "stand",
        (width * s.uniform(0.06, 0.2), rise + height * 0.4, 0.03),
        (0.0, (rise + height * 0.4) / 2, -depth),
        when=~forked,
    )
    round_base = s.chance(0.5)
    s.box("base", (width * 0.45, 0.02, width * 0.3), when=~forked & ~round_base)
    s.cylinder("base", width * 0.2, 0.02, when=~forked & round_base)
    side = width * 0.35 * np.array([[-1, 1]], np.float32)
    s.tube(
        "stand", ((side, 0.0, width * 0.15), (side, rise * 1.2, 0.0), (side, 0.0, -width * 0.15)), 0.012, when=forked
    )
    s.box("keyboard", (width * 0.6, 0.02, width * 0.2), (0.0, 0.01, width * 0.4), when=s.chance(0.35))


@category("screen", "keyboard", "hinge")
def laptop(s: Sketch) -> None:
    """Two slabs joined by a hinge, opened by 60 to 150 degrees."""
    width, ratio = s.uniform(0.8, 1.2), s.uniform(0.6, 0.8)
    depth, thick = width * ratio, s.uniform(0.02, 0.06)
    s.box("keyboard", (width, thick, depth), (0.0, 0.0, depth / 2))
    opening = s.uniform(60, 150)
    outline = ((-width / 2, 0.0), (width / 2, 0.0), (width / 2, depth), (-width / 2, depth))
    s.plate("screen", outline, thick * 0.7, (0.0, thick / 2, 0.0), turn=(90 - opening, 0.0, 0.0))
    s.cylinder("hinge", thick * 0.6, width * 0.8, (-width * 0.4, thick / 2, 0.0), along="x")
    key = row(15)
    s.box(
        "keyboard",
        (width * 0.14, thick, depth * 0.11),
        ((key % 5 - 2) * width * 0.17, thick * 0.5, depth * (0.2 + key // 5 * 0.16)),
        when=s.chance(0.6),
    )


FURNITURE: tuple[Category, ...] = (
    chair, stool, table, desk, bench, sofa, bed, bookshelf, cabinet, lamp, monitor, laptop,
)  # fmt: skip
