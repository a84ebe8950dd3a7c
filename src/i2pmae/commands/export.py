"""``export``: a model to hand on: the encoder's weights alone, or a program that runs without this package."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from i2pmae.commands.use import load, load_predictor, measured
from i2pmae.common.errors import I2PError, UsageError
from i2pmae.data.clouds import normalise
from i2pmae.weights.applied import Predictor
from i2pmae.weights.named import RECORD_FILE, WEIGHTS_FILE, locate
from i2pmae.weights.portable import (
    SUFFIXES,
    PointFeatures,
    Portable,
    ProgramFormat,
    check_installed,
    opened,
    write_program,
)
from i2pmae.weights.record import ModelRecord
from i2pmae.weights.store import save_weights
from i2pmae.weights.transfer import encoder_alone, load_pretrained

__all__ = ["Exported", "Parity", "Part", "export", "exported"]

Part = Literal["embedding", "points", "classifier", "segmenter"]
BATCHES, SIZES = (1, 3), (1, 2, 3)
"""Clouds at once, and multiples of the fewest points, of the inputs that a program is compared by."""
REPEATS = 3


@dataclass(frozen=True)
class Parity:
    """How a program compares with PyTorch on some clouds."""

    clouds: int
    points: int
    """Of each cloud."""
    difference: float
    """The largest difference of the outputs, by the largest value that PyTorch gives."""
    milliseconds: float
    """Of the program, for a cloud."""
    torch_milliseconds: float
    """Of PyTorch, for a cloud."""


@dataclass(frozen=True)
class Exported:
    """What was written, and how it compares where that was asked for."""

    path: Path
    parity: tuple[Parity, ...] = ()
    tolerance: float = 0.0

    def check(self) -> None:
        """:class:`I2PError` where the program does not give what PyTorch gives."""
        worst = max((row.difference for row in self.parity), default=0.0)
        if not worst <= self.tolerance:
            raise I2PError(
                f"{self.path} differs from PyTorch by {worst:.2g} of the largest value, more than the tolerance of "
                f"{self.tolerance:g}: don't use it. Export again with another version of PyTorch or of the format's "
                "packages."
            )


def export(
    checkpoint: str | Path,
    output: str | Path,
    *,
    format: Literal["safetensors"] | ProgramFormat = "safetensors",
    part: Part = "embedding",
    precision: Literal["fp16", "fp32"] = "fp16",
    verify: bool = False,
    tolerance: float = 1e-4,
) -> Path:
    """What was written: a weights folder with the encoder of a pre-trained model alone, or a program in one file.

    *safetensors*: what the model was trained with (decoder, heads) is left behind. It embeds as the model does; in half
    precision with weights rounded to 11 binary digits. The notes of its record say how good it is, where its run
    measured that. It is a weights folder as any: embed, fine-tune, or go on with pre-training from it.

    *onnx*, *torch-export*: a program from points to embeddings, features of points, or probabilities, with sampling and
    neighbours inside, for any number of clouds and points. Points are y up and in the unit sphere. Its notes, under
    ``i2pmae``, hold the names of classes or parts.

    >>> i2pmae.export("runs/tiny", "weights/tiny")
    >>> i2pmae.export("runs/classifier", "classifier.onnx", format="onnx", part="classifier", verify=True)

    Args:
        checkpoint: a run folder or weights folder, or a name (:func:`i2pmae.list_models`).
        output: folder to write the weights to, or the file of a program, .onnx or .pt2.
        format: ``safetensors``, ``onnx`` or ``torch-export``.
        part: of a program: ``embedding`` or ``points`` of any model, ``classifier`` or ``segmenter`` of a fine-tuned
            one.
        precision: of the weights on disk, of safetensors; what is loaded is float32 either way.
        verify: run the program on a CPU, and compare it with PyTorch at three sizes in two batches.
        tolerance: of the largest difference, by the largest value.

    Raises:
        CheckpointError: for weights of another task, or that cannot be read.
        UsageError: for an output that holds weights already, weights that are too large for half precision, packages
            that are missing, and options that don't go together.
        I2PError: where the model cannot be exported, or the program is not what it should be.
    """
    done = exported(checkpoint, output, format, part, precision, verify, tolerance)
    done.check()
    return done.path


def exported(
    checkpoint: str | Path,
    output: str | Path,
    form: Literal["safetensors"] | ProgramFormat,
    part: Part,
    precision: Literal["fp16", "fp32"],
    verify: bool,
    tolerance: float,
) -> Exported:
    """What :func:`export` writes with what it found, which the caller is to check."""
    _check(form, part, precision, verify, tolerance)
    if form == "safetensors":
        return Exported(_weights(checkpoint, Path(output), precision))
    path = Path(output)
    if path.suffix.lower() != SUFFIXES[form]:
        raise UsageError(f"Programs of the format {form} end in {SUFFIXES[form]}, not {path.suffix!r}: rename {path}.")
    check_installed(form)
    portable = _portable(checkpoint, part)
    write_program(portable, path, form)
    return Exported(path, _compared(portable, path, form) if verify else (), tolerance)


def _check(form: str, part: str, precision: str, verify: bool, tolerance: float) -> None:
    """Wrong calls that need no work to notice."""
    for what, value, known in (
        ("format", form, ("safetensors", *SUFFIXES)),
        ("part", part, ("embedding", "points", "classifier", "segmenter")),
        ("precision", precision, ("fp16", "fp32")),
    ):
        if value not in known:
            raise UsageError(f"Unknown {what} {value!r}: expected {', '.join(known[:-1])} or {known[-1]}.")
    if form == "safetensors" and part != "embedding":
        raise UsageError(
            f"Weights are exported of the encoder alone, not of a part {part!r}: use the format onnx or torch-export; "
            "a run folder holds the weights of all parts."
        )
    if form == "safetensors" and verify:
        raise UsageError("Weights are checked whenever they are loaded: verify is for onnx and torch-export.")
    if not 0 <= tolerance < 1:
        raise UsageError(f"The tolerance is at least 0 and below 1, got {tolerance:g}.")


def _weights(checkpoint: str | Path, folder: Path, precision: Literal["fp16", "fp32"]) -> Path:
    held = [name for name in (WEIGHTS_FILE, RECORD_FILE) if (folder / name).exists()]
    if held:
        raise UsageError(f"{folder} already holds weights ({', '.join(held)}): choose another folder, or remove them.")
    model, record = encoder_alone(*load_pretrained(checkpoint))
    record = record.changed(notes={**record.notes, **measured(locate(checkpoint))})
    save_weights(folder, model, record, precision=precision)
    return folder


def _portable(checkpoint: str | Path, part: Part) -> Portable:
    """The part of a model that is to become a program; :class:`UsageError` where the model lacks it."""
    if part in ("embedding", "points"):
        encoder = load(checkpoint, "cpu")
        notes = _about(encoder.record, part)
        if part == "points":
            return Portable(PointFeatures(encoder.model), "features", encoder.min_points, notes)
        return Portable(encoder.module, "embedding", encoder.min_points, notes)
    predictor = load_predictor(checkpoint, "cpu")
    names = {"classifier": "classes", "segmenter": "parts"}[part]
    if not hasattr(predictor, names):
        held = predictor.record.kind.holds
        raise UsageError(f"{checkpoint} holds {held}, not a {part}: choose the other part, or embedding or points.")
    categories = tuple(getattr(predictor, "categories", ()))
    notes = _about(predictor.record, part) | {names: list(getattr(predictor, names))}
    notes |= {"categories": list(categories)} if categories else {}
    return Portable(_module(predictor), "probabilities", predictor.min_points, notes, len(categories))


def _module(predictor: Predictor) -> torch.nn.Module:
    return predictor.module.cpu()


def _about(record: ModelRecord, part: str) -> dict[str, Any]:
    """What a program says about itself."""
    return {
        "part": part,
        "method": record.method,
        "points": record.points,
        "up": record.up,
        "files_up": record.files_up,
        "pooling": record.pooling if part == "embedding" else None,
        "i2pmae_version": record.i2pmae_version,
    }


def _compared(portable: Portable, path: Path, form: ProgramFormat) -> tuple[Parity, ...]:
    """The program beside PyTorch, on clouds in the unit sphere."""
    run, rng = opened(path, form), np.random.default_rng(1)

    def reference(inputs: dict[str, np.ndarray]) -> np.ndarray:
        with torch.no_grad():
            found: np.ndarray = portable.module(*map(torch.from_numpy, inputs.values())).numpy()
        return found

    rows = []
    for times in SIZES:
        for clouds in BATCHES:
            points = normalise(rng.normal(size=(clouds, times * portable.least, 3))).astype(np.float32)
            inputs = portable.inputs(points)
            (ours, milliseconds), (theirs, theirs_milliseconds) = (_timed(call, inputs) for call in (run, reference))
            difference = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
            rows.append(
                Parity(clouds, points.shape[1], difference, milliseconds / clouds, theirs_milliseconds / clouds)
            )
    return tuple(rows)


def _timed(
    call: Callable[[dict[str, np.ndarray]], np.ndarray], inputs: dict[str, np.ndarray]
) -> tuple[np.ndarray, float]:
    """What a call gives, and the shortest of some times in milliseconds, after a warm-up."""
    found, taken = call(inputs), []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        call(inputs)
        taken.append(1e3 * (time.perf_counter() - begun))
    return found, min(taken)
