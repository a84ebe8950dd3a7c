"""The shapes of published weights, and what can be read off them."""

import re
from collections.abc import Iterator, Mapping

from i2pmae.common.errors import CheckpointError, UsageError

__all__ = ["Shapes", "agree"]


class Shapes(Mapping[str, tuple[int, ...]]):
    """The shapes of published weights by published name, without axes of length 1."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self._shapes = {name: tuple(size for size in shape if size != 1) for name, shape in shapes.items()}

    def __getitem__(self, name: str) -> tuple[int, ...]:
        return self._shapes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._shapes)

    def __len__(self) -> int:
        return len(self._shapes)

    def outputs(self, layer: str) -> int:
        """Output channels of a layer; :class:`CheckpointError` where the file lacks it."""
        return self._size(layer, 0)

    def inputs(self, layer: str) -> int:
        """Input channels of a layer."""
        return self._size(layer, 1)

    def count(self, pattern: str) -> int:
        """How many different numbers stand in the place of the pattern's group."""
        return len({found[1] for found in map(re.compile(pattern).match, self._shapes) if found})

    def _size(self, layer: str, axis: int) -> int:
        shape = self._shapes.get(f"{layer}.weight")
        if shape is None:
            raise CheckpointError(f"The file lacks {layer}.weight: it is incomplete, or of another method.")
        if len(shape) != 2:
            raise CheckpointError(f"{layer}.weight has shape {shape}: expected the weights of a linear layer.")
        return shape[axis]


def agree(found: int, expected: int, layer: str, setting: str, value: int) -> None:
    """:class:`UsageError` where a size in the file is not what follows from a setting."""
    if found != expected:
        raise UsageError(
            f"{layer} of the file doesn't fit {setting} with {value}: give the sizes of the run that it comes from, "
            f"--{setting.replace('_', '-')}."
        )
