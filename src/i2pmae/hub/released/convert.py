"""Checkpoints that the methods' authors released, turned into weights folders with every tensor accounted for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from i2pmae.common.errors import CheckpointError, UsageError
from i2pmae.hub.record import HIERARCHICAL, HOLDS, Method, ModelRecord, ModelTask
from i2pmae.hub.released.names import HIERARCHICAL_NAMES, PLAIN_NAMES, VOCABULARY_NAMES, rename
from i2pmae.hub.released.reading import Released, read_released
from i2pmae.hub.released.settings import ConvertOptions, Settings, settings_for
from i2pmae.hub.released.sizes import Shapes, class_count, model_config
from i2pmae.hub.weights import RECORD_FILE, WEIGHTS_FILE, save_weights
from i2pmae.models.segmenter import SegmenterConfig

__all__ = ["Conversion", "convert"]

DROPPED: Mapping[Method, Mapping[str, str]] = {
    "i2p-mae": {r"(?:clip\w*|img_encoder|image_encoder|visual|teacher)\.": "2D model, not part of the encoder"},
    "point-m2ae": {},
    "point-mae": {},
    "point-bert": {
        r"transformer_k\.": "momentum encoder, used in training alone",
        r"queue(?:_ptr)?$": "queue of the contrast, used in training alone",
        r"dvae\.": "discrete autoencoder, used in training alone",
    },
}
"""Tensors in a method's files that no model here needs, by the beginning of their names, and why."""
TASKS: tuple[tuple[str, ModelTask], ...] = (
    (r"cls_head_finetune\.", "classification"),
    (r"propagations?[._]\d+\.|convs1\.", "segmentation"),
    (r"rec_head(?:_2d|_3d)?\.|MAE_decoder\.|lm_head\.", "pretraining"),
    (r"codebook$", "vocabulary"),
)
"""Names that only files of a task have, without the prefix of an encoder."""
SIGNS: tuple[tuple[str, Method], ...] = (
    (r"rec_head_[23]d\.", "i2p-mae"),
    (r"rec_head\.", "point-m2ae"),
    (r"(?:transformer_q\.)?(?:reduce_dim|lm_head)\.|codebook$", "point-bert"),
    (r"MAE_(?:encoder|decoder)\.", "point-mae"),
)
"""Names that only files of a method have."""
MOST = 12
"""Tensors that an error lists."""


@dataclass(frozen=True)
class Conversion:
    """What became of the tensors of a released file."""

    output: Path
    record: ModelRecord
    source: str
    """Name of the published settings that were taken, if any."""
    settings: Settings
    """The settings that were taken, with what the options say instead."""
    used: int
    """Tensors that the model was made from."""
    dropped: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Tensors and other entries that the model has no use for, by the reason."""
    missing: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Tensors that the file lacks, by what was done about them."""


def convert(file: Path | str, method: Method, output: Path | str, options: ConvertOptions | None = None) -> Conversion:
    """Make a weights folder from a released file and say what became of every tensor.

    Nothing in the file is executed, and nothing is converted in part: :class:`CheckpointError` names tensors that are
    unknown, missing, of another shape or not finite, and says where the file seems to be of another method.
    :class:`UsageError` where the published settings cannot be told from the weights, or don't fit them.
    """
    options, output = options or ConvertOptions(), Path(output)
    held = [name for name in (WEIGHTS_FILE, RECORD_FILE) if (output / name).exists()]
    if held:
        raise UsageError(f"{output} already holds weights ({', '.join(held)}): choose another folder, or remove them.")
    released = read_released(file)
    _check_method(released, method)
    kept, dropped = _sort_out(released, method)
    task = _task(released, kept, method, options.encoder_only)
    shapes = Shapes({_bare(name): tuple(tensor.shape) for name, tensor in released.tensors.items()})
    outputs = class_count(shapes) if task == "classification" else 0
    name, settings = settings_for(method, task, outputs, options)
    config, semantic_dim = model_config(
        method, "encoder" if options.encoder_only else task, shapes, name, settings, options
    )
    record = ModelRecord(
        method=method,
        task="encoder" if options.encoder_only else task,
        semantic_dim=semantic_dim,
        points=settings.points,
        notes={"converted_from": released.path.name, "sha256": released.sha256, "settings": name},
        model=config,
    )
    model = record.build()
    expected = model.state_dict()
    one_level = VOCABULARY_NAMES if task == "vocabulary" else PLAIN_NAMES
    renamed = rename(kept, expected, HIERARCHICAL_NAMES if method in HIERARCHICAL else one_level)
    if len(renamed) < len(kept):
        raise CheckpointError(f"{released.path} names some tensors twice, with and without a prefix of the encoder.")
    if options.encoder_only:
        rest = tuple(theirs for theirs, ours in zip(kept, renamed, strict=True) if not ours.startswith("encoder."))
        dropped |= {"not part of the encoder": rest} if rest else {}
        renamed = {ours: tensor for ours, tensor in renamed.items() if ours.startswith("encoder.")}
    missing = _fill(renamed, expected, options.encoder_only)
    if isinstance(config, SegmenterConfig) and config.context == "tokens":
        _reorder_head(renamed, config)
    _check_fit(released, method, renamed, expected)
    model.load_state_dict(renamed)
    save_weights(output, model, record)
    used = len(renamed) - sum(map(len, missing.values()))
    return Conversion(output, record, name, settings, used, dropped, missing)


def _bare(name: str) -> str:
    """A published name without the prefix of its encoder."""
    return re.sub(r"^(?:MAE_encoder|transformer_q)\.", "", name)


