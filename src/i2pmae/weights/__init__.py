"""Weights on disk and in use: write them, load them, start from them, embed clouds.

Which kinds of models there are, methods and tasks say: see :mod:`i2pmae.weights.kinds`.
"""

from i2pmae.common.lazy import lazy_names

_APPLIED, _ENCODER, _KINDS = "i2pmae.weights.applied", "i2pmae.weights.encoder", "i2pmae.weights.kinds"
_STORE, _TRANSFER = "i2pmae.weights.store", "i2pmae.weights.transfer"
_HOMES = {
    "AppliedModel": _APPLIED,
    "EmbeddingModule": _ENCODER,
    "Encoder": _ENCODER,
    "ModelKind": _KINDS,
    "ModelRecord": "i2pmae.weights.record",
    "Predictor": _APPLIED,
    "Transfer": _TRANSFER,
    "add_kind": _KINDS,
    "encoder_alone": _TRANSFER,
    "encoder_config": _TRANSFER,
    "go_on_from": _TRANSFER,
    "load_kind": _STORE,
    "load_model": _STORE,
    "load_pretrained": _TRANSFER,
    "save_weights": _STORE,
    "start_from": _TRANSFER,
}
__all__ = sorted(_HOMES)

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
