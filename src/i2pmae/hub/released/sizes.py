"""Configurations read off the shapes of published weights."""

import re
from collections.abc import Callable, Mapping

from pydantic import ValidationError

from i2pmae.common.config import Config
from i2pmae.common.errors import CheckpointError, UsageError
from i2pmae.hub.record import HIERARCHICAL, Method, ModelConfig, ModelTask
from i2pmae.hub.released.settings import ConvertOptions, Settings, class_names, part_names
from i2pmae.models.classifier import ClassifierConfig
from i2pmae.models.config import I2PMAEConfig, PlainConfig
from i2pmae.models.discrete_vae import GRID, DiscreteVAEConfig
from i2pmae.models.point_bert import PointBERTConfig
from i2pmae.models.point_mae import PointMAEConfig
from i2pmae.models.segmenter import SegmenterConfig
from i2pmae.models.tokens import Pooling

__all__ = ["Shapes", "class_count", "model_config"]


class Shapes:
    """The shapes of published weights by published name, without axes of length 1."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.shapes = {name: tuple(size for size in shape if size != 1) for name, shape in shapes.items()}

    def __contains__(self, name: str) -> bool:
        return name in self.shapes

    def outputs(self, layer: str) -> int:
        """Output channels of a layer; :class:`CheckpointError` where the file lacks it."""
        return self._size(layer, 0)

    def inputs(self, layer: str) -> int:
        """Input channels of a layer."""
        return self._size(layer, 1)

    def count(self, pattern: str) -> int:
        """How many different numbers stand in the place of the pattern's group."""
        return len({found[1] for found in map(re.compile(pattern).match, self.shapes) if found})

    def _size(self, layer: str, axis: int) -> int:
        shape = self.shapes.get(f"{layer}.weight")
        if shape is None:
            raise CheckpointError(f"The file lacks {layer}.weight: it is incomplete, or of another method.")
        if len(shape) != 2:
            raise CheckpointError(f"{layer}.weight has shape {shape}: expected the weights of a linear layer.")
        return shape[axis]


def model_config(
    method: Method, task: ModelTask, shapes: Shapes, name: str, settings: Settings, options: ConvertOptions
) -> tuple[ModelConfig, int]:
    """The configuration of the model that the weights are for, and the channels of its 2D targets (0 for none).

    :class:`CheckpointError` where layers are missing or disagree, :class:`UsageError` where the settings do.
    """
    hierarchical = method in HIERARCHICAL
    try:
        if task == "vocabulary":
            return _vocabulary(shapes, settings), 0
        encoder = _hierarchy(shapes, settings) if hierarchical else PlainConfig(**_plain(shapes, settings))
        if task == "encoder":
            return encoder, 0
        if task == "classification":
            return _classifier(encoder, shapes, name, options), 0
        if task == "segmentation":
            return _segmenter(encoder, shapes, options), 0
        return PRETRAINING[method](encoder, shapes, settings)
    except ValidationError as error:
        reasons = "; ".join(item["msg"].removeprefix("Value error, ") for item in error.errors())
        raise UsageError(f"The weights and the settings don't fit together: {reasons}.") from None


def class_count(shapes: Shapes) -> int:
    """How many classes a classifier tells apart."""
    return shapes.outputs(_head(shapes)[-1])


def _hierarchy(shapes: Shapes, settings: Settings) -> I2PMAEConfig:
    embed = "h_encoder.token_embed.0"
    levels = shapes.count(r"h_encoder\.encoder_pos_embeds\.(\d+)\.")
    if levels < 2:
        raise CheckpointError("The file lacks h_encoder.encoder_pos_embeds: it is incomplete, or of another method.")
    dims = tuple(shapes.outputs(f"h_encoder.encoder_pos_embeds.{level}.2") for level in range(levels))
    widths = dims[:0:-1]
    depths: tuple[int, ...] = (1,) * (levels - 1)
    if "mask_token" in shapes:
        stages = shapes.count(r"decoder_pos_embeds\.(\d+)\.")
        widths = tuple(shapes.outputs(f"decoder_pos_embeds.{stage}.2") for stage in range(stages))
        depths = tuple(shapes.count(rf"h_decoder\.{stage}\.blocks\.(\d+)\.") for stage in range(stages))
    return I2PMAEConfig(
        group_counts=settings.group_counts,
        group_sizes=settings.group_sizes,
        embed_widths=_embed_widths(shapes, embed),
        encoder_dims=dims,
        encoder_depths=tuple(
            shapes.count(rf"h_encoder\.encoder_blocks\.{level}\.blocks\.(\d+)\.") for level in range(levels)
        ),
        decoder_dims=widths,
        decoder_depths=depths,
        heads=settings.heads,
        mlp_ratio=shapes.outputs("h_encoder.encoder_blocks.0.blocks.0.mlp.fc1") / dims[0],
        attention_radii=settings.attention_radii,
    )


