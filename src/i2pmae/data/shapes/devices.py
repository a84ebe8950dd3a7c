"""Recipes: devices and small things about the house, the desk and the kitchen."""

import numpy as np

from i2pmae.data.shapes.sketch import Category, Sketch, category, corners, row, spread
from i2pmae.data.shapes.vessels import handle, hollow

__all__ = ["DEVICES"]

SIDES = np.array([[-1, 1]], np.float32)


@category("body", "key")
def keyboard(s: Sketch) -> None:
    """A flat slab with rows of keys, straight or parted in the middle, with or without a block of numbers."""
    wide, deep, thick = s.uniform(0.8, 1.2), s.uniform(0.25, 0.4), s.uniform(0.02, 0.05)
    slope = s.uniform(0, 10)
    s.box("body", (wide, thick, deep), turn=(slope, 0.0, 0.0))
    i, rows_ = row(60), s.count(4, 5)
    column, line = i % 12, i // 12
    z = (line - (rows_ - 1) / 2) * deep * 0.85 / rows_
    lift = thick * 0.7 - z * np.tan(np.radians(slope))
    x = (column - 5.5) * wide * 0.078 + np.where(s.chance(0.25), np.sign(column - 5.5) * wide * 0.03, 0)
    s.box("key", (wide * 0.06, thick, deep * 0.13), (x, lift, z), taper=(0.8, 0.8), when=line < rows_)


@category("body", "speaker", "antenna", "knob")
def radio(s: Sketch) -> None:
    """A box with a round or square speaker, knobs, an antenna and perhaps a carrying handle."""
    wide, tall, deep = s.uniform(0.6, 1.1), s.uniform(0.4, 0.7), s.uniform(0.2, 0.4)
    rounded = s.chance(0.3)
    s.box("body", (wide, tall, deep), (0.0, tall / 2, 0.0), when=~rounded)
    s.ellipsoid("body", (wide / 2, tall / 2, deep / 2), (0.0, tall / 2, 0.0), power=(0.3, 0.3), when=rounded)
    both, x = s.chance(0.4), wide * 0.28 * SIDES
    s.cylinder(
        "speaker", tall * s.uniform(0.2, 0.36), 0.04, (x, tall * 0.45, deep / 2), along="z", when=both | (row(2) < 1)
    )
    s.cylinder("knob", 0.045, 0.06, (wide * (0.1 + 0.14 * row(3)), tall * 0.8, deep / 2), along="z")
    tip = (wide * s.uniform(-0.2, 0.7), tall + s.uniform(0.3, 0.8), -deep * 0.4)
    s.tube("antenna", ((wide * 0.4, tall, -deep * 0.4), tip), 0.012, sides=4, when=s.chance(0.7))
    s.torus("knob", wide * 0.35, 0.025, (0.0, tall, 0.0), arc=(0, 180), turn=(-90.0, 0.0, 0.0), when=s.chance(0.4))


@category("cabinet", "cone", "foot")
def loudspeaker(s: Sketch) -> None:
    """A tall box, or one on a pole, with one to three round cones of growing size."""
    wide, ratio, deep = s.uniform(0.3, 0.5), s.uniform(1.3, 3.2), s.uniform(0.3, 0.5)
    tall, cones, i = wide * ratio, s.count(1, 3), row(3)
    pole = np.where(s.chance(0.3), s.uniform(0.4, 1.0), 0.03)
    s.box("cabinet", (wide, tall, deep), (0.0, pole + tall / 2, 0.0), taper=(s.uniform(0.7, 1), s.uniform(0.7, 1)))
    size = wide * (0.42 - 0.1 * i)
    level = pole + tall * (0.3 + i * 0.28)
    cone = hollow([(0.4, 0.0), (1.0, 0.25)], 0.1)
    for number in range(3):
        r = size[:, number : number + 1]
        profile = [(radius * r, height * r) for radius, height in cone]
        at = (0.0, level[:, number : number + 1], deep * 0.45)
        s.lathe("cone", profile, at, along="z", when=cones > number)
    s.cylinder("foot", 0.03, pole)
    s.cylinder("foot", wide * 0.7, 0.03, when=pole > 0.1)
    x, z = corners(wide * 0.4, deep * 0.4)
    s.cylinder("foot", 0.03, 0.05, (x, 0.0, z), when=pole < 0.1)


