"""Models that were stored, ready to use: the encoder, or what predicts, in a run folder or weights folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch

import i2pmae.methods
import i2pmae.tasks  # noqa: F401  (both make known what weights can be for)
from i2pmae.common.devices import resolve_device
from i2pmae.common.errors import CheckpointError, UsageError
from i2pmae.common.progress import say
from i2pmae.encoders.base import PointModel
from i2pmae.runs.record import RESULTS_FILE, RunRecord
from i2pmae.weights.applied import Predictor
from i2pmae.weights.encoder import Encoder
from i2pmae.weights.kinds import KINDS
from i2pmae.weights.named import DEFAULT, NAMED, default_weights, holds_weights, introduced, is_name, locate
from i2pmae.weights.reached import LICENCE, probe_notes
from i2pmae.weights.record import ModelRecord, wrong_task
from i2pmae.weights.store import load_model

if TYPE_CHECKING:  # an index waits for what reads its tables; training does not
    from i2pmae.retrieval.index import Index

__all__ = ["Encoder", "encoder_for", "encoder_of", "known_of", "load", "load_any", "load_predictor", "measured"]


def load(path: Path | str, device: str | torch.device = "auto") -> Encoder:
    """The encoder of a run folder or weights folder, whatever it was trained for, or that of a name.

    >>> encoder = i2pmae.load("tiny")               # or load("runs/pretrain"); a folder called tiny is "./tiny"
    >>> encoder = i2pmae.load("hf-hub:ORG/NAME")    # or "hf-hub:ORG/NAME@REVISION"
    >>> encoder.embed(points)      # (b, n, 3) or (n, 3) to (b, c) or (c,)

    :func:`i2pmae.list_models` gives the names. :class:`CheckpointError` says what is wrong with the folder or name,
    :class:`UsageError` with the device.
    """
    model, record = load_model(path)
    return Encoder(model, record.changed(notes={**record.notes, **known_of(path)}), device)


def known_of(checkpoint: Path | str) -> dict[str, str | float]:
    """What is known of weights beside their record: what the run in their folder measured, the terms of a name."""
    licence = {LICENCE: NAMED[str(checkpoint)].licence} if is_name(checkpoint) else {}
    return {**licence, **measured(locate(checkpoint))}


def measured(folder: Path) -> Mapping[str, str | float]:
    """What the run in a folder found about its weights, as notes; none where it measured nothing, or there is no run.

    What cannot be read as the record of a run is none: the weights are as good without it.
    """
    folder = folder.parent if folder.is_file() else folder
    try:
        found = RunRecord.load(folder) if (folder / RESULTS_FILE).is_file() else None
    except CheckpointError:
        return {}
    if found is None or found.kind != "pretrain" or "accuracy" not in found.scores:
        return {}
    return probe_notes(found.accuracy, None if found.twin is None else found.twin.accuracy, found.data)


def load_predictor(path: Path | str, device: str | torch.device = "auto") -> Predictor:
    """What predicts with the fine-tuned model in a run folder or weights folder: its kind says what.

    >>> i2pmae.load_predictor("runs/finetune").predict(points).labels

    :class:`CheckpointError` where it holds something else, and for everything that :func:`load` refuses.
    """
    model, record = load_model(path)
    if record.kind.applied is None:
        raise wrong_task(path, record, *(kind for kind in KINDS.values() if kind.applied is not None))
    return record.kind.applied(model, record, device)


def encoder_for(
    checkpoint: Path | str | Encoder | None, data: object, device: str | torch.device, shown: bool
) -> tuple[Encoder, str]:
    """The encoder that a command is to use on ``data``, and what to call it: that in the package where none is named.

    :class:`UsageError` where there is none, and where weights stand in the place of the data.
    """
    if isinstance(checkpoint, Encoder):
        return checkpoint, ""
    if isinstance(data, (str, Path)) and (is_name(data) or holds_weights(Path(data))):
        raise UsageError(f"{data} holds weights, not clouds: say which data, after the checkpoint.")
    named = default_weights() if checkpoint is None else checkpoint
    if named is None:
        raise UsageError(
            f"Say which checkpoint: a run folder or a weights folder. The weights {DEFAULT!r}, which would be used "
            "without one, are not in this package: see `i2pmae models`."
        )
    encoder = load(named, device)
    if shown and is_name(named):
        say(introduced(str(named)))
    return encoder, str(named)


def encoder_of(index: "Index", checkpoint: str | Path | Encoder | None, device: str) -> Encoder:
    """The encoder of the index; :class:`UsageError` where another one was named."""
    if isinstance(checkpoint, Encoder):
        encoder = checkpoint
    elif checkpoint is not None:
        encoder = load(checkpoint, device)
    elif not index.record.encoder:
        raise UsageError("The index was made with an encoder that had been loaded: give it (checkpoint).")
    else:
        try:
            encoder = load(index.record.encoder, device)
        except CheckpointError as error:
            raise CheckpointError(
                f"The encoder of the index {index.folder} is not where it was: say where it is (checkpoint). {error}"
            ) from None
    encoder = encoder.read_out(index.record.pooling) if encoder.has(index.record.pooling) else encoder
    index.check(encoder)
    return encoder


def load_any(path: Path | str, device: str | torch.device = "auto") -> tuple[ModelRecord, PointModel]:
    """The record and the model (evaluation mode) of a run folder or weights folder, of any task."""
    model, record = load_model(path)
    return record, model.to(resolve_device(device))
