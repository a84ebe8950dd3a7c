"""One optimiser step, in two halves: its work is begun, and its figures are read."""

import contextlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn

from i2pmae.common import ranks
from i2pmae.common.errors import TrainingError, UsageError
from i2pmae.common.exchange import total
from i2pmae.common.ranks import Part
from i2pmae.common.seeds import derive, torch_generator
from i2pmae.data.clouds import CloudSet
from i2pmae.training.average import WeightAverage
from i2pmae.training.batches import BatchPlan
from i2pmae.training.checkpoint import Checkpoint, LearnerState, load_optimiser
from i2pmae.training.config import TrainingConfig
from i2pmae.training.optimiser import build_optimiser, learning_rate
from i2pmae.training.shared import shared_forward
from i2pmae.training.task import METRIC_PREFIX, Batch, Losses, Stepwise, Task
from i2pmae.typing import Float, Tensor

__all__ = ["Begun", "Figures", "Learner", "NotFinite", "on_device", "seeded"]

SMALLEST_SCALE = 1.0
"""fp16 halves its loss scale (first 65536) at each overflow; below this it is no passing one."""
ROWS = ("index", "whole")
"""What of a batch stays on the CPU."""


@dataclass(frozen=True)
class Begun:
    """A step whose work was handed to the device."""

    step: int
    """Its number, from 1."""
    epoch: int
    """Its epoch, from 1."""
    batches: Sequence[Batch]
    """What it learns from, on the CPU."""
    rate: float
    """Its learning rate."""
    columns: Sequence[str]
    """Names of its losses and metrics."""
    numbers: Float[Tensor, " k"]
    """Processes that were asked to stop, losses and metrics of each batch, the gradient's norm, the loss scale (0 where
    there is none); on the device."""
    before: Mapping[str, Tensor]
    """What the step may have changed of the model's state although it is no step: statistics of norms, the follower of
    a task; as it was before."""


class NotFinite(TrainingError):
    """A step with a loss or a gradient that is not finite."""

    def __init__(self, message: str, begun: Begun) -> None:
        super().__init__(message)
        self.begun = begun
        """The step."""


@dataclass(frozen=True)
class Figures:
    """What a step came to."""

    losses: Mapping[str, float]
    """Losses and metrics of the task by column, mean over the step's batches."""
    gradient_norm: float
    """Norm of the whole gradient, before clipping."""
    asked: bool
    """Whether any process was asked to stop before the step."""


