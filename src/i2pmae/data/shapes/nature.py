"""Recipes: living things."""

import numpy as np

from i2pmae.data.shapes.sketch import Category, Sketch, category, row, spread

__all__ = ["NATURE"]

SIDES = np.array([[-1, 1]], np.float32)


@category("trunk", "branch", "crown")
def tree(s: Sketch) -> None:
    """A trunk with a round crown, stacked cones, a palm's fronds or bare branches."""
    height, thick, style = s.uniform(0.5, 1.1), s.uniform(0.04, 0.1), s.style(1.2, 1, 1, 0.8)
    lean = s.uniform(-0.15, 0.15)
    s.tube(
        "trunk",
        ((0.0, 0.0, 0.0), (lean * 0.3, height * 0.5, 0.0), (lean, height, 0.0)),
        (thick * 1.3, thick, thick * 0.7),
        smooth=True,
    )
    wide, blobs = s.uniform(0.25, 0.45), s.count(1, 5)
    x, y, z = (s.uniform(-0.25, 0.25, 5) for _ in range(3))
    size = wide * s.uniform(0.7, 1.1, 5)
    s.ellipsoid(
        "crown",
        (size, size * s.uniform(0.7, 1.3, 5), size),
        (lean + x, height + wide * 0.6 + y, z),
        when=(style == 0) & (row(5) < blobs),
    )
    tiers, tall = s.count(1, 4), s.uniform(0.35, 0.6)
    level = row(4)
    s.cylinder(
        "crown",
        wide * (1.1 - level * 0.2),
        tall,
        (lean * 0.7, height * 0.5 + level * tall * 0.6, 0.0),
        top=0.0,
        when=(style == 1) & (level < tiers),
    )
    angle = np.radians(spread(9, 9) + s.uniform(0, 25, 9))
    reach, droop = s.uniform(0.4, 0.7), s.uniform(-0.2, 0.2, 9)
    dx, dz = np.cos(angle) * reach, np.sin(angle) * reach
    top = (lean, height, 0.0)
    frond = (top, (lean + dx * 0.5, height + 0.2, dz * 0.5), (lean + dx, height + droop, dz))
    s.tube("crown", frond, (0.02, 0.07, 0.01), smooth=True, sides=4, when=style == 2)
    start = height * s.uniform(0.45, 1, 9)
    end = (lean + dx * 0.8, start + s.uniform(0.2, 0.6, 9), dz * 0.8)
    s.tube(
        "branch",
        ((lean * 0.8, start, 0.0), end),
        (0.035, 0.01),
        sides=6,
        when=(style == 3) | (style == 0) & s.chance(0.3),
    )
    twig = (end[0] + s.uniform(-0.2, 0.2, 9), end[1] + 0.2, end[2] + s.uniform(-0.2, 0.2, 9))
    s.tube("branch", (end, twig), (0.014, 0.005), sides=4, when=style == 3)


@category("stem", "cap", "ring")
def mushroom(s: Sketch) -> None:
    """A stem with a domed, flat or pointed cap, perhaps with a ring, perhaps a smaller one beside it."""
    height, thick, wide = s.uniform(0.5, 1), s.uniform(0.08, 0.2), s.uniform(0.3, 0.6)
    dome, bulge = s.uniform(0.15, 0.55), s.uniform(1, 1.6)
    second, place = s.chance(0.35), s.uniform(0.3, 0.6)
    for scale, x, when in ((1.0, 0.0, None), (0.55, place, second)):
        s.lathe(
            "stem",
            (
                (0.0, 0.0),
                (thick * bulge * scale, 0.0),
                (thick * scale, height * 0.5 * scale),
                (thick * 0.9 * scale, height * scale),
            ),
            (x, 0.0, 0.0),
            smooth=True,
            when=when,
        )
        cap = (
            (thick * scale, 0.02),
            (wide * scale, 0.0),
            (wide * scale * 0.8, dome * 0.6 * scale),
            (0.0, dome * scale),
        )
        s.lathe("cap", cap, (x, height * scale, 0.0), smooth=False, when=when)
    s.torus("ring", thick * 1.15, 0.03, (0.0, height * s.uniform(0.5, 0.8), 0.0), when=s.chance(0.4))


@category("head", "torso", "arm", "leg", "hat")
def person(s: Sketch) -> None:
    """A standing, walking or sitting figure with arms in any position; a skirt or a hat now and then."""
    leg, torso, shoulder = s.uniform(0.65, 0.95), s.uniform(0.5, 0.65), s.uniform(0.18, 0.27)
    head, thick = s.uniform(0.1, 0.15), s.uniform(0.045, 0.08)
    sitting, stride = s.chance(0.2), s.uniform(-0.25, 0.25)
    hip = np.where(sitting, leg * 0.5, leg * 0.97)
    knee = (
        SIDES * shoulder * 0.55,
        np.where(sitting, hip, leg * 0.5),
        np.where(sitting, leg * 0.5, stride * SIDES * 0.5 + 0.04),
    )
    foot = (SIDES * shoulder * s.uniform(0.5, 0.9), 0.03, np.where(sitting, leg * 0.5, stride * SIDES))
    s.tube("leg", ((SIDES * shoulder * 0.5, hip, 0.0), knee, foot), (thick * 1.4, thick * 1.1, thick * 0.8))
    s.ellipsoid("leg", (0.05, 0.04, 0.11), (foot[0], 0.03, foot[2] + 0.05))
    s.ellipsoid(
        "torso",
        (shoulder, torso * 0.55, shoulder * s.uniform(0.5, 0.75)),
        (0.0, hip + torso * 0.5, 0.0),
        power=(0.7, 0.8),
    )
    skirt = s.chance(0.25) & ~sitting
    s.cylinder(
        "torso",
        shoulder * s.uniform(1.1, 1.6),
        torso * 0.9,
        (0.0, hip - torso * 0.6, 0.0),
        top=shoulder * 0.7,
        when=skirt,
    )
    neck = hip + torso
    s.ellipsoid("head", (head * 0.85, head * 1.15, head), (0.0, neck + head * 1.25, 0.0))
    s.cylinder("head", 0.05, 0.12, (0.0, neck - 0.04, 0.0))
    out, forward = s.uniform(0.02, 0.28, 2), s.uniform(-0.15, 0.3, 2)
    side = SIDES * shoulder
    elbow = (side + SIDES * out, neck - 0.06 - s.uniform(0, 0.25, 2), forward * 0.4)
    hand = (elbow[0] + SIDES * s.uniform(-0.1, 0.2, 2), elbow[1] + s.uniform(-0.28, 0.25, 2), elbow[2] + forward)
    s.tube("arm", ((side, neck - 0.06, 0.0), elbow, hand), (thick, thick * 0.8, thick * 0.6))
    hat = s.chance(0.3)
    top = neck + head * 1.9
    s.cylinder("hat", head * 1.6, 0.02, (0.0, top, 0.0), when=hat)
    s.cylinder("hat", head * 0.95, head, (0.0, top, 0.0), top=head * s.uniform(0, 0.95), when=hat)