def _plain(shapes: Shapes, settings: Settings) -> dict[str, object]:
    """The fields that describe the encoder of one level."""
    width = shapes.outputs("pos_embed.2")
    reduced = "reduce_dim.weight" in shapes
    return {
        "group_count": settings.group_counts[0],
        "group_size": settings.group_sizes[0],
        "embed_widths": _embed_widths(shapes, "encoder"),
        "token_width": shapes.outputs("encoder.second_conv.3") if reduced else None,
        "width": width,
        "depth": shapes.count(r"blocks\.blocks\.(\d+)\."),
        "heads": settings.heads,
        "mlp_ratio": shapes.outputs("blocks.blocks.0.mlp.fc1") / width,
        "class_token": "cls_token" in shapes,
    }


def _embed_widths(shapes: Shapes, place: str) -> tuple[int, int, int]:
    first, inner, second = (
        shapes.outputs(f"{place}.{layer}") for layer in ("first_conv.0", "first_conv.3", "second_conv.0")
    )
    return first, inner, second


def _vocabulary(shapes: Shapes, settings: Settings) -> DiscreteVAEConfig:
    size = shapes.outputs("decoder.mlp.4") // 3 * GRID**2
    _agree(size, settings.group_sizes[0], "decoder.mlp.4", "group_sizes", settings.group_sizes[0])
    return DiscreteVAEConfig(
        group_count=settings.group_counts[0],
        group_size=size,
        embed_widths=_embed_widths(shapes, "encoder"),
        embed_dim=shapes.outputs("encoder.second_conv.3"),
        codes=shapes.outputs("dgcnn_1.layer5.0"),
        code_dim=shapes.inputs("dgcnn_2.input_trans"),
        decoder_dim=shapes.inputs("decoder.mlp.0"),
        graph_input=shapes.outputs("dgcnn_1.input_trans"),
        graph_widths=tuple(shapes.outputs(f"dgcnn_1.layer{layer}.0") for layer in range(1, 5)),
        fold_widths=(shapes.outputs("decoder.mlp.0"), shapes.outputs("decoder.final_conv.0")),
    )


def _i2p_mae(encoder: Config, shapes: Shapes, settings: Settings) -> tuple[ModelConfig, int]:
    assert isinstance(encoder, I2PMAEConfig)
    members = settings.group_sizes[len(encoder.encoder_dims) - len(encoder.decoder_dims)]
    _agree(shapes.outputs("rec_head_3d"), 3 * members, "rec_head_3d", "group_sizes", members)
    outputs = shapes.outputs("rec_head_2d")
    _agree(outputs % members, 0, "rec_head_2d", "group_sizes", members)
    return encoder, outputs // members


def _point_m2ae(encoder: Config, shapes: Shapes, settings: Settings) -> tuple[ModelConfig, int]:
    assert isinstance(encoder, I2PMAEConfig)
    size = settings.group_sizes[0]
    _agree(shapes.outputs("rec_head"), 3 * size, "rec_head", "group_sizes", size)
    return I2PMAEConfig(**{**dict(encoder), "predicted_points": size}), 0


def _point_mae(encoder: Config, shapes: Shapes, settings: Settings) -> tuple[ModelConfig, int]:
    size = settings.group_sizes[0]
    _agree(shapes.outputs("increase_dim.0"), 3 * size, "increase_dim.0", "group_sizes", size)
    depth = shapes.count(r"MAE_decoder\.blocks\.(\d+)\.")
    return PointMAEConfig(**dict(encoder), decoder_depth=depth, decoder_heads=settings.heads), 0


