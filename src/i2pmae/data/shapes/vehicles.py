"""Recipes: vehicles, nose towards +x."""

import numpy as np

from i2pmae.data.shapes.primitives import Pair, Value
from i2pmae.data.shapes.sketch import Category, Sketch, category, corners, mirrored, row, spread

__all__ = ["VEHICLES"]

SIDES = np.array([[-1, 1]], np.float32)


def wheels(s: Sketch, x: Value, z: Value, radius: Value, when: np.ndarray | None = None) -> None:
    """Wheels at (x, ±z) that stand on the ground, each a broad disc."""
    wide = radius * s.uniform(0.4, 0.7)
    s.cylinder("wheel", radius, wide, (x, radius, z - wide / 2), along="z", when=when)


@category("body", "cabin", "wheel", "bumper")
def car(s: Sketch) -> None:
    """A low body on four wheels with a cabin: saloon, estate, coupé or off-roader."""
    length, width, height = s.uniform(1.5, 2.1), s.uniform(0.7, 0.85), s.uniform(0.25, 0.4)
    radius, clear = s.uniform(0.14, 0.22), s.uniform(0.1, 0.2)
    rounded = s.chance(0.5)
    centre = (0.0, clear + height / 2, 0.0)
    s.box("body", (length, height, width), centre, taper=(0.94, 0.92), when=~rounded)
    s.ellipsoid("body", (length / 2, height / 2 * 1.1, width / 2), centre, power=(0.4, 0.45), when=rounded)
    long, tall = length * s.uniform(0.35, 0.7), s.uniform(0.2, 0.36)
    back = -length * s.uniform(0, 0.14)
    s.box(
        "cabin",
        (long, tall, width * 0.9),
        (back, clear + height + tall / 2, 0.0),
        taper=(s.uniform(0.55, 0.95), 0.82),
        shear=(s.uniform(-0.12, 0.04), 0.0),
    )
    x, z = corners(length * 0.32, width / 2)
    wheels(s, x, z, radius)
    s.box("bumper", (0.06, 0.08, width), (SIDES * length / 2, clear + 0.08, 0.0), when=s.chance(0.6))


