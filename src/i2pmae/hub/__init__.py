"""Weights on disk and in use: write them, load them, start from them, embed clouds and name classes and parts."""

from i2pmae.hub.encoder import Encoder, load
from i2pmae.hub.predictor import CloudClassifier, CloudSegmenter, load_predictor
from i2pmae.hub.record import Method, ModelRecord
from i2pmae.hub.transfer import Transfer, encoder_config, start_from
from i2pmae.hub.weights import load_model, load_vocabulary, save_weights

__all__ = [
    "CloudClassifier",
    "CloudSegmenter",
    "Encoder",
    "Method",
    "ModelRecord",
    "Transfer",
    "encoder_config",
    "load",
    "load_model",
    "load_predictor",
    "load_vocabulary",
    "save_weights",
    "start_from",
]
