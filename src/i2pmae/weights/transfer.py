"""Training starts here: the weights of a pre-trained model, or of its encoder alone, copied into another one."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from i2pmae.common.errors import CheckpointError
from i2pmae.encoders.base import EncoderModel, PointModel
from i2pmae.encoders.config import EncoderConfig
from i2pmae.weights.kinds import ENCODER, KINDS, PRETRAINING
from i2pmae.weights.record import ModelRecord, wrong_task
from i2pmae.weights.store import load_model, read_record

__all__ = [
    "Transfer",
    "encoder_alone",
    "encoder_config",
    "go_on_from",
    "load_pretrained",
    "pretrained_record",
    "start_from",
]

OPTIONAL = re.compile(r"norms\.\d+\.(weight|bias)|cls_token|cls_position")
"""Tensors that one encoder may have and another lack: the norms of levels that a task doesn't read, and the [CLS]
token, which Point-MAE has in fine-tuning alone. The coarsest level's norm is not one of them: all encoders have it."""
MOST = 12
"""Tensors that an error lists."""


class Transfer(NamedTuple):
    """What became of the tensors of two encoders."""

    used: int
    """Tensors that were copied."""
    new: tuple[str, ...]
    """Tensors that the source lacks: they keep their initial weights."""
    unused: tuple[str, ...]
    """Tensors of the source that the model has no place for."""
    parts: tuple[str, ...] = ()
    """Parts beside the encoder that were copied: a decoder, heads."""
    initial: tuple[str, ...] = ()
    """Parts beside the encoder that the source lacks, or has in another size: they keep their initial weights."""

    def __str__(self) -> str:
        parts = [f"{self.used} tensors of the encoder copied"]
        parts += [f"new: {', '.join(self.new)}"] if self.new else []
        parts += [f"not needed: {', '.join(self.unused)}"] if self.unused else []
        parts += [f"copied too: {', '.join(self.parts)}"] if self.parts else []
        parts += [f"with initial weights: {', '.join(self.initial)}"] if self.initial else []
        return "; ".join(parts)


def pretrained_record(path: Path | str) -> ModelRecord:
    """The record of weights that training can start from: those of pre-training, or an encoder alone.

    :class:`CheckpointError` for those of a downstream task, and as :func:`~i2pmae.weights.store.read_record`.
    """
    record = read_record(path)
    if record.task not in (PRETRAINING, ENCODER):
        fitting = [kind for kind in KINDS.values() if kind.embeds and kind.applied is None]
        raise wrong_task(path, record, *fitting)
    return record


def load_pretrained(path: Path | str) -> tuple[PointModel, ModelRecord]:
    """The model and the record of weights that training can start from; errors of :func:`pretrained_record`."""
    pretrained_record(path)
    return load_model(path)


def encoder_alone(model: PointModel, record: ModelRecord) -> tuple[EncoderModel, ModelRecord]:
    """The encoder of a pre-trained model with the record of one alone: it embeds as the model does."""
    sizes = encoder_config(model)
    alone = EncoderModel(sizes)
    alone.pooling = model.pooling
    start_from(alone, model)
    return alone.eval(), record.changed(task=ENCODER, model=sizes)


def go_on_from(model: PointModel, source: PointModel) -> Transfer:
    """Copy the encoder's weights of ``source`` into ``model``, and those of each other part that both have in one size.

    A part is a decoder, a head: all of its tensors are copied or none. Errors of the encoder as :func:`start_from`.
    """
    theirs, ours = source.state_dict(), model.state_dict()
    parts = dict.fromkeys(name.partition(".")[0] for name in ours)
    others = {part: _shapes(ours, part) for part in parts if part != "encoder"}
    fitting = tuple(part for part, shapes in others.items() if _shapes(theirs, part) == shapes)
    done = start_from(model, source)
    with torch.no_grad():
        for part in fitting:
            for name in others[part]:
                ours[name].copy_(theirs[name])
    return done._replace(parts=fitting, initial=tuple(part for part in others if part not in fitting))


def _shapes(tensors: Mapping[str, Tensor], part: str) -> dict[str, torch.Size]:
    """The shape of every tensor of a part."""
    return {name: value.shape for name, value in tensors.items() if name.partition(".")[0] == part}


def start_from(model: PointModel, source: Path | str | PointModel) -> Transfer:
    """Copy the encoder's weights of ``source`` (a run folder, a weights folder or a model) into ``model``.

    All or nothing: :class:`CheckpointError` where an encoder is of another kind or size, with names and shapes. What
    may differ is what :class:`Transfer` reports: norms that only one of the tasks reads, and the [CLS] token.
    """
    loaded = source if isinstance(source, PointModel) else load_model(source)[0]
    name = "the given model" if isinstance(source, PointModel) else str(source)
    theirs, ours = loaded.encoder.state_dict(), model.encoder.state_dict()
    _check_kind(name, loaded, model)
    new, unused = sorted(ours.keys() - theirs.keys()), sorted(theirs.keys() - ours.keys())
    problems = [f"  {key}: {tuple(ours[key].shape)} needed, but missing" for key in new if not OPTIONAL.fullmatch(key)]
    problems += [f"  {key}: {tuple(theirs[key].shape)} left over" for key in unused if not OPTIONAL.fullmatch(key)]
    shared = [key for key in ours if key in theirs]
    problems += [
        f"  {key}: {tuple(ours[key].shape)} needed, but {tuple(theirs[key].shape)} found"
        for key in shared
        if ours[key].shape != theirs[key].shape
    ]
    if problems:
        more = [f"  and {len(problems) - MOST} more"] if len(problems) > MOST else []
        raise CheckpointError(
            f"The encoder of {name} is of another size than the encoder that is to start from it. Give the model the "
            "sizes of the checkpoint (widths, depths, heads; neighbourhoods and radii may differ):\n"
            + "\n".join([*problems[:MOST], *more])
        )
    with torch.no_grad():
        for key in shared:
            ours[key].copy_(theirs[key])
    return Transfer(len(shared), tuple(new), tuple(unused))


def encoder_config(model: PointModel) -> EncoderConfig:
    """What describes the encoder of a model, without what else the model was trained with."""
    return model.encoder.config.alone()


def _check_kind(name: str, source: PointModel, model: PointModel) -> None:
    """:class:`CheckpointError` for differences that no shape would show, or that would show in every name."""
    theirs, ours = source.encoder.config, model.encoder.config
    if theirs.architecture != ours.architecture:
        raise CheckpointError(
            f"{name} has an encoder of {_described(theirs)}, but the model's encoder has {_described(ours)}: choose "
            "the method of the checkpoint."
        )
    if theirs.heads != ours.heads:
        raise CheckpointError(
            f"{name} has {theirs.heads} attention heads, but the model has {ours.heads}: its weights would mean "
            "something else. Use as many heads as the checkpoint."
        )


def _described(config: EncoderConfig) -> str:
    return f"{'one level' if config.levels == 1 else 'several levels'} ({config.architecture})"
