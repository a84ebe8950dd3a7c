"""Tiny random models of every method and task, the same for every test."""

from pathlib import Path

import i2pmae.tasks  # noqa: F401  (makes known what weights can be for)
from i2pmae.encoders.base import PointModel
from i2pmae.encoders.config import PlainConfig
from i2pmae.methods import METHODS
from i2pmae.methods.point_bert.config import DiscreteVAEConfig, PointBERTConfig
from i2pmae.methods.point_mae.config import PointMAEConfig
from i2pmae.tasks.classifier.config import ClassifierConfig
from i2pmae.tasks.segmentation.config import SegmenterConfig
from i2pmae.weights.record import ModelRecord
from i2pmae.weights.store import save_weights
from tests.parity.cases import named_weight
from tests.small import SMALL as TINY

POINTS = 64
CLASSES = ("stick", "plate", "ball")
GROUPS = {"group_count": 8, "group_size": 8}
TINY_PLAIN = PlainConfig(**GROUPS, embed_widths=(8, 16, 32), width=24, depth=3, heads=2)
WITH_CLASS_TOKEN = TINY_PLAIN.changed(class_token=True)
TINY_ALONE = TINY.alone()
TINY_I2P = TINY.changed(semantic_dim=6)
TINY_MAE = PointMAEConfig(**{**dict(TINY_PLAIN), "decoder_depth": 1, "decoder_heads": 2})
TINY_BERT = PointBERTConfig(
    **{**dict(WITH_CLASS_TOKEN), "token_width": 12, "class_width": 10},
    vae=DiscreteVAEConfig(**GROUPS, embed_widths=(8, 16, 32), embed_dim=12, codes=16),
)
HEAD = {"classes": CLASSES, "head_widths": (16,)}
PARTS = {
    "parts": ("leg", "seat", "wing"),
    "categories": ("chair", "plane"),
    "category_parts": ((0, 1), (2,)),
    "propagation_widths": (20, 12),
    "head_widths": (16, 8),
    "category_width": 4,
}
MODELS = {
    "i2p-mae pretraining": TINY,
    "i2p-mae encoder": TINY_ALONE,
    "i2p-mae classification": ClassifierConfig(encoder=TINY_ALONE, **HEAD),
    "i2p-mae segmentation": SegmenterConfig(encoder=TINY_ALONE, **PARTS),
    "point-m2ae pretraining": TINY,
    "point-m2ae segmentation": SegmenterConfig(encoder=TINY_ALONE, parts=("top", "rest"), propagation_widths=(8,)),
    "point-mae pretraining": TINY_MAE,
    "point-mae encoder": TINY_PLAIN,
    "point-mae classification": ClassifierConfig(encoder=WITH_CLASS_TOKEN, pooling="class|max", **HEAD),
    "point-mae segmentation": SegmenterConfig(encoder=TINY_PLAIN, context="tokens", **PARTS),
    "point-bert pretraining": TINY_BERT,
    "point-bert classification": ClassifierConfig(
        encoder=WITH_CLASS_TOKEN.changed(token_width=12), pooling="class|max", head_norm=False, **HEAD
    ),
}
"""A configuration for each method and task."""


def make_model(kind: str) -> tuple[PointModel, ModelRecord]:
    """A random model in evaluation mode and its record; ``kind`` is a key of :data:`MODELS`."""
    method, task = kind.split()
    sizes = MODELS[kind]
    usual = METHODS[method].Config().pooling  # type: ignore[call-arg]
    pooling = getattr(sizes, "pooling", usual)
    record = ModelRecord(method=method, task=task, points=POINTS, pooling=pooling, model=sizes)
    model = record.build()
    for name, value in model.state_dict().items():
        drawn = named_weight(name, tuple(value.shape), 0)
        value.copy_(4 * drawn if name in ("out.weight", "head.8.weight", "head.4.weight") else drawn)
    return model.eval(), record


def save_model(folder: Path, kind: str) -> Path:
    """The folder, with a random model in it."""
    save_weights(folder, *make_model(kind))
    return folder
