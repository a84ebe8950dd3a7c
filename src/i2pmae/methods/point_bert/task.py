"""Point-BERT's stage two: what happens with a batch (arXiv 2111.14819, figure 2)."""

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from i2pmae.common.exchange import part_of, rows, uniform
from i2pmae.common.seeds import derive, torch_generator
from i2pmae.encoders.base import PointModel
from i2pmae.encoders.masking import block_mask, block_sizes
from i2pmae.encoders.tokenizer import Hierarchy, Level
from i2pmae.methods.base import Setting
from i2pmae.methods.point_bert.config import PointBERTConfig, PointBERTMethodConfig
from i2pmae.methods.point_bert.losses import contrast, mixed_contrast
from i2pmae.methods.point_bert.model import MaskedTokens, PointBERT
from i2pmae.methods.point_bert.stage_one import StageOne, open_stage_one
from i2pmae.methods.task import PretrainTask, predicted_points, shown_tokens
from i2pmae.ops import Selection, counted_mean, without_padding
from i2pmae.training.task import Batch, Loss, Losses
from i2pmae.typing import Bool, Float, Int, Tensor
from i2pmae.weights.transfer import Transfer

__all__ = ["Mixture", "MomentumPair", "PointBERTTask", "build", "choose_masked", "mix"]

IGNORED = -100
"""The target of which PyTorch's cross-entropy takes no notice."""


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
        found = self.student(hierarchy, masked, self.student.most_masked)
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


class PointBERTTask(PretrainTask):
    """The model with its follower, the frozen discrete VAE, and the four losses of a batch.

    The student's embedding of groups starts as that of the VAE, which may be absent where nothing is trained.
    """

    model: MomentumPair
    config: PointBERTMethodConfig

    def __init__(
        self,
        model: PointModel,
        config: PointBERTMethodConfig,
        stage_one: StageOne | None = None,
        points: int = 0,
        seed: int = 0,
    ) -> None:
        assert isinstance(model, PointBERT)
        self.config, self.points, self.stage_one = config, points, stage_one
        self._initial = None
        if stage_one is not None:
            self._initial = copy.deepcopy(model)
            stage_one.vae.requires_grad_(False).eval()
            model.encoder.embedding.load_state_dict(stage_one.vae.embedding.state_dict())
        self.model = MomentumPair(model, seed)

    @property
    def student(self) -> PointBERT:
        """The model that is stored."""
        return self.model.student

    def untrained(self) -> PointModel:
        """The model before anything was trained, stage one included."""
        return self._initial or super().untrained()

    def go_on_from(self, source: PointModel) -> Transfer:
        """As every task; the follower begins where the student does."""
        done = super().go_on_from(source)
        self.model.follower.load_state_dict(self.student.state_dict())
        return done

    def to(self, device: torch.device) -> Self:
        """Itself, with model and VAE on ``device``."""
        if self.stage_one is not None:
            self.stage_one.vae.to(device)
        return super().to(device)

    def begin(self, step: int) -> None:
        """Let the follower follow what earlier steps did."""
        if step > 0:
            self.model.follow()

    def losses(self, batch: Batch, rng: torch.Generator) -> Losses:
        """``words`` of masked tokens, ``contrast`` of clouds, and both on mixtures of two clouds.

        ``word_accuracy``: share of the masked tokens whose word is predicted.
        """
        assert self.stage_one is not None
        sizes = self.student.config
        _, points = self.drawn(batch, rng)
        hierarchy = self.student.tokenise(points)
        with torch.no_grad():
            words = self.stage_one.vae.words(hierarchy)
        masked = choose_masked(sizes, hierarchy, rng)
        found = self.model(hierarchy, masked)
        mixture = mix(hierarchy, words, rng)
        mixed_masked = choose_masked(sizes, mixture.hierarchy, rng)
        mixed = self.model(mixture.hierarchy, mixed_masked)
        keys = self.model.keys(hierarchy, choose_masked(sizes, hierarchy, rng))
        part = part_of(rng)
        all_keys, first = rows(keys, part), 0 if part is None else part.first
        queue = self.model.queue.clone()
        self.model.enqueue(all_keys)
        wanted = _wanted(words, found.tokens)
        of_words = functional.cross_entropy(found.words.float(), wanted)
        of_mixed = functional.cross_entropy(mixed.words.float(), _wanted(mixture.words, mixed.tokens))
        told_apart = contrast(found.cloud, keys, queue, sizes.temperature)
        mixed_apart = mixed_contrast(
            mixed.cloud, all_keys, queue, sizes.temperature, mixture.share, mixture.partner, first
        )
        right = counted_mean((found.words.argmax(-1) == wanted).float(), found.tokens.counted)
        weights = self.config.bert
        return {
            "words": Loss(of_words, "Cross-entropy of masked tokens' words", weights.words, masked.sum()),
            "contrast": Loss(told_apart, "Cross-entropy of finding a cloud's own description", weights.contrast),
            "mixed_words": Loss(
                of_mixed,
                "Cross-entropy of masked tokens' words in mixtures of two clouds",
                weights.mixed_words,
                mixed_masked.sum(),
            ),
            "mixed_contrast": Loss(
                mixed_apart,
                "Cross-entropy of finding the descriptions of a mixture's clouds",
                weights.mixed_contrast,
            ),
            "word_accuracy": Loss(right, "Share of masked tokens whose word is predicted", None, masked.sum()),
        }

    @torch.no_grad()
    def explain(self, points: Float[Tensor, "1 n 3"], rng: torch.Generator) -> dict[str, np.ndarray]:
        """One draw of the mask, and the points of the predicted words among those of the visible tokens."""
        hierarchy = self.student.tokenise(points)
        masked = choose_masked(self.student.config, hierarchy, rng)
        parts = shown_tokens(hierarchy, [~masked], points)
        if self.stage_one is None:
            return parts
        vae = self.stage_one.vae
        words = vae.words(hierarchy)
        found = self.student(hierarchy, masked)
        words[masked] = without_padding(found.words.argmax(-1), found.tokens.counted)
        _, fine = vae.decode(functional.one_hot(words, vae.config.codes).float(), hierarchy[0].centres)
        return parts | predicted_points(hierarchy, 0, fine[masked], masked)

    def facts(self) -> Mapping[str, str]:
        """Where the vocabulary came from."""
        return {} if self.stage_one is None else {"Stage one": self.stage_one.fact}

    def earlier(self) -> Mapping[str, tuple[Any, Any]]:
        """The curves of stage one, where the run trained one."""
        if self.stage_one is None or self.stage_one.fitted is None:
            return {}
        history, titles = self.stage_one.fitted.history, self.stage_one.fitted.titles
        return {f"Stage one: {titles.get(n, n)}": (history["step"], history[n]) for n in history.losses}

    @property
    def earlier_seconds(self) -> float:
        """Training time of stage one, where the run trained one."""
        return 0.0 if self.stage_one is None or self.stage_one.fitted is None else self.stage_one.fitted.seconds


