"""Configurations of several kinds in one field, told apart by a name that stands among their own fields."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BeforeValidator, SerializeAsAny

from i2pmae.common.config import Config
from i2pmae.common.errors import near_names

__all__ = ["Choices"]

C = TypeVar("C", bound=Config)


class Choices(Mapping[str, type[C]], Generic[C]):
    """The kinds of configuration that a field takes, by name; an open list, to which others may add.

    ``field`` is what the name stands under: a ``Literal`` of each kind, or a string with a default. Annotate a field
    with :meth:`of`: it then takes an instance of any kind, or plain values that name one.
    """

    def __init__(self, what: str, field: str = "name") -> None:
        self.what, self.field = what, field
        self._kinds: dict[str, type[C]] = {}

    def add(self, kind: type[C]) -> type[C]:
        """``kind`` itself, which is known from now on under the default of its naming field."""
        name = str(kind.model_fields[self.field].default)
        known = self._kinds.get(name)
        if known is not None and known is not kind:
            raise ValueError(f"two kinds of {self.what} are called {name!r}: {known.__qualname__}, {kind.__qualname__}")
        self._kinds[name] = kind
        return kind

    def read(self, value: Any) -> Any:
        """Plain values as the kind that they name; everything else as it came, for the field's own check."""
        if isinstance(value, str):
            value = {self.field: value}
        if not isinstance(value, dict):
            return value
        name = value.get(self.field)
        if name is None:
            raise ValueError(f"which {self.what} is meant must be said: {self.field} is one of {', '.join(self)}")
        if name not in self._kinds:
            raise ValueError(f"unknown {self.what} {name!r}. {near_names(str(name), self)}")
        return self._kinds[name].model_validate(value)

    def of(self, base: type[C]) -> Any:
        """The annotation of a field that takes any of these kinds, all of them subclasses of ``base``."""
        return Annotated[base, SerializeAsAny(), BeforeValidator(self.read)]

    def __getitem__(self, name: str) -> type[C]:
        return self._kinds[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)
