"""Blocks of code in which nothing may be asked for that a GPU would have to be waited for; no GPU is needed."""

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "unique", "_unique", "bincount")
"""Operations whose result, or its shape, a GPU has to be waited for."""
FETCHING = (torch.Tensor.tolist, torch.Tensor.numpy, torch.Tensor.__array__, torch.Tensor.cpu)
"""Methods that copy from a GPU; on the CPU they call no operation."""
GIVING = (torch.tensor, torch.as_tensor, torch.Tensor.new_tensor)
"""What copies numbers to a GPU, for which all that it has to do is waited for; on the CPU it calls no operation."""


class Waited(AssertionError):
    """A GPU would have been waited for."""


class _NoCopies(TorchFunctionMode):
    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function in FETCHING:
            raise Waited(function.__name__)
        made = function(*args, **(kwargs or {}))
        if function in GIVING and made.device.type != "cpu":
            raise Waited(function.__name__)
        return made


class NoWaiting(TorchDispatchMode):
    """A block in which nothing may ask for a value that a GPU would have yet to compute, or give it one of the host's.

    Tensors on the device ``meta`` are those of a GPU: they are handled as such, and have shapes but no values. On the
    CPU what is copied to a device cannot be told from what is there.
    """

    def __enter__(self):
        self.copies = _NoCopies()
        self.copies.__enter__()
        return super().__enter__()

    def __exit__(self, *error):
        super().__exit__(*error)
        self.copies.__exit__(*error)

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = operation.name().removeprefix("aten::").split(".")[0]
        indices = args[1] if name in ("index", "index_put", "index_put_", "_index_put_impl_") else ()
        if name.startswith(WAITING) or any(i is not None and i.dtype in (torch.bool, torch.uint8) for i in indices):
            raise Waited(name)
        made = operation(*args, **kwargs)
        if _elsewhere(made) and any(not _elsewhere(given) for given in _tensors((args, *kwargs.values()))):
            raise Waited(f"{name} of what is on the CPU")
        return made


def _tensors(values):
    for value in values:
        if isinstance(value, torch.Tensor) and value.dim():  # one number is given with the call
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)


def _elsewhere(value):
    return isinstance(value, torch.Tensor) and value.device.type != "cpu"
