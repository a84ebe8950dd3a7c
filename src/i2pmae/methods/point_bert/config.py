"""What Point-BERT has for itself: its vocabulary, the discrete VAE of stage one, and the objectives of stage two."""

import math
from pathlib import Path
from typing import Literal, Self

import tyro
from pydantic import Field, model_validator

from i2pmae.common.config import Config
from i2pmae.data.config import DataConfig
from i2pmae.encoders.config import PlainConfig
from i2pmae.encoders.pooling import Pooling
from i2pmae.methods.config import METHOD_CONFIGS, MethodConfig
from i2pmae.runs.config import OutputConfig
from i2pmae.training.config import OptimiserConfig, TrainingConfig

__all__ = [
    "AnnealConfig",
    "DiscreteVAEConfig",
    "ObjectivesConfig",
    "PointBERTConfig",
    "PointBERTMethodConfig",
    "StageOneConfig",
    "StageOneTraining",
]

GRID = 2
"""Points of the folding grid per side: each coarse point becomes GRID² fine ones."""
NORM_GROUPS = 4
"""Groups of the graph layers' GroupNorm."""


class DiscreteVAEConfig(Config):
    """Sizes of the discrete variational autoencoder (Point-BERT §3.1). The defaults are the paper's."""

    group_count: int = Field(64, ge=2)
    """Groups of points per cloud."""
    group_size: int = Field(32, ge=4)
    """Points per group, a multiple of 4: a quarter is predicted first, then four points for each of them."""
    embed_widths: tuple[int, int, int] = (128, 256, 512)
    """Widths of the mini-PointNet that turns the points of a group into a vector."""
    embed_dim: int = Field(256, ge=1)
    """Channels of that vector."""
    codes: int = Field(8192, ge=2)
    """Words of the vocabulary."""
    code_dim: int = Field(256, ge=1)
    """Channels of a word."""
    decoder_dim: int = Field(256, ge=1)
    """Channels of a group that its points are folded from."""
    graph_input: int = Field(128, ge=1)
    """Channels that enter a graph network."""
    graph_widths: tuple[int, ...] = (256, 512, 512, 1024)
    """Channels of the edge convolutions of a graph network."""
    graph_neighbours: int = Field(4, ge=1)
    """Neighbouring centres of an edge convolution, the centre itself among them."""
    fold_widths: tuple[int, int] = (1024, 512)
    """Hidden widths of the two networks that predict coarse and fine points."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.group_size % GRID**2:
            raise ValueError(f"group_size must be a multiple of {GRID**2}, got {self.group_size}")
        if self.graph_neighbours > self.group_count:
            raise ValueError(f"graph_neighbours={self.graph_neighbours} exceeds the {self.group_count} groups")
        if not self.graph_widths or any(width % NORM_GROUPS for width in self.graph_widths):
            raise ValueError(f"graph_widths must be multiples of {NORM_GROUPS}, got {self.graph_widths}")
        for name in ("codes", "decoder_dim"):
            if getattr(self, name) % NORM_GROUPS:
                raise ValueError(f"{name} must be a multiple of {NORM_GROUPS}, got {getattr(self, name)}")
        return self

    @property
    def min_points(self) -> int:
        """Fewest points of a cloud."""
        return max(self.group_count, self.group_size)


class PointBERTConfig(PlainConfig):
    """Sizes of Point-BERT (Point-BERT §3). The defaults are the paper's."""

    token_width: int | None = Field(256, ge=1)
    """Channels of a token before a linear layer brings it to ``width``; no such layer where absent."""
    class_token: bool = True
    """Whether a learnt [CLS] token takes part; Point-BERT needs one."""
    mask_ratio: tuple[float, float] = (0.25, 0.45)
    """Smallest and largest share of the tokens that is masked in pre-training: a block, of random size per cloud."""
    class_width: int = Field(512, ge=1)
    """Channels of the projected [CLS] token that clouds are contrasted by."""
    momentum: float = Field(0.999, ge=0, lt=1)
    """How slowly the momentum encoder follows: its share in its own next weights."""
    temperature: float = Field(0.07, gt=0)
    """Temperature of the contrast."""
    queue: int = Field(16384, ge=1)
    """Earlier clouds that a cloud is contrasted with."""
    vae: DiscreteVAEConfig = DiscreteVAEConfig()
    """The discrete variational autoencoder whose words are predicted."""

    @model_validator(mode="after")
    def _check_bert(self) -> Self:
        if not self.class_token:
            raise ValueError("Point-BERT needs its [CLS] token: class_token must be set")
        low, high = self.mask_ratio
        if not 0 < low <= high < 1:
            raise ValueError(f"mask_ratio must be two shares between 0 and 1, smallest first, got {self.mask_ratio}")
        ours, words = (self.group_count, self.group_size), (self.vae.group_count, self.vae.group_size)
        if ours != words:
            raise ValueError(
                f"group_count and group_size must be those of vae, whose words the tokens predict: {ours} and {words}"
            )
        if (self.embed_widths, self.token_width or self.width) != (self.vae.embed_widths, self.vae.embed_dim):
            raise ValueError(
                "embed_widths and token_width must be embed_widths and embed_dim of vae, whose embedding the encoder "
                f"starts with: {(self.embed_widths, self.token_width)}, {(self.vae.embed_widths, self.vae.embed_dim)}"
            )
        return self


