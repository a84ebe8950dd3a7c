"""The 2D model's features at points as targets."""

import torch
from torch.nn import functional

from i2pmae.methods.i2p_mae.config import LossConfig
from i2pmae.teachers.lessons import Lesson
from i2pmae.typing import Bool, Float, Tensor

__all__ = ["DenseTargets"]

SMALLEST = 1e-6
"""The deviation of a channel that is the same everywhere."""


class DenseTargets:
    """What tokens are to predict of the 2D features of points, per view: as the configuration of the loss says."""

    def __init__(self, config: LossConfig, channels: int) -> None:
        """``channels`` are those of the teacher's features."""
        self.config = config
        self.centre, self.deviation = torch.zeros(()), torch.ones(())
        self.mixing: Float[Tensor, "c d"] | None = None
        if config.channels is not None:
            chance = torch.Generator().manual_seed(0)  # the same for all runs, so that their errors can be compared
            self.mixing = torch.randn(channels, config.channels, generator=chance) / config.channels**0.5
        self.channels = config.channels or channels
        """Channels of a target of one view."""

    def settle(self, features: Float[Tensor, "b m v c"]) -> None:
        """Take mean and deviation of standardised targets from 2D features of some training clouds."""
        if self.config.targets == "standardised":
            sample = self._mixed(features).flatten(0, 1)
            self.centre, self.deviation = sample.mean(0), sample.std(0, correction=0).clamp_min(SMALLEST)

    def to(self, device: torch.device) -> None:
        """Move what targets are made with to a device."""
        self.centre, self.deviation = self.centre.to(device), self.deviation.to(device)
        self.mixing = None if self.mixing is None else self.mixing.to(device)

    def __call__(
        self, lesson: Lesson, cloud: Float[Tensor, "b n 3"], at: Float[Tensor, "b m 3"]
    ) -> tuple[Float[Tensor, "b m v d"], Bool[Tensor, "b m v"] | None]:
        """The targets of the points ``at``, which belong to the ``cloud`` that the teacher saw, and which of them
        count; all where None."""
        features = self.prepared(lesson.features(at))
        return features, lesson.seen(cloud, at) if self.config.hidden == "left out" else None

    def prepared(self, features: Float[Tensor, "*b v c"]) -> Float[Tensor, "*b v d"]:
        """2D features as targets."""
        features = self._mixed(features)
        if self.config.targets == "normalised":
            features = functional.layer_norm(features, features.shape[-1:])
        elif self.config.targets == "unit":
            features = functional.normalize(features, dim=-1)
        elif self.config.targets == "standardised":
            features = (features - self.centre) / self.deviation
        return features

    def _mixed(self, features: Float[Tensor, "*b v c"]) -> Float[Tensor, "*b v d"]:
        """Features in the channels of targets; those that were kept may be already."""
        if self.mixing is None or features.shape[-1] != len(self.mixing):
            return features
        return features @ self.mixing
