import numpy as np
import pytest
import torch

from i2pmae.common.errors import UsageError
from i2pmae.evaluation.voting import vote, vote_score


def height(points: torch.Tensor) -> torch.Tensor:
    """Two classes: is the mean height positive?"""
    mean = points[..., 1].mean(1)
    return torch.stack([-mean, mean], -1)


def shaken(points: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    return points + torch.randn(len(points), 1, 3, generator=rng)


def same(points: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    return points


def test_votes_are_averaged() -> None:
    points = torch.zeros(3, 5, 3)
    mean = vote(height, points, shaken, 4, torch.Generator().manual_seed(1))
    rng = torch.Generator().manual_seed(1)
    single = [height(shaken(points, rng)) for _ in range(4)]
    torch.testing.assert_close(mean, torch.stack(single).mean(0))
    assert not mean.requires_grad


def test_the_score_is_the_mean_of_all_repeats() -> None:
    generator = np.random.default_rng(0)
    labels = np.arange(40) % 2
    points = np.zeros((40, 8, 3), np.float32)
    points[..., 1] = (0.3 * (2 * labels - 1))[:, None] + 0.1 * generator.normal(size=(40, 8))

    def accuracy(predicted: np.ndarray) -> float:
        return float((predicted == labels).mean())

    def run(votes: int, **options: object):
        return vote_score(height, points, shaken, accuracy, votes=votes, repeats=6, shown=False, **options)

    one, many = run(1), run(25)
    assert len(one.values) == 6 and one.std is not None and one.std > 0
    assert one.mean == pytest.approx(np.mean(one.values)) and one.mean < max(one.values)
    assert many.mean > one.mean, "averaging takes out the noise of the copies"
    assert run(1) == one and run(1, seed=1) != one
    parts = run(1, batch_size=7)
    assert parts == run(1, batch_size=7) and len(parts.values) == 6
    assert parts.mean == pytest.approx(one.mean, abs=0.1), "the copies are drawn anew, batch by batch"


def test_points_can_be_voted_on_and_decided_by_the_caller() -> None:
    points = np.random.default_rng(0).normal(size=(5, 6, 3)).astype(np.float32)
    seen: list[slice] = []

    def decide(mean: torch.Tensor, rows: slice) -> torch.Tensor:
        seen.append(rows)
        return mean[..., :2].argmax(-1)

    def share(predicted: np.ndarray) -> float:
        assert predicted.shape == (5, 6)
        return float((predicted == points[..., :2].argmax(-1)).mean())

    score = vote_score(lambda x: x, points, same, share, votes=2, repeats=1, batch_size=2, decide=decide, shown=False)
    assert (score.mean, score.std) == (1, None)
    assert seen == [slice(0, 2), slice(2, 4), slice(4, 5)]


@pytest.mark.parametrize("change", [{"votes": 0}, {"repeats": 0}, {"batch_size": 0}])
def test_less_than_one_is_refused(change: dict) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        vote_score(height, np.zeros((2, 4, 3)), same, lambda _: 0.0, shown=False, **change)
    with pytest.raises(UsageError, match="at least 1 cloud"):
        vote_score(height, np.zeros((0, 4, 3)), same, lambda _: 0.0, shown=False)
