"""Sampling and neighbours as ONNX has them: a loop, and TopK, whose ties go to the lowest index as ours do.

Imported when a model is exported to ONNX, since it needs onnxscript.
"""

import onnxscript
from onnxscript import FLOAT, INT64
from onnxscript import opset18 as op

import i2pmae.ops.exported  # noqa: F401  (registers the operators that are translated)

__all__ = ["OPSET", "translations"]

OPSET = 18
_OWN = onnxscript.values.Opset("i2pmae", 1)


@onnxscript.script(_OWN, default_opset=op)
def _fps(points: FLOAT, further: INT64) -> INT64:
    """Indices ``(b, further + 1)`` of the first point and of ``further`` that are each farthest from those before."""
    x, y, z = op.Split(points, num_outputs=3, axis=2)
    nearest = op.Squeeze(x, [2]) * 0.0 + 3.0e38
    last = op.Cast(op.ReduceMin(nearest, [1], keepdims=1) * 0.0, to=7)
    chosen = op.Identity(last)
    for _ in range(further):
        centre = op.Unsqueeze(op.GatherND(points, last, batch_dims=1), [1])
        cx, cy, cz = op.Split(centre, num_outputs=3, axis=2)
        dx, dy, dz = x - cx, y - cy, z - cz
        nearest = op.Min(nearest, op.Squeeze(dx * dx + dy * dy + dz * dz, [2]))
        last = op.ArgMax(nearest, axis=1, keepdims=1)
        chosen = op.Concat(chosen, last, axis=1)
    return chosen


def _fps_of(points, count: int):  # type: ignore[no-untyped-def]
    return _fps(points, op.Constant(value_int=count - 1))


def _knn_of(query, points, k: int):  # type: ignore[no-untyped-def]
    """Indices ``(b, m, k)`` of the points nearest to each query."""
    theirs = op.Split(query, num_outputs=3, axis=2)
    ours = op.Split(op.Transpose(points, perm=[0, 2, 1]), num_outputs=3, axis=1)
    x, y, z = (op.Sub(a, b) for a, b in zip(theirs, ours, strict=True))
    distance = op.Add(op.Add(op.Mul(x, x), op.Mul(y, y)), op.Mul(z, z))
    return op.TopK(distance, op.Constant(value_ints=[k]), axis=-1, largest=0, sorted=1)[1]


def _sort(values, *, stable: bool | None = None, dim: int = -1, descending: bool = False):  # type: ignore[no-untyped-def]
    del stable  # it always is
    size = op.Gather(op.Shape(values), op.Constant(value_ints=[dim]))
    return op.TopK(values, size, axis=dim, largest=int(descending), sorted=1)


def translations():  # type: ignore[no-untyped-def]
    """What the exporter of PyTorch is to write for each of our operators, and for stable sorting."""
    import torch

    return {
        torch.ops.i2pmae.fps.default: _fps_of,
        torch.ops.i2pmae.knn.default: _knn_of,
        torch.ops.aten.sort.stable: _sort,
    }
