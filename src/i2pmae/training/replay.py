"""One step of a run, taken again and looked at: what was the first that was not finite, and is it in double precision.

A step follows from weights, seed and its number, so that a checkpoint before it is all that is needed.
"""

import contextlib
import copy
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn

from i2pmae.common.devices import resolve_device
from i2pmae.common.errors import UsageError
from i2pmae.common.progress import say
from i2pmae.data.clouds import CloudSet
from i2pmae.data.order import far_shards
from i2pmae.training.batches import BatchPlan, StepBatches
from i2pmae.training.checkpoint import (
    Checkpoint,
    check_stamp,
    checkpoint_path,
    load_checkpoint,
    load_model,
    not_finite_path,
)
from i2pmae.training.config import TrainingConfig
from i2pmae.training.device import make_fabric, repeatable, resolve_precision
from i2pmae.training.double import InDouble
from i2pmae.training.engine import run_stamp
from i2pmae.training.learner import Learner, on_device, seeded
from i2pmae.training.optimiser import learning_rate
from i2pmae.training.replayed import Looked, Replayed
from i2pmae.training.task import Batch, Stepwise, Task
from i2pmae.typing import Tensor

__all__ = ["replay_step"]


def replay_step(
    task: Task, clouds: CloudSet, settings: TrainingConfig, folder: Path, step: int | None = None, shown: bool = True
) -> Replayed:
    """A step of the run of ``task`` in ``folder``, taken again; that which was not finite where none is named.

    It starts from the latest stored state that is not behind the step: that before the step that failed, the run's
    checkpoint, or the initial weights; steps between are taken again. Nothing in the folder is changed; the model of
    the task is.

    :class:`UsageError` for a step that the run does not have, or where none failed and none is named;
    :class:`CheckpointError` for a checkpoint that is damaged or of another run; :class:`NotFinite` where a step
    on the way fails.
    """
    epochs, batch_size = settings.length
    plan = BatchPlan(len(clouds), batch_size, settings.optimiser.accumulate, epochs, settings.seed, far_shards(clouds))
    stamp = run_stamp(clouds, settings)
    stored = [(path, _stored(path, stamp)) for path in (not_finite_path(folder), checkpoint_path(folder))]
    failed = stored[0][1]
    if step is None and failed is None:
        raise UsageError(f"No step of the run in {folder} was not finite: say which to take again, by --step.")
    number = step if step is not None else failed["step"] + 1 if failed is not None else 0
    if not 1 <= number <= plan.steps:
        raise UsageError(f"The run in {folder} has the steps 1 to {plan.steps}, not {number}.")
    device = resolve_device(settings.device)
    fabric = make_fabric(device, resolve_precision(settings.precision, device))
    task.to(device)
    learner = Learner(task, clouds, plan, settings, fabric, ahead=False)
    with repeatable(device):
        origin = _reach(learner, [(path, saved) for path, saved in stored if saved is not None], number, shown)
        return _looked_at(learner, number, origin)


def _stored(path: Path, stamp: Mapping[str, Any]) -> Checkpoint | None:
    if not path.exists():
        return None
    saved = load_checkpoint(path)
    check_stamp(path, saved["stamp"], dict(stamp))
    return saved


def _reach(learner: Learner, stored: Sequence[tuple[Path, Checkpoint]], number: int, shown: bool) -> str:
    """Bring the learner to the state before a step; says from where, and by how many steps."""
    usable = [(path, saved) for path, saved in stored if saved["step"] < number]
    name = "the initial weights"
    if usable:
        path, saved = max(usable, key=lambda found: found[1]["step"])
        load_model(path, learner.task.model, saved["model"])
        learner.load(path, saved)
        name = f"the state after step {saved['step']} in {path.name}"
    missing = number - 1 - learner.step
    if missing and shown:
        say(f"Taking {missing} step{'s' * (missing > 1)} again from {name}")
    learner.task.model.train()
    batches = StepBatches(learner.clouds, learner.plan)
    for before in range(learner.step, number - 1):
        learner.begin(batches[before])
    return f"from {name}" + (f" and {missing} steps" if missing else "")


def _looked_at(learner: Learner, number: int, origin: str) -> Replayed:
    task, plan, clouds = learner.task, learner.plan, learner.clouds
    if isinstance(task, Stepwise):
        task.begin(number - 1)
    batches = StepBatches(clouds, plan)[number - 1]
    before = copy.deepcopy(task.model.state_dict())
    look = _Looks(task, learner.fabric, learner.settings.seed, number, before)
    run = look.at(batches)
    alone: list[int] = []
    if not run.finite:
        for part, batch in enumerate(batches):
            size = range(len(batch["index"]))
            alone += [int(batch["index"][row]) for row in size if not look.at([_only(batch, row)], part).finite]
    double = look.at(batches, double=True)
    rows = torch.cat([batch["index"] for batch in batches]).tolist()
    finite = torch.cat([batch["points"].isfinite().all(-1).all(-1) for batch in batches]).tolist()
    rate = _rate(learner, number)
    names = [clouds.ids[row] for row in rows]
    bad = [name for name, good in zip(names, finite, strict=True) if not good]
    guilty = tuple(clouds.ids[row] for row in alone)
    epoch = (number - 1) // plan.steps_per_epoch + 1
    return Replayed(number, epoch, origin, rate, tuple(names), tuple(bad), guilty, run, double)


