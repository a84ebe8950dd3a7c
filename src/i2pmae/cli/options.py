"""What the sub-commands share: parsing, and the options of reading clouds."""

import contextlib
import inspect
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import tyro
from pydantic import BaseModel, ValidationError

from i2pmae.common.config import Config
from i2pmae.common.errors import UsageError

__all__ = ["ReadingOptions", "otherwise", "parse", "tidy_help"]

T = TypeVar("T")


def otherwise(what: str, **more: Any) -> Any:
    """Marks an option that may be left out, and says what happens then."""
    return tyro.conf.arg(help_behavior_hint=f"(default: {what})", **more)


Up = Literal["y", "z", "x"]


@dataclass(frozen=True)
class ReadingOptions:
    """Reading of the clouds."""

    points: Annotated[int | None, tyro.conf.DisallowNone, otherwise("as many as the encoder was trained on")] = None
    """Points per cloud."""
    up: Annotated[Up | None, tyro.conf.DisallowNone, otherwise("that of training, or of a data set")] = None
    """The axis that points up in the files. CAD models and scans are often z up."""
    labels: Annotated[
        Literal["none", "folder"] | None, tyro.conf.DisallowNone, otherwise("folder for probe, none elsewhere")
    ] = None
    """Whether the folder of a file names its class. Labels inside array files are always read."""
    parts: Literal["named", "column", "none"] = "named"
    """Where the part of each point is read from: named arrays, columns and files; the last column of text too; none."""
    clouds: Annotated[int | None, tyro.conf.DisallowNone, otherwise("all; 4000 built-in shapes")] = None
    """Use at most so many clouds, evenly spread; of built-in shapes, make so many."""
    max_bad_share: float = 0.1
    """Largest share of unusable files to accept; they are left out and listed."""
    workers: Annotated[int | None, tyro.conf.DisallowNone, otherwise("one per processor")] = None
    """Processes that read files."""
    cache: Annotated[Path | None, tyro.conf.DisallowNone, otherwise("the user's cache folder")] = None
    """Folder that keeps what was read, so that it is read once."""
    seed: int = 0
    """Decides which points are sampled; in probes also the folds, and which clouds are held out."""

    def given(self) -> dict[str, Any]:
        """What was said, as the keywords of a command's function."""
        return {name: value for name, value in vars(self).items() if value is not None}


def parse(
    kind: type[T], command: str, arguments: Sequence[str], default: T | None = None, about: str | None = None
) -> T:
    """The options that ``arguments`` spell; a wrong one ends the program with status 2 and the nearest names.

    Values that are well spelled, but refused by the checks of a configuration, are a :class:`UsageError`.
    """
    options: dict[str, Any] = {} if default is None else {"default": default}
    options["description"] = inspect.cleandoc(about) if about else inspect.getdoc(kind)
    tidy_help(kind)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(kind, prog=f"i2pmae {command}", args=list(arguments), **options)
    except ValidationError as error:
        raise _refused(error) from None
    except SystemExit as stop:
        if isinstance(stop.__context__, ValidationError):
            raise _refused(stop.__context__) from None
        sys.stderr.write(said.getvalue())
        raise


def _refused(error: ValidationError) -> UsageError:
    """The reasons of a refusal, for people."""
    lines = [line.strip() for line in Config.explain(error)]
    return UsageError("\n".join(lines) if len(lines) > 1 else lines[0])


def tidy_help(kind: type) -> None:
    """Take the line breaks and code marks out of the field docs, which the help texts show."""
    for field in getattr(kind, "model_fields", {}).values():
        if field.description:
            field.description = " ".join(field.description.replace("``", "").split())
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            tidy_help(field.annotation)
