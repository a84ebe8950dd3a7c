"""Configurations of pre-training of the first format, which was flat, as fields of the present one."""

from collections.abc import Mapping
from typing import Any

__all__ = ["FLAT", "is_flat", "upgrade", "upgrade_data"]

FLAT = {"clouds", "model", "epochs", "batch_size", "optimiser", "seed"}
"""Names that stood at the top of a record of the first format, and of no later one."""

TRAINING = ("epochs", "batch_size", "seed", "device", "precision", "compile", "checkpoint_minutes", "optimiser")
OUTPUT = ("report", "probe", "probe_clouds", "watch_epochs")
METHOD = ("augment", "model", "bert")
TAUGHT = ("teacher", "teacher_precision", "cache_teacher", "projection", "guidance", "loss")
"""Fields that only I2P-MAE has a use for."""


def is_flat(values: Any) -> bool:
    """Whether these are fields of the first format."""
    return isinstance(values, Mapping) and "format" not in values and not isinstance(values.get("training"), Mapping)


def upgrade(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of format 2; what has no place in it stays where it is, to be named as unknown."""
    rest = dict(values)
    name = rest.pop("method", "i2p-mae")
    method: dict[str, Any] = {"name": name, **_taken(rest, METHOD)}
    taught = _taken(rest, TAUGHT)
    method |= taught if name == "i2p-mae" else {}
    if method.get("bert") is None:
        method.pop("bert", None)
    if (pooling := rest.pop("pooling", None)) is not None:
        method["pooling"] = pooling
    data, loaders = upgrade_data(rest)
    training = _taken(rest, TRAINING) | loaders
    output = _taken(rest, OUTPUT) | ({"folder": rest.pop("output")} if "output" in rest else {})
    return {**rest, "format": 2, "method": method, "data": data, "training": training, "output": output}


def upgrade_data(rest: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of the section ``data``, taken out of ``rest``, and what of them belongs to ``training`` now."""
    read = dict(rest.pop("clouds", None) or {})
    loaders = {"loaders": read.pop("workers")} if "workers" in read else {}
    source = {"source": rest.pop("data")} if "data" in rest else {}
    return {**source, **_taken(rest, ("fraction",)), **read}, loaders


def _taken(values: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: values.pop(name) for name in names if name in values}
