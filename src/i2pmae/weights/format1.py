"""Records of weights of the first format, as fields of the present one."""

from collections.abc import Mapping
from typing import Any

__all__ = ["upgrade"]

POOLINGS = {"i2p-mae": "max", "point-m2ae": "mean+max", "point-mae": "mean+max", "point-bert": "class|max"}
"""What stood for an absent read-out."""
DECODER = ("decoder_dims", "decoder_depths", "mask_ratio", "predicted_points")
"""Fields that described a decoder, also where there was none."""


def upgrade(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a record of format 2 from those of format 1; whatever is wrong in them stays wrong."""
    upgraded = {name: value for name, value in values.items() if name not in ("semantic_dim", "format")}
    task, method, model = values.get("task", "pretraining"), values.get("method"), values.get("model")
    if isinstance(model, dict):
        if task == "pretraining" and values.get("semantic_dim"):
            model = model | {"semantic_dim": values["semantic_dim"]}
        if task == "encoder":
            model = _encoder(model)
        elif isinstance(model.get("encoder"), dict):
            model = model | {"encoder": _encoder(model["encoder"])}
        upgraded["model"] = model
    if upgraded.get("pooling") is None and task != "vocabulary":
        head = model.get("pooling") if isinstance(model, dict) and task == "classification" else None
        upgraded["pooling"] = head or POOLINGS.get(str(method), "max")
    return upgraded | {"format": 2}


def _encoder(sizes: Mapping[str, Any]) -> dict[str, Any]:
    """The sizes of an encoder alone, with the name of its kind."""
    architecture = "hierarchical" if "group_counts" in sizes else "plain"
    return {"architecture": architecture, **{name: value for name, value in sizes.items() if name not in DECODER}}
