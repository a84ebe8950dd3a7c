"""Short runs of every method and task, by one process or by several: what they end in, in a file.

They compute in double precision, which no run of a user does: in float32 norms and maxima blow rounding up within some
steps to what a mistake would look like. Here losses that should be the same are so to 1e-14. (Saliency of a teacher is
float32; and AdamW makes steps of 1e-9 of gradients that are but rounding, such as those of biases before norms.)
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from i2pmae import make_shapes
from i2pmae.common import exchange, ranks
from i2pmae.common.errors import DataError, I2PError, ToldElsewhere
from i2pmae.common.ranks import Part
from i2pmae.data.clouds import CloudSet
from i2pmae.methods.i2p_mae.config import (
    I2PMAEMethodConfig,
    PointM2AEMethodConfig,
    ViewPredictorConfig,
    WholeConfig,
)
from i2pmae.methods.i2p_mae.model import I2PMAE
from i2pmae.methods.i2p_mae.task import I2PMAETask, PointM2AETask
from i2pmae.methods.i2p_mae.whole import WholeTargets
from i2pmae.methods.point_mae.config import PointMAEMethodConfig
from i2pmae.methods.point_mae.model import PointMAE
from i2pmae.methods.point_mae.task import PointMAETask
from i2pmae.tasks.classification.config import ClassificationConfig
from i2pmae.teachers.maps import CachedMaps
from i2pmae.training import engine
from i2pmae.training.config import OptimiserConfig, TrainingConfig
from i2pmae.training.engine import fit
from i2pmae.training.hooks.base import Hook, StepRecord
from i2pmae.training.processes import joined
from tests import steps
from tests.small import POINT_MAE, SMALL
from tests.teachers.test_maps import VIEWS, Looking

CLOUDS, POINTS, BATCH = 20, 160, 5
SEEN = 128
"""Points that a step sees of a cloud."""


ACCUMULATED = "accumulated"
"""Point-MAE whose steps are the gradients of two batches."""


def small(build: Callable) -> Callable:
    """What builds a task, with the tasks of other tests at that number of points."""

    def built():
        before, steps.POINTS = steps.POINTS, SEEN
        try:
            return build()
        finally:
            steps.POINTS = before

    return built


def with_dropout(task):
    for module in task.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.3
        if type(module).__name__ == "DropPath":
            module.rate = 0.2
    return task


def i2p_mae(view_predictor=None, whole=None, objective=None, **changes):
    """Of small sizes, with six channels of three views, and vectors of whole views where there is a predictor."""
    config = I2PMAEMethodConfig(model=SMALL, projection={"image_size": 56}, whole=objective or {}, **changes)
    model = I2PMAE(SMALL.changed(semantic_dim=3 * (config.loss.channels or 6), view_predictor=view_predictor))
    return I2PMAETask(model, config, steps.Painter(), points=SEEN, whole=whole)


def whole_views():
    """Vectors of whole views, looked up, as targets of a regression and of a contrast beside others."""
    objective = WholeConfig(regression=1.0, contrast=0.1, others=8)
    targets = WholeTargets(objective, CLOUDS, 0, steps.nothing_asked, steps.Vectors())
    predictor = ViewPredictorConfig(views=3, channels=6, width=16)
    return i2p_mae(predictor, targets, cache_teacher=True, objective=objective)


def dense():
    """2D features of all tokens in a second pass, where a view sees their points."""
    loss = {"tokens": "all", "second_mask_ratio": 0.3, "hidden": "left out", "distance": "smooth-l1", "channels": 4}
    return i2p_mae(loss=loss)


def every_level():
    """2D features predicted at every level of the decoder, and a [CLS] token."""
    sizes = SMALL.changed(class_token=True)
    config = I2PMAEMethodConfig(model=sizes, projection={"image_size": 56}, loss={"levels": "all"})
    model = I2PMAE(sizes.changed(semantic_dim=18, semantic_levels=2))
    return I2PMAETask(model, config, steps.Painter(), points=SEEN)


def classification():
    """With all that a head and its augmentation draw."""
    config = ClassificationConfig(input_points=SEEN, candidates=100, smoothing=0.2)
    return steps.classification(SMALL.alone(), config, "mean+max")


BUILT: dict[str, Callable] = {
    "i2p-mae": lambda: with_dropout(i2p_mae()),
    "i2p-mae, whole views": whole_views,
    "i2p-mae, dense": dense,
    "i2p-mae, every level": every_level,
    "point-m2ae": lambda: PointM2AETask(I2PMAE(SMALL), PointM2AEMethodConfig(model=SMALL), points=SEEN),
    "point-mae": lambda: with_dropout(PointMAETask(PointMAE(POINT_MAE), PointMAEMethodConfig(), points=SEEN)),
    "point-bert": lambda: with_dropout(steps.point_bert()),
    "point-bert, stage one": steps.stage_one,
    "classification": lambda: with_dropout(classification()),
    "segmentation": lambda: with_dropout(steps.segmentation(SMALL.alone(), "points", told=False)),
}
TASKS = {name: small(build) for name, build in BUILT.items()}


def clouds() -> CloudSet:
    """Built-in shapes with labels of clouds and, by their height, of points."""
    points = np.asarray(make_shapes(CLOUDS, POINTS, seed=1).points[:CLOUDS])
    ids = [f"cloud-{i}" for i in range(CLOUDS)]
    label, parts = np.arange(CLOUDS) % 3, (points[..., 1] > 0).astype(np.int64)
    return CloudSet(points, ids, labels=label, classes=steps.KINDS, part_labels=parts)


def settings(**changes) -> TrainingConfig:
    optimiser = {"learning_rate": 1e-3, "warmup_epochs": 1, **changes.pop("optimiser", {})}
    given = {"epochs": 5, "batch_size": BATCH, "device": "cpu", "optimiser": OptimiserConfig(**optimiser)}
    return TrainingConfig(**given | changes)


def exact(task):
    """The task in double precision; 2D features are float32 until they are compared."""
    task.model.double()
    if getattr(task, "stage_one", None) is not None:
        task.stage_one.vae.double()
    if getattr(task, "dense", None) is not None and task.dense.mixing is not None:
        task.dense.mixing = task.dense.mixing.to(torch.float32)
    return task


def exchange_all(folder: Path) -> None:
    """What the processes tell each other, as each has it, in ``RANK.json``; and a teacher's maps of all clouds."""
    part = Part.of(5, ranks.rank(), ranks.world())
    own = torch.arange(5.0)[part.first : part.first + part.count].requires_grad_()
    everybody = exchange.rows(own, part)
    (everybody * torch.arange(5.0)).sum().mul(ranks.rank() + 1).backward()
    with ranks.main_first():
        time.sleep(0.2 * ranks.is_main())
        came = time.time()
    try:
        ranks.on_main(lambda: CloudSet(np.zeros((1, 2)), []))
        refused = ""
    except I2PError as error:
        refused = str(error)
    found = {
        "gather": ranks.gather(ranks.rank()),
        "broadcast": ranks.broadcast(ranks.rank()),
        "shared out": list(ranks.share_out(range(5), lambda item: [item, ranks.rank()])),
        "to main": list(ranks.share_out_to_main(range(5), lambda item: [item, ranks.rank()])),
        "rows": everybody.tolist(),
        "gradient": own.grad.tolist(),
        "total": float(exchange.total(own.detach().sum())),
        "mean": float(exchange.mean(own.detach().mean(), part.count)),
        "came": came,
        "refused": refused,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{ranks.rank()}.json").write_text(json.dumps(found))
    CachedMaps(folder / "maps", Looking(), clouds(), VIEWS, batch=3, shown=False)


class Slow(Hook):
    """Takes some time after each step, so that a test can interrupt it."""

    def __init__(self, pause: float) -> None:
        self.pause = pause

    def after_step(self, record: StepRecord) -> None:
        time.sleep(self.pause)


class Failing(Hook):
    """Fails in the second process alone."""

    def after_step(self, record: StepRecord) -> None:
        if record.step == 3 and ranks.rank() == 1:
            raise DataError("No such luck.")


def run(name: str, folder: Path, pause: float = 0.0, **changes) -> None:
    """Train, and write weights and losses into the folder."""
    torch.manual_seed(11)
    hooks: list[Hook] = [Slow(pause)]
    if name == "failing":
        name, hooks = "point-mae", [Failing()]
    if name == ACCUMULATED:
        name, changes["optimiser"] = "point-mae", {"accumulate": 2}
    if name == "apart":
        name, engine.shared_batches = "point-mae", lambda model, part: contextlib.nullcontext()
    task = exact(TASKS[name]())
    found = fit(task, clouds(), settings(**changes), folder, resume=True, hooks=hooks, shown=pause > 0)
    if ranks.is_main():
        torch.save({"weights": task.model.state_dict(), "history": dict(found.history.columns)}, folder / "end.pt")


def environment(rank: int, world: int, port: int) -> dict[str, str]:
    """What torchrun tells a process on one machine."""
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "LOCAL_WORLD_SIZE": world, "MASTER_PORT": port}
    threads = {"OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1"}
    return {**os.environ, **threads, **{name: str(value) for name, value in place.items()}}


