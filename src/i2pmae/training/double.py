"""Calculations that were written for single precision, in double precision."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from i2pmae.typing import Tensor

__all__ = ["InDouble"]

SINGLE, DOUBLE = torch.float32, torch.float64
CASTS = (Tensor.to, Tensor.type)
"""Functions that are told a type by its name."""
TYPE_OF = Tensor.dtype.__get__  # type: ignore[attr-defined]


class InDouble(TorchFunctionMode):
    """A block in which every operation takes and gives float64 where it would take and give float32.

    Tensors say that they are float32 nevertheless: random numbers are then drawn in that type, and converted, so that
    they are those of single precision. What came from outside as float32 is copied at each use: it must not be changed
    in place.
    """

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        del types
        if function is Tensor.float:
            return args[0].double()
        if function == TYPE_OF:
            return SINGLE if args[0].dtype is DOUBLE else args[0].dtype
        given, named = _doubled(args), _doubled(kwargs or {})
        if function in CASTS:
            given = tuple(DOUBLE if value is SINGLE else value for value in given)
            named = {name: DOUBLE if value is SINGLE else value for name, value in named.items()}
        return _doubled(function(*given, **named))


def _doubled(value: Any) -> Any:
    """The same with float64 for float32 in tensors, and in what holds tensors; what is a tensor's own stays one."""
    if isinstance(value, Tensor):
        return value.double() if value.dtype is SINGLE and not isinstance(value, torch.nn.Parameter) else value
    if isinstance(value, Mapping):
        return {name: _doubled(inner) for name, inner in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_doubled, value))
    return value