@category("body", "lens", "button")
def camera(s: Sketch) -> None:
    """A body with a lens, a grip, a viewfinder, buttons; now and then on a tripod."""
    wide, tall, deep = s.uniform(0.7, 1.0), s.uniform(0.4, 0.7), s.uniform(0.2, 0.4)
    s.box("body", (wide, tall, deep))
    radius, length = tall * s.uniform(0.3, 0.45), s.uniform(0.1, 0.9)
    x = wide * s.uniform(-0.1, 0.1)
    s.cylinder("lens", radius, length, (x, 0.0, deep / 2), top=radius * s.uniform(0.8, 1.2), along="z")
    s.torus("lens", radius, 0.035, (x, 0.0, deep / 2 + length * s.uniform(0.3, 1, 2)), along="z")
    s.box("body", (wide * 0.35, tall * 0.3, deep * 0.9), (x, tall * 0.6, 0.0), taper=(0.7, 0.8), when=s.chance(0.6))
    s.box("body", (wide * 0.2, tall, deep * 0.5), (-wide * 0.42, 0.0, deep * 0.5), when=s.chance(0.6))
    s.cylinder("button", 0.05, 0.06, (wide * np.array([[-0.4, 0.3, 0.42]]), tall / 2, 0.0))
    angle, on = np.radians(spread(3, 3)), s.chance(0.25)
    foot = (np.cos(angle) * 0.6, -tall / 2 - 1.2, np.sin(angle) * 0.6)
    s.tube("button", ((0.0, -tall / 2, 0.0), foot), 0.03, when=on)


@category("body", "slot", "button", "foot")
def console(s: Sketch) -> None:
    """A flat or upright box device with a slot, buttons, ribs or a plate on it: a game console, a player, a router."""
    wide, tall, deep = s.uniform(0.6, 1.0), s.uniform(0.1, 0.35), s.uniform(0.5, 0.9)
    taper, upright = s.uniform(0.85, 1), s.chance(0.25)
    turn = (0.0, 0.0, np.where(upright, 90, 0))
    s.box("body", (wide, tall, deep), taper=(taper, taper), turn=turn)
    s.box("slot", (wide * 0.5, 0.025, 0.04), (0.0, 0.0, deep / 2), turn=turn)
    style, i = s.style(1, 1, 1, 1), row(6)
    s.box(
        "body", (wide * 0.08, 0.03, deep * 0.8), ((i - 2.5) * wide * 0.14, tall / 2, 0.0), when=(style == 0) & ~upright
    )
    s.cylinder("body", wide * 0.3, 0.04, (0.0, tall / 2, 0.0), when=(style == 1) & ~upright)
    s.box("body", (wide * 0.6, tall * 0.8, deep * 1.02), (0.0, tall * 0.3, 0.0), when=(style == 2) & ~upright)
    s.tube("body", (((i - 2.5) * wide * 0.3, 0.0, -deep / 2), ((i - 2.5) * wide * 0.3, tall + 0.6, -deep / 2)),
           0.025, when=(style == 3) & ~upright & (i % 2 == 0))  # fmt: skip
    s.cylinder("button", 0.03, 0.04, (wide * np.array([[0.3, 0.4]]), 0.0, deep / 2), along="z", when=~upright)
    x, z = corners(wide * 0.4, deep * 0.4)
    s.cylinder("foot", 0.04, 0.05, (x, -tall / 2 - 0.05, z), when=~upright)
    s.box("foot", (tall * 2, 0.04, deep * 0.7), (0.0, -wide / 2, 0.0), when=upright)


@category("body", "tray", "paper", "panel")
def printer(s: Sketch) -> None:
    """A box with a tray below, paper that stands up behind, or a lid."""
    wide, tall, deep = s.uniform(0.8, 1.1), s.uniform(0.3, 0.7), s.uniform(0.5, 0.8)
    s.box("body", (wide, tall, deep), (0.0, tall / 2, 0.0), taper=(1.0, s.uniform(0.75, 1)))
    s.box("tray", (wide * 0.7, 0.03, deep * 0.5), (0.0, tall * 0.2, deep * 0.65), turn=(s.uniform(-10, 10), 0.0, 0.0))
    high = s.uniform(0.3, 0.6)
    paper = s.chance(0.6)
    s.box(
        "paper", (wide * 0.6, high, 0.02), (0.0, tall + high * 0.45, -deep * 0.42), turn=(-20.0, 0.0, 0.0), when=paper
    )
    s.box("paper", (wide * 1.02, 0.06, deep * 0.7), (0.0, tall + 0.03, 0.0), when=~paper)
    s.box("panel", (wide * 0.3, 0.05, deep * 0.15), (wide * 0.3, tall + 0.02, deep * 0.38), turn=(20.0, 0.0, 0.0))


