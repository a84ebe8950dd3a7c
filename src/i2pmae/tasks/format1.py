"""Configurations of tasks in the first format, which was flat, and in which the fields alone said what the task is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["is_format1", "upgrade"]

TOP = ("recipe",)
TRAINING = (
    "epochs",
    "batch_size",
    "seed",
    "device",
    "precision",
    "compile",
    "checkpoint_minutes",
)
OUTPUT = {"output": "folder", "report": "report"}
SIGNS = {
    "fewshot": ("mode", "ways", "shots", "queries", "folds"),
    "segment": ("propagation_widths", "context", "category_width"),
}
"""Fields that only one task had; a record without them is one of fine-tuning for classification."""
PLACES = {"finetune": "runs/finetune", "segment": "runs/segment", "fewshot": "runs/fewshot"}
RATES = {"finetune": 5e-4, "segment": 2e-4, "fewshot": 5e-4}
"""What stood for an absent run folder and an absent learning rate."""


def is_format1(values: Mapping[str, Any]) -> bool:
    """Whether these are fields of the first format: it had no version, no sections, and named no task."""
    return not {"format", "task", "training"} & values.keys() and isinstance(values.get("data", ""), (str, Path))


def upgrade(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a :class:`~i2pmae.tasks.config.TaskRunConfig`; whatever is wrong in them stays wrong.

    What has no place in one of its sections goes to the task, which knows its own fields and refuses others.
    """
    rest = dict(values)
    name = next((task for task, signs in SIGNS.items() if any(sign in rest for sign in signs)), "finetune")
    upgraded = {field: rest.pop(field) for field in TOP if field in rest}
    reading = rest.pop("clouds", {})
    data = dict(reading) if isinstance(reading, Mapping) else {"clouds": reading}
    data |= {"source": rest.pop("data")} if "data" in rest else {}
    training = {field: rest.pop(field) for field in TRAINING if field in rest}
    if "workers" in data:  # they loaded batches, although they stood with the data
        training["loaders"] = data.pop("workers")
    optimiser = rest.pop("optimiser", {})
    if isinstance(optimiser, Mapping):
        optimiser = dict(optimiser) or {"learning_rate": RATES[name], "warmup_epochs": 2, "clip_norm": 10}
        if "layer_decay" in rest:
            optimiser["layer_decay"] = rest.pop("layer_decay")
    output = {field: rest.pop(old) for old, field in OUTPUT.items() if old in rest}
    return {
        **upgraded,
        "format": 2,
        "task": {"name": name, **rest},
        "data": {"labels": "folder"} | data if "labels" not in data and not reading else data,
        "training": {"epochs": None, "batch_size": None, **training, "optimiser": optimiser},
        "output": {"folder": PLACES[name], **output},
    }
