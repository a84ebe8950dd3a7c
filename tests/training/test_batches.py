from pathlib import Path

import numpy as np
import pytest
import torch

from i2pmae.common.errors import DataError
from i2pmae.data.clouds import CloudSet
from i2pmae.data.config import DataConfig
from i2pmae.data.open.prepared import prepare
from i2pmae.data.open.source import request_for
from i2pmae.data.sources.named import plan_source
from i2pmae.training.batches import BatchPlan, StepBatches, step_loader
from tests.training.small import small_clouds


def rows_of(loader) -> list[list[list[int]]]:
    return [[batch["index"].tolist() for batch in batches] for batches in loader]


def test_an_epoch_is_a_permutation_that_follows_from_seed_and_epoch():
    plan = BatchPlan(40, 8, 1, 2, seed=1)
    steps = rows_of(step_loader(small_clouds(40), plan, 0, 0, pin=False))
    epochs = [[row for step in steps[e * 5 : e * 5 + 5] for batch in step for row in batch] for e in (0, 1)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(40))
    assert epochs[0] != epochs[1]
    assert epochs[0] == plan.order(0).tolist()
    assert epochs[0] != BatchPlan(40, 8, 1, 2, seed=2).order(0).tolist()


@pytest.mark.parametrize(
    ("clouds", "batch", "accumulate", "sizes"),
    [
        (10, 4, 1, [[4], [4]]),  # the incomplete batch is left out ...
        (3, 4, 1, [[3]]),  # ... unless there is no other
        (20, 4, 2, [[4, 4], [4, 4], [4]]),  # a step never reaches into the next epoch
        (8, 4, 5, [[4, 4]]),
    ],
)
def test_sizes_of_steps(clouds, batch, accumulate, sizes):
    plan = BatchPlan(clouds, batch, accumulate, epochs=2, seed=0)
    steps = [[len(b) for b in step] for step in rows_of(step_loader(small_clouds(clouds), plan, 0, 0, pin=False))]
    assert steps == sizes * 2
    assert (plan.steps_per_epoch, plan.steps) == (len(sizes), 2 * len(sizes))


@pytest.mark.parametrize("workers", [0, 2])
def test_any_step_can_be_the_first(workers):
    plan, clouds = BatchPlan(44, 8, 2, 3, seed=4), small_clouds()
    everything = rows_of(step_loader(clouds, plan, 0, 0, pin=False))
    assert len(everything) == plan.steps
    assert rows_of(step_loader(clouds, plan, 4, workers, pin=False)) == everything[4:]


def test_a_late_step_reads_only_its_own_clouds():
    class Counting(np.ndarray):
        read: list[int]

        def __getitem__(self, rows):
            if isinstance(rows, np.ndarray):
                type(self).read.extend(rows.tolist())
            return super().__getitem__(rows)

    Counting.read = []
    clouds = small_clouds()
    counting = CloudSet(clouds.points.view(Counting), clouds.ids)
    plan = BatchPlan(44, 8, 1, 1000, seed=0)
    [batch] = StepBatches(counting, plan)[4999]
    assert Counting.read == batch["index"].tolist() == plan.order(999)[32:40].tolist()


def test_a_batch_reads_points_as_stored_from_a_memory_map(tmp_path):
    clouds = small_clouds()
    np.save(tmp_path / "points.npy", clouds.points)
    mapped = CloudSet(np.load(tmp_path / "points.npy", mmap_mode="r"), clouds.ids, labels=clouds.labels)
    [batch] = StepBatches(mapped, BatchPlan(44, 8, 1, 1, seed=0))[2]
    assert batch["points"].dtype == torch.float32
    assert batch["index"].dtype == batch["label"].dtype == torch.int64
    rows = batch["index"].numpy()
    assert np.array_equal(batch["points"].numpy(), clouds.points[rows])
    assert np.array_equal(batch["label"].numpy(), clouds.labels[rows])


def test_half_precision_points_become_float32_and_labels_may_be_absent():
    clouds = CloudSet(small_clouds().points.astype(np.float16), list(map(str, range(44))))
    [batch] = StepBatches(clouds, BatchPlan(44, 8, 1, 1, seed=0))[0]
    assert batch["points"].dtype == torch.float32
    assert set(batch) == {"points", "index"}


def test_an_empty_set_is_refused():
    with pytest.raises(DataError, match="no clouds"):
        step_loader(small_clouds(0), BatchPlan(0, 8, 1, 1, 0), 0, 0, pin=False)


@pytest.mark.parametrize("workers", [0, 1])
def test_clouds_that_cannot_be_read_are_an_error_without_a_traceback(workers: int, tmp_path: Path) -> None:
    np.save(tmp_path / "raw.npy", np.random.default_rng(0).random((20, 30, 3)))
    plan = plan_source(tmp_path / "raw.npy")
    clouds = prepare(plan, tmp_path / "out", request_for(DataConfig(points=30)), workers=0, shown=False)
    path = tmp_path / "out" / "points-000-00000.npy"
    path.write_bytes(path.read_bytes()[:-4] + b"\1\2\3\4")
    loader = step_loader(clouds, BatchPlan(20, 4, 1, 1, seed=0), 0, workers, pin=False)
    with pytest.raises(DataError, match=r"^\S+points-000-00000.npy is damaged: row 19 has another content"):
        list(loader)
