"""Typed, validated records that document themselves, and their YAML form."""

from pathlib import Path
from typing import Any, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from i2pmae.common.errors import UsageError, near_names
from i2pmae.common.files import write_text

__all__ = ["Config"]


class Config(BaseModel):
    """Base of every configuration: immutable, no unknown fields, documented by the docstring under each field."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, use_attribute_docstrings=True)

    def to_yaml(self) -> str:
        """The full configuration as YAML, defaults included; :meth:`from_yaml` reads it back to an equal record."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)

    @classmethod
    def from_yaml(cls, text: str, source: str = "configuration") -> Self:
        """The record that a YAML text describes; :class:`UsageError` names every field that is unknown or invalid."""
        try:
            values = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise UsageError(f"{source} is not valid YAML: {error}") from None
        if not isinstance(values, dict):
            raise UsageError(f"{source} must hold 'field: value' lines, but holds {type(values).__name__}.")
        return cls.from_dict(values, source)

    @classmethod
    def from_dict(cls, values: dict[str, Any], source: str = "configuration") -> Self:
        """The record for nested plain values; :class:`UsageError` names every field that is unknown or invalid."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise UsageError(f"{source} is not usable:\n" + "\n".join(cls._explain(error))) from None

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """The record stored in a YAML file."""
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"Cannot read the configuration {path}: {error}") from None
        return cls.from_yaml(text, str(path))

    def save(self, path: Path | str) -> None:
        """Write the record as YAML, whole or not at all."""
        write_text(Path(path), self.to_yaml())

    @classmethod
    def _explain(cls, error: ValidationError) -> list[str]:
        lines = []
        for item in error.errors():
            place = ".".join(str(part) for part in item["loc"])
            if item["type"] == "extra_forbidden":
                fields = cls._fields_at(item["loc"][:-1])
                lines.append(f"  {place}: no such field. {near_names(str(item['loc'][-1]), fields)}")
            else:
                lines.append(f"  {place}: {item['msg']} (got {item['input']!r})")
        return lines

    @classmethod
    def _fields_at(cls, location: tuple[int | str, ...]) -> list[str]:
        """Names of the fields at a place of the record, of every kind of record that may stand there."""
        records: list[Any] = [cls]
        for part in location:
            fields = [record.model_fields[part] for record in records if part in record.model_fields]
            kinds = [kind for field in fields for kind in (field.annotation, *get_args(field.annotation))]
            records = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)] or records
        return sorted({name for record in records for name in record.model_fields})
