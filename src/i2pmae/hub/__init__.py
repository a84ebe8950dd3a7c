"""Weights on disk and in use: write them, load them, embed clouds with them."""

from i2pmae.hub.encoder import Encoder, load
from i2pmae.hub.weights import ModelRecord, load_model, save_weights

__all__ = ["Encoder", "ModelRecord", "load", "load_model", "save_weights"]
