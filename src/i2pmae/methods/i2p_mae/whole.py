"""The 2D model's vectors of whole views as targets (2D-3D class-token learning)."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch.nn import functional

from i2pmae.common.exchange import mean, part_of, rows
from i2pmae.common.seeds import numpy_generator
from i2pmae.methods.i2p_mae.config import WholeConfig
from i2pmae.methods.i2p_mae.predictor import ViewPredictor
from i2pmae.methods.losses import view_contrast, view_regression
from i2pmae.training.task import Batch, Loss, Losses
from i2pmae.typing import Float, Int, Tensor

__all__ = ["WholeTargets"]

LOOKED_UP, ASKED, AT_A_TIME = 16384, 128, 16
"""Most clouds from whose vectors mean and deviation are estimated: where they are cached, and where not."""
SMALLEST = 1e-6
"""The deviation of a channel that is the same for all clouds."""


class Vectors(Protocol):
    """Vectors of all views of all clouds: :class:`~i2pmae.teachers.kept.CachedRows`."""

    @property
    def seconds(self) -> float:
        """Time that computing them took."""
        ...

    def pooled(self, index: Int[Tensor, " b"], device: torch.device | str = "cpu") -> Float[Tensor, "b v d"]:
        """Those of the clouds at rows ``index``."""
        ...


class WholeTargets:
    """What is to be predicted of whole views, and the losses of it.

    Where the vectors of all clouds are at hand (``cached``), they are looked up; else the caller brings those of the
    batch.
    """

    def __init__(
        self,
        config: WholeConfig,
        clouds: int,
        seed: int,
        asked: Callable[[Int[np.ndarray, " n"]], Float[Tensor, "n v d"]],
        cached: Vectors | None = None,
    ) -> None:
        """``asked`` gives the vectors of the rows that it is given, of a set of so many ``clouds``; where nothing is
        ``cached``, mean and deviation come from a sample of them by the ``seed``."""
        self.config, self.cached, self.clouds = config, cached, clouds
        order = numpy_generator(seed, "vectors of views").permutation(clouds)
        if cached is None:
            few = np.sort(order[:ASKED])
            sample = torch.cat([asked(few[i : i + AT_A_TIME]) for i in range(0, len(few), AT_A_TIME)])
        else:
            sample = cached.pooled(torch.from_numpy(np.sort(order[:LOOKED_UP])))
        self.centre, self.deviation = sample.mean(0), sample.std(0, correction=0).clamp_min(SMALLEST)
        self.views, self.channels = self.centre.shape

    def to(self, device: torch.device) -> None:
        """Move what targets are made with to a device."""
        self.centre, self.deviation = self.centre.to(device), self.deviation.to(device)

    def prepared(self, vectors: Float[Tensor, "b v d"]) -> Float[Tensor, "b v d"]:
        """Vectors as targets."""
        if self.config.targets == "standardised":
            return (vectors - self.centre) / self.deviation
        return functional.normalize(vectors, dim=-1) if self.config.targets == "unit" else vectors

    def losses(
        self,
        predictor: ViewPredictor | None,
        predicted: Float[Tensor, "b v d"] | None,
        batch: Batch,
        given: Float[Tensor, "b v d"] | None,
        rng: torch.Generator,
    ) -> Losses:
        """``views`` (regression) with ``views_explained``, the share of the vectors' variance over the batch that is
        predicted, and ``view_contrast``, as far as they are wanted; ``given`` are the vectors of the batch where none
        are cached."""
        config, part = self.config, part_of(rng)
        assert predictor is not None and predicted is not None
        with torch.no_grad():
            device = predicted.device
            vectors = self.cached.pooled(batch["index"], device) if self.cached is not None else given
            assert vectors is not None
            target = self.prepared(vectors)
            others = target[:0]
            if config.contrast and config.others and self.cached is not None:
                others = self.prepared(self.cached.pooled(self._drawn(batch.get("whole", batch["index"]), rng), device))
        losses: Losses = {}
        if config.regression:
            distance = view_regression(predicted, target, config.distance)
            losses["views"] = Loss(distance, "Distance of the vectors of whole views", config.regression)
            error = mean((predicted.detach().float() - target).square().mean(), len(target))
            explained = 1 - error / rows(target, part).var(0, correction=0).mean().clamp_min(1e-12)
            losses["views_explained"] = Loss(explained, "Share of the views' variance that is predicted", None)
        if config.contrast:
            found = view_contrast(predicted, target, others, predictor.log_scale, part)
            losses["view_contrast"] = Loss(found, "Contrast of the vectors of whole views", config.contrast)
        return losses

    def _drawn(self, index: Int[Tensor, " b"], rng: torch.Generator) -> Int[Tensor, " q"]:
        """Rows of clouds outside the batch, drawn on the CPU, where vectors are looked up."""
        batch = index.sort().values
        rest = self.clouds - len(batch)
        chance = torch.Generator().manual_seed(rng.initial_seed())
        place = torch.randint(max(1, rest), (self.config.others if rest else 0,), generator=chance)
        # Before the i-th row of the rest lie those rows of the batch that have at most i others before them.
        return place + torch.searchsorted(batch - torch.arange(len(batch)), place, right=True)
