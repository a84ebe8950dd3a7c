"""Released files of part segmenters: names of the head, and what its shapes tell."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from i2pmae.common.config import Config
from i2pmae.data.sources.benchmarks.shapenetpart import CATEGORIES, PARTS
from i2pmae.tasks.segmentation.config import SegmenterConfig
from i2pmae.weights.released.settings import counted
from i2pmae.weights.released.shapes import Shapes
from i2pmae.weights.released.spec import Found, ReleasedHead

if TYPE_CHECKING:
    from i2pmae.typing import Tensor

__all__ = ["RELEASED"]


def _hidden(shapes: Shapes) -> int:
    """Hidden layers of the head."""
    return shapes.count(r"convs(\d+)\.") - 1


def _sizes(found: Found) -> SegmenterConfig:
    shapes, hidden = found.shapes, _hidden(found.shapes)
    told = "label_conv.0.weight" in shapes
    first = "propagations.0" if "propagations.0.mlp_convs.0.weight" in shapes else "propagation_0"
    layers = shapes.count(re.escape(first) + r"\.mlp_convs\.(\d+)\.")
    parts, categories, owned = _names(
        found, shapes.outputs(f"convs{hidden + 1}"), shapes.inputs("label_conv.0") if told else 0
    )
    return SegmenterConfig(
        encoder=found.encoder,
        parts=parts,
        categories=categories,
        category_parts=owned,
        propagation_widths=tuple(shapes.outputs(f"{first}.mlp_convs.{layer}") for layer in range(layers)),
        context=found.encoder.part_head["context"],
        category_width=shapes.outputs("label_conv.0") if told else 64,
        head_widths=tuple(shapes.outputs(f"convs{layer + 1}") for layer in range(hidden)),
    )


def _names(
    found: Found, count: int, categories: int
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[tuple[int, ...], ...]]:
    """Names of parts and categories and the parts of each category: those of ShapeNetPart, or numbers."""
    given = found.options.classes
    if (count, categories) == (len(PARTS), len(CATEGORIES)) and given is None:
        starts = [sum(category.parts for category in CATEGORIES[:index]) for index in range(len(CATEGORIES))]
        owned = [range(start, start + category.parts) for start, category in zip(starts, CATEGORIES, strict=True)]
        return tuple(PARTS), tuple(category.name for category in CATEGORIES), tuple(map(tuple, owned))
    parts = given or tuple(f"part {index}" for index in range(count))
    return counted(parts, count, "parts"), tuple(f"category {index}" for index in range(categories)), ()


def _layer_names(shapes: Shapes) -> Mapping[str, str]:
    hidden = _hidden(shapes)
    return {
        r"^label_conv\.": r"category.",
        r"^propagations?[._](\d+)\.mlp_convs\.": r"propagations.\1.layers.",
        r"^propagations?[._](\d+)\.mlp_bns\.": r"propagations.\1.norms.",
        **{rf"^convs{layer + 1}\.": rf"head.layers.{layer}." for layer in range(hidden)},
        **{rf"^bns{layer + 1}\.": rf"head.norms.{layer}." for layer in range(hidden)},
        rf"^convs{hidden + 1}\.": r"out.",
    }


def _reorder(renamed: "dict[str, Tensor]", config: Config) -> None:
    """A head that takes its context from tokens reads a point's own channels before those of the cloud; ours after."""
    import torch

    assert isinstance(config, SegmenterConfig)
    name, own = "head.layers.0.weight", config.propagation_widths[-1]
    if config.context == "tokens" and name in renamed and renamed[name].dim() == 2:
        weight = renamed[name]
        renamed[name] = torch.cat([weight[:, own:], weight[:, :own]], dim=1)


RELEASED = ReleasedHead(
    task="segmentation",
    sign=r"propagations?[._]\d+\.|convs1\.",
    sizes=_sizes,
    settings=("shapenetpart",),
    names=_layer_names,
    adjust=_reorder,
)
"""What the files look like, whatever the method."""