def _rate(learner: Learner, number: int) -> float:
    plan = learner.plan
    return learning_rate(number - 1, plan.steps_per_epoch, plan.epochs, learner.settings.scheduled)


def _only(batch: Batch, row: int) -> Batch:
    """A batch of one of its clouds, twice: norms and contrasts need more than one."""
    return {name: values[[row, row]] for name, values in batch.items()}


@dataclass(frozen=True)
class _Looks:
    """Calculates a step and watches it, as often as is wanted, always from the same state."""

    task: Task
    fabric: Fabric
    seed: int
    number: int
    before: Mapping[str, Tensor]

    def at(self, batches: Sequence[Batch], first: int = 0, double: bool = False) -> Looked:
        """What the step comes to with these batches, the first of which is drawn for as the ``first`` of the step."""
        model = self.task.model
        model.load_state_dict(self.before)
        model.zero_grad(set_to_none=True)
        name = "double precision" if double else "the run's arithmetic"
        if double:
            model.double()
        try:
            with _watched(model) as seen, warnings.catch_warnings():
                warnings.simplefilter("ignore")  # anomaly detection says that it is slow, and prints tracebacks
                losses = self._losses(batches, first, double, seen)
        except (NotImplementedError, RuntimeError, TypeError) as error:  # an operation without double precision
            if not double:
                raise
            return Looked(name, {}, math.nan, failure=f"{type(error).__name__}: {str(error).splitlines()[0]}")
        finally:
            if double:
                model.float()
        norm = nn.utils.get_total_norm([values.grad for values in model.parameters() if values.grad is not None])
        return Looked(name, losses, float(norm), seen.module, seen.operation, tuple(seen.parameters))

    def _losses(self, batches: Sequence[Batch], first: int, double: bool, seen: "_Seen") -> dict[str, float]:
        """Take the step's gradient; the mean of each loss over the batches."""
        sums: dict[str, float] = {}
        for part, batch in enumerate(batches, first):
            rng = seeded(self.seed, self.number, part, self.fabric.device)
            there = on_device(self.fabric, batch)
            with InDouble() if double else contextlib.nullcontext():
                with torch.autograd.set_detect_anomaly(True), self._arithmetic(double):
                    losses = self.task.losses(there, rng)
                    minimised = [loss.weighted for loss in losses.values() if loss.weight is not None]
                    total = torch.stack(minimised).sum() / len(batches)
                self._backward(total, seen)
            for key, loss in losses.items():
                column = loss.column(key)
                sums[column] = sums.get(column, 0.0) + float(loss.weighted.detach()) / len(batches)
        return sums

    def _arithmetic(self, double: bool) -> contextlib.AbstractContextManager[Any]:
        """That of the run, which autocast chooses by operation; it must not choose where all is in double."""
        return contextlib.nullcontext() if double else self.fabric.autocast()

    def _backward(self, total: Tensor, seen: "_Seen") -> None:
        """The gradient; where it is not finite, the operation that was the first to give NaN."""
        total.backward(retain_graph=True)
        if not seen.parameters or seen.operation:
            return
        try:
            with torch.autograd.set_detect_anomaly(True):
                total.backward()
        except RuntimeError as error:
            seen.operation = str(error).splitlines()[0]


class _Seen:
    """What was the first that was not finite."""

    def __init__(self) -> None:
        self.module, self.operation = "", ""
        self.parameters: dict[str, None] = {}


@contextlib.contextmanager
def _watched(model: nn.Module) -> Iterator[_Seen]:
    """A block in which outputs of the model's parts, and gradients of its parameters, are looked at."""
    seen = _Seen()

    def output(name: str) -> Any:
        def look(module: nn.Module, given: Any, found: Any) -> None:
            if not seen.module and not _finite(found):
                came = "finite" if _finite(given) else "not finite"
                seen.module = f"{name or 'the model'} ({type(module).__name__}), whose input was {came}"

        return look

    def gradient(name: str) -> Any:
        def look(found: Tensor) -> None:
            if not found.isfinite().all():
                seen.parameters.setdefault(name)

        return look

    with contextlib.ExitStack() as stack:
        for name, module in model.named_modules():
            stack.callback(module.register_forward_hook(output(name)).remove)
        for name, values in model.named_parameters():
            if values.requires_grad:
                stack.callback(values.register_hook(gradient(name)).remove)
        yield seen


def _finite(values: Any) -> bool:
    """Whether all numbers in tensors, and in what holds tensors, are finite."""
    if isinstance(values, Tensor):
        return not values.is_floating_point() or bool(values.isfinite().all())
    if isinstance(values, Mapping):
        return all(map(_finite, values.values()))
    return all(map(_finite, values)) if isinstance(values, (list, tuple)) else True
