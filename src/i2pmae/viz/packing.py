"""Clouds and arrays as the scripts of pages read them: in base64, few bits a value."""

import base64

import numpy as np

from i2pmae.viz.figures import Scene

__all__ = ["MOST_POINTS", "SPAN", "packed", "packed_scene"]

SPAN = 2.0
"""Half of the cube that the viewer can show, in radii of the cloud; predictions beyond it are moved to its faces."""
MOST_POINTS = 8192
"""Points that the viewer draws; of larger clouds, evenly spread over their order."""


def packed(values: np.ndarray) -> str:
    """The bytes of an array, little end first, in base64."""
    return base64.b64encode(np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()).decode("ascii")


def packed_scene(
    scene: Scene, same: np.ndarray | None, centre: np.ndarray | float = 0.0, reach: float = 1.0
) -> dict[str, str]:
    """A scene for the viewer, in base64: places as 16-bit integers over ±``SPAN · reach``, colours as four bytes each.

    The fourth byte is 1 for quiet points. Places are left out where they are the first scene's points, ``same``.
    """
    rows = np.linspace(0, len(scene.points) - 1, min(len(scene.points), MOST_POINTS)).astype(np.intp)
    quiet = np.zeros(len(rows), np.uint8) if scene.quiet is None else scene.quiet[rows].astype(np.uint8)
    colours = np.rint(np.clip(scene.colours[rows], 0, 1) * 255).astype(np.uint8)
    found = {"name": scene.name, "colours": packed(np.concatenate([colours, quiet[:, None]], 1))}
    if scene.points is not same:
        places = np.clip((scene.points[rows] - centre) / (SPAN * reach), -1, 1) * 32767
        found["places"] = packed(np.rint(places).astype(np.int16))
    return found
