"""What the sub-commands share: parsing, and the options of reading clouds."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import tyro
from pydantic import BaseModel

from i2pmae.common.progress import console

if TYPE_CHECKING:
    from i2pmae.data.clouds import CloudSet

__all__ = ["Checkpoint", "DataOptions", "Source", "otherwise", "parse", "tidy_help"]

T = TypeVar("T")


def otherwise(what: str, **more: Any) -> Any:
    """Marks an option that may be left out, and says what happens then."""
    return tyro.conf.arg(help_behavior_hint=f"(default: {what})", **more)


Checkpoint = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT")]
Source = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PATH")]


@dataclass(frozen=True)
class DataOptions:
    """Reading of the clouds."""

    points: Annotated[int | None, tyro.conf.DisallowNone, otherwise("as many as the encoder was trained on")] = None
    """Points per cloud."""
    up: Annotated[
        Literal["y", "z", "x"] | None, tyro.conf.DisallowNone, otherwise("that of a published data set, else y")
    ] = None
    """The axis that points up in the files. CAD models and scans are often z up."""
    labels: Literal["none", "folder"] = "none"
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
    """Decides which points are sampled."""

    def open(self, data: str, points: int) -> "CloudSet":
        """The clouds at ``data``, of ``points`` points unless the options say otherwise; its notes are shown once."""
        from i2pmae.data.sources import open_source

        clouds = open_source(
            data,
            points=points if self.points is None else self.points,
            up=self.up,
            labels=self.labels,
            parts=self.parts,
            clouds=self.clouds,
            cache=self.cache,
            workers=self.workers,
            max_bad_share=self.max_bad_share,
            seed=self.seed,
        )
        for note in clouds.notes:
            console().print(note, soft_wrap=True)
        return clouds


def parse(kind: type[T], command: str, arguments: Sequence[str], default: T | None = None) -> T:
    """The options that ``arguments`` spell; a wrong one ends the program with status 2 and the nearest names."""
    options: dict[str, Any] = {} if default is None else {"default": default}
    options["description"] = inspect.getdoc(kind)
    return tyro.cli(kind, prog=f"i2pmae {command}", args=list(arguments), **options)


def tidy_help(kind: type[BaseModel]) -> None:
    """Take the line breaks and code marks out of the field docs, which the help texts show."""
    for field in kind.model_fields.values():
        if field.description:
            field.description = " ".join(field.description.replace("``", "").split())
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            tidy_help(field.annotation)
