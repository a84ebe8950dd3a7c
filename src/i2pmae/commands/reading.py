"""How commands that use an encoder read the clouds that they are given."""

from pathlib import Path
from typing import Any, Literal, TypedDict

from i2pmae.common import ranks
from i2pmae.common.errors import UsageError
from i2pmae.common.progress import say
from i2pmae.data.clouds import CloudSet
from i2pmae.data.config import DataConfig
from i2pmae.data.open.source import open_clouds
from i2pmae.data.sources.named import files_axis
from i2pmae.weights.record import ModelRecord

__all__ = ["Reading", "given", "open_data", "source_name"]


class Reading(TypedDict, total=False):
    """How files become clouds; each as in :class:`~i2pmae.data.config.DataConfig`, and as it says where absent."""

    points: int | None
    """Points per cloud; where absent, as many as the model was trained on."""
    up: Literal["y", "z", "x"] | None
    """The axis that points up in the files; where absent, that of the files that the model was trained on."""
    labels: Literal["none", "folder", "auto"]
    """Whether the folder of a file names its class; ``auto``: where there are sub-folders."""
    parts: Literal["named", "column", "none"]
    """Where the part of each point is read from."""
    clouds: int | None
    """Use at most so many clouds; of built-in shapes, make so many."""
    max_bad_share: float
    """Largest share of unusable files to accept."""
    workers: int | None
    """Processes that read files."""
    cache: Path | None
    """Folder that keeps what was read."""
    seed: int
    """Decides which points are sampled."""


def given(data: str | Path | CloudSet | None) -> str | Path | CloudSet:
    """The data itself; :class:`UsageError` where none was named."""
    if data is None:
        raise UsageError("Say which data: a folder, a file, a data set, or clouds that were opened (data=...).")
    return data


def open_data(
    data: str | Path | CloudSet, points: int, record: ModelRecord | None, reading: Reading, shown: bool = True
) -> CloudSet:
    """The clouds that ``data`` names, or itself where it is a set already; what a reader had to do is said once.

    Files are read with the axis of those that the model of ``record`` was trained on, unless ``reading`` names another
    one or the data knows its own.
    """
    if isinstance(data, CloudSet):
        return data
    options: dict[str, Any] = dict(reading)
    seed = options.pop("seed", 0)
    options["points"] = points if options.get("points") is None else options["points"]
    options["up"], said = files_axis(data, options.get("up"), None if record is None else record.files_up)
    config = DataConfig.from_dict({"source": data, **options}, "The reading of the clouds")
    with ranks.main_first():
        clouds = open_clouds(config, seed=seed, shown=shown)
    for note in (said, *clouds.notes) if said else clouds.notes:
        if shown:
            say(note)
    return clouds


def source_name(data: str | Path | CloudSet) -> str:
    """What to call the data in a record."""
    return data.name if isinstance(data, CloudSet) else str(data)
