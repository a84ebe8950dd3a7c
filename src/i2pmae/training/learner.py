"""One optimiser step, as a Lightning module."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch import LightningModule

from i2pmae.common.errors import TrainingError, UsageError
from i2pmae.common.seeds import derive, torch_generator
from i2pmae.data.clouds import CloudSet
from i2pmae.training.batches import BatchPlan
from i2pmae.training.config import TrainingConfig
from i2pmae.training.optimiser import build_optimiser, learning_rate
from i2pmae.training.task import METRIC_PREFIX, Batch, Losses, Stepwise, Task
from i2pmae.typing import Tensor

__all__ = ["Learner", "StepRecord"]

SMALLEST_SCALE = 1.0
"""fp16 halves its loss scale (first 65536) at each overflow; below this it is no passing one."""


@dataclass(frozen=True)
class StepRecord:
    """What one step did."""

    losses: dict[str, float]
    """Losses and metrics of the task, mean over the step's batches."""
    total: float
    """Sum of the losses."""
    learning_rate: float
    """The rate the step was taken with."""
    gradient_norm: float
    """Norm of the whole gradient, before clipping."""
    clouds: int
    """Clouds in the step."""


class Learner(LightningModule):
    """Takes one optimiser step per Lightning batch: the list of batches whose gradients are averaged.

    Optimisation is manual, since a step checks its losses and gradients before it changes anything.
    """

    record: StepRecord

    def __init__(self, task: Task, clouds: CloudSet, plan: BatchPlan, settings: TrainingConfig, step: int) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model = task.model
        # Methods, not the task: what else the task holds must not become a sub-module.
        self.losses = task.losses
        self.begin = task.begin if isinstance(task, Stepwise) else None
        self.clouds, self.plan, self.settings = clouds, plan, settings
        self.step = step
        """Optimiser steps done."""
        self.titles: dict[str, str] = {}
        """What to call each column of the metrics, as the task says."""

    @property
    def epoch(self) -> int:
        """The epoch, from 1, of the step that was taken last."""
        return (self.step - 1) // self.plan.steps_per_epoch + 1

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW; the rate is set at every step."""
        return build_optimiser(self.model, self.settings.optimiser)

    def training_step(self, batches: list[Batch], _index: int) -> None:
        """Average the gradients of ``batches`` and step; before that, :class:`TrainingError` if one is not finite."""
        if self.begin is not None:
            self.begin(self.step)
        self.step += 1
        self._batches = batches
        optimiser: Any = self.optimizers()
        rate = learning_rate(self.step - 1, self.plan.steps_per_epoch, self.plan.epochs, self.settings.optimiser)
        for group in optimiser.param_groups:
            group["lr"] = rate * group.get("rate_scale", 1.0)
        optimiser.zero_grad(set_to_none=True)
        parts = [self._accumulate(part, batch, len(batches)) for part, batch in enumerate(batches)]
        losses = {name: sum(part[name] for part in parts) / len(parts) for name in parts[0]}
        optimiser.step()  # calls on_before_optimizer_step
        self.record = StepRecord(
            losses=losses,
            total=sum(value for name, value in losses.items() if not name.startswith(METRIC_PREFIX)),
            learning_rate=rate,
            gradient_norm=self._norm,
            clouds=sum(len(batch["points"]) for batch in batches),
        )
        del self._batches

    def _accumulate(self, part: int, batch: Batch, parts: int) -> dict[str, float]:
        """Add a batch's share to the gradient; its losses as numbers."""
        names = ("step", self.step - 1, self.global_rank, part)
        torch.manual_seed(derive(self.settings.seed, *names))
        found = self.losses(batch, torch_generator(self.settings.seed, *names, "rng", device=self.device))
        losses = self._columns(found)
        values = self._numbers(losses)
        total = torch.stack([loss for name, loss in losses.items() if not name.startswith(METRIC_PREFIX)]).sum()
        with torch.autocast(self.device.type, enabled=False):  # backward runs in the types that forward chose
            self.manual_backward(total / parts)
        return values

    def _columns(self, losses: Losses) -> dict[str, Tensor]:
        """The weighted losses and the watched figures by their column, whose titles are kept."""
        columns = {loss.column(name): loss for name, loss in losses.items()}
        self.titles |= {column: loss.title for column, loss in columns.items()}
        return {column: loss.weighted for column, loss in columns.items()}

    def _numbers(self, losses: dict[str, Tensor]) -> dict[str, float]:
        """The losses as numbers, fetched in one transfer; :class:`TrainingError` names those that are not finite."""
        minimised = [name for name in losses if not name.startswith(METRIC_PREFIX)]
        wrong = [f"{name} {tuple(value.shape)}" for name, value in losses.items() if value.ndim]
        if wrong or not minimised:
            raise UsageError(f"A task must return at least one loss, all scalars; got {', '.join(wrong or losses)}.")
        kind = torch.float32 if self.device.type == "mps" else torch.float64  # Apple's GPUs have no float64
        numbers = torch.stack([value.detach().to(kind) for value in losses.values()]).tolist()
        values = dict(zip(losses, numbers, strict=True))
        bad = [name for name in minimised if not torch.tensor(values[name]).isfinite()]
        if bad:
            raise self._not_finite("; ".join(f"the loss {name!r} is {values[name]}" for name in bad))
        return values

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Measure and clip the gradient, which is unscaled by now; :class:`TrainingError` if it is not finite."""
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        self._norm = norm.item()
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        if not norm.isfinite() and (scaler is None or scaler.get_scale() < SMALLEST_SCALE):
            raise self._not_finite(f"the gradient norm is {self._norm}")
        limit = self.settings.optimiser.clip_norm
        if limit is not None and norm.isfinite():
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            torch.nn.utils.clip_grads_with_norm_(parameters, limit, norm)

    def _not_finite(self, what: str) -> TrainingError:
        rows = torch.cat([batch["index"] for batch in self._batches]).cpu()
        finite = torch.cat([batch["points"].isfinite().all(-1).all(-1) for batch in self._batches]).cpu()
        message = (
            f"Step {self.step} (epoch {self.epoch}): {what}. Nothing was changed by this step, and the last checkpoint "
            f"is as it was. The clouds of the step: {self._names(rows.tolist())}."
        )
        if not finite.all():
            message += f" Not finite themselves are the points of: {self._names(rows[~finite].tolist())}."
        else:
            message += " Their points are finite: try a lower learning rate, gradient clipping or fp32."
        return TrainingError(message)

    def _names(self, rows: Sequence[int], most: int = 16) -> str:
        shown = ", ".join(f"{self.clouds.ids[row]} (row {row})" for row in rows[:most])
        return shown + (f" and {len(rows) - most} more" if len(rows) > most else "")
