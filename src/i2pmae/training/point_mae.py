"""Point-MAE pre-training: what happens with a batch (arXiv 2203.06604, figure 2)."""

import torch

from i2pmae.models import Hierarchy, PointMAE, block_mask, sample_visible, visible_count
from i2pmae.objectives import coordinate_loss
from i2pmae.training.augment import augment, draw_points
from i2pmae.training.config import PretrainConfig
from i2pmae.training.task import Batch
from i2pmae.typing import Bool, Tensor

__all__ = ["PointMAEPretraining"]


class PointMAEPretraining:
    """The model and the loss of a batch. Satisfies :class:`~i2pmae.training.task.Task`."""

    def __init__(self, model: PointMAE, config: PretrainConfig) -> None:
        self.model = model
        self.config = config

    def to(self, device: torch.device) -> "PointMAEPretraining":
        """Itself, with the model on ``device``."""
        self.model.to(device)
        return self

    def losses(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """``coordinates``: the Chamfer distance of the masked tokens' points, weighted."""
        points = draw_points(batch["points"], self.config.clouds.points, rng)
        hierarchy = self.model.tokenise(augment(points, rng) if self.config.augment else points)
        found = self.model(hierarchy, self.choose_visible(hierarchy, rng))
        truth = self.model.target_offsets(hierarchy, found.masked)
        return {"coordinates": self.config.loss.coordinates * coordinate_loss(found.offsets, truth)}

    def choose_visible(self, hierarchy: Hierarchy, rng: torch.Generator) -> Bool[Tensor, "b m"]:
        """Visible tokens: as many in every cloud."""
        sizes, centres = self.model.config, hierarchy[0].centres
        clouds, tokens, _ = centres.shape
        count = visible_count(tokens, sizes.mask_ratio)
        if sizes.mask_kind == "random":
            return sample_visible(centres.new_zeros(clouds, tokens), count, rng)
        return ~block_mask(centres, torch.full((clouds,), tokens - count, device=centres.device), rng)