def started(world: int, arguments: list[object]) -> list[subprocess.Popen]:
    """Processes of one run that do what :func:`main` does with the arguments."""
    return started_as(world, [sys.executable, "-m", "tests.training.together", *map(str, arguments)])


def started_as(world: int, command: list[str], stdout: int | None = None) -> list[subprocess.Popen]:
    """A command in processes of one run, as torchrun starts them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = {"cwd": Path(__file__).parents[2], "stdout": stdout, "stderr": subprocess.PIPE, "text": True}
    return [subprocess.Popen(command, env=environment(rank, world, port), **given) for rank in range(world)]


def main() -> int:
    """``together.py FOLDER EPOCHS PAUSE NAME...``: runs in folders within the folder; the exit status of the command.

    With the name ``accumulated`` two batches make a step, with ``failing`` the second process fails in the third step,
    with ``apart`` each has norms and dropout of its own, with ``exchange`` nothing is trained (:func:`exchange_all`).
    """
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float = torch.Tensor.double
    folder, epochs, pause = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    try:
        with joined("cpu"):
            for name in sys.argv[4:]:
                if name == "exchange":
                    exchange_all(folder / name)
                else:
                    run(name, folder / name, pause, epochs=epochs)
    except I2PError as error:
        if not isinstance(error, ToldElsewhere):
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return getattr(error, "status", 75 if getattr(error, "again", False) else 1)
    return 0


if __name__ == "__main__":
    ranks.leave(main())
