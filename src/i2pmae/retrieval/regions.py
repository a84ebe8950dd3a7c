"""What stands for the parts of a shape: the mean feature of the points around places that are spread over it."""

import numpy as np
import torch

from i2pmae.common.errors import UsageError
from i2pmae.ops import fps
from i2pmae.retrieval.nearest import unit
from i2pmae.typing import Float
from i2pmae.weights.encoder import Encoder

__all__ = ["region_at", "regions"]


def regions(
    encoder: Encoder, points: Float[np.ndarray, "b n 3"], count: int, radius: float
) -> tuple[Float[np.ndarray, "b r d"], Float[np.ndarray, "b r 3"]]:
    """Vectors of length 1 of ``count`` regions of each cloud, and their centres.

    The centres are points that are far from each other; a region is all points within ``radius`` of its centre, and its
    vector the mean of their features. The points are y up and in the unit sphere.
    """
    clouds = torch.from_numpy(np.ascontiguousarray(points, dtype=np.float32))
    chosen = fps(clouds, count).numpy()
    centres = np.take_along_axis(clouds.numpy(), chosen[..., None], axis=1)
    features = encoder.point_features(points, batch_size=len(points), max_points=None)
    inside = np.square(centres[:, :, None] - clouds.numpy()[:, None]).sum(-1) <= radius**2
    return unit(inside.astype(np.float32) @ features), centres  # the length of a mean is that of a sum, once it is 1


def region_at(
    encoder: Encoder, cloud: Float[np.ndarray, "n 3"], places: Float[np.ndarray, "p 3"], radius: float
) -> Float[np.ndarray, " d"]:
    """The vector of length 1 of the points of a cloud within ``radius`` of any of some places.

    :class:`UsageError` for a place near which there is no point.
    """
    distance = np.linalg.norm(cloud[None] - places[:, None], axis=-1)
    inside = distance <= radius
    for place, within, away in zip(places, inside, distance, strict=True):
        if not within.any():
            nearest = cloud[away.argmin()]
            raise UsageError(
                f"No point of the cloud is within {radius:g} of {_listed(place)}: the nearest, {_listed(nearest)}, is "
                f"{away.min():.3g} away. Places are those of the cloud as the encoder sees it, y up and in the unit "
                "sphere; name another one or a larger radius."
            )
    features = encoder.point_features(cloud[None], max_points=None)[0]
    return unit(features[inside.any(0)].mean(0))


def _listed(place: Float[np.ndarray, "3"]) -> str:
    return "(" + ", ".join(f"{value:.3g}" for value in place) + ")"
