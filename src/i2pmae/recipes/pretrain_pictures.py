"""What a model and its teacher make of a few clouds, as arrays that can be drawn."""

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

from i2pmae.common.seeds import torch_generator
from i2pmae.data.clouds import CloudSet
from i2pmae.models import I2PMAE, DiscreteVAE, Hierarchy, PointBERT, PointMAE, point_indices
from i2pmae.models.base import PointModel
from i2pmae.ops import gather
from i2pmae.projection import lift
from i2pmae.teachers.base import Teacher
from i2pmae.training.config import PretrainConfig
from i2pmae.training.i2p import I2PPretraining
from i2pmae.training.point_bert import choose_masked
from i2pmae.training.point_mae import PointMAEPretraining
from i2pmae.training.teacher_maps import look
from i2pmae.typing import Bool, Float, Tensor
from i2pmae.viz import CloudPictures

__all__ = ["cloud_pictures", "one_per_class"]


@torch.no_grad()
def cloud_pictures(
    clouds: CloudSet,
    rows: Sequence[int],
    config: PretrainConfig,
    teacher: Teacher | None,
    model: PointModel | None = None,
    untrained: PointModel | None = None,
    vae: DiscreteVAE | None = None,
) -> list[CloudPictures]:
    """Pictures of the clouds at ``rows``: views and saliency where there is a teacher, the rest where there is a model.

    The masks are those that pre-training could draw, from the seed of the configuration. What Point-BERT predicts can
    be drawn where ``vae`` is given: the points of the predicted words. Models of other tasks than pre-training have
    neither masks nor reconstructions.
    """
    return [_picture(clouds, int(row), config, teacher, model, untrained, vae) for row in rows]


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
    model: PointModel | None,
    untrained: PointModel | None,
    vae: DiscreteVAE | None,
) -> CloudPictures:
    device = next(model.parameters()).device if model is not None else torch.device("cpu")
    points = torch.as_tensor(np.asarray(clouds.points[row], np.float32), device=device)[None]
    parts: dict[str, np.ndarray] = {}
    if teacher is not None:
        maps, frame, images = look(teacher, points, config.projection)
        parts["views"] = _array(images)
        parts["saliency_maps"] = _array(maps.saliency)
        parts["point_saliency"] = _array(lift(maps.saliency[:, :, None], points, frame).mean((2, 3)))
    rng = torch_generator(config.seed, "picture", row, device=device)
    if isinstance(model, I2PMAE):
        parts |= _hierarchical_masking(model.eval(), teacher, config, points, rng)
    elif isinstance(model, PointMAE):
        parts |= _point_mae_masking(model.eval(), config, points, rng)
    elif isinstance(model, PointBERT):
        parts |= _point_bert_masking(model.eval(), vae, points, rng)
    for name, encoder in (("point_features", model), ("before_features", untrained)):
        if encoder is not None:
            parts[name] = _array(encoder.to(device).eval().point_features(points))
    label = None
    if clouds.labels is not None:
        label = clouds.classes[clouds.labels[row]] if clouds.classes else str(clouds.labels[row])
    return CloudPictures(id=str(clouds.ids[row]), points=points[0].cpu().numpy(), label=label, **parts)


def _hierarchical_masking(
    model: I2PMAE, teacher: Teacher | None, config: PretrainConfig, points: Tensor, rng: torch.Generator
) -> dict[str, np.ndarray]:
    """One draw of the mask, and what the decoder makes of it."""
    task = I2PPretraining(model, teacher, config)
    hierarchy = model.tokenise(points)
    parts, saliency = {}, None
    if teacher is not None:
        maps, frame, _ = look(teacher, points, config.projection)
        saliency = task.saliency(maps, frame, points, hierarchy)
        parts["token_saliency"] = _array(saliency)
    visible = task.choose_visible(saliency, hierarchy, rng)
    found = model(hierarchy, visible)
    return parts | {
        "token_centres": _array(gather(points, point_indices(hierarchy, -1))),
        "token_visible": _array(visible[-1]),
        "point_visible": _array(_visible_points(hierarchy[0].neighbours, visible[0], points.shape[1])),
        **_predicted(hierarchy, model.decoded_level, found.offsets, found.masked),
    }


def _point_mae_masking(
    model: PointMAE, config: PretrainConfig, points: Tensor, rng: torch.Generator
) -> dict[str, np.ndarray]:
    """The same for tokens of one level."""
    hierarchy = model.tokenise(points)
    visible = PointMAEPretraining(model, config).choose_visible(hierarchy, rng)
    found = model(hierarchy, visible)
    return _plain_tokens(hierarchy, visible, points) | _predicted(hierarchy, 0, found.offsets, found.masked)


def _point_bert_masking(
    model: PointBERT, vae: DiscreteVAE | None, points: Tensor, rng: torch.Generator
) -> dict[str, np.ndarray]:
    """One draw of the mask, and the points of the predicted words between those of the visible tokens' own words."""
    hierarchy = model.tokenise(points)
    masked = choose_masked(model.config, hierarchy, rng)
    parts = _plain_tokens(hierarchy, ~masked, points)
    if vae is None:
        return parts
    words = vae.eval().words(hierarchy)
    words[masked] = model(hierarchy, masked).words.argmax(-1)
    _, fine = vae.decode(functional.one_hot(words, vae.config.codes).float(), hierarchy[0].centres)
    return parts | _predicted(hierarchy, 0, fine[masked], masked)


def _plain_tokens(hierarchy: Hierarchy, visible: Bool[Tensor, "b m"], points: Tensor) -> dict[str, np.ndarray]:
    """Tokens of one level and what is visible."""
    return {
        "token_centres": _array(hierarchy[0].centres),
        "token_visible": _array(visible),
        "point_visible": _array(_visible_points(hierarchy[0].neighbours, visible, points.shape[1])),
    }


def _predicted(
    hierarchy: Hierarchy, level: int, offsets: Float[Tensor, "masked p 3"], masked: Bool[Tensor, "b m"]
) -> dict[str, np.ndarray]:
    """Predicted and true points of the masked tokens of a level."""
    groups = hierarchy[level]
    centres = groups.centres[masked][:, None]
    return {
        "reconstruction": (offsets + centres).flatten(0, 1).float().cpu().numpy(),
        "masked_truth": (groups.offsets[masked] + centres).flatten(0, 1).cpu().numpy(),
    }


def _visible_points(neighbours: Tensor, visible: Bool[Tensor, "b m"], count: int) -> Bool[Tensor, "b n"]:
    """Points in the neighbourhood of a visible token of the finest level."""
    shown = torch.zeros(len(visible), count, dtype=torch.bool, device=visible.device)
    shown[0, neighbours[0][visible[0]].flatten()] = True
    return shown


def _array(values: Tensor) -> np.ndarray:
    return values[0].float().cpu().numpy() if values.is_floating_point() else values[0].cpu().numpy()
