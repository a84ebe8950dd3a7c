"""Encoders of 3D point clouds that are taught by 2D image models (I2P-MAE, arXiv 2212.06785).

>>> import i2pmae
>>> encoder = i2pmae.load("runs/pretrain")                 # a run folder or a weights folder
>>> encoder.embed(points)                                  # (b, n, 3) or (n, 3) to (b, c) or (c,)
>>> encoder.point_features(points)                         # (b, n, d)
>>> i2pmae.pretrain(i2pmae.RECIPES["tiny"]().model_copy(update={"data": "my/scans"}))
"""

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from i2pmae.common.errors import I2PError, UsageError
    from i2pmae.data import CloudSet, normalise, open_clouds
    from i2pmae.data.shapes import make_shapes
    from i2pmae.evaluation.probe import linear_probe
    from i2pmae.hub import Encoder, load
    from i2pmae.models import I2PMAE, I2PMAEConfig
    from i2pmae.recipes import RECIPES
    from i2pmae.recipes.pretrain import pretrain
    from i2pmae.teachers import load_teacher
    from i2pmae.training.config import PretrainConfig

__version__ = version("i2pmae")

_HOMES = {
    "I2PError": "i2pmae.common.errors",
    "UsageError": "i2pmae.common.errors",
    "CloudSet": "i2pmae.data",
    "normalise": "i2pmae.data",
    "open_clouds": "i2pmae.data",
    "make_shapes": "i2pmae.data.shapes",
    "linear_probe": "i2pmae.evaluation.probe",
    "Encoder": "i2pmae.hub",
    "load": "i2pmae.hub",
    "I2PMAE": "i2pmae.models",
    "I2PMAEConfig": "i2pmae.models",
    "RECIPES": "i2pmae.recipes",
    "pretrain": "i2pmae.recipes.pretrain",
    "load_teacher": "i2pmae.teachers",
    "PretrainConfig": "i2pmae.training.config",
}
"""Public names and the modules they come from, imported on first use: ``i2pmae --help`` must not wait for PyTorch."""

__all__ = [
    "I2PMAE",
    "RECIPES",
    "CloudSet",
    "Encoder",
    "I2PError",
    "I2PMAEConfig",
    "PretrainConfig",
    "UsageError",
    "linear_probe",
    "load",
    "load_teacher",
    "make_shapes",
    "normalise",
    "open_clouds",
    "pretrain",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'i2pmae' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
