"""Voting: predictions averaged over random copies of a cloud, scored as mean and deviation, never as the best try."""

from collections.abc import Callable

import numpy as np
import torch

from i2pmae.common.errors import UsageError
from i2pmae.common.progress import track
from i2pmae.common.ranks import share_out
from i2pmae.common.seeds import torch_generator
from i2pmae.data.views import Lazy
from i2pmae.runs.record import Score
from i2pmae.typing import Float, Int, Tensor

__all__ = ["Augment", "Logits", "vote", "vote_score"]

Logits = Callable[[Tensor], Tensor]
"""Points ``(b, n, 3)`` to logits ``(b, classes)`` or ``(b, n, parts)``, in evaluation mode."""
Augment = Callable[[Tensor, torch.Generator], Tensor]
"""A random copy ``(b, m, 3)`` of clouds ``(b, n, 3)``. Where every point is predicted, it must keep their order."""


@torch.no_grad()
def vote(
    logits: Logits, points: Float[Tensor, "b n 3"], augment: Augment, votes: int, rng: torch.Generator
) -> Float[Tensor, "b ..."]:
    """Logits averaged over ``votes`` random copies of the clouds; :class:`UsageError` for fewer than one vote."""
    if votes < 1:
        raise UsageError(f"Voting needs at least 1 vote, got {votes}.")
    total = logits(augment(points, rng))
    for _ in range(votes - 1):
        total = total + logits(augment(points, rng))
    return total / votes


def vote_score(
    logits: Logits,
    points: Float[np.ndarray, "clouds n 3"] | Lazy,
    augment: Augment,
    score: Callable[[Int[np.ndarray, "clouds ..."]], float],
    *,
    votes: int = 10,
    repeats: int = 10,
    seed: int = 0,
    batch_size: int = 32,
    device: torch.device | str = "cpu",
    decide: Callable[[Tensor, slice], Tensor] | None = None,
    shown: bool = True,
) -> Score:
    """The score of voted predictions: its mean and deviation over independent repeats, every one of them counted.

    ``score`` gets the predicted indices of all clouds. They are the largest mean logits, unless ``decide`` turns mean
    logits of the rows of a batch into indices, as parts of a known category need. Results follow from the seed.
    """
    if repeats < 1 or batch_size < 1 or not len(points):
        raise UsageError(
            f"Voting needs at least 1 cloud, repeat and cloud per batch, got {len(points)}, {repeats} and {batch_size}."
        )
    found = []
    for repeat in track(range(repeats), f"Voting, {votes} times", shown=shown):

        def voted(start: int, repeat: int = repeat) -> Int[np.ndarray, "b ..."]:
            rows = slice(start, min(start + batch_size, len(points)))
            batch = torch.from_numpy(np.array(points[rows], np.float32)).to(device)
            rng = torch_generator(seed, "vote", repeat, start, device=device)
            mean = vote(logits, batch, augment, votes, rng)
            return (mean.argmax(-1) if decide is None else decide(mean, rows)).cpu().numpy()

        found.append(score(np.concatenate(list(share_out(range(0, len(points), batch_size), voted)))))
    return Score.of(found)