@category("cabin", "cargo", "chassis", "wheel")
def truck(s: Sketch) -> None:
    """A cab before a box, a tank, an open bed or a tipper, on four to eight wheels."""
    length, width, height = s.uniform(1.5, 2.6), s.uniform(0.6, 0.8), s.uniform(0.5, 0.9)
    radius, cab = s.uniform(0.12, 0.2), s.uniform(0.4, 0.55)
    floor, tall = radius * 1.6, s.uniform(0.5, 0.85)
    s.box("chassis", (length, 0.1, width * 0.8), (0.0, floor, 0.0))
    front = length / 2 - cab / 2
    s.box("cabin", (cab, tall, width), (front, floor + tall / 2, 0.0), taper=(s.uniform(0.6, 1), 0.95))
    s.box(
        "cabin",
        (cab * 0.6, tall * 0.5, width * 0.9),
        (front + cab * 0.6, floor + tall * 0.25, 0.0),
        when=s.chance(0.35),
    )
    style, long = s.style(2, 1, 1.2), length - cab - s.uniform(0.03, 0.15)
    middle = -length / 2 + long / 2
    s.box("cargo", (long, height, width), (middle, floor + height / 2, 0.0), when=style == 0)
    s.cylinder("cargo", width / 2, long, (-length / 2, floor + width / 2, 0.0), along="x", when=style == 1)
    side = height * 0.4
    s.box("cargo", (long, side, 0.03), (middle, floor + side / 2, SIDES * width / 2), when=style == 2)
    s.box("cargo", (0.03, side, width), (middle + SIDES * long / 2, floor + side / 2, 0.0), when=style == 2)
    s.box("cargo", (long, 0.04, width), (middle, floor + 0.02, 0.0), when=style == 2)
    axles = s.count(2, 4)
    index = row(8)
    place = np.where(index // 2 == 0, front, -length / 2 + radius * (0.3 + 2.3 * (index // 2 - 1) + 0.8))
    wheels(s, place, np.where(index % 2 == 0, -1, 1) * width / 2, radius, index // 2 < axles)


@category("body", "window", "wheel", "door")
def bus(s: Sketch) -> None:
    """One long box with rows of windows, on one or two floors: a bus, a van or a railway carriage."""
    length, width, height = s.uniform(1.3, 2.6), s.uniform(0.55, 0.7), s.uniform(0.5, 0.75)
    floors, radius = s.count(1, 2), s.uniform(0.1, 0.16)
    height = height * (1 + 0.6 * (floors - 1))
    clear = radius * 0.8
    round_ = s.chance(0.5)
    s.box("body", (length, height, width), (0.0, clear + height / 2, 0.0), when=~round_)
    s.ellipsoid(
        "body", (length / 2, height / 2, width / 2), (0.0, clear + height / 2, 0.0), power=(0.25, 0.2), when=round_
    )
    count, index = s.count(3, 6), row(12)
    x = (index // 2 - (count - 1) / 2) * length * 0.85 / count
    z, tall = np.where(index % 2 == 0, -1, 1) * width / 2, height * 0.3 / floors
    for floor in (1, 2):
        level = clear + height * np.where(floors == 1, 0.65, 0.28 + 0.42 * (floor - 1) + 0.06)
        s.box(
            "window", (length * 0.65 / count, tall, 0.05), (x, level, z), when=(index // 2 < count) & (floors >= floor)
        )
    s.box("door", (0.16, height * 0.7, 0.06), (length * 0.36, clear + height * 0.42, width / 2), when=s.chance(0.6))
    place, side = corners(length * s.uniform(0.28, 0.36), width / 2)
    wheels(s, place, side, radius)


@category("fuselage", "wing", "tail", "engine", "propeller")
def airplane(s: Sketch) -> None:
    """A fuselage with wings and a tail: an airliner, a small propeller aircraft, a biplane or a jet."""
    length, radius = s.uniform(1.6, 2.2), s.uniform(0.09, 0.17)
    nose, rear = s.uniform(0.2, 0.7), s.uniform(0.1, 0.3)
    half = length / 2
    profile = ((0.0, -half), (radius * rear, -half * 0.98), (radius, -half * 0.4), (radius, half * 0.6),
               (radius * nose, half * 0.93), (0.0, half))  # fmt: skip
    s.lathe("fuselage", profile, along="x")
    span, chord, tip = s.uniform(0.7, 1.2), s.uniform(0.25, 0.5), s.uniform(0.25, 1)
    sweep, level = s.uniform(-0.05, 0.7), s.uniform(-0.8, 0.8) * radius
    rise, thick = s.uniform(-0.05, 0.15), s.uniform(0.02, 0.05)
    place, biplane = s.uniform(-0.1, 0.25), s.chance(0.15)

    def wing(part: str, x: Value, y: Value, reach: Value, root: Value, when: np.ndarray | None = None) -> None:
        """A pair of swept, tapered panels."""
        outline = (
            (0.0, x),
            (SIDES * reach, x - sweep * reach),
            (SIDES * reach, x - sweep * reach - root * tip),
            (0.0, x - root),
        )
        s.plate(part, outline, thick, (0.0, y, 0.0), along="x", turn=(-SIDES * np.degrees(rise), 0.0, 0.0), when=when)

    wing("wing", place + chord / 2, level, span, chord)
    wing("wing", place + chord / 2, level + 0.35, span, chord, biplane)
    fin, top = s.uniform(0.2, 0.42), s.chance(0.3)
    wing("tail", -half + chord * 0.55, np.where(top, fin, 0.03), span * s.uniform(0.3, 0.45), chord * 0.5)
    outline = ((-half + chord * 0.6, 0.0), (-half + 0.1, fin), (-half - 0.05, fin), (-half, 0.0))
    s.plate("tail", outline, thick)
    kind, pods = s.style(2, 1, 0.7), s.count(1, 2)
    pod = row(4)
    z = np.where(pod % 2 == 0, -1, 1) * span * (0.3 + 0.3 * (pod // 2))
    s.cylinder(
        "engine",
        0.06,
        0.25,
        (place - sweep * abs(z) + 0.05, level - 0.09, z),
        along="x",
        when=(kind == 0) & (pod // 2 < pods),
    )
    s.box("propeller", (0.02, 0.5, 0.05), (half, 0.0, 0.0), turn=(s.uniform(0, 180), 0.0, 0.0), when=kind == 1)
    s.cylinder("engine", 0.06, 0.3, (-half * 0.75, 0.06, SIDES * (radius + 0.05)), along="x", when=kind == 2)


@category("body", "tail", "rotor", "skid")
def helicopter(s: Sketch) -> None:
    """A drop-shaped cabin with a tail boom, two to five rotor blades, skids or wheels."""
    long, tall, wide = s.uniform(0.4, 0.6), s.uniform(0.22, 0.36), s.uniform(0.2, 0.32)
    s.ellipsoid("body", (long, tall, wide), power=(s.uniform(0.6, 1), s.uniform(0.6, 1)))
    boom, lift = s.uniform(0.7, 1.1), s.uniform(0, 0.15)
    end = (-long * 0.7 - boom, lift, 0.0)
    s.tube("tail", ((-long * 0.6, 0.02, 0.0), end), (tall * s.uniform(0.3, 0.6), 0.05))
    s.box("tail", (0.16, s.uniform(0.2, 0.4), 0.03), (end[0], lift + 0.12, 0.0), shear=(-0.12, 0.0))
    s.box("rotor", (0.04, s.uniform(0.25, 0.45), 0.03), (end[0], lift + 0.1, 0.06), turn=(0.0, 0.0, s.uniform(0, 180)))
    s.cylinder("rotor", 0.04, tall * 0.5, (0.0, tall * 0.9, 0.0))
    blades, reach = s.count(2, 5), s.uniform(0.8, 1.2)
    turn = spread(blades, 5) + s.uniform(0, 360)
    top, angle = tall * 1.38, np.radians(turn)
    s.box(
        "rotor",
        (reach, 0.02, s.uniform(0.06, 0.1)),
        (np.cos(angle) * reach / 2, top, -np.sin(angle) * reach / 2),
        turn=(0.0, turn, 0.0),
        when=row(5) < blades,
    )
    skids, low = s.chance(0.7), -tall - s.uniform(0.08, 0.2)
    s.tube(
        "skid",
        ((-long * 0.8, low, SIDES * wide), (long * 0.7, low, SIDES * wide), (long * 0.9, low + 0.08, SIDES * wide)),
        0.02,
        when=skids,
    )
    x, z = corners(long * 0.4, wide)
    s.tube("skid", ((x, low, z), (x, -tall * 0.5, z * 0.6)), 0.018, when=skids)
    x3 = long * np.array([[-0.5, -0.5, 0.6]], np.float32)
    s.cylinder("skid", 0.08, 0.06, (x3, low + 0.1, wide * np.array([[-1, 1, 0]], np.float32)), along="z", when=~skids)


@category("hull", "cabin", "mast", "sail", "funnel")
def ship(s: Sketch) -> None:
    """A pointed hull with cabins and funnels, or with masts and sails."""
    length, width, depth = s.uniform(1.6, 2.4), s.uniform(0.35, 0.6), s.uniform(0.18, 0.4)
    stern, bow = s.uniform(0.5, 0.95), s.uniform(0.2, 0.45)
    half, side = length / 2, width / 2
    right: list[Pair] = [(side * stern, -half), (side, -half * 0.2), (side * 0.8, half * bow), (0.0, half)]
    outline = mirrored(right)
    for level, shrink in ((0.0, 0.8), (0.5, 1.0)):
        s.plate(
            "hull",
            [(x * shrink, z * shrink) for x, z in outline],
            depth / 2,
            (0.0, depth * (level + 0.25), 0.0),
            along="x",
        )
    sails = s.chance(0.45)
    decks, tall = s.count(1, 3), s.uniform(0.12, 0.2)
    long, index = length * s.uniform(0.25, 0.6), row(3)
    s.box(
        "cabin",
        (long * (1 - index * 0.25), tall, width * (0.75 - index * 0.15)),
        (-half * s.uniform(0, 0.4), depth + tall * (index + 0.5), 0.0),
        when=(index < decks) & (~sails | (index == 0) & s.chance(0.4)),
    )
    funnels = s.count(1, 3)
    s.cylinder(
        "funnel",
        s.uniform(0.05, 0.09),
        s.uniform(0.2, 0.4),
        ((index - 1) * 0.25 - 0.1, depth + tall * decks, 0.0),
        when=~sails & (index < funnels),
    )
    masts, high = s.count(1, 3), s.uniform(0.7, 1.4)
    x = np.where(masts == 1, 0.1, (index - (masts - 1) / 2) * length * 0.3) + 0.0
    up = sails & (index < masts)
    s.tube("mast", ((x, depth, 0.0), (x, depth + high, 0.0)), 0.02, when=up)
    square = s.chance(0.5)
    triangle = ((-0.02, 0.05), (-0.02, high * 0.9), (-length * 0.25, 0.05))
    s.plate("sail", triangle, 0.01, (x, depth + 0.08, 0.0), when=up & ~square)
    s.plate(
        "sail",
        ((0.02, 0.05), (0.02, high * 0.8), (length * 0.2, 0.05)),
        0.01,
        (x, depth + 0.08, 0.0),
        when=up & ~square & (index == masts - 1),
    )
    for level in (0.35, 0.75):
        s.box(
            "sail",
            (0.015, high * 0.33, width * 1.3 * (1.2 - level * 0.5)),
            (x + 0.03, depth + high * level, 0.0),
            when=up & square,
        )


@category("body", "nose", "fin", "booster", "nozzle")
def rocket(s: Sketch) -> None:
    """An upright body with a nose cone and fins, perhaps with boosters; slender or stout."""
    radius, height = s.uniform(0.12, 0.28), s.uniform(0.9, 1.5)
    waist, bulge = s.uniform(0.7, 1), s.chance(0.35)
    middle = np.where(bulge, 1.15, 1)
    s.lathe("body", ((0.0, 0.0), (radius * waist, 0.0), (radius * middle, height * 0.4), (radius, height)), smooth=True)
    tip = radius * s.uniform(1.2, 3)
    s.lathe("nose", ((radius, 0.0), (radius * s.uniform(0.55, 0.85), tip * 0.5), (0.0, tip)), (0.0, height, 0.0))
    fins, reach, tall = s.count(3, 4), s.uniform(0.15, 0.4), height * s.uniform(0.2, 0.45)
    drop = s.uniform(-0.25, 0.15)
    outline = (
        (0.0, 0.05),
        (radius + reach, drop),
        (radius + reach, drop + tall * s.uniform(0.2, 0.6)),
        (radius, tall),
        (0.0, tall),
    )
    s.plate("fin", outline, 0.025, turn=(0.0, spread(fins, 4), 0.0), when=(row(4) < fins) & s.chance(0.85))
    boosters, beside = s.chance(0.3), np.radians(spread(2, 2) + 45)
    slim, long = radius * 0.45, height * 0.55
    where = (np.cos(beside) * radius * 1.4, 0.0, np.sin(beside) * radius * 1.4)
    s.lathe("booster", ((0.0, 0.0), (slim, 0.0), (slim, long), (0.0, long + slim * 2)), where, when=boosters)
    s.cylinder("nozzle", radius * 0.75, 0.14, (0.0, -0.13, 0.0), top=radius * 0.35)


@category("wheel", "frame", "handlebar", "saddle")
def bicycle(s: Sketch) -> None:
    """Two spoked wheels in a frame with a saddle and a handlebar; a motorcycle where the tyres are thick."""
    radius, base = s.uniform(0.3, 0.38), s.uniform(0.95, 1.15)
    motor = s.chance(0.3)
    tyre = np.where(motor, 0.07, s.uniform(0.018, 0.035))
    x = SIDES * base / 2
    s.torus("wheel", radius - tyre, tyre, (x, radius, 0.0), along="z")
    angle = np.radians(spread(8, 8))
    for hub in (-0.5, 0.5):
        rim = (hub * base + np.cos(angle) * radius * 0.95, radius + np.sin(angle) * radius * 0.95, 0.0)
        s.tube("wheel", ((hub * base, radius, 0.0), rim), 0.008, sides=4)
    saddle, bars = s.uniform(0.75, 0.95), s.uniform(0.8, 1.05)
    crank, seat, head = (-0.05, radius * 0.85, 0.0), (-0.2, saddle, 0.0), (base * 0.36, bars - 0.1, 0.0)
    rear, front, thick = (-base / 2, radius, 0.0), (base / 2, radius, 0.0), np.where(motor, 0.035, 0.02)
    for start, end in (
        (crank, seat),
        (crank, head),
        ((-0.17, saddle - 0.12, 0.0), head),
        (rear, crank),
        (rear, seat),
        (front, head),
    ):
        s.tube("frame", (start, end), thick)
    s.ellipsoid("frame", (0.25, 0.14, 0.1), (0.0, radius * 1.1, 0.0), power=(0.5, 0.5), when=motor)
    s.ellipsoid("saddle", (np.where(motor, 0.28, 0.13), 0.04, 0.07), (-0.2, saddle + 0.02, 0.0))
    grip, drop = s.uniform(0.2, 0.3), s.uniform(-0.12, 0.08)
    s.tube("handlebar", (head, (base * 0.36, bars, 0.0)), 0.018)
    s.tube(
        "handlebar",
        (
            (base * 0.36, bars, 0.0),
            (base * 0.4, bars, SIDES * grip * 0.6),
            (base * 0.36 - 0.08, bars + drop, SIDES * grip),
        ),
        0.016,
    )


VEHICLES: tuple[Category, ...] = (car, truck, bus, airplane, helicopter, ship, rocket, bicycle)
