"""What a comparison of recipes is, without what it takes to run one."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from i2pmae.common.config import Config

__all__ = ["CompareConfig"]


class CompareConfig(Config):
    """What is compared, on what, and how often. Every cell of the table is a stored pre-training run."""

    recipes: tuple[str, ...]
    """Recipes, recipes with changes (RECIPE@field=value,field=value), or sets of them (methods, mask-ratios, …)."""
    base: str = "tiny"
    """The recipe that the variants of a named set start from."""
    data: str = "shapes"
    """Clouds with labels: a folder of classes, an array file, a data set; ``shapes`` for the built-in ones."""
    output: Path = Path("runs/compare")
    """Folder of the comparison."""
    seeds: tuple[int, ...] = Field((0, 1, 2), min_length=1)
    """Each recipe is trained once with each; the table gives mean and deviation over them."""
    epochs: int | None = Field(None, ge=1)
    """Passes over the data, the same for all recipes; where absent, those of the recipes, which must then agree."""
    batch_size: int | None = Field(None, ge=1)
    """Clouds per batch for all recipes; each recipe's own where absent."""
    teacher: str | None = None
    """Teacher of all recipes that have one; each recipe's own where absent."""
    points: int | None = Field(None, ge=16)
    """Points per cloud for all recipes; each recipe's own where absent."""
    clouds: int | None = Field(None, ge=2)
    """How many clouds to use (built-in shapes: to make); all where absent."""
    up: Literal["y", "z", "x"] | None = None
    """The axis that points up in the files; where absent, that of a published data set, else y."""
    labels: Literal["none", "folder"] = "none"
    """Whether the name of a file's folder is its label; labels inside array files are always read."""
    probe_clouds: int | None = Field(None, ge=10)
    """Most clouds of each split that the probes take; all where absent."""
    cache: Path | None = None
    """Folder for files read once and teacher maps, shared by all runs; in the folder of the comparison where absent."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    reports: bool = False
    """Whether each run writes its own report.html."""
