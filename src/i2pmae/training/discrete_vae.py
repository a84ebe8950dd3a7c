"""Point-BERT's stage one: what happens with a batch (arXiv 2111.14819, §3.1)."""

import torch

from i2pmae.models import DiscreteVAE
from i2pmae.objectives import uniform_divergence, vae_reconstruction_loss
from i2pmae.training.augment import augment, draw_points
from i2pmae.training.config import DiscreteVAEStage
from i2pmae.training.task import Batch
from i2pmae.typing import Tensor

__all__ = ["DiscreteVAEPretraining"]


class DiscreteVAEPretraining:
    """The model and the losses of a batch, whose temperature and weight follow from the step.

    Satisfies :class:`~i2pmae.training.task.Task` and :class:`~i2pmae.training.task.Stepwise`.
    """

    def __init__(self, model: DiscreteVAE, config: DiscreteVAEStage) -> None:
        self.model = model
        self.config = config
        self.begin(0)

    def to(self, device: torch.device) -> "DiscreteVAEPretraining":
        """Itself, with the model on ``device``."""
        self.model.to(device)
        return self

    def begin(self, step: int) -> None:
        """Set the temperature of the words and the weight of their divergence."""
        self.temperature = self.config.temperature.at(step)
        self.divergence = self.config.divergence.at(step)

    def losses(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """``reconstruction`` (Chamfer-L1 of coarse and fine points) and ``divergence`` of the words, weighted.

        ``metric/temperature`` is that of the Gumbel-softmax; ``metric/vocabulary`` is how many words the groups of the
        batch would be if they used all of them alike: the exponential of the entropy of the words' shares.
        """
        points = draw_points(batch["points"], self.config.clouds.points, rng)
        hierarchy = self.model.tokenise(augment(points, rng) if self.config.augment else points)
        found = self.model(hierarchy, self.temperature, rng)
        counts = torch.bincount(found.logits.detach().argmax(-1).flatten(), minlength=self.model.config.codes)
        used = counts / counts.sum()
        return {
            "reconstruction": vae_reconstruction_loss(found.coarse, found.fine, hierarchy[0].offsets),
            "divergence": self.divergence * uniform_divergence(found.logits),
            "metric/temperature": found.logits.new_tensor(self.temperature),
            "metric/vocabulary": torch.special.entr(used).sum().exp(),
        }
