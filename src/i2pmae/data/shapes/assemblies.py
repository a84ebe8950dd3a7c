"""The families of unnamed assemblies, named after the objects whose structure theirs is like.

Towers stack what is turned on a lathe; things on legs have boards and boxes over corners; bodies have limbs in pairs;
wheels have rings of equal things; racks have rows and grids; vessels are open above; branches grow from branches.
The last family takes every choice as likely as any.
"""

from i2pmae.data.shapes.grammar import MOST, PLACES, Family, Weights

__all__ = ["FAMILIES"]

ANY_OUTLINE: Weights = {
    "circle": 3, "superellipse": 2, "polygon": 4, "lobes": 1, "blob": 1.5, "half": 1,
    "plus": 0.4, "tee": 0.4, "angle": 0.5, "channel": 0.6, "strip": 0.4,
}  # fmt: skip
ROUND: Weights = {"circle": 6, "superellipse": 1, "polygon": 1.5, "lobes": 1, "blob": 0.5}
BOXES: Weights = {"polygon": 5, "superellipse": 2, "circle": 1, "channel": 0.7, "angle": 0.5, "tee": 0.3, "strip": 0.3}
SOFT: Weights = {"circle": 3, "blob": 3, "superellipse": 2, "half": 1}
ANY_PROFILE: Weights = {
    "prism": 4, "taper": 2, "free": 2, "steps": 1, "ellipsoid": 2, "dome": 0.7, "shell": 0.7, "pipe": 0.5,
}  # fmt: skip
PLAIN: Weights = {"prism": 5, "taper": 1.5, "ellipsoid": 0.6, "steps": 0.4, "pipe": 0.3}
TURNED: Weights = {"free": 4, "taper": 2, "prism": 1.5, "steps": 1.5, "ellipsoid": 1.5, "dome": 1, "shell": 0.5}
ANY_FORM: Weights = {"rod": 2, "slab": 1.5, "panel": 1.5, "block": 2.5, "round": 2, "needle": 0.7}
ONCE: Weights = {"one": 5, "mirrored": 1, "ring": 1, "row": 0.5}
OFTEN: Weights = {"one": 2, "mirrored": 2, "four": 1, "ring": 1, "row": 1, "grid": 0.7}

FAMILIES: tuple[Family, ...] = (
    Family(
        name="assembly_tower",
        roots={"round": 3, "slab": 1, "block": 1, "rod": 1},
        forms={"round": 4, "slab": 1.5, "rod": 1.5, "block": 1},
        outlines=ROUND,
        profiles=TURNED,
        root_profiles=TURNED,
        places={"top": 7, "sides": 0.7, "anywhere": 0.7, "inside": 0.3},
        repeats=ONCE,
        chain=0.85,
        sizes=(0.3, 1.3),
        spanning=0.45,
        leaning=0.05,
        bent=0.1,
    ),
    Family(
        name="assembly_legs",
        roots={"slab": 4, "block": 2, "round": 1},
        forms={"rod": 4, "slab": 1, "panel": 1.5, "block": 1, "needle": 1},
        outlines=BOXES,
        profiles=PLAIN,
        root_profiles=PLAIN,
        places={"low corners": 4, "bottom": 1.2, "top": 1.5, "high corners": 1, "front": 0.6, "sides": 0.6},
        repeats={"one": 1.5, "mirrored": 1.5, "four": 3, "ring": 1, "row": 0.6},
        chain=0.25,
        sizes=(0.4, 1.3),
        leaning=0.25,
        bent=0.12,
    ),
    Family(
        name="assembly_limbs",
        roots={"rod": 1, "block": 2, "round": 2},
        forms={"rod": 3, "panel": 1, "slab": 2, "round": 1, "block": 1},
        outlines=SOFT,
        profiles=ANY_PROFILE,
        root_profiles={"ellipsoid": 3, "free": 3, "prism": 1, "taper": 1},
        places={"sides": 3, "front": 2, "anywhere": 2, "low corners": 1.5, "top": 1},
        repeats={"one": 1, "mirrored": 5, "four": 1},
        chain=0.4,
        leaning=0.5,
        bent=0.3,
    ),
    Family(
        name="assembly_wheel",
        roots={"slab": 2, "round": 2, "rod": 1.5},
        forms=ANY_FORM,
        outlines=ROUND | {"strip": 0.5},
        profiles=ANY_PROFILE,
        root_profiles=ANY_PROFILE,
        places={"sides": 3, "anywhere": 1.5, "top": 1, "low corners": 1, "high corners": 1},
        repeats={"one": 0.7, "ring": 6, "four": 0.5},
        chain=0.4,
        sizes=(0.15, 1.2),
        leaning=0.35,
        bent=0.25,
    ),
    Family(
        name="assembly_rack",
        roots={"panel": 2, "slab": 2, "block": 2},
        forms={"slab": 2, "panel": 2, "block": 2, "rod": 2, "needle": 0.5},
        outlines=BOXES,
        profiles=PLAIN,
        root_profiles={"prism": 4, "shell": 1, "pipe": 1},
        places={"front": 3, "top": 2, "inside": 2, "sides": 1, "bottom": 0.7},
        repeats={"one": 1, "row": 4, "grid": 3, "mirrored": 1},
        chain=0.2,
        sizes=(0.1, 1.0),
        spanning=0.4,
        leaning=0.08,
        bent=0.06,
    ),
    Family(
        name="assembly_vessel",
        roots={"round": 3, "block": 2, "slab": 1},
        forms=ANY_FORM,
        outlines=ROUND | {"superellipse": 3, "half": 1},
        profiles=ANY_PROFILE,
        root_profiles={"shell": 6, "pipe": 1},
        places={"sides": 3, "top": 1, "bottom": 2, "low corners": 1, "anywhere": 1, "front": 1},
        repeats=ONCE | {"four": 0.7},
        chain=0.25,
        sizes=(0.1, 0.9),
        solids=(1, 4),
        bent=0.3,
    ),
    Family(
        name="assembly_branches",
        roots={"rod": 4, "round": 1, "needle": 1},
        forms={"rod": 5, "needle": 3, "round": 0.8, "slab": 0.8},
        outlines=SOFT | {"strip": 0.4},
        profiles={"taper": 3, "prism": 2, "free": 1, "ellipsoid": 2, "dome": 0.5},
        root_profiles={"taper": 3, "prism": 2, "free": 1},
        places={"anywhere": 4, "top": 2, "high corners": 1.5, "sides": 1},
        repeats={"one": 1.5, "ring": 4, "mirrored": 1, "row": 1.5},
        chain=0.6,
        sizes=(0.2, 0.8),
        spanning=0.0,
        leaning=0.7,
        bent=0.4,
    ),
    Family(
        name="assembly_any",
        roots=ANY_FORM,
        forms=ANY_FORM,
        outlines=ANY_OUTLINE,
        profiles=ANY_PROFILE,
        root_profiles=ANY_PROFILE,
        places=dict.fromkeys(PLACES, 1.0),
        repeats=OFTEN,
        chain=0.4,
        solids=(1, MOST),
        leaning=0.35,
        bent=0.3,
    ),
)