class Learner:
    """Takes the optimiser steps of a run: each is the average gradient of a list of batches.

    Of several processes each computes its part of every batch. Its losses count by how many things they are means over
    among those of all, so that the gradient, added up by DDP, is that of one process with the whole batch.

    A step with a loss or a gradient that is not finite changes nothing, and is an error when its figures are read. On
    the CPU they are read before the weights are changed. A GPU would have to be waited for at each step; there the
    optimiser itself leaves everything as it is, at this step and at all that follow it.
    """

    def __init__(
        self, task: Task, clouds: CloudSet, plan: BatchPlan, settings: TrainingConfig, fabric: Fabric, ahead: bool
    ) -> None:
        """With ``ahead``, steps may be begun before the figures of those before them are read."""
        self.task, self.clouds, self.plan, self.settings, self.fabric = task, clouds, plan, settings, fabric
        self.ahead = ahead
        # The fused form is the one that can be told on the device to do nothing.
        self.optimiser = build_optimiser(task.model, settings.optimiser, fused=ahead)
        self.scaler: torch.amp.GradScaler | None = getattr(fabric.strategy.precision, "scaler", None)
        decay = settings.optimiser.average
        self.average = None if decay is None else WeightAverage(task.model, decay)
        """What is stored and scored in the place of the weights, if anything is."""
        self.step = 0
        """Optimiser steps begun."""
        self.titles: dict[str, str] = {}
        """What to call each column of the metrics, as the task says."""
        kind = torch.float32 if fabric.device.type == "mps" else torch.float64  # Apple's GPUs have no float64
        self._one = torch.ones((), dtype=kind, device=fabric.device)
        self.part = plan.part()
        """What this process has of each batch, where there are several."""
        self._forward = shared_forward(task.model, fabric)
        self._broken = torch.zeros((), dtype=torch.bool, device=fabric.device)

    def begin(self, batches: Sequence[Batch], asked: bool = False) -> Begun:
        """Take a step: average the gradients of ``batches``, which may be on the CPU, and change the weights.

        ``asked``: whether this process was asked to stop, which all learn with the figures of the step.
        :class:`UsageError` for losses that are no losses; on the CPU, errors are those of :meth:`figures` too.
        """
        before = self._still()
        if isinstance(self.task, Stepwise):
            self.task.begin(self.step)
        self.step += 1
        rate = learning_rate(self.step - 1, self.plan.steps_per_epoch, self.plan.epochs, self.settings.scheduled)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group.get("rate_scale", 1.0)
        self.optimiser.zero_grad(set_to_none=True)
        parts = [self._accumulate(part, batch, len(batches)) for part, batch in enumerate(batches)]
        columns = list(parts[0])
        found = [self._one[None] * asked, *(torch.stack([part[name] for name in columns]) for part in parts)]
        numbers = torch.cat([total(torch.cat(found)), self._clip()])
        epoch = (self.step - 1) // self.plan.steps_per_epoch + 1
        begun = Begun(self.step, epoch, batches, rate, columns, numbers, before)
        if self.ahead:
            self._change_where_finite(begun)
        else:
            self.figures(begun)
            self.optimiser.step()
        if self.average is not None:
            self.average.update(self.step)
        return begun

    def figures(self, begun: Begun) -> Figures:
        """The figures of a step, for which this waits; :class:`NotFinite` names those that are not finite."""
        asked, *values, norm, scale = begun.numbers.tolist()
        width = len(begun.columns)
        parts = [dict(zip(begun.columns, values[i : i + width], strict=True)) for i in range(0, len(values), width)]
        for part in parts:
            bad = [name for name in _minimised(part) if not math.isfinite(part[name])]
            if bad:
                raise self._not_finite(begun, "; ".join(f"the loss {name!r} is {part[name]}" for name in bad))
        if not math.isfinite(norm) and scale < SMALLEST_SCALE:
            raise self._not_finite(begun, f"the gradient norm is {norm}")
        losses = {name: sum(part[name] for part in parts) / len(parts) for name in begun.columns}
        return Figures(losses, norm, asked > 0)

    def load(self, path: Path, saved: Checkpoint) -> None:
        """Go on after the step of the checkpoint at ``path``; :class:`CheckpointError` where it is of another model."""
        load_optimiser(path, self.optimiser, saved["optimiser"])
        if saved["scaler"]:  # empty where the checkpoint is not of fp16
            self.fabric.strategy.precision.load_state_dict(saved["scaler"])
        if self.average is not None:
            self.average.load(saved["average"])
        self.step = saved["step"]

    def scored(self) -> contextlib.AbstractContextManager[None]:
        """A block in which the model has the weights that are scored: their average, where one is kept."""
        return contextlib.nullcontext() if self.average is None else self.average.worn()

    def state(self) -> LearnerState:
        """What a checkpoint holds of it; only where the figures of all steps were read."""
        average = self.average
        state: LearnerState = {
            "step": self.step,
            "model": dict(self.task.model.state_dict()) if average is None else average.state(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.fabric.strategy.precision.state_dict(),
            "titles": self.titles,
        }
        if average is not None:
            state["average"] = average.values
        return state

    def state_before(self, begun: Begun) -> LearnerState:
        """What a checkpoint before a step that was :class:`NotFinite` would have held.

        Nothing was changed by it nor since, but for what forward changes, of which it kept a copy.
        """
        state = self.state()
        state["model"] |= begun.before
        state["step"] = begun.step - 1
        return state

    def _still(self) -> dict[str, Tensor]:
        """Copies of what steps change beside the parameters that the optimiser has."""
        follows = isinstance(self.task, Stepwise)
        trained = {name for name, values in self.task.model.named_parameters() if values.requires_grad or not follows}
        state = self.task.model.state_dict()
        return {name: values.clone() for name, values in state.items() if name not in trained}

    def _accumulate(self, part: int, batch: Batch, parts: int) -> dict[str, Tensor]:
        """Add a batch's share to the gradient; its losses and metrics by column."""
        rng = seeded(self.settings.seed, self.step, part, self.fabric.device, self.part)
        with self._forward.adding_up(part == parts - 1):
            with self.fabric.autocast():
                losses = self._forward(lambda: self._losses(on_device(self.fabric, batch), rng))
                summed = torch.stack([losses[name] for name in _minimised(losses)]).sum()
            # Outside of autocast: it runs in the types that forward chose. DDP takes means over the processes.
            self.fabric.backward(summed * ranks.world() / parts if self.part else summed / parts)
        return {name: value.detach().to(self._one) for name, value in losses.items()}

    def _losses(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """What the batch gives, by column; of several processes, what this one adds to the figures of the whole."""
        losses = self.task.losses(batch, rng)
        columns = self._columns(losses)
        if self.part is None:
            return columns
        counts = [self.part.count if loss.count is None else loss.count for loss in losses.values()]
        own = torch.stack([self._one * count for count in counts])
        shares = (own / total(own)).unbind()
        # Where there is nothing to take the mean of, that is no number, and counts nothing.
        return {
            name: torch.where(share > 0, value * share, torch.zeros_like(share))
            for (name, value), share in zip(columns.items(), shares, strict=True)
        }

    def _columns(self, losses: Losses) -> dict[str, Tensor]:
        """The weighted losses and the watched figures by their column, whose titles are kept."""
        columns = {loss.column(name): loss for name, loss in losses.items()}
        wrong = [f"{name} {tuple(loss.value.shape)}" for name, loss in columns.items() if loss.value.ndim]
        if wrong or not _minimised(columns):
            raise UsageError(f"A task must return at least one loss, all scalars; got {', '.join(wrong or columns)}.")
        self.titles |= {column: loss.title for column, loss in columns.items()}
        return {column: loss.weighted for column, loss in columns.items()}

    def _clip(self) -> Float[Tensor, "2"]:
        """The norm of the gradient, which is clipped, and the scale that it had."""
        scale = torch.zeros_like(self._one)
        if self.scaler is not None:
            scale = self.scaler.scale(self._one)
            self.scaler.unscale_(self.optimiser)
        parameters = [parameter for group in self.optimiser.param_groups for parameter in group["params"]]
        norm = nn.utils.get_total_norm([parameter.grad for parameter in parameters if parameter.grad is not None])
        if self.settings.optimiser.clip_norm is not None:
            nn.utils.clip_grads_with_norm_(parameters, self.settings.optimiser.clip_norm, norm)
        return torch.stack([norm.to(self._one), scale])

    def _change_where_finite(self, begun: Begun) -> None:
        """Take the optimiser's step unless a loss or the gradient of this step is not finite, or one before was broken.

        A gradient that overflows fp16 is no error while the loss scale can still be halved.
        """
        norm, scale = begun.numbers[-2:]
        by_name = zip(begun.columns, begun.numbers[1:-2].view(-1, len(begun.columns)).unbind(1), strict=True)
        losses = torch.stack([values for name, values in by_name if not name.startswith(METRIC_PREFIX)])
        self._broken |= ~losses.isfinite().all() | (~norm.isfinite() & (scale < SMALLEST_SCALE))
        optimiser: Any = self.optimiser
        # Where the scaler puts them too, for optimisers that look at them on the device.
        optimiser.grad_scale, optimiser.found_inf = None, (self._broken | ~norm.isfinite()).float()
        optimiser.step()
        del optimiser.grad_scale, optimiser.found_inf
        if self.scaler is not None:
            self.scaler.update()

    def _not_finite(self, begun: Begun, what: str) -> NotFinite:
        rows = torch.cat([batch["index"] for batch in begun.batches])
        finite = torch.cat([batch["points"].isfinite().all(-1).all(-1) for batch in begun.batches])
        rows, finite = (torch.cat(parts) for parts in zip(*ranks.gather((rows, finite)), strict=True))
        message = (
            f"Step {begun.step} (epoch {begun.epoch}): {what}. Nothing was changed by this step, and the last "
            f"checkpoint is as it was. The clouds of the step: {self._names(rows.tolist())}."
        )
        if not finite.all():
            message += f" Not finite themselves are the points of: {self._names(rows[~finite].tolist())}."
        else:
            message += " Their points are finite: try a lower learning rate, gradient clipping or fp32."
        return NotFinite(message, begun)

    def _names(self, rows: Sequence[int], most: int = 16) -> str:
        shown = ", ".join(f"{self.clouds.ids[row]} (row {row})" for row in rows[:most])
        return shown + (f" and {len(rows) - most} more" if len(rows) > most else "")


def seeded(seed: int, step: int, part: int, device: torch.device, shared: Part | None = None) -> torch.Generator:
    """The generator of a batch, the ``part``-th of a step (from 1); torch's own is seeded for it likewise."""
    names = ("step", step - 1, 0, part)  # the same in all processes: each draws for the whole batch
    torch.manual_seed(derive(seed, *names))
    return torch_generator(seed, *names, "rng", device=device, part=shared)


def on_device(fabric: Fabric, batch: Batch) -> Batch:
    """The batch where the model is; its rows stay on the CPU, where what is known of clouds is looked up."""
    there = fabric.to_device({name: values for name, values in batch.items() if name not in ROWS})
    return {**there, **{name: batch[name] for name in ROWS if name in batch}}


def _minimised(columns: Iterable[str]) -> list[str]:
    return [name for name in columns if not name.startswith(METRIC_PREFIX)]
