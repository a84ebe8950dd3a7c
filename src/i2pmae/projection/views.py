"""Directions from which a cloud is seen."""

import functools
import math
import re

import torch

from i2pmae.common.errors import UsageError
from i2pmae.typing import Float, Tensor

__all__ = ["AXIS_VIEWS", "orbit_views", "parse_views"]

AXIS_VIEWS: Float[Tensor, "3 3 3"] = torch.tensor(
    [
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[0, 0, 1], [1, 0, 0], [0, 1, 0]],
        [[0, 1, 0], [0, 0, 1], [1, 0, 0]],
    ],
    dtype=torch.float32,
)
"""The paper's three views (§3.2), one 3×3 matrix each. Its rows give the image row, the image column and the depth of a
point: (x, y | z), (z, x | y), (y, z | x)."""


def orbit_views(azimuths: list[float], elevation: float = 30.0) -> Float[Tensor, "v 3 3"]:
    """Orthographic cameras on a circle around the vertical (y) axis that look at the origin; angles in degrees.

    Azimuth 0 looks from +z, 90 from +x; a positive elevation looks from above. Image rows run downwards and columns to
    the right as the camera sees them; depth grows towards the camera.
    """
    if not azimuths:
        raise UsageError("orbit_views: expected at least one azimuth, got none.")
    if not -90 < elevation < 90:
        raise UsageError(f"orbit_views: expected an elevation between -90 and 90 degrees, got {elevation}.")
    tilt = math.radians(elevation)
    views = []
    for azimuth in azimuths:
        turn = math.radians(azimuth)
        right = [math.cos(turn), 0.0, -math.sin(turn)]
        towards = [math.sin(turn) * math.cos(tilt), math.sin(tilt), math.cos(turn) * math.cos(tilt)]
        up = [-math.sin(turn) * math.sin(tilt), math.cos(tilt), -math.cos(turn) * math.sin(tilt)]
        views.append([[-c for c in up], right, towards])
    return torch.tensor(views, dtype=torch.float32)


@functools.lru_cache(maxsize=32)  # a copy to a GPU waits for all that it has to do: one for all steps
def parse_views(text: str, device: torch.device | str = "cpu") -> Float[Tensor, "v 3 3"]:
    """Views for a short description: ``axes``, ``orbit:N`` or ``orbit:N@ELEVATION`` (N cameras, evenly spaced).

    On ``device``. The same tensor each time, which is not to be changed. :class:`UsageError` for anything else.
    """
    if text == "axes":
        return AXIS_VIEWS.to(device)
    match = re.fullmatch(r"orbit:(\d+)(?:@(-?\d+(?:\.\d+)?))?", text)
    if match is None or int(match[1]) < 1:
        raise UsageError(
            f"views: expected 'axes', 'orbit:N' or 'orbit:N@ELEVATION' (for example 'orbit:6@30'), got {text!r}."
        )
    count = int(match[1])
    return orbit_views([360 * i / count for i in range(count)], float(match[2] or 30)).to(device)
