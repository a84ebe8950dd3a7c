"""What a comparison of recipes is, without what it takes to run one."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

import tyro
from pydantic import Field

from i2pmae.common.config import Config
from i2pmae.common.neutral import NEUTRAL
from i2pmae.data.config import Source
from i2pmae.runs.config import OutputConfig

__all__ = ["CompareConfig", "CompareData", "CompareTraining"]


class CompareData(Config):
    """Which clouds all recipes are trained and probed on."""

    leading: ClassVar[str | None] = "source"

    source: Annotated[Source, tyro.conf.arg(name="data")] = "shapes"
    """Clouds with labels: a folder of classes, an array file, a data set; ``shapes`` for the built-in ones."""
    points: int | None = Field(None, ge=3)
    """Points per cloud for all recipes; each recipe's own where absent."""
    clouds: int | None = Field(None, ge=1)
    """How many clouds to use (built-in shapes: to make); all where absent."""
    up: Literal["y", "z", "x"] | None = None
    """The axis that points up in the files; where absent, that of a published data set, else y."""
    labels: Literal["none", "folder", "auto"] = "none"
    """Whether the name of a file's folder is its label (``auto``: where there are sub-folders); labels inside array
    files are always read."""
    cache: Annotated[Path | None, NEUTRAL] = None
    """Folder for files read once and teacher maps, shared by all runs; in the folder of the comparison where absent."""


class CompareTraining(Config):
    """What all recipes have in common in their training."""

    seeds: tuple[int, ...] = Field((0, 1, 2), min_length=1)
    """Each recipe is trained once with each; the table gives mean and deviation over them."""
    epochs: int | None = Field(None, ge=1)
    """Passes over the data, the same for all recipes; where absent, those of the recipes, which must then agree."""
    batch_size: int | None = Field(None, ge=1)
    """Clouds per batch for all recipes; each recipe's own where absent."""
    teacher: str | None = None
    """Teacher of all recipes that have one; each recipe's own where absent."""
    device: Annotated[str, NEUTRAL] = "auto"
    """``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``."""
    devices: Annotated[int | Literal["auto"], NEUTRAL] = Field(1, ge=1)
    """Processes on this machine that train each run together, with a GPU each where there are GPUs; ``auto`` for as
    many as there are GPUs."""


class CompareOutput(OutputConfig):
    """Where a comparison goes."""

    folder: Annotated[Path, tyro.conf.arg(name="output")] = Path("runs/compare")
    """Folder of the comparison."""
    report: bool = False
    """Whether each run writes its own report.html."""
    probe_on: Literal["test", "held-out"] = "test"
    """What the probes score: the test clouds, for a table of what was chosen before; or training clouds that are held
    out from the probes' fit, for a choice among the recipes."""
    probe_clouds: int | None = Field(None, ge=10)
    """Most clouds of each split that the probes take; each recipe's own number where absent."""


class CompareConfig(Config):
    """What is compared, on what, and how often. Every cell of the table is a stored pre-training run."""

    sections: ClassVar[tuple[str, ...]] = ("data", "training", "output")

    format: tyro.conf.Suppress[Literal[2]] = 2
    """Version of this record."""
    recipes: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RECIPE...")] = Field(min_length=1)
    """Recipes, recipes with changes (RECIPE@field=value,field=value), or sets of them (methods, mask-ratios, …)."""
    base: str = "tiny"
    """The recipe that the variants of a named set start from."""
    data: Annotated[CompareData, tyro.conf.arg(name="")] = CompareData()
    """Which clouds."""
    training: Annotated[CompareTraining, tyro.conf.arg(name="")] = CompareTraining()
    """Seeds, budget, machine."""
    output: Annotated[CompareOutput, tyro.conf.arg(name=""), NEUTRAL] = CompareOutput()
    """Where it goes."""
