"""Point-BERT's stage two: what happens with a batch (arXiv 2111.14819, figure 2)."""

import copy
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from i2pmae.common.seeds import torch_generator
from i2pmae.models import DiscreteVAE, Hierarchy, Level, PointBERT, block_mask, block_sizes
from i2pmae.models.point_bert import MaskedTokens, PointBERTConfig
from i2pmae.objectives import contrast, mixed_contrast
from i2pmae.training.augment import augment, draw_points
from i2pmae.training.config import PretrainConfig
from i2pmae.training.task import Batch
from i2pmae.typing import Bool, Float, Int, Tensor

__all__ = ["Mixture", "MomentumPair", "PointBERTPretraining", "choose_masked", "mix"]


class Mixture(NamedTuple):
    """Clouds whose groups come from two."""

    hierarchy: Hierarchy
    """The groups."""
    words: Int[Tensor, "b m"]
    """Their words."""
    share: Float[Tensor, "b"]
    """With which probability a group is the cloud's own."""
    partner: Int[Tensor, "b"]
    """Which cloud of the batch the other groups are from."""


class MomentumPair(nn.Module):
    """The student, an encoder that follows it slowly, and a queue of that encoder's latest descriptions of clouds.

    All of it is state of the training (MoCo, arXiv 1911.05722): a resumed run needs it. Only the student is trained.
    """

    queue: Tensor
    place: Tensor

    def __init__(self, student: PointBERT, seed: int) -> None:
        super().__init__()
        config = student.config
        self.student = student
        self.follower = copy.deepcopy(student).requires_grad_(False)
        start = torch.randn(config.queue, config.class_width, generator=torch_generator(seed, "queue"))
        self.register_buffer("queue", functional.normalize(start, dim=1))
        self.register_buffer("place", torch.zeros((), dtype=torch.long))

    def forward(self, hierarchy: Hierarchy, masked: Bool[Tensor, "b m"]) -> MaskedTokens:
        """The student's predictions; clouds are described by vectors of length 1."""
        found = self.student(hierarchy, masked)
        return found._replace(cloud=functional.normalize(found.cloud.float(), dim=1))

    @torch.no_grad()
    def keys(self, hierarchy: Hierarchy, masked: Bool[Tensor, "b m"]) -> Float[Tensor, "b d"]:
        """The follower's descriptions of clouds, of length 1."""
        return functional.normalize(self.follower.describe(hierarchy, masked).float(), dim=1)

    @torch.no_grad()
    def follow(self) -> None:
        """Move the follower a little towards the student."""
        share = 1 - self.student.config.momentum
        for ours, theirs in zip(self.follower.parameters(), self.student.parameters(), strict=True):
            ours.lerp_(theirs, share)

    @torch.no_grad()
    def enqueue(self, keys: Float[Tensor, "b d"]) -> None:
        """Put keys in the place of the oldest ones."""
        size = len(self.queue)
        rows = (self.place + torch.arange(len(keys), device=keys.device)) % size
        self.queue[rows[-size:]] = keys[-size:]
        self.place.copy_((self.place + len(keys)) % size)


class PointBERTPretraining:
    """The model with its follower, the frozen discrete VAE, and the four losses of a batch.

    Satisfies :class:`~i2pmae.training.task.Task` and :class:`~i2pmae.training.task.Stepwise`. The student's embedding
    of groups starts as that of the VAE.
    """

    def __init__(self, model: PointBERT, vae: DiscreteVAE, config: PretrainConfig) -> None:
        assert config.bert is not None
        model.encoder.embedding.load_state_dict(vae.embedding.state_dict())
        self.model = MomentumPair(model, config.seed)
        self.vae = vae.requires_grad_(False).eval()
        self.config = config
        self.weights = config.bert

    def to(self, device: torch.device) -> "PointBERTPretraining":
        """Itself, with model and VAE on ``device``."""
        self.model.to(device)
        self.vae.to(device)
        return self

    def begin(self, step: int) -> None:
        """Let the follower follow what earlier steps did."""
        if step > 0:
            self.model.follow()

    def losses(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """``words`` of masked tokens, ``contrast`` of clouds, and both on mixtures of two clouds, weighted.

        ``metric/word_accuracy``: share of the masked tokens whose word is predicted.
        """
        sizes = self.model.student.config
        points = draw_points(batch["points"], self.config.clouds.points, rng)
        hierarchy = self.model.student.tokenise(augment(points, rng) if self.config.augment else points)
        with torch.no_grad():
            words = self.vae.words(hierarchy)
        masked = choose_masked(sizes, hierarchy, rng)
        found = self.model(hierarchy, masked)
        mixture = mix(hierarchy, words, rng)
        mixed_masked = choose_masked(sizes, mixture.hierarchy, rng)
        mixed = self.model(mixture.hierarchy, mixed_masked)
        keys = self.model.keys(hierarchy, choose_masked(sizes, hierarchy, rng))
        queue = self.model.queue.clone()
        self.model.enqueue(keys)
        losses = {
            "words": functional.cross_entropy(found.words.float(), words[masked]),
            "contrast": contrast(found.cloud, keys, queue, sizes.temperature),
            "mixed_words": functional.cross_entropy(mixed.words.float(), mixture.words[mixed_masked]),
            "mixed_contrast": mixed_contrast(
                mixed.cloud, keys, queue, sizes.temperature, mixture.share, mixture.partner
            ),
        }
        weighted = {name: getattr(self.weights, name) * loss for name, loss in losses.items()}
        right = (found.words.argmax(-1) == words[masked]).float().mean()
        return {**weighted, "metric/word_accuracy": right}


def choose_masked(config: PointBERTConfig, hierarchy: Hierarchy, rng: torch.Generator) -> Bool[Tensor, "b m"]:
    """Masked tokens: a block of random size in every cloud."""
    centres = hierarchy[0].centres
    clouds, tokens, _ = centres.shape
    return block_mask(centres, block_sizes(clouds, tokens, config.mask_ratio, rng), rng)


def mix(hierarchy: Hierarchy, words: Int[Tensor, "b m"], rng: torch.Generator) -> Mixture:
    """Each cloud with a random part of its groups replaced by those of another, with their words (Point-BERT §3.3)."""
    level = hierarchy[0]
    share = torch.rand(len(words), generator=rng, device=words.device)
    own = torch.rand(words.shape, generator=rng, device=words.device) < share[:, None]
    partner = torch.arange(len(words), device=words.device).flip(0)

    def mixed(values: Tensor) -> Tensor:
        return torch.where(own.view(*own.shape, *[1] * (values.dim() - 2)), values, values[partner])

    return Mixture((Level(*map(mixed, level)),), mixed(words), share, partner)