@category("body", "base", "handset", "cord")
def telephone(s: Sketch) -> None:
    """A handset across a body with keys or a dial."""
    wide, deep, tall = s.uniform(0.6, 0.9), s.uniform(0.6, 0.9), s.uniform(0.2, 0.4)
    s.box("body", (wide, tall, deep), (0.0, tall / 2, 0.0), taper=(0.9, s.uniform(0.4, 0.8)), shear=(0.0, -deep * 0.1))
    dial, key = s.chance(0.4), row(12)
    s.cylinder("base", wide * 0.28, 0.05, (0.0, tall, deep * 0.05), when=dial)
    at = ((key % 3 - 1) * wide * 0.17, tall * 0.9, (key // 3 - 1) * deep * 0.12)
    s.box("base", (wide * 0.12, 0.08, deep * 0.08), at, when=~dial)
    back, rise, half = -deep * 0.25, tall + 0.2, wide * s.uniform(0.55, 0.75)
    path = (
        (-half, rise - 0.08, back),
        (-half * 0.7, rise + 0.08, back),
        (half * 0.7, rise + 0.08, back),
        (half, rise - 0.08, back),
    )
    s.tube("handset", path, 0.07, smooth=True)
    s.ellipsoid("handset", (0.13, 0.07, 0.13), (SIDES * half, rise - 0.08, back))
    t = np.linspace(0, 1, 9)
    curl = [
        (-wide * 0.5 - 0.1 - 0.2 * np.sin(3 * x), 0.05 + 0.1 * np.sin(9 * x) ** 2, deep * (x - 0.5)) for x in t.tolist()
    ]
    s.tube("cord", curl, 0.02, smooth=True, sides=4, when=s.chance(0.5))


@category("band", "cup")
def headphones(s: Sketch) -> None:
    """A band over two round or oval cups."""
    radius, size = s.uniform(0.45, 0.6), s.uniform(0.16, 0.28)
    s.torus("band", radius, s.uniform(0.02, 0.05), arc=(0, 180), turn=(-90.0, 0.0, 0.0))
    s.torus("band", radius * 1.1, 0.03, (0.0, 0.03, 0.0), arc=(20, 160), turn=(-90.0, 0.0, 0.0), when=s.chance(0.4))
    drop = s.uniform(0.0, 0.15)
    s.cylinder("cup", size, 0.15, (SIDES * radius - 0.075, -drop, 0.0), along="x", squash=(s.uniform(1, 1.3), 1.0))
    s.torus("cup", size * 0.8, 0.06, (SIDES * (radius - 0.1), -drop, 0.0), along="x")


@category("blade", "hub", "stand", "cage")
def fan(s: Sketch) -> None:
    """Three to six blades about a hub: on a stand with a cage, or hanging from the ceiling."""
    blades, radius, hanging = s.count(3, 6), s.uniform(0.3, 0.6), s.chance(0.4)
    tall, angle = s.uniform(0.5, 1.3), spread(blades, 6)
    there, a = row(6) < blades, np.radians(angle)
    width = radius * s.uniform(0.2, 0.45)
    at = (np.cos(a) * radius * 0.55, tall, -np.sin(a) * radius * 0.55)
    s.box("blade", (radius * 0.9, 0.02, width), at, turn=(s.uniform(8, 25), angle, 0.0), when=there & hanging)
    at = (np.cos(a) * radius * 0.5, tall + np.sin(a) * radius * 0.5, 0.0)
    s.ellipsoid("blade", (radius * 0.45, width * 0.6, 0.02), at, turn=(0.0, 20.0, angle), when=there & ~hanging)
    s.cylinder("hub", radius * 0.15, 0.14, (0.0, tall - 0.07, 0.0), when=hanging)
    s.cylinder("hub", radius * 0.16, 0.3, (0.0, tall, -0.25), along="z", when=~hanging)
    s.cylinder("stand", 0.025, tall * 0.6, (0.0, tall, 0.0), when=hanging)
    s.cylinder("stand", 0.03, tall - 0.05, (0.0, 0.0, -0.1), when=~hanging)
    s.cylinder("stand", radius * 0.6, 0.05, (0.0, 0.0, -0.1), when=~hanging)
    caged = ~hanging & s.chance(0.8)
    s.torus("cage", radius * np.array([[0.4, 0.75, 1.05]]), 0.012, (0.0, tall, 0.07), along="z", when=caged)
    t = np.radians(spread(12, 12))
    rim = (np.cos(t) * radius * 1.05, tall + np.sin(t) * radius * 1.05, 0.0)
    s.tube("cage", ((0.0, tall, 0.12), rim), 0.008, sides=4, when=caged)


@category("case", "face", "hand", "foot")
def clock(s: Sketch) -> None:
    """A round or square dial with hands: on the wall, with bells and feet, or in a tall case with a pendulum."""
    radius, deep, style = s.uniform(0.35, 0.5), s.uniform(0.06, 0.2), s.style(1, 1, 0.8)
    square = s.chance(0.3)
    s.cylinder("face", radius, deep, along="z", sides=24, when=~square)
    s.box("face", (radius * 2, radius * 2, deep), (0.0, 0.0, deep / 2), when=square)
    s.torus("face", radius, 0.05, (0.0, 0.0, deep), along="z", when=~square)
    turn = np.radians(s.uniform(0, 360, 2))
    long = radius * np.array([[0.5, 0.8]])
    s.tube("hand", ((0.0, 0.0, deep + 0.03), (np.cos(turn) * long, np.sin(turn) * long, deep + 0.03)), 0.025, sides=4)
    s.ellipsoid(
        "case", (0.18, 0.14, 0.14), (SIDES * radius * 0.6, radius * 1.05, deep / 2), span=(0.0, 90.0), when=style == 1
    )
    x, y = SIDES * radius, -radius
    s.tube("foot", ((x * 0.6, y * 0.7, deep / 2), (x * 0.9, y * 1.2, deep / 2)), 0.04, when=style == 1)
    tall = s.uniform(1.8, 2.6)
    s.box("case", (radius * 1.6, tall, deep + 0.25), (0.0, -radius - tall / 2, 0.0), when=style == 2)
    s.box("case", (radius * 2.3, radius * 2.3, deep + 0.1), when=style == 2)
    s.box("foot", (radius * 2.2, 0.3, deep + 0.4), (0.0, -radius - tall, 0.0), when=style == 2)


@category("body", "door", "knob")
def microwave(s: Sketch) -> None:
    """A low box with a window in front and a panel of knobs or keys beside it."""
    wide, tall, deep = s.uniform(0.8, 1.0), s.uniform(0.45, 0.6), s.uniform(0.5, 0.7)
    s.box("body", (wide, tall, deep), (0.0, tall / 2, 0.0))
    ajar = np.where(s.chance(0.3), s.uniform(20, 100), 0)
    leaf, turn = wide * 0.7, np.radians(ajar)
    at = (-wide / 2 + np.cos(turn) * leaf / 2, tall / 2, deep / 2 + np.sin(turn) * leaf / 2 + 0.02)
    s.box("door", (leaf, tall * 0.9, 0.05), at, turn=(0.0, -ajar, 0.0))
    s.cylinder(
        "knob", 0.05, 0.06, (wide * 0.36, tall * np.array([[0.3, 0.6]]), deep / 2), along="z", when=s.chance(0.5)
    )
    i = row(9)
    s.box("knob", (0.04, 0.03, 0.05), (wide * 0.36 + (i % 3 - 1) * 0.06, tall * (0.3 + 0.12 * (i // 3)), deep / 2))


@category("body", "slot", "lever", "bread")
def toaster(s: Sketch) -> None:
    """A rounded box with two slots, a lever and slices of bread now and then."""
    wide, tall, deep = s.uniform(0.7, 1.0), s.uniform(0.45, 0.65), s.uniform(0.35, 0.6)
    s.ellipsoid("body", (wide / 2, tall / 2, deep / 2), (0.0, tall / 2, 0.0), power=(0.35, s.uniform(0.2, 0.5)))
    z = SIDES * deep * 0.2
    s.box("slot", (wide * 0.75, 0.04, 0.06), (0.0, tall, z))
    s.box("lever", (0.05, 0.05, 0.14), (wide / 2 + 0.02, tall * s.uniform(0.35, 0.8), 0.0))
    s.box("bread", (wide * 0.6, tall * 0.6, 0.05), (0.0, tall * s.uniform(0.95, 1.15), z), when=s.chance(0.6))


@category("jug", "base", "lid", "handle")
def blender(s: Sketch) -> None:
    """A flared jug with a handle and a lid, on a broad base."""
    base, tall, flare = s.uniform(0.25, 0.36), s.uniform(0.6, 1.0), s.uniform(1.1, 1.6)
    low, square = s.uniform(0.25, 0.5), s.chance(0.4)
    s.cylinder("base", base, low, top=base * s.uniform(0.6, 0.9), when=~square)
    s.box("base", (base * 2, low, base * 2), (0.0, low / 2, 0.0), taper=(0.7, 0.7), when=square)
    jug = hollow([(base * 0.65, low), (base * 0.65 * flare, low + tall)], 0.03)
    s.lathe("jug", jug)
    s.cylinder("lid", base * 0.7 * flare, 0.08, (0.0, low + tall, 0.0))
    s.cylinder("lid", base * 0.25, 0.08, (0.0, low + tall + 0.08, 0.0))
    handle(s, "handle", base * 0.62 * flare, low + tall * 0.2, low + tall * 0.85, s.uniform(0.15, 0.3))
    s.cylinder("base", 0.06, 0.05, (0.0, low * 0.5, base * 0.85), along="z")


@category("pan", "handle", "lid")
def pan(s: Sketch) -> None:
    """A frying pan, a saucepan or a pot, with a long handle or two ears, perhaps with a lid."""
    radius, tall, flare = s.uniform(0.4, 0.55), s.style(1, 1, 1), s.uniform(0.75, 1)
    height = np.where(tall == 0, 0.12, np.where(tall == 1, 0.35, 0.65)) * s.uniform(0.8, 1.2)
    s.lathe("pan", hollow([(radius * flare, 0.0), (radius, height)], 0.025), sides=24)
    long = (tall == 0) | (tall == 1) & s.chance(0.6)
    reach, rise = s.uniform(0.6, 1.1), s.uniform(0.0, 0.25)
    s.tube(
        "handle",
        ((radius * 0.95, height * 0.8, 0.0), (radius + reach, height * 0.8 + rise, 0.0)),
        (0.03, 0.045),
        when=long,
    )
    s.torus("handle", 0.14, 0.03, (SIDES * radius, height * 0.8, 0.0), when=~long)
    lid = s.chance(0.5)
    s.ellipsoid("lid", (radius, 0.14, radius), (0.0, height, 0.0), span=(0.0, 90.0), when=lid)
    s.ellipsoid("lid", (0.06, 0.05, 0.06), (0.0, height + 0.18, 0.0), when=lid)


@category("bowl", "stem", "foot")
def wine_glass(s: Sketch) -> None:
    """A bowl on a stem on a foot: tulip, flute, coupe or cone."""
    radius, bowl, stem = s.uniform(0.2, 0.4), s.uniform(0.25, 0.8), s.uniform(0.3, 0.7)
    belly, lip = s.uniform(0.6, 1.2), s.uniform(0.6, 1.1)
    outer = [(radius * 0.1, stem), (radius * belly, stem + bowl * 0.45), (radius * lip, stem + bowl)]
    s.lathe("bowl", hollow(outer, 0.02), smooth=True)
    s.cylinder("stem", s.uniform(0.015, 0.04), stem)
    s.lathe("foot", ((0.0, 0.0), (radius * s.uniform(0.7, 1.0), 0.0), (0.03, 0.06)))


@category("bowl", "handle", "tine")
def cutlery(s: Sketch) -> None:
    """A spoon, a ladle or a fork, lying."""
    length, style, wide = s.uniform(0.8, 1.2), s.style(1, 0.6, 1.2), s.uniform(0.13, 0.2)
    grip = s.uniform(0.02, 0.05)
    path = ((-length, 0.05, 0.0), (-length * 0.4, 0.08, 0.0), (0.0, 0.0, 0.0))
    s.tube("handle", path, (grip * 1.3, grip, 0.02), smooth=True, when=style != 1)
    path = ((-length, 0.5, 0.0), (-length * 0.4, 0.4, 0.0), (0.0, 0.05, 0.0))
    s.tube("handle", path, (grip, 0.02, 0.02), smooth=True, when=style == 1)
    deep = np.where(style == 1, wide * 1.1, wide * 0.4)
    s.ellipsoid("bowl", (wide * np.where(style == 1, 1.2, 1.5), deep, wide), (wide * 1.4, 0.03, 0.0), span=(-90.0, 0.0),
                when=style != 2)  # fmt: skip
    s.ellipsoid("bowl", (wide * 0.8, 0.03, wide * 0.75), (wide * 0.6, 0.0, 0.0), when=style == 2)
    z = (row(4) - 1.5) * wide * 0.42
    s.tube(
        "tine",
        ((wide * 0.9, 0.0, z), (wide * 1.8, -0.03, z), (wide * 3, 0.03, z)),
        0.018,
        smooth=True,
        sides=6,
        when=style == 2,
    )


@category("canopy", "pole", "handle", "rib")
def umbrella(s: Sketch) -> None:
    """A canopy on a pole with a bent handle, or as a sunshade with a foot; now and then folded."""
    radius, tall, rise = s.uniform(0.5, 0.9), s.uniform(0.9, 1.4), s.uniform(0.15, 0.4)
    closed, ribs = s.chance(0.2), spread(8, 8)
    s.lathe("canopy", ((radius, tall - rise), (radius * 0.6, tall - rise * 0.3), (0.02, tall)), sides=8, when=~closed)
    s.lathe("canopy", ((0.05, tall * 0.3), (0.12, tall * 0.45), (0.03, tall)), sides=8, when=closed)
    s.cylinder("pole", 0.02, tall * 1.06)
    a = np.radians(ribs)
    x, z = np.cos(a) * radius, np.sin(a) * radius
    s.tube("rib", ((0.0, tall * 0.6, 0.0), (x * 0.6, tall - rise * 0.5, z * 0.6)), 0.01, sides=4, when=~closed)
    bent = s.chance(0.6)
    s.torus("handle", 0.1, 0.03, (0.1, 0.0, 0.0), arc=(0, 180), turn=(90.0, 0.0, 0.0), when=bent)
    s.cylinder("handle", 0.25, 0.06, when=~bent)


@category("head", "handle", "bristle")
def broom(s: Sketch) -> None:
    """A long handle over a broad head of bristles, a round bunch or a mop."""
    tall, style, wide = s.uniform(1.1, 1.6), s.style(1, 1, 0.7), s.uniform(0.3, 0.5)
    s.cylinder("handle", s.uniform(0.02, 0.035), tall, (0.0, 0.2, 0.0))
    s.box("head", (wide, 0.08, 0.14), (0.0, 0.24, 0.0), when=style == 0)
    i = row(24)
    at = ((i % 12 - 5.5) * wide / 12, 0.24, (i // 12 - 0.5) * 0.08)
    s.tube("bristle", (at, (at[0] * 1.15, 0.0, at[2] * 1.6)), 0.012, sides=4, when=style == 0)
    s.cylinder("head", 0.06, 0.12, (0.0, 0.22, 0.0), when=style != 0)
    s.box("bristle", (wide * 0.9, 0.4, 0.1), (0.0, 0.05, 0.0), taper=(0.25, 0.9), when=style == 1)
    a = np.radians(spread(24, 24))
    tip = (np.cos(a) * wide * 0.6, -0.05, np.sin(a) * wide * 0.6)
    s.tube(
        "bristle",
        ((0.0, 0.25, 0.0), (tip[0] * 0.7, 0.2, tip[2] * 0.7), tip),
        0.02,
        smooth=True,
        sides=4,
        when=style == 2,
    )


DEVICES: tuple[Category, ...] = (
    keyboard, radio, loudspeaker, camera, console, printer, telephone, headphones, fan, clock, microwave, toaster,
    blender, pan, wine_glass, cutlery, umbrella, broom,
)  # fmt: skip