def build(setting: Setting) -> PointBERTTask:
    """The task of a run: stage one trained, gone on with or read, then initial weights that follow from the seed."""
    run, seed = setting.config, setting.config.training.seed
    config = run.method
    assert isinstance(config, PointBERTMethodConfig)
    stage_one = open_stage_one(setting, config)
    torch.manual_seed(derive(seed, "weights"))
    model = PointBERT(config.model)
    model.pooling = config.pooling
    return PointBERTTask(model, config, stage_one, run.data.points, seed)


def choose_masked(config: PointBERTConfig, hierarchy: Hierarchy, rng: torch.Generator) -> Bool[Tensor, "b m"]:
    """Masked tokens: a block of random size in every cloud."""
    centres = hierarchy[0].centres
    return block_mask(centres, block_sizes(centres, config.mask_ratio, rng), rng)


def _wanted(words: Int[Tensor, "b m"], tokens: Selection) -> Int[Tensor, " masked"]:
    """The words that tokens are to predict; in the place of padding, what the cross-entropy ignores."""
    wanted = tokens.of(words)
    return wanted if tokens.counted is None else wanted.masked_fill(~tokens.counted, IGNORED)


def mix(hierarchy: Hierarchy, words: Int[Tensor, "b m"], rng: torch.Generator) -> Mixture:
    """Each cloud with a random part of its groups replaced by those of another, with their words (Point-BERT §3.3).

    The partner may be with another process: it is one of the whole batch.
    """
    level, part = hierarchy[0], part_of(rng)
    share = uniform((len(words),), rng, words.device)
    own = uniform(words.shape, rng, words.device) < share[:, None]
    partner = torch.arange(len(words) if part is None else part.total, device=words.device).flip(0)
    if part is not None:
        partner = partner[part.first : part.first + part.count]

    def mixed(values: Tensor) -> Tensor:
        return torch.where(own.view(*own.shape, *[1] * (values.dim() - 2)), values, rows(values, part)[partner])

    return Mixture((Level(*map(mixed, level)),), mixed(words), share, partner)
