"""Long lists of texts and of values that repeat, in few bytes each: of a hundred thousand files no objects are kept."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar, overload

import numpy as np

__all__ = ["Codes", "Texts"]

V = TypeVar("V")


class Texts(Sequence[str]):
    """Texts, each of which takes its bytes and eight more; it grows at its end and is cut there."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self.letters = bytearray()
        self.ends = array("q", [0])
        self.extend(texts)

    def extend(self, texts: Iterable[str]) -> None:
        """Add texts at the end."""
        for text in texts:
            self.letters += text.encode("utf-8", "surrogatepass")
            self.ends.append(len(self.letters))

    def cut(self, count: int) -> None:
        """Forget all but the first ``count``."""
        del self.ends[count + 1 :]
        del self.letters[self.ends[-1] :]

    def __len__(self) -> int:
        return len(self.ends) - 1

    @overload
    def __getitem__(self, key: int) -> str: ...

    @overload
    def __getitem__(self, key: slice) -> list[str]: ...

    def __getitem__(self, key: int | slice) -> str | list[str]:
        if isinstance(key, slice):
            return [self[row] for row in range(len(self))[key]]
        row = range(len(self))[key]
        return self.letters[self.ends[row] : self.ends[row + 1]].decode("utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        return (self[row] for row in range(len(self)))

    def arrow(self) -> Any:
        """The same as an array of Arrow."""
        import pyarrow

        bounds = pyarrow.py_buffer(np.array(self.ends, dtype=np.int64))
        return pyarrow.LargeStringArray.from_buffers(len(self), bounds, pyarrow.py_buffer(bytes(self.letters)))


class Codes(Sequence[V], Generic[V]):
    """Values of which few are different, each of which takes four bytes; it grows at its end and is cut there."""

    def __init__(self, values: Iterable[V] = ()) -> None:
        self.codes = array("i")
        self.kinds: list[V] = []
        self.places: dict[tuple[type, V], int] = {}
        self.extend(values)

    def extend(self, values: Iterable[V]) -> None:
        """Add values at the end."""
        for value in values:
            code = self.places.setdefault((type(value), value), len(self.kinds))
            if code == len(self.kinds):
                self.kinds.append(value)
            self.codes.append(code)

    def cut(self, count: int) -> None:
        """Forget all but the first ``count``."""
        del self.codes[count:]

    def __len__(self) -> int:
        return len(self.codes)

    @overload
    def __getitem__(self, key: int) -> V: ...

    @overload
    def __getitem__(self, key: slice) -> list[V]: ...

    def __getitem__(self, key: int | slice) -> V | list[V]:
        if isinstance(key, slice):
            return [self.kinds[code] for code in self.codes[key]]
        return self.kinds[self.codes[key]]

    def __iter__(self) -> Iterator[V]:
        return (self.kinds[code] for code in self.codes)

    def different(self) -> list[V]:
        """The values that occur, each once."""
        return [self.kinds[code] for code in np.unique(self._array()).tolist()]

    def mapped(self, made: dict[V, int]) -> np.ndarray:
        """``(values,)`` int64: what ``made`` has for each; :class:`KeyError` where it has nothing for one."""
        table = np.zeros(len(self.kinds), dtype=np.int64)
        for code in np.unique(self._array()).tolist():
            table[code] = made[self.kinds[code]]
        return table[self._array()]

    def arrow(self) -> Any:
        """Texts and None as a dictionary of Arrow."""
        import pyarrow

        kinds = pyarrow.array(self.kinds, pyarrow.string())
        return pyarrow.DictionaryArray.from_arrays(pyarrow.array(np.array(self._array())), kinds)

    def _array(self) -> np.ndarray:
        return np.frombuffer(self.codes, dtype=np.int32) if len(self.codes) else np.zeros(0, np.int32)
