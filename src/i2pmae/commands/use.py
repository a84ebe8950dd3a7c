"""Models that were stored, ready to use: the encoder, or what predicts, in a run folder or weights folder."""

from pathlib import Path

import torch

import i2pmae.methods
import i2pmae.tasks  # noqa: F401  (both make known what weights can be for)
from i2pmae.common.devices import resolve_device
from i2pmae.encoders.base import PointModel
from i2pmae.weights.applied import Predictor
from i2pmae.weights.encoder import Encoder
from i2pmae.weights.kinds import KINDS
from i2pmae.weights.record import ModelRecord, wrong_task
from i2pmae.weights.store import load_model

__all__ = ["load", "load_any", "load_predictor"]


def load(path: Path | str, device: str | torch.device = "auto") -> Encoder:
    """The encoder of a run folder or weights folder, whatever it was trained for.

    >>> encoder = i2pmae.load("runs/pretrain")
    >>> encoder.embed(points)      # (b, n, 3) or (n, 3) to (b, c) or (c,)

    :class:`CheckpointError` says what is wrong with the folder, :class:`UsageError` with the device.
    """
    model, record = load_model(path)
    return Encoder(model, record, device)


def load_predictor(path: Path | str, device: str | torch.device = "auto") -> Predictor:
    """What predicts with the fine-tuned model in a run folder or weights folder: its kind says what.

    >>> i2pmae.load_predictor("runs/finetune").predict(points).labels

    :class:`CheckpointError` where it holds something else, and for everything that :func:`load` refuses.
    """
    model, record = load_model(path)
    if record.kind.applied is None:
        raise wrong_task(path, record, *(kind for kind in KINDS.values() if kind.applied is not None))
    return record.kind.applied(model, record, device)


def load_any(path: Path | str, device: str | torch.device = "auto") -> tuple[ModelRecord, PointModel]:
    """The record and the model (evaluation mode) of a run folder or weights folder, of any task."""
    model, record = load_model(path)
    return record, model.to(resolve_device(device))
