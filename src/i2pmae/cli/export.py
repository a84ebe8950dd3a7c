"""``i2pmae export``: the encoder of a run alone, or a program."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from i2pmae.cli.arguments import in_order
from i2pmae.cli.options import parse

__all__ = ["run"]


@dataclass(frozen=True)
class Export:
    """Store the encoder of a pre-trained model alone, or make a program of a model that runs anywhere.

    usage: i2pmae export CHECKPOINT --output FOLDER
           i2pmae export CHECKPOINT --format onnx --output FILE.onnx --verify

    As weights (safetensors), decoder and heads are left behind; the folder is
    a weights folder as any, and its record keeps the linear probe that the
    run measured. As a program (onnx, torch-export), sampling and neighbours
    are inside; it takes any number of clouds and points, y up and in the unit
    sphere. With --verify it is run and compared with PyTorch at three sizes in
    two batches; beyond the tolerance the exit status is 1.

    Examples:
      i2pmae export runs/tiny --output weights/tiny
      i2pmae export tiny --format onnx --output tiny.onnx --verify
      i2pmae export runs/finetune --format onnx --part classifier --output classes.onnx
    """

    checkpoint: str
    """Run folder, weights folder or name (`i2pmae models`); the first word, or named."""
    output: Path
    """Folder to write weights to, or the file of a program: .onnx, .pt2."""
    format: Literal["safetensors", "onnx", "torch-export"] = "safetensors"
    """Weights for this package, or a program for ONNX runtimes (pip install 'i2pmae[export]') or for PyTorch alone."""
    part: Literal["embedding", "points", "classifier", "segmenter"] = "embedding"
    """What a program gives: a vector per cloud or per point; probabilities of classes or of parts."""
    precision: Literal["fp16", "fp32"] = "fp16"
    """Of weights on disk; what is loaded is fp32 either way. Programs are fp32."""
    verify: tyro.conf.FlagCreatePairsOff[bool] = False
    """Compare the program with PyTorch, and time both."""
    tolerance: float = 1e-4
    """The largest difference that is accepted, by the largest value."""


def run(arguments: Sequence[str]) -> None:
    """Export, and say what was written."""
    options = parse(Export, "export", in_order(Export, "export", ("checkpoint",), arguments))
    from i2pmae.commands.export import exported
    from i2pmae.common.text import columns, size_in_words

    kind = options.format
    done = exported(
        options.checkpoint, options.output, kind, options.part, options.precision, options.verify, options.tolerance
    )
    if kind == "safetensors":
        size = sum(file.stat().st_size for file in done.path.iterdir() if file.is_file())
        print(f"{done.path}: the encoder alone, {options.precision}, {size_in_words(size)}")
        return
    print(f"{done.path}: {options.part} as {kind}, {size_in_words(done.path.stat().st_size)}")
    if done.parity:
        rows = [
            (
                str(row.clouds),
                str(row.points),
                f"{row.difference:.1e}",
                f"{row.milliseconds:.1f}",
                f"{row.torch_milliseconds:.1f}",
            )
            for row in done.parity
        ]
        print(columns([("CLOUDS", "POINTS", "DIFFERENCE", "MS A CLOUD", "PYTORCH, MS A CLOUD"), *rows]))
    done.check()
