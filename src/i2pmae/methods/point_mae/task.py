"""Point-MAE pre-training: what happens with a batch (arXiv 2203.06604, figure 2)."""

import numpy as np
import torch

from i2pmae.common.seeds import derive
from i2pmae.encoders.base import PointModel
from i2pmae.encoders.masking import block_mask, sample_visible, visible_count
from i2pmae.encoders.tokenizer import Hierarchy
from i2pmae.methods.base import Setting
from i2pmae.methods.config import MethodConfig
from i2pmae.methods.losses import coordinate_loss
from i2pmae.methods.point_mae.model import PointMAE
from i2pmae.methods.task import PretrainTask, predicted_points, shown_tokens
from i2pmae.training.task import Batch, Loss, Losses
from i2pmae.typing import Bool, Float, Tensor

__all__ = ["PointMAETask", "build"]


class PointMAETask(PretrainTask):
    """The model and the loss of a batch."""

    model: PointMAE

    def __init__(self, model: PointModel, config: MethodConfig, points: int = 0) -> None:
        assert isinstance(model, PointMAE)
        self.model, self.config, self.points = model, config, points

    @property
    def student(self) -> PointMAE:
        """The model itself."""
        return self.model

    def losses(self, batch: Batch, rng: torch.Generator) -> Losses:
        """``coordinates``: the Chamfer distance of the masked tokens' points."""
        _, points = self.drawn(batch, rng)
        hierarchy = self.model.tokenise(points)
        count = visible_count(hierarchy[0].centres.shape[1], self.model.config.mask_ratio)
        found = self.model(hierarchy, self.choose_visible(hierarchy, rng), count)
        truth = self.model.target_offsets(hierarchy, found.masked, hierarchy[0].centres.shape[1] - count)
        return {"coordinates": Loss(coordinate_loss(found.offsets, truth), "Chamfer distance of masked neighbourhoods")}

    def choose_visible(self, hierarchy: Hierarchy, rng: torch.Generator) -> Bool[Tensor, "b m"]:
        """Visible tokens: as many in every cloud."""
        sizes, centres = self.model.config, hierarchy[0].centres
        clouds, tokens, _ = centres.shape
        count = visible_count(tokens, sizes.mask_ratio)
        if sizes.mask_kind == "random":
            return sample_visible(centres.new_zeros(clouds, tokens), count, rng)
        return ~block_mask(centres, torch.full((clouds,), tokens - count, device=centres.device), rng)

    @torch.no_grad()
    def explain(self, points: Float[Tensor, "1 n 3"], rng: torch.Generator) -> dict[str, np.ndarray]:
        """One draw of the mask, and what the decoder makes of it."""
        hierarchy = self.model.tokenise(points)
        visible = self.choose_visible(hierarchy, rng)
        found = self.model(hierarchy, visible)
        return shown_tokens(hierarchy, [visible], points) | predicted_points(hierarchy, 0, found.offsets, found.masked)


def build(setting: Setting) -> PointMAETask:
    """The task of a run, with the initial weights that follow from the seed."""
    run = setting.config
    torch.manual_seed(derive(run.training.seed, "weights"))
    model = PointMAE(run.method.model)
    model.pooling = run.method.pooling
    return PointMAETask(model, run.method, run.data.points)
