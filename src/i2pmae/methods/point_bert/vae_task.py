"""Point-BERT's stage one: what happens with a batch (arXiv 2111.14819, §3.1)."""

import torch

from i2pmae.common.exchange import total
from i2pmae.methods.point_bert.config import StageOneTraining
from i2pmae.methods.point_bert.dvae import DiscreteVAE
from i2pmae.methods.point_bert.losses import uniform_divergence, vae_reconstruction_loss
from i2pmae.training.augment import augment, draw_points
from i2pmae.training.task import Batch, Loss, Losses

__all__ = ["StageOneTask"]


class StageOneTask:
    """The model and the losses of a batch, whose temperature and weight follow from the step.

    Satisfies :class:`~i2pmae.training.task.Task` and :class:`~i2pmae.training.task.Stepwise`.
    """

    def __init__(self, model: DiscreteVAE, config: StageOneTraining, points: int) -> None:
        self.model = model
        self.config = config
        self.points = points
        self.begin(0)

    def to(self, device: torch.device) -> "StageOneTask":
        """Itself, with the model on ``device``."""
        self.model.to(device)
        return self

    def begin(self, step: int) -> None:
        """Set the temperature of the words and the weight of their divergence."""
        self.temperature = self.config.temperature.at(step)
        self.divergence = self.config.divergence.at(step)

    def losses(self, batch: Batch, rng: torch.Generator) -> Losses:
        """``reconstruction`` (Chamfer-L1 of coarse and fine points) and ``divergence`` of the words.

        ``temperature`` is that of the Gumbel-softmax; ``vocabulary`` is how many words the groups of the batch would be
        if they used all of them alike: the exponential of the entropy of the words' shares.
        """
        points = draw_points(batch["points"], self.points, rng)
        hierarchy = self.model.tokenise(augment(points, rng) if self.config.augment else points)
        found = self.model(hierarchy, self.temperature, rng)
        words = found.logits.detach().argmax(-1).flatten()
        # torch.bincount looks for the largest value first, for which a GPU has to be waited for.
        counts = words.new_zeros(self.model.config.codes).scatter_add_(0, words, torch.ones_like(words))
        counts = total(counts)
        used = counts / counts.sum()
        error = vae_reconstruction_loss(found.coarse, found.fine, hierarchy[0].offsets)
        temperature = found.logits.new_full((), self.temperature)
        return {
            "reconstruction": Loss(error, "Chamfer-L1 of coarse and fine points"),
            "divergence": Loss(
                uniform_divergence(found.logits),
                "Divergence of the words from a uniform choice, weighted",
                self.divergence,
            ),
            "temperature": Loss(temperature, "Temperature of the Gumbel-softmax", None),
            "vocabulary": Loss(
                torch.special.entr(used).sum().exp(), "Words in use, by the entropy of their shares", None
            ),
        }
