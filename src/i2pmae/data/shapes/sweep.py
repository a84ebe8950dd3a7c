"""Random solids of one form, many at once: an outline swept along a straight, bent or twisted axis with a profile.

Prisms, cones, spheres, vessels, rings, channels and sheets differ in numbers alone, so that every solid of a block may
be of another kind and all are made by one set of array operations. A solid is a grid of :data:`ROWS` outlines of
:data:`COLUMNS` points.
"""

from collections.abc import Sequence

import numpy as np

from i2pmae.data.shapes.primitives import circle, grid_faces, smoothing

__all__ = ["FORMS", "OUTLINES", "PROFILES", "faces", "solids", "styles"]

COLUMNS = 24
"""Points of an outline: polygons of 3, 4, 6 and 8 sides have their corners among them."""
CONTROL = 5
"""Control points of a free profile."""
SIDE = smoothing(CONTROL, False).shape[0]
"""Rows of a profile between its two ends."""
ROWS = SIDE + 2
OUTLINES = ("circle", "superellipse", "polygon", "lobes", "blob", "half", "plus", "tee", "angle", "channel", "strip")
"""Kinds of outlines; the last four can't be seen whole from their middle, and have open ends."""
OPEN = 7
PROFILES = ("prism", "taper", "free", "steps", "ellipsoid", "dome", "shell", "pipe")
"""How the outline's size changes along the axis: ``shell`` is an open vessel with a wall, ``pipe`` has no ends."""
FORMS = ("rod", "slab", "panel", "block", "round", "needle")
"""Proportions: long, flat, upright and thin, any, as deep as wide, and very thin."""


def styles(generator: np.random.Generator, weights: Sequence[float], shape: tuple[int, ...]) -> np.ndarray:
    """One of ``0, 1, …`` for each element, in proportion to the weights."""
    edges = np.cumsum(weights) / sum(weights)
    return np.searchsorted(edges[:-1], generator.random(shape), side="right")


def faces(solids_: int) -> np.ndarray:
    """The faces ``(f, 3)`` that the vertices of so many solids, one after the other, share."""
    one = grid_faces(ROWS, COLUMNS, closed_columns=True)
    return (one + ROWS * COLUMNS * np.arange(solids_)[:, None, None]).reshape(-1, 3)


def solids(
    generator: np.random.Generator,
    form: np.ndarray,
    outline_weights: Sequence[float],
    profile_weights: Sequence[float],
    bent: float,
) -> np.ndarray:
    """Vertices ``(b, k, ROWS · COLUMNS, 3)`` of solids of the given forms ``(b, k)``, about the middle of their box.

    The largest half extent of a straight one is about 1. A share ``bent`` is bent, or twisted, or both.
    """
    shape = form.shape
    kind = styles(generator, outline_weights, shape)
    outline = outlines(generator, kind)
    profile = profiles(generator, styles(generator, profile_weights, shape), kind >= OPEN)
    half = sizes(generator, form)
    radius, height = profile[..., 0, None], profile[..., 1, None]
    x = radius * outline[..., None, :, 0] * half[..., 0, None, None]
    z = radius * outline[..., None, :, 1] * half[..., 2, None, None]
    y = np.broadcast_to(height * half[..., 1, None, None], x.shape)
    turn = generator.uniform(-2.5, 2.5, shape) * (generator.random(shape) < bent / 2)
    angle = (turn[..., None, None] * height).astype(np.float32)
    x, z = x * np.cos(angle) - z * np.sin(angle), x * np.sin(angle) + z * np.cos(angle)
    wanted = generator.uniform(0.5, 2 * np.pi, shape) * (generator.random(shape) < bent)
    points = bend(np.stack((x, y, z), -1), half, wanted)
    points = points.reshape(*shape, -1, 3)
    return (points - (points.max(2, keepdims=True) + points.min(2, keepdims=True)) / 2).astype(np.float32)


