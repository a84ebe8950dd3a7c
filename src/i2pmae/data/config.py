"""Which clouds a run works with, and how they are read."""

from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import tyro
from pydantic import BeforeValidator, Field

from i2pmae.common.config import Config
from i2pmae.common.neutral import NEUTRAL
from i2pmae.data.shapes.config import ShapesConfig

if TYPE_CHECKING:
    from i2pmae.data.clouds import CloudSet

__all__ = ["SHAPES", "DataConfig", "Source"]

SHAPES = "shapes"
"""The source that stands for the built-in shapes."""


def _text(value: object) -> object:
    if not isinstance(value, PurePath):
        return value
    return f"./{value}" if str(value) == SHAPES else str(value)


Source = Annotated[str, BeforeValidator(_text)]
"""What names clouds: a path or other text. The text ``shapes`` means the built-in ones, a path of that name itself."""


def _names(value: object) -> object:
    if isinstance(value, str):
        raise ValueError(f"must be a list of names, such as {(value,)!r}, not a text")
    return value


class DataConfig(Config):
    """Which clouds, and how they are read."""

    leading: ClassVar[str | None] = "source"

    source: Annotated[Source, tyro.conf.arg(name="data")] = SHAPES
    """Folder, file, data set or address of point clouds or meshes; ``shapes`` for the built-in generator."""
    points: int = Field(2048, ge=3)
    """Points per cloud."""
    up: Literal["y", "z", "x"] | None = None
    """The axis that points up in the files; clouds are turned so that it becomes y. Where absent, that of a published
    data set, else y."""
    labels: Literal["none", "folder", "auto"] = "none"
    """Whether the name of a file's folder is its label; ``auto``: where there are sub-folders."""
    parts: Literal["none", "named", "column"] = "named"
    """Where the part of each point is read from: ``named`` arrays, columns and files; the last ``column`` of text files
    too; ``none``."""
    columns: Annotated[tuple[Literal["colour", "normal"], ...], BeforeValidator(_names)] = ()
    """What is kept beside x, y and z, of files that have it: ``colour``, ``normal``, or both. They take half as much
    room again, and as much again."""
    clouds: int | None = Field(None, ge=1)
    """How many clouds to use, of each split its share, spread over classes (built-in shapes: how many to make); all
    where absent."""
    fraction: float = Field(1.0, gt=0, le=1)
    """Share of the training clouds that is trained on, drawn by the seed; in pre-training, probes take all. Tasks take
    it class by class, of the clouds that the epoch is chosen by too."""
    max_bad_share: float = Field(0.1, ge=0, le=1)
    """Largest share of unusable files that a run accepts."""
    shapes: ShapesConfig = ShapesConfig()
    """Which built-in shapes are made, and how hard."""
    workers: Annotated[int | None, NEUTRAL] = Field(None, ge=0)
    """Processes that read files; one for each processor where absent."""
    cache: Annotated[Path | None, NEUTRAL] = None
    """Folder for files read once and teacher maps; beside the run where absent."""

    def training_part(self, clouds: "CloudSet", seed: int) -> "CloudSet":
        """The training split of ``clouds`` where there is one, else all; of it, the ``fraction`` that is trained on."""
        part = clouds.split("train") if clouds.splits is not None and "train" in clouds.splits else clouds
        if self.fraction == 1:
            return part
        import numpy as np

        from i2pmae.common.seeds import numpy_generator

        count = max(1, round(self.fraction * len(part)))
        rows = numpy_generator(seed, "fraction", len(part)).permutation(len(part))[:count]
        return part.subset(np.sort(rows), f"{part.name}, {self.fraction:.0%} by seed {seed}")
