"""Models as programs that run without this package: ONNX, and PyTorch's own exported programs.

Sampling, neighbours, encoder and head are in the program; how many clouds come at once and how many points each has is
decided when it runs. Points are y up and in the unit sphere, as for :attr:`i2pmae.Encoder.module`.
"""

import contextlib
import importlib.util
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from i2pmae.common.errors import I2PError, UsageError
from i2pmae.common.files import replacing
from i2pmae.encoders.base import PointModel
from i2pmae.ops.exported import named_operators
from i2pmae.typing import Float, Tensor

__all__ = [
    "NOTES",
    "SUFFIXES",
    "PointFeatures",
    "Portable",
    "ProgramFormat",
    "check_installed",
    "opened",
    "write_program",
]

ProgramFormat = Literal["onnx", "torch-export"]
SUFFIXES: Mapping[str, str] = {"onnx": ".onnx", "torch-export": ".pt2"}
"""What files of each format end in."""
PACKAGES: Mapping[str, tuple[str, ...]] = {"onnx": ("onnx", "onnxruntime", "onnxscript"), "torch-export": ()}
"""What each format needs."""
NOTES = "i2pmae"
"""Under this name a program keeps what it is, as JSON: method, axis, names of classes or parts."""
MOST_CLOUDS, MOST_POINTS = 65_536, 1 << 20
"""Bounds of what a program can be asked for."""


class PointFeatures(nn.Module):
    """An encoder as a module from clouds ``(b, n, 3)`` to features of their points ``(b, n, d)``, with gradients."""

    def __init__(self, model: PointModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n d"]:
        """One vector per point; ``points`` are y up and in the unit sphere."""
        return self.model.point_features(points)


@dataclass(frozen=True)
class Portable:
    """What is to become a program."""

    module: nn.Module
    """From points, and a category for each cloud where there are :attr:`categories`, to the output."""
    output: str
    """What the output is called."""
    least: int
    """Fewest points of a cloud."""
    notes: Mapping[str, Any]
    """What the program is to say about itself."""
    categories: int = 0
    """How many categories the clouds may be of; 0 where the module is not told any."""

    def inputs(self, points: np.ndarray) -> dict[str, np.ndarray]:
        """The inputs by name for some clouds; categories take turns."""
        told = {"category": np.arange(len(points)) % self.categories} if self.categories else {}
        return {"points": points, **told}


def check_installed(form: ProgramFormat) -> None:
    """:class:`UsageError` where what a format needs is not installed."""
    absent = [name for name in PACKAGES[form] if importlib.util.find_spec(name) is None]
    if absent:
        raise UsageError(f"The format {form} needs {' and '.join(absent)}: pip install 'i2pmae[export]'.")


def write_program(portable: Portable, path: Path, form: ProgramFormat) -> None:
    """Write a program, whole or not at all.

    :class:`UsageError` where its packages are missing, :class:`I2PError` where PyTorch cannot export the model.
    """
    check_installed(form)
    try:
        with _quiet(), torch.no_grad():
            save = _onnx(portable) if form == "onnx" else _program(portable)
    except I2PError:
        raise
    except Exception as error:  # the exporters raise whatever goes wrong within
        raise I2PError(
            f"PyTorch {torch.__version__} cannot export this model as {form}: {type(error).__name__}: "
            f"{str(error).strip()[:500]}. Nothing was written."
        ) from error
    with replacing(path) as part, _quiet():
        save(part)


def _traced(portable: Portable) -> torch.export.ExportedProgram:
    device = next(portable.module.parameters()).device
    given = {
        name: torch.from_numpy(value).to(device)
        for name, value in portable.inputs(np.random.default_rng(0).normal(size=(2, 2 * portable.least, 3))).items()
    }
    given["points"] = given["points"].float()
    batch = torch.export.Dim("batch", min=1, max=MOST_CLOUDS)
    dynamic: dict[str, dict[int, Any]] = {name: {0: batch} for name in given}
    dynamic["points"][1] = torch.export.Dim("points", min=portable.least, max=MOST_POINTS)
    shapes = tuple(dynamic.values())
    return torch.export.export(portable.module.eval(), tuple(given.values()), dynamic_shapes=shapes, strict=False)


def _onnx(portable: Portable) -> Callable[[Path], None]:
    from i2pmae.weights.onnx_operators import OPSET, translations

    with named_operators():
        program = torch.onnx.export(
            _traced(portable),
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            custom_translation_table=translations(),
            input_names=list(portable.inputs(np.zeros((1, 1, 3)))),
            output_names=[portable.output],
        )
    assert program is not None
    program.model.metadata_props[NOTES] = json.dumps(portable.notes)
    return lambda path: program.save(str(path), external_data=False)


def _program(portable: Portable) -> Callable[[Path], None]:
    program = _traced(portable)
    notes = {f"{NOTES}.json": json.dumps(portable.notes)}

    def save(path: Path) -> None:
        with path.open("wb") as file:
            torch.export.save(program, file, extra_files=notes)

    return save


def opened(
    path: Path, form: ProgramFormat, threads: int | None = None
) -> Callable[[dict[str, np.ndarray]], np.ndarray]:
    """What runs a written program on a CPU: from inputs by name to the output."""
    if form == "torch-export":
        with _quiet(), path.open("rb") as file:
            module = torch.export.load(file).module()

        def run(inputs: dict[str, np.ndarray]) -> np.ndarray:
            with torch.no_grad():
                found: np.ndarray = module(*map(torch.from_numpy, inputs.values())).numpy()
            return found

        return run
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or torch.get_num_threads()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, inputs)[0]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the exporters say about themselves from whoever exports."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
