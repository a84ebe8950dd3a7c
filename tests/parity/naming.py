"""The weights of stored runs in models of ours, by the names that released files have."""

from torch import Tensor, nn

from i2pmae.methods import METHODS
from i2pmae.weights.released.names import rename
from i2pmae.weights.released.shapes import Shapes
from i2pmae.weights.released.spec import ReleasedHead
from tests.parity.cases import Case

__all__ = ["fill", "our_names"]


def fill(model: nn.Module, case: Case, method: str, head: ReleasedHead | str = "pretraining") -> None:
    """Load the weights of a run of ``method``, with the head of a task or one of the method's own."""
    model.load_state_dict(_renamed(model, case, method, head))
    model.eval()


def our_names(model: nn.Module, case: Case, method: str) -> dict[str, str]:
    """What the weights of a run of pre-training are called here, by published name."""
    return dict(zip(case.weights, _renamed(model, case, method, "pretraining"), strict=True))


def _renamed(model: nn.Module, case: Case, method: str, head: ReleasedHead | str) -> dict[str, Tensor]:
    released = METHODS[method].released
    assert released is not None
    if isinstance(head, str):
        (head,) = [own for own in released.heads if own.task == head]
    shapes = Shapes({name: tuple(tensor.shape) for name, tensor in case.weights.items()})
    return rename(case.weights, model.state_dict(), released.names(head, shapes))