class AnnealConfig(Config):
    """A value that goes from one to another along half a cosine, by optimiser steps."""

    start: float = Field(ge=0)
    """Value at first."""
    end: float = Field(ge=0)
    """Value at last."""
    steps: int = Field(100_000, ge=1)
    """Optimiser steps from the one to the other."""
    delay: int = Field(0, ge=0)
    """Optimiser steps before it begins to change."""

    def at(self, step: int) -> float:
        """The value after ``step`` optimiser steps."""
        progress = min(max(step - self.delay, 0) / self.steps, 1.0)
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * progress)) / 2


class StageOneTraining(Config):
    """How Point-BERT's discrete variational autoencoder is trained, its stage one (Point-BERT §3.1)."""

    epochs: int | None = Field(None, ge=1)
    """Passes over the data; as many as stage two makes where absent."""
    batch_size: int = Field(64, ge=1)
    """Clouds per batch."""
    augment: bool = False
    """Scale each axis by U(2/3, 3/2) and shift by U(-0.2, 0.2)."""
    temperature: AnnealConfig = AnnealConfig(start=1.0, end=0.0625)
    """Temperature of the Gumbel-softmax: the lower, the nearer to a single word."""
    divergence: AnnealConfig = AnnealConfig(start=0.0, end=0.1, delay=10_000)
    """Weight of the divergence of the words from a uniform choice."""
    optimiser: OptimiserConfig = OptimiserConfig(learning_rate=5e-4, weight_decay=5e-4, start_rate=5e-5)
    """Optimisation."""

    @model_validator(mode="after")
    def _check_temperature(self) -> Self:
        if min(self.temperature.start, self.temperature.end) <= 0:
            raise ValueError("the temperature of the Gumbel-softmax must stay above 0")
        return self


class StageOneConfig(Config):
    """A run of stage one of Point-BERT. It can be repeated from this."""

    format: Literal[2] = 2
    """Version of this record."""
    model: DiscreteVAEConfig
    """Sizes of the model."""
    stage: StageOneTraining
    """What is annealed, and whether clouds are augmented."""
    data: DataConfig
    """Which clouds, and how they are read."""
    training: TrainingConfig
    """Length, optimisation, arithmetic."""
    output: OutputConfig
    """Where it goes."""


class ObjectivesConfig(Config):
    """What Point-BERT has beside its model: stage one, and the weights of the objectives of stage two."""

    vae_run: Path | None = None
    """A finished stage one to take: the folder of another run of Point-BERT, or of a released one that was converted;
    trained at the start where absent."""
    vae: StageOneTraining = StageOneTraining()
    """Training of stage one."""
    words: float = Field(1.0, ge=0)
    """Weight of the cross-entropy of masked tokens' words."""
    mixed_words: float = Field(1.0, ge=0)
    """Weight of the same on mixtures of two clouds."""
    contrast: float = Field(1.0, ge=0)
    """Weight of the contrast of clouds."""
    mixed_contrast: float = Field(1.0, ge=0)
    """Weight of the same on mixtures of two clouds, with mixed labels."""

    @model_validator(mode="after")
    def _check_weights(self) -> Self:
        if not self.words + self.mixed_words + self.contrast + self.mixed_contrast:
            raise ValueError("at least one of words, mixed_words, contrast and mixed_contrast must be above 0")
        return self


@METHOD_CONFIGS.add
class PointBERTMethodConfig(MethodConfig):
    """Point-BERT: masked tokens predict the words of a vocabulary of point groups (arXiv 2111.14819)."""

    name: tyro.conf.Suppress[Literal["point-bert"]] = "point-bert"
    """The method."""
    pooling: Pooling = "class|max"
    """How the tokens of the encoder become the embedding that is probed; by default as the method's authors do."""
    model: PointBERTConfig = PointBERTConfig()
    """Sizes of the model."""
    bert: ObjectivesConfig = ObjectivesConfig()
    """Stage one and the objectives of stage two."""
