"""A step of pre-training in the published formulation."""

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.published import geometry
from benchmarks.published.model import PublishedI2PMAE, visible_levels
from i2pmae.encoders.masking import visible_count
from i2pmae.teachers.base import Teacher


def losses(model: PublishedI2PMAE, teacher: Teacher, points: Tensor, top: Tensor | None = None) -> dict[str, Tensor]:
    """Both losses of a batch; ``top`` says which of the coarsest tokens are visible, else they are drawn."""
    levels = model.groups(points)
    order = levels[0].chosen  # whose first ones are the centres of the coarser levels
    with torch.no_grad():
        images = torch.cat([geometry.depth_map(points, view) for view in geometry.VIEWS])
        features, saliency = teacher(images)[:2]
        by_view = list(zip(features.chunk(3), saliency.chunk(3), geometry.VIEWS, strict=True))
        count = model.config.group_counts[-1]
        seen = [geometry.back_projected(s[:, None], points, order[:, :count], view)[..., 0] for _, s, view in by_view]
        target = torch.cat([geometry.back_projected(f, points, order, view) for f, _, view in by_view], dim=-1)
        if top is None:
            top = drawn(torch.stack(seen).mean(0).softmax(-1), visible_count(count, model.config.mask_ratio))
    visible = visible_levels(levels, top)
    tokens = model.decoder(levels, model.encoder(levels, visible), visible)
    decoded, shown = levels[model.decoded_level], visible[model.decoded_level]
    neighbours, offsets = decoded.neighbours, decoded.offsets
    of_masked = model.coordinate_head(tokens[~shown].t()[None])[0].t().reshape(-1, *offsets.shape[2:])
    of_shown = model.semantic_head(tokens[shown].t()[None])[0].t().reshape(-1, offsets.shape[2], target.shape[-1])
    wanted = geometry.pick(target, neighbours)[shown]
    return {
        "coordinates": geometry.chamfer(of_masked, offsets[~shown]),
        "semantics": ((of_shown - wanted) ** 2).mean(),
    }


def drawn(chance: Tensor, count: int) -> Tensor:
    """``count`` visible tokens for each cloud, drawn without replacement, cloud by cloud."""
    visible = torch.zeros_like(chance, dtype=torch.bool)
    for cloud, row in enumerate(chance):
        visible[cloud, torch.multinomial(row, count)] = True
    return visible


def augmented(points: Tensor) -> Tensor:
    """Each axis scaled and shifted, cloud by cloud."""
    moved = points.clone()
    for cloud in range(len(points)):
        scale = torch.empty(3).uniform_(2 / 3, 3 / 2).to(points.device)
        shift = torch.empty(3).uniform_(-0.2, 0.2).to(points.device)
        moved[cloud] = moved[cloud] * scale + shift
    return moved


def training_step(model: PublishedI2PMAE, teacher: Teacher, points: Tensor) -> Callable[[], None]:
    """One step with AdamW on a batch."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-6, weight_decay=0.05)

    def call() -> None:
        model.train()
        sum(losses(model, teacher, augmented(points)).values()).backward()  # type: ignore[union-attr]
        optimiser.step()
        model.zero_grad()

    return call


def embedding(model: PublishedI2PMAE, points: Tensor) -> Callable[[], None]:
    """The embedding of a batch, in evaluation mode."""

    def call() -> None:
        with torch.no_grad():
            model.eval().embed(points).cpu().numpy()

    return call