@category("head", "body", "leg", "tail", "horn")
def animal(s: Sketch) -> None:
    """A beast on four legs, nose towards +x: a dog, a horse, a cow, a giraffe, by its proportions."""
    length, girth, leg = s.uniform(0.35, 0.6), s.uniform(0.15, 0.28), s.uniform(0.3, 0.75)
    thick = s.uniform(0.04, 0.09)
    middle = leg + girth * 0.7
    s.ellipsoid("body", (length, girth, girth * s.uniform(0.75, 1)), (0.0, middle, 0.0), power=(0.8, 0.9))
    fore = np.array([[1, 1, -1, -1]], np.float32)
    side = np.array([[-1, 1, -1, 1]], np.float32) * girth * 0.65
    step = s.uniform(-0.15, 0.15, 4)
    hip = fore * length * 0.7
    s.tube(
        "leg",
        ((hip, middle, side), (hip + step * 0.3 - 0.03, leg * 0.5, side), (hip + step, 0.0, side)),
        (thick * 1.4, thick, thick * 0.7),
    )
    reach, lift = s.uniform(0.1, 0.35), s.uniform(0.1, 0.55)
    base = (length * 0.8, middle + girth * 0.2, 0.0)
    top = (length * 0.8 + reach, middle + girth * 0.2 + lift, 0.0)
    s.tube("head", (base, top), (girth * 0.55, girth * 0.35))
    size = girth * s.uniform(0.45, 0.65)
    s.ellipsoid(
        "head",
        (size * 1.5, size * 0.8, size * 0.75),
        (top[0] + size * 0.7, top[1], 0.0),
        turn=(0.0, 0.0, -s.uniform(0, 45)),
    )
    horn = s.uniform(0.06, 0.3)
    s.tube(
        "horn",
        (
            (top[0], top[1] + size * 0.6, SIDES * size * 0.5),
            (top[0] - 0.03, top[1] + size * 0.6 + horn, SIDES * (size * 0.6 + horn * 0.3)),
        ),
        (0.035, 0.012),
        sides=6,
    )
    rump, swing = (-length * 0.95, middle + girth * 0.4, 0.0), s.uniform(-0.35, 0.35)
    end = (-length * 0.95 - s.uniform(0.1, 0.35), middle + swing, s.uniform(-0.15, 0.15))
    s.tube("tail", (rump, end), (0.035, 0.015), sides=6)


@category("body", "fin", "tail")
def fish(s: Sketch) -> None:
    """A streamlined body with fins and a forked, flat or upright tail: a fish, a shark or a whale."""
    length, tall, wide = s.uniform(0.6, 0.9), s.uniform(0.15, 0.45), s.uniform(0.1, 0.28)
    belly = s.uniform(0.1, 0.5)
    profile = (
        (0.02, -length),
        (0.3, -length * 0.6),
        (1.0, length * (belly - 0.3)),
        (0.75, length * 0.6),
        (0.0, length),
    )
    s.lathe("body", profile, smooth=True, squash=(tall, wide), along="x", turn=(0.0, 0.0, 0.0))
    span, flat, fork = s.uniform(0.2, 0.42), s.chance(0.25), s.uniform(-0.2, 0.15)
    outline = ((-length * 0.92, 0.0), (-length - 0.25, span), (-length - 0.1 - fork, 0.0), (-length - 0.25, -span))
    s.plate("tail", outline, 0.025, turn=(np.where(flat, 90, 0), 0.0, 0.0))
    rise, back = s.uniform(0.1, 0.35), s.uniform(-0.2, 0.25)
    s.plate(
        "fin",
        ((back + 0.2, tall * 0.8), (back - 0.15, tall + rise), (back - 0.3, tall * 0.7)),
        0.02,
        when=s.chance(0.8),
    )
    reach, sweep = s.uniform(0.15, 0.5), s.uniform(0, 0.35)
    fin = ((SIDES * wide * 0.7, 0.2), (SIDES * (wide + reach), 0.1 - sweep), (SIDES * wide * 0.7, -0.05))
    s.plate("fin", fin, 0.02, (0.05, -tall * 0.3, 0.0), along="x", turn=(SIDES * s.uniform(0, 50), 0.0, 0.0))


NATURE: tuple[Category, ...] = (tree, mushroom, person, animal, fish)