def _point_bert(encoder: Config, shapes: Shapes, settings: Settings) -> tuple[ModelConfig, int]:
    assert isinstance(encoder, PlainConfig)
    vae: dict[str, object] = {
        "codes": shapes.outputs("lm_head"),
        "embed_widths": encoder.embed_widths,
        "embed_dim": encoder.token_width or encoder.width,
    }
    if "dvae.codebook" in shapes:
        size = shapes.outputs("dvae.decoder.mlp.4") // 3 * GRID**2
        _agree(size, settings.group_sizes[0], "dvae.decoder.mlp.4", "group_sizes", settings.group_sizes[0])
        vae |= {
            "code_dim": shapes.shapes["dvae.codebook"][-1],
            "decoder_dim": shapes.inputs("dvae.decoder.mlp.0"),
        }
    words = DiscreteVAEConfig(group_count=settings.group_counts[0], group_size=settings.group_sizes[0], **vae)
    return PointBERTConfig(**dict(encoder), class_width=shapes.outputs("cls_head.2"), vae=words), 0


PRETRAINING: Mapping[Method, Callable[[Config, Shapes, Settings], tuple[ModelConfig, int]]] = {
    "i2p-mae": _i2p_mae,
    "point-m2ae": _point_m2ae,
    "point-mae": _point_mae,
    "point-bert": _point_bert,
}
"""The configuration of each method's model of pre-training, from that of its encoder."""


def _agree(found: int, expected: int, layer: str, setting: str, value: int) -> None:
    if found != expected:
        raise UsageError(
            f"{layer} of the file doesn't fit {setting} with {value}: give the sizes of the run that it comes from, "
            f"--{setting.replace('_', '-')}."
        )


def _head(shapes: Shapes) -> list[str]:
    """The linear layers of a classification head, first to last."""
    found = [re.fullmatch(r"cls_head_finetune\.(\d+)\.weight", name) for name in shapes.shapes]
    numbers = sorted(int(match[1]) for match in found if match and len(shapes.shapes[match[0]]) == 2)
    return [f"cls_head_finetune.{number}" for number in numbers]


def _classifier(
    encoder: I2PMAEConfig | PlainConfig, shapes: Shapes, name: str, options: ConvertOptions
) -> ClassifierConfig:
    head = _head(shapes)
    width = encoder.encoder_dims[-1] if isinstance(encoder, I2PMAEConfig) else encoder.width
    shared: Pooling = "mean|max" if isinstance(encoder, I2PMAEConfig) else "class|max"
    poolings: dict[int, Pooling] = {width: "mean+max", 2 * width: shared}
    inputs = shapes.inputs(head[0])
    if inputs not in poolings:
        raise CheckpointError(f"{head[0]} reads {inputs} channels: expected {width} or {2 * width}.")
    return ClassifierConfig(
        encoder=encoder,
        classes=class_names(name, shapes.outputs(head[-1]), options),
        pooling=poolings[inputs],
        head_widths=tuple(shapes.outputs(layer) for layer in head[:-1]),
        head_norm="cls_head_finetune.1.running_mean" in shapes,
    )


def _segmenter(encoder: I2PMAEConfig | PlainConfig, shapes: Shapes, options: ConvertOptions) -> SegmenterConfig:
    hidden = shapes.count(r"convs(\d+)\.") - 1
    told = "label_conv.0.weight" in shapes
    several = isinstance(encoder, I2PMAEConfig)
    first = "propagations.0" if several else "propagation_0"
    layers = shapes.count(re.escape(first) + r"\.mlp_convs\.(\d+)\.")
    parts, categories, owned = part_names(
        shapes.outputs(f"convs{hidden + 1}"), shapes.inputs("label_conv.0") if told else 0, options
    )
    return SegmenterConfig(
        encoder=encoder,
        parts=parts,
        categories=categories,
        category_parts=owned,
        propagation_widths=tuple(shapes.outputs(f"{first}.mlp_convs.{layer}") for layer in range(layers)),
        context="points" if several else "tokens",
        category_width=shapes.outputs("label_conv.0") if told else 64,
        head_widths=tuple(shapes.outputs(f"convs{layer + 1}") for layer in range(hidden)),
    )