def _check_method(released: Released, method: Method) -> None:
    """:class:`CheckpointError` where the names are those of another method, or of no method."""
    names = released.tensors
    for pattern, owner in SIGNS:
        if owner != method and any(re.match(pattern, name) for name in names):
            raise CheckpointError(f"{released.path} holds weights of {owner}: use --from {owner}.")
    # Names and shapes of fine-tuned Point-MAE are those of Point-BERT, but for the layer that brings tokens to width.
    if (
        method == "point-bert"
        and any(_bare(name).startswith("blocks.blocks.") for name in names)
        and not any(_bare(name).startswith("reduce_dim.") for name in names)
    ):
        raise CheckpointError(f"{released.path} lacks reduce_dim, which Point-BERT has: use --from point-mae.")
    several = any(name.startswith("h_encoder.") for name in names)
    one = any(_bare(name).startswith("encoder.first_conv.") for name in names)
    if not several and not one:
        raise CheckpointError(
            f"{released.path} holds no weights of a method known here: expected names such as h_encoder.… (I2P-MAE, "
            f"Point-M2AE) or encoder.first_conv.… (Point-MAE, Point-BERT), found {_listed(sorted(names)[:4])}."
        )
    if several != (method in HIERARCHICAL):
        levels = "several levels: use --from i2p-mae or point-m2ae"
        raise CheckpointError(
            f"{released.path} holds an encoder of "
            f"{levels if several else 'one level: use --from point-mae or point-bert'}."
        )


def _sort_out(released: Released, method: Method) -> tuple[dict[str, Tensor], dict[str, tuple[str, ...]]]:
    """The tensors that a model is made from, and those that none is, by the reason."""
    dropped: dict[str, tuple[str, ...]] = {"not a tensor": released.others} if released.others else {}
    reasons = dict(DROPPED[method])
    if "norm.weight" in released.tensors:
        reasons[r"h_encoder\.encoder_norms\."] = "norms of pre-training, which the classifier doesn't read"
    kept = {}
    for name, tensor in released.tensors.items():
        reason = next((why for pattern, why in reasons.items() if re.match(pattern, name)), None)
        if reason is None:
            kept[name] = tensor
        else:
            dropped[reason] = (*dropped.get(reason, ()), name)
    return kept, dropped


def _task(released: Released, kept: Mapping[str, Tensor], method: Method, encoder_only: bool) -> ModelTask:
    """What the weights were trained for, by the names of their heads."""
    names = [_bare(name) for name in kept]
    if not encoder_only and any(name.startswith("dgcnn_pro") for name in names):
        raise CheckpointError(
            f"{released.path} holds Point-BERT's part segmenter, whose head of graph convolutions has no counterpart "
            "here. Its encoder can be converted: add --encoder-only."
        )
    if encoder_only and "codebook" in names:
        raise CheckpointError(
            f"{released.path} holds {HOLDS['vocabulary']}, which has no encoder: convert it without --encoder-only."
        )
    for pattern, task in TASKS:
        if any(re.match(pattern, name) for name in names):
            return task
    if encoder_only:
        return "encoder"
    raise CheckpointError(
        f"{released.path} holds an encoder of {method} without any head: add --encoder-only to convert it as it is."
    )


def _fill(renamed: dict[str, Tensor], expected: Mapping[str, Tensor], encoder_only: bool) -> dict[str, tuple[str, ...]]:
    """Put the initial values of tensors that a file may lack in their place; they come back by what was done."""
    allowed = {r".*\.num_batches_tracked": "counters of batches, which start at 0"}
    if encoder_only:
        allowed[r"encoder\.norms\.\d+\.(?:weight|bias)"] = "norms that the file's task didn't read, which start anew"
    missing: dict[str, tuple[str, ...]] = {}
    for name in sorted(expected.keys() - renamed.keys()):
        why = next((why for pattern, why in allowed.items() if re.fullmatch(pattern, name)), None)
        if why is not None:
            renamed[name] = expected[name]
            missing[why] = (*missing.get(why, ()), name)
    return missing


def _reorder_head(renamed: dict[str, Tensor], config: SegmenterConfig) -> None:
    """Point-MAE's head reads a point's own channels before those of the cloud; ours reads them after."""
    name, own = "head.layers.0.weight", config.propagation_widths[-1]
    if name in renamed and renamed[name].dim() == 2:
        weight = renamed[name]
        renamed[name] = torch.cat([weight[:, own:], weight[:, :own]], dim=1)


def _check_fit(released: Released, method: Method, found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """:class:`CheckpointError` that lists tensors that are unknown, missing, mis-shaped or not finite."""
    problems = []
    for what, names in (
        ("unknown", sorted(found.keys() - expected.keys())),
        ("missing", sorted(expected.keys() - found.keys())),
        ("with NaN or infinite values", sorted(name for name, value in found.items() if not value.isfinite().all())),
    ):
        problems += [f"  {what}: {_listed(names)}"] if names else []
    for name in sorted(expected.keys() & found.keys()):
        have, want = tuple(found[name].shape), tuple(expected[name].shape)
        problems += [f"  {name}: shape {have}, but the model has {want}"] if have != want else []
    if problems:
        raise CheckpointError(
            f"{released.path} is not a complete checkpoint of {method}, or of a variant that is not known here:\n"
            + "\n".join(problems)
        )


def _listed(names: list[str]) -> str:
    rest = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return ", ".join(names[:MOST]) + rest
