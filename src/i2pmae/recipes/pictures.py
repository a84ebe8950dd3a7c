"""What a model and its teacher make of a few clouds, as arrays that can be drawn."""

from collections.abc import Sequence

import numpy as np
import torch

from i2pmae.common.seeds import torch_generator
from i2pmae.data.clouds import CloudSet
from i2pmae.models import I2PMAE, point_indices
from i2pmae.ops import gather
from i2pmae.projection import lift
from i2pmae.teachers.base import Teacher
from i2pmae.training.config import PretrainConfig
from i2pmae.training.i2p import I2PPretraining
from i2pmae.training.teacher_maps import look
from i2pmae.typing import Bool, Tensor
from i2pmae.viz import CloudPictures

__all__ = ["cloud_pictures", "one_per_class"]


@torch.no_grad()
def cloud_pictures(
    clouds: CloudSet,
    rows: Sequence[int],
    config: PretrainConfig,
    teacher: Teacher | None,
    model: I2PMAE | None = None,
    untrained: I2PMAE | None = None,
) -> list[CloudPictures]:
    """Pictures of the clouds at ``rows``: views and saliency where there is a teacher, the rest where there is a model.

    The masks are those that pre-training could draw, from the seed of the configuration.
    """
    return [_picture(clouds, int(row), config, teacher, model, untrained) for row in rows]


def one_per_class(clouds: CloudSet, count: int) -> list[int]:
    """``count`` rows spread over the classes, or over the set where it has no labels."""
    if clouds.labels is None:
        return np.linspace(0, len(clouds) - 1, min(count, len(clouds))).astype(int).tolist()
    _, first = np.unique(clouds.labels, return_index=True)
    chosen = first[np.linspace(0, len(first) - 1, min(count, len(first))).astype(int)].tolist()
    rest = [row for row in range(len(clouds)) if row not in set(chosen)]
    return (chosen + rest)[: min(count, len(clouds))]


def _picture(
    clouds: CloudSet,
    row: int,
    config: PretrainConfig,
    teacher: Teacher | None,
    model: I2PMAE | None,
    untrained: I2PMAE | None,
) -> CloudPictures:
    device = next(model.parameters()).device if model is not None else torch.device("cpu")
    points = torch.as_tensor(np.asarray(clouds.points[row], np.float32), device=device)[None]
    parts: dict[str, np.ndarray] = {}
    if teacher is not None:
        maps, frame, images = look(teacher, points, config.projection)
        parts["views"] = _array(images)
        parts["saliency_maps"] = _array(maps.saliency)
        parts["point_saliency"] = _array(lift(maps.saliency[:, :, None], points, frame).mean((2, 3)))
        if model is not None:
            parts |= _masking(model, teacher, config, points, row)
    for name, encoder in (("point_features", model), ("before_features", untrained)):
        if encoder is not None:
            parts[name] = _array(encoder.to(device).eval().point_features(points))
    label = None
    if clouds.labels is not None:
        label = clouds.classes[clouds.labels[row]] if clouds.classes else str(clouds.labels[row])
    return CloudPictures(id=str(clouds.ids[row]), points=points[0].cpu().numpy(), label=label, **parts)


def _masking(
    model: I2PMAE, teacher: Teacher, config: PretrainConfig, points: Tensor, row: int
) -> dict[str, np.ndarray]:
    """One draw of the mask, and what the decoder makes of it."""
    task = I2PPretraining(model.eval(), teacher, config)
    hierarchy = model.tokenise(points)
    maps, frame, _ = look(teacher, points, config.projection)
    saliency = task.saliency(maps, frame, points, hierarchy)
    rng = torch_generator(config.seed, "picture", row, device=points.device)
    visible = task.choose_visible(saliency, hierarchy, rng)
    found = model(hierarchy, visible)
    level = hierarchy[model.decoded_level]
    centres = level.centres[found.masked][:, None]
    return {
        "token_centres": _array(gather(points, point_indices(hierarchy, -1))),
        "token_visible": _array(visible[-1]),
        "token_saliency": _array(saliency),
        "point_visible": _array(_visible_points(hierarchy[0].neighbours, visible[0], points.shape[1])),
        "reconstruction": (found.offsets + centres).flatten(0, 1).float().cpu().numpy(),
        "masked_truth": (model.target_offsets(hierarchy, found.masked) + centres).flatten(0, 1).cpu().numpy(),
    }


def _visible_points(neighbours: Tensor, visible: Bool[Tensor, "b m"], count: int) -> Bool[Tensor, "b n"]:
    """Points in the neighbourhood of a visible token of the finest level."""
    shown = torch.zeros(len(visible), count, dtype=torch.bool, device=visible.device)
    shown[0, neighbours[0][visible[0]].flatten()] = True
    return shown


def _array(values: Tensor) -> np.ndarray:
    return values[0].float().cpu().numpy() if values.is_floating_point() else values[0].cpu().numpy()
