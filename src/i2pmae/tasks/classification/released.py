"""Released files of fine-tuned classifiers: names of the head, and what its shapes tell."""

import re

from i2pmae.common.errors import CheckpointError
from i2pmae.data.sources.benchmarks.modelnet import CLASSES_40
from i2pmae.data.sources.benchmarks.scanobjectnn import CLASSES as SCANOBJECTNN
from i2pmae.encoders.pooling import Pooling
from i2pmae.tasks.classifier.config import ClassifierConfig
from i2pmae.weights.released.settings import counted
from i2pmae.weights.released.shapes import Shapes
from i2pmae.weights.released.spec import Found, ReleasedHead

__all__ = ["BENCHMARK_CLASSES", "RELEASED"]

BENCHMARK_CLASSES: dict[str, tuple[str, ...]] = {
    "modelnet40": tuple(CLASSES_40),
    "scanobjectnn": tuple(SCANOBJECTNN),
}
"""Names of the classes of a benchmark, in the order of the labels."""


def _layers(shapes: Shapes) -> list[str]:
    """The linear layers of the head, first to last."""
    found = [re.fullmatch(r"cls_head_finetune\.(\d+)\.weight", name) for name in shapes]
    numbers = sorted(int(match[1]) for match in found if match and len(shapes[match[0]]) == 2)
    return [f"cls_head_finetune.{number}" for number in numbers]


def _count(shapes: Shapes) -> int:
    """How many classes the head tells apart."""
    return shapes.outputs(_layers(shapes)[-1])


def _sizes(found: Found) -> ClassifierConfig:
    shapes, encoder = found.shapes, found.method.encoder
    layers, width = _layers(shapes), encoder.width(shapes)
    poolings: dict[int, Pooling] = {width: "mean+max", 2 * width: encoder.wide}
    inputs = shapes.inputs(layers[0])
    if inputs not in poolings:
        raise CheckpointError(f"{layers[0]} reads {inputs} channels: expected {width} or {2 * width}.")
    return ClassifierConfig(
        encoder=found.encoder,
        classes=_names(found, shapes.outputs(layers[-1])),
        pooling=poolings[inputs],
        head_widths=tuple(shapes.outputs(layer) for layer in layers[:-1]),
        head_norm="cls_head_finetune.1.running_mean" in shapes,
    )


def _names(found: Found, count: int) -> tuple[str, ...]:
    """Names for so many classes: the given ones, those of the settings' benchmark, or numbers."""
    if found.options.classes is not None:
        return counted(found.options.classes, count, "classes")
    names = RELEASED.benchmarks.get(found.source, ())
    return names if len(names) == count else tuple(f"class {index}" for index in range(count))


RELEASED = ReleasedHead(
    task="classification",
    sign=r"cls_head_finetune\.",
    sizes=_sizes,
    settings=("modelnet40", "modelnet40-8k", "scanobjectnn", "scanobjectnn-pb"),
    names=lambda _: {r"^cls_head_finetune\.": r"head."},
    classes=_count,
    benchmarks={
        name: BENCHMARK_CLASSES[name.split("-")[0]]
        for name in ("modelnet40", "modelnet40-8k", "scanobjectnn", "scanobjectnn-pb")
    },
)
"""What the files look like, whatever the method."""
