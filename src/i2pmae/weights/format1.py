"""Records of weights of the first format, as fields of the present one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from i2pmae.common.errors import UsageError
from i2pmae.common.yaml import load_yaml

__all__ = ["files_up", "upgrade"]

POOLINGS = {"i2p-mae": "max", "point-m2ae": "mean+max", "point-mae": "mean+max", "point-bert": "class|max"}
"""What stood for an absent read-out."""
DECODER = ("decoder_dims", "decoder_depths", "mask_ratio", "predicted_points")
"""Fields that described a decoder, also where there was none."""


def files_up(folder: Path) -> str:
    """The axis that the run in ``folder`` was told, which then stood in its configuration alone; y where none is there.

    What is wrong with the configuration is said by those who want it; weights are used without it.
    """
    path = folder / "config.yaml"
    try:
        clouds = load_yaml(path.read_text(encoding="utf-8"), str(path))["clouds"]
        return clouds["up"] if clouds["up"] in ("x", "y", "z") else "y"
    except (OSError, UnicodeDecodeError, UsageError, KeyError, TypeError):
        return "y"


def upgrade(values: Mapping[str, Any], up: str = "y") -> dict[str, Any]:
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
    return {"files_up": up} | upgraded | {"format": 2}


def _encoder(sizes: Mapping[str, Any]) -> dict[str, Any]:
    """The sizes of an encoder alone, with the name of its kind."""
    architecture = "hierarchical" if "group_counts" in sizes else "plain"
    return {"architecture": architecture, **{name: value for name, value in sizes.items() if name not in DECODER}}
