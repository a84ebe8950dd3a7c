"""Geometry on tensors: plain functions, any device, gradients where they exist."""

from i2pmae.ops.chamfer import chamfer_l1, chamfer_l2
from i2pmae.ops.fps import fps
from i2pmae.ops.gather import gather, scatter
from i2pmae.ops.groups import group_max
from i2pmae.ops.interpolate import three_nn_interpolate
from i2pmae.ops.knn import knn, squared_distances
from i2pmae.ops.pack import Packing, Selection, counted_mean, fixed_shapes, pack, select, without_padding

__all__ = [
    "Packing",
    "Selection",
    "chamfer_l1",
    "chamfer_l2",
    "counted_mean",
    "fixed_shapes",
    "fps",
    "gather",
    "group_max",
    "knn",
    "pack",
    "scatter",
    "select",
    "squared_distances",
    "three_nn_interpolate",
    "without_padding",
]
