"""The order of clouds whose shards come from elsewhere."""

import numpy as np
import pytest

from i2pmae.data.order import WINDOW, windowed
from i2pmae.training.batches import BatchPlan

SHARDS = np.repeat(np.arange(30), 7)


def test_shards_are_mixed_within_windows() -> None:
    order = windowed(SHARDS, np.random.default_rng(0))
    assert sorted(order.tolist()) == list(range(210))
    for at in range(0, 210, WINDOW * 7):
        assert len(set(SHARDS[order[at : at + WINDOW * 7]])) == min(WINDOW, 30 - at // 7)
    first = SHARDS[order[: WINDOW * 7]]
    assert len(set(first[:WINDOW])) > 3, "shards of a window are mixed with each other"
    assert (np.diff(np.sort(first[::7])) != 1).any(), "shards are in random order"


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    plan = BatchPlan(210, 8, 1, 3, seed=1, shards=SHARDS)
    np.testing.assert_array_equal(plan.order(1), BatchPlan(210, 8, 1, 3, seed=1, shards=SHARDS).order(1))
    assert not np.array_equal(plan.order(1), plan.order(2))
    assert not np.array_equal(plan.order(1), BatchPlan(210, 8, 1, 3, seed=2, shards=SHARDS).order(1))
    assert not np.array_equal(plan.order(1), BatchPlan(210, 8, 1, 3, seed=1).order(1))


@pytest.mark.parametrize("shards", [np.zeros(0, int), np.zeros(5, int), np.array([9, 9, 2])])
def test_few_shards(shards: np.ndarray) -> None:
    assert sorted(windowed(shards, np.random.default_rng(0)).tolist()) == list(range(len(shards)))
