"""Typed, validated records that document themselves, and their YAML form."""

import copy
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails

from i2pmae.common.errors import UsageError, near_names
from i2pmae.common.files import write_text
from i2pmae.common.text import shortened
from i2pmae.common.yaml import dump_yaml, load_yaml

__all__ = ["Config"]

MOST_LINES = 20
"""Faults of a record that a message names."""
KIND = re.compile(
    r"^(function|tagged-union|lax-or-strict|constrained)-.*\[|^constrained-\w+$|^literal\[|^(?:[A-Z]\w*)?Config$"
)
"""What pydantic calls the kinds of values that a field may hold."""
LIMITS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}
"""Kinds of faults of numbers: in words, and where pydantic says which number."""
WORDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "tuple": "a list",
    "list": "a list",
    "path": "a path",
    "dict": "a section of fields",
    "model": "a section of fields",
}
"""What values of other types should be, by the first word of the fault's kind, and the further words of such kinds."""
OTHER_TYPE = ("type", "parsing", "parsing_size", "from_float", "attributes_type")


class Config(BaseModel):
    """Base of every configuration: immutable, no unknown fields, documented by the docstring under each field.

    A record that needs other values is changed by :meth:`changed`, which checks them as reading does.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    sections: ClassVar[tuple[str, ...]] = ()
    """Fields that hold records whose own fields :meth:`changed` finds by their bare names."""
    leading: ClassVar[str | None] = None
    """The field that a plain value stands for where one is given instead of the whole record."""

    @model_validator(mode="before")
    @classmethod
    def _read_leading(cls, value: Any) -> Any:
        return {cls.leading: value} if cls._stands_for_leading(value) else value

    @classmethod
    def _stands_for_leading(cls, value: Any) -> bool:
        return cls.leading is not None and value is not None and not isinstance(value, (Mapping, BaseModel))

    def to_yaml(self) -> str:
        """The full configuration as YAML, defaults included; :meth:`from_yaml` reads it back to an equal record."""
        return dump_yaml(self.model_dump(mode="json"))

    @classmethod
    def from_yaml(cls, text: str, source: str = "configuration") -> Self:
        """The record that a YAML text describes; :class:`UsageError` names every field that is unknown or invalid."""
        values = load_yaml(text, source)
        if not isinstance(values, dict):
            raise UsageError(f"{source} must hold 'field: value' lines, but holds {type(values).__name__}.")
        return cls.from_dict(values, source)

    @classmethod
    def from_dict(cls, values: dict[str, Any], source: str = "configuration") -> Self:
        """The record for nested plain values; :class:`UsageError` names every field that is unknown or invalid."""
        return cls._checked(values, source)

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """The record stored in a YAML file."""
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:  # ValueError: not UTF-8, or no possible path
            raise UsageError(f"Cannot read the configuration {path}: {error}") from None
        return cls.from_yaml(text, str(path))

    def save(self, path: Path | str) -> None:
        """Write the record as YAML, whole or not at all."""
        write_text(Path(path), self.to_yaml())

    def changed(self, changes: Mapping[str, Any] | None = None, /, **more: Any) -> Self:
        """A copy in which the named fields have other values, checked together as a new record is.

        A name is a field's; that of a field within a field, with dots (``optimiser.learning_rate``); or, for a field of
        one of the :attr:`sections`, its bare name. A record that is given for a field takes the place of the present
        one, and so does a mapping, whose absent fields get their defaults. A plain value given for a record stands for
        its :attr:`leading` field: the others stay.

        >>> config.changed({"optimiser.learning_rate": 1e-3}, epochs=30)

        :class:`UsageError` names every field that is unknown, ambiguous, given twice or invalid.
        """
        wanted: dict[tuple[str, ...], Any] = {}
        base = self
        given = [*(changes or {}).items(), *more.items()]
        # Whole records first: the other names may be those of their fields.
        for name, value in sorted(given, key=lambda item: (not isinstance(item[1], Config), str(item[0]).count("."))):
            path = base._place_of(name, value)
            known = [other for other in wanted if other[: len(path)] == path or path[: len(other)] == other]
            if any(not isinstance(wanted[other], Config) or other == path for other in known):
                raise UsageError(f"{'.'.join(path)} and {'.'.join(known[0])} were both given: change one of them.")
            wanted[path] = value
            if isinstance(value, Config):
                base = base._with(path, value)
        tree: dict[str, Any] = {}
        for path, value in wanted.items():
            if not isinstance(value, Config):
                _put(tree, path, value)
        return base._rebuilt(tree, f"The changed {type(self).__name__}")

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy; with ``update``, :meth:`changed` by it."""
        own = copy.deepcopy(self) if deep else self
        return own.changed(update) if update else super(Config, own).model_copy()

    def resolve(self, name: str) -> tuple[str, ...]:
        """The names of the fields that lead to the field that ``name`` stands for in :meth:`changed`.

        :class:`UsageError` for a name that no field has, with the near ones, or that fields of several sections have.
        """
        paths = list(self._paths(str(name).split(".")))
        if len(paths) == 1:
            return paths[0]
        if paths:
            full = " or ".join(".".join(path) for path in paths)
            raise UsageError(f"{type(self).__name__} has several fields {name!r}: say which, {full}.")
        self._refuse_fields_of_plain(str(name).split("."))
        names = {".".join(path) for path in self._all_paths()} | {path[-1] for path in self._all_paths(short=True)}
        raise UsageError(f"{type(self).__name__} has no field {shortened(name)}. {near_names(str(name), names)}")

    def _refuse_fields_of_plain(self, parts: list[str]) -> None:
        """:class:`UsageError` where a name asks for a field of something that is no record here, as an absent one."""
        for end in range(1, len(parts)):
            paths = list(self._paths(parts[:end]))
            value = self._at(paths[0]) if len(paths) == 1 else self
            if not isinstance(value, Config):
                raise UsageError(
                    f"{type(self).__name__} has no field {'.'.join(parts)!r}: {'.'.join(paths[0])} is "
                    f"{shortened(value)} here, which has no fields."
                )

    def _paths(self, parts: list[str]) -> Iterator[tuple[str, ...]]:
        """Every field that the parts of a name may stand for."""
        first, rest = parts[0], parts[1:]
        if first in type(self).model_fields:
            inner = getattr(self, first)
            if not rest:
                yield (first,)
            elif isinstance(inner, Config):
                yield from ((first, *path) for path in inner._paths(rest))
            return
        for section in self.sections:
            inner = getattr(self, section)
            if isinstance(inner, Config):
                yield from ((section, *path) for path in inner._paths(parts))

    def _all_paths(self, short: bool = False) -> Iterator[tuple[str, ...]]:
        """The paths of all fields; of those alone whose last name is enough, where ``short`` is true."""
        for field in type(self).model_fields:
            yield (field,)
            inner = getattr(self, field)
            if isinstance(inner, Config) and (not short or field in self.sections):
                yield from ((field, *path) for path in inner._all_paths(short))

    def _place_of(self, name: str, value: Any) -> tuple[str, ...]:
        """Where a value belongs: the field of that name, or its leading one."""
        path = self.resolve(name)
        present = self._at(path)
        while isinstance(present, Config) and present._stands_for_leading(value):
            assert present.leading is not None
            path = (*path, present.leading)
            present = self._at(path)
        return path

    def _at(self, path: tuple[str, ...]) -> Any:
        found: Any = self
        for part in path:
            found = getattr(found, part)
        return found

    def _with(self, path: tuple[str, ...], value: Any) -> Self:
        """A copy that is not checked yet."""
        inner = value if len(path) == 1 else getattr(self, path[0])._with(path[1:], value)
        return super().model_copy(update={path[0]: inner})

    def _rebuilt(self, tree: Mapping[str, Any], source: str, place: tuple[str, ...] = ()) -> Self:
        """A checked copy with the values of the tree; records within it keep their classes and are checked first."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        for name, value in tree.items():
            inner = values[name]
            values[name] = inner._rebuilt(value, source, (*place, name)) if isinstance(value, _Tree) else value
        return self._checked(values, source, place)

    @classmethod
    def _checked(cls, values: Any, source: str, place: tuple[str, ...] = ()) -> Self:
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            lines = cls.explain(error, place)
        if len(lines) > MOST_LINES:
            lines = [*lines[:MOST_LINES], f"  and {len(lines) - MOST_LINES} more"]
        raise UsageError(f"{source} is not usable:\n" + "\n".join(lines))

    @classmethod
    def explain(cls, error: ValidationError, prefix: tuple[str, ...] = ()) -> list[str]:
        """What is wrong with values of this record, a line for each: the place below ``prefix``, why, and what came."""
        lines = []
        for item in error.errors(include_url=False):
            # Of a field that may hold several kinds of records, the place names the kind too, in words for programmers.
            parts = [part for part in item["loc"] if not (isinstance(part, str) and KIND.search(part))]
            place = ".".join(shortened(part).strip("'\"") for part in (*prefix, *parts))
            if item["type"] == "extra_forbidden":
                fields = cls._fields_at(item["loc"][:-1])
                lines.append(f"  {place}: no such field. {near_names(str(item['loc'][-1]), fields)}")
                continue
            said = _reason(item)
            whole = isinstance(item["input"], (Mapping, BaseModel)) and item["type"] in ("value_error", "missing")
            got = "" if whole else f" (got {shortened(item['input'])})"
            lines.append(f"  {place}{': ' if place else ''}{said}{got}")
        return list(dict.fromkeys(lines))

    @classmethod
    def _fields_at(cls, location: tuple[int | str, ...]) -> list[str]:
        """Names of the fields at a place of the record, of every kind of record that may stand there."""
        records: list[Any] = [cls]
        for part in location:
            fields = [record.model_fields[part] for record in records if part in record.model_fields]
            kinds = [kind for field in fields for kind in (field.annotation, *get_args(field.annotation))]
            records = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)] or records
        return sorted({name for record in records for name in record.model_fields})


def _reason(fault: ErrorDetails) -> str:
    """Why a value is refused: in words for people, where pydantic's are for programmers."""
    kind = fault["type"]
    if kind in LIMITS:
        words, bound = LIMITS[kind]
        return f"must be {words} {fault['ctx'][bound]:.15g}"
    if kind == "missing":
        return "is missing"
    wanted, _, rest = kind.partition("_")
    if wanted in WORDS and rest in OTHER_TYPE:
        return f"must be {WORDS[wanted]}"
    said = fault["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return said.replace("Input should be", "must be", 1)


class _Tree(dict[str, Any]):
    """Changes of the fields of a record that stays; a plain mapping is a value, in its place."""


def _put(tree: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Enter a value into nested :class:`_Tree` objects."""
    for part in path[:-1]:
        tree = tree.setdefault(part, _Tree())
    tree[path[-1]] = value