def sizes(generator: np.random.Generator, form: np.ndarray) -> np.ndarray:
    """Half extents ``(b, k, 3)`` for the forms ``(b, k)``; y is the axis."""

    def between(low: float, high: float) -> np.ndarray:
        return np.exp(generator.uniform(np.log(low), np.log(high), form.shape))

    thin, wide, any_ = between(0.04, 0.16), between(0.4, 1.0), between(0.3, 1.0)
    deep = np.where(generator.random(form.shape) < 0.5, 1, between(0.5, 1.0))
    table = np.array(
        [
            (thin, np.ones_like(thin), thin * deep),
            (np.ones_like(thin), thin, wide),
            (np.ones_like(thin), wide, thin),
            (between(0.3, 1.0), any_, between(0.3, 1.0)),
            (any_, wide, any_),
            (thin * 0.4, np.ones_like(thin), thin * 0.4),
        ]
    )
    chosen = np.take_along_axis(table, form[None, None], 0)[0]
    return np.moveaxis(chosen, 0, -1).astype(np.float32)


def outlines(generator: np.random.Generator, kind: np.ndarray) -> np.ndarray:
    """Closed curves ``(b, k, COLUMNS, 2)`` that fill the square of half extent 1."""
    shape = (*kind.shape, 1)
    cosine, sine = circle(COLUMNS).T
    angle = 2 * np.pi * np.arange(COLUMNS) / COLUMNS
    power = generator.uniform(0.15, 1.3, shape)
    sides = generator.choice([3, 4, 4, 4, 6, 8], shape)
    step = 2 * np.pi / sides
    start = np.where(generator.random(shape) < 0.5, 0, step / 2)
    flat = np.cos(step / 2) / np.cos((angle + start) % step - step / 2)
    lobes = 1 + generator.uniform(0.1, 0.6, shape) * np.cos(generator.integers(2, 9, shape) * angle)
    order = np.arange(1, 5)[:, None]
    waves = generator.normal(0, 0.35, (*kind.shape, 4, 1)) * np.cos(
        order * angle + generator.uniform(0, 6.3, (*kind.shape, 4, 1))
    )
    blob = np.exp((waves / order).sum(-2))
    floor = generator.uniform(-0.7, 0.3, shape)
    wall = generator.uniform(0.1, 0.5, shape)
    along = np.r_[np.linspace(-1, 1, COLUMNS // 2), np.linspace(1, -1, COLUMNS // 2)]
    wave = generator.uniform(0.02, 1, shape) * np.sin(generator.uniform(1, 10, shape) * along + start)
    radial = [(flat * cosine, flat * sine), (lobes * cosine, lobes * sine), (blob * cosine, blob * sine)]
    curves = [
        (cosine, sine),
        (np.sign(cosine) * np.abs(cosine) ** power, np.sign(sine) * np.abs(sine) ** power),
        *radial,
        (cosine, np.maximum(sine, floor)),
        *(sections(wall)),
        (along, wave + np.repeat([-0.01, 0.01], COLUMNS // 2)),
    ]
    out = np.zeros((*kind.shape, COLUMNS, 2), np.float32)
    for number, (x, z) in enumerate(curves):
        here = kind == number
        out[here, :, 0] = np.broadcast_to(x, (*kind.shape, COLUMNS))[here]
        out[here, :, 1] = np.broadcast_to(z, (*kind.shape, COLUMNS))[here]
    low, high = out.min(2, keepdims=True), out.max(2, keepdims=True)
    return (out - (low + high) / 2) / ((high - low) / 2)


def sections(wall: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Steel sections with a wall of relative thickness ``(b, k, 1)``: a plus, a T, an L and a U."""
    one, w, v = np.ones_like(wall), wall, 1 - 2 * wall
    plus = [(w, w), (w, one), (-w, one), (-w, w), (-one, w), (-one, -w),
            (-w, -w), (-w, -one), (w, -one), (w, -w), (one, -w), (one, w)]  # fmt: skip
    tee = [(one, one), (-one, one), (-one, v), (-w, v), (-w, -one), (w, -one), (w, v), (one, v)]
    angle = [(one, -one), (one, -v), (-v, -v), (-v, one), (-one, one), (-one, -one)]
    channel = [(one, -one), (one, one), (v, one), (v, -v), (-v, -v), (-v, one), (-one, one), (-one, -one)]
    return [refined(corners) for corners in (plus, tee, angle, channel)]


def refined(corners: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """A closed polygon ``(b, k, COLUMNS)`` in x and in z, with points along its edges."""
    points = np.stack([np.concatenate(corner, -1) for corner in corners], -2)
    t = (np.arange(COLUMNS // len(corners)) * len(corners) / COLUMNS)[:, None]
    fine = points[..., None, :] * (1 - t) + np.roll(points, -1, -2)[..., None, :] * t
    fine = fine.reshape(*fine.shape[:2], COLUMNS, 2)
    return fine[..., 0], fine[..., 1]


def profiles(generator: np.random.Generator, kind: np.ndarray, open_: np.ndarray) -> np.ndarray:
    """Curves ``(b, k, ROWS, 2)`` of radius and height within 1 and ±1; the ends of ``open_`` ones are not closed."""
    shape = (*kind.shape, 1)
    t = np.linspace(-1, 1, SIDE)
    tip = np.where(generator.random(shape) < 0.2, 0, generator.uniform(0.1, 1, shape))
    taper = 1 + (tip - 1) * (t + 1) / 2
    taper = np.where(generator.random(shape) < 0.5, taper, taper[..., ::-1])
    free = np.clip(generator.uniform(0.15, 1.1, (*kind.shape, CONTROL)) @ smoothing(CONTROL, False).T, 0.05, 1.2)
    level = np.arange(SIDE) * 3 // SIDE
    steps = generator.uniform(0.25, 1, (*kind.shape, 3))[..., level]
    jump = np.r_[False, np.diff(level) > 0]
    power, latitude = generator.uniform(0.2, 1.2, shape), t * np.pi / 2
    oval = np.maximum(np.cos(latitude), 0) ** power
    rise = np.sign(t) * np.abs(np.sin(latitude)) ** power
    outside = np.clip(generator.uniform(0.4, 1, (*kind.shape, 3)) @ smoothing(3, False).T, 0.2, 1)
    back = np.arange(SIDE - outside.shape[-1])
    wall = generator.uniform(0.04, 0.12, shape)
    shell = np.concatenate((outside, outside[..., ::-1][..., back] - wall), -1)
    up = np.linspace(-1, 1, outside.shape[-1])
    down = np.maximum(up[::-1][back], -1 + 2 * wall)
    heights = np.concatenate((np.broadcast_to(up, outside.shape), np.broadcast_to(down, (*kind.shape, len(back)))), -1)
    curves = [
        (np.ones_like(t), t),
        (taper, t),
        (free, t),
        (steps, np.where(jump, np.roll(t, 1), t)),
        (oval, rise),
        (np.maximum(np.cos((t + 1) * np.pi / 4), 0), 2 * np.sin((t + 1) * np.pi / 4) - 1),
        (shell, heights),
        (taper, t),
    ]
    side = np.zeros((*kind.shape, SIDE, 2), np.float32)
    for number, (radius, height) in enumerate(curves):
        here = kind == number
        side[here, :, 0] = np.broadcast_to(radius, side.shape[:-1])[here]
        side[here, :, 1] = np.broadcast_to(height, side.shape[:-1])[here]
    side[..., 0] /= side[..., 0].max(-1, keepdims=True)
    ends = side[..., [0, -1], :].copy()
    closed = ~open_ & (kind < len(PROFILES) - 1)
    ends[..., 0] *= ~closed[..., None]
    return np.concatenate((ends[..., :1, :], side, ends[..., 1:, :]), -2)


def bend(points: np.ndarray, half: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Points ``(b, k, rows, columns, 3)`` with the y axis bent into an arc of the ``wanted`` angle, towards the thinner
    side.

    The angle is smaller where the solid is too thick for it; below a twentieth it stays straight.
    """
    thin = np.minimum(half[..., 0], half[..., 2])
    angle = np.minimum(wanted, 1.6 * half[..., 1] / thin)
    straight = angle < 0.05
    radius = (2 * half[..., 1] / np.where(straight, 1, angle)).astype(np.float32)[..., None, None]
    swapped = (half[..., 2] < half[..., 0])[..., None, None]
    x, y, z = np.moveaxis(points, -1, 0)
    u, v = np.where(swapped, z, x), np.where(swapped, x, z)
    turn = y / radius
    curved = (radius + u) * np.cos(turn) - radius, (radius + u) * np.sin(turn)
    u, y = (np.where(straight[..., None, None], old, new) for old, new in zip((u, y), curved, strict=True))
    return np.stack((np.where(swapped, v, u), y, np.where(swapped, u, v)), -1)
