"""An index on disk: a folder with a record, the vectors, the names of the clouds, their regions and a graph."""

import contextlib
import os
import shutil
import zlib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from i2pmae.common.config import Config
from i2pmae.common.errors import CheckpointError, I2PError, UsageError
from i2pmae.common.files import near_folders
from i2pmae.encoders.pooling import Pooling

__all__ = [
    "CENTRES",
    "CLOUDS",
    "GRAPH",
    "POINTS",
    "RECORD",
    "REGIONS",
    "VECTORS",
    "IndexRecord",
    "Opened",
    "check_new",
    "damaged",
    "finish",
    "new_index",
    "open_index",
]

RECORD, VECTORS, CLOUDS = "index.yaml", "vectors.npy", "clouds.parquet"
REGIONS, CENTRES, GRAPH = "regions.npy", "centres.npy", "graph.usearch"
POINTS = "points.npy"
PIECE = 1 << 22
"""Bytes of a file that are read at a time."""


class Stored(Config):
    """What is known of a file."""

    size: int
    crc32: int


class IndexRecord(Config):
    """What stands beside the vectors of an index: what made them, of what."""

    format: Literal[1] = 1
    """Version of this record."""
    i2pmae_version: str = Field(default_factory=lambda: version("i2pmae"))
    """Version of the package that wrote the index."""
    encoder: str
    """The checkpoint that was given: a name, or an absolute path."""
    fingerprint: str
    """That of the encoder, which queries must have as well."""
    method: str
    """Which method of pre-training the encoder belongs to."""
    pooling: Pooling
    """How tokens became the vector of a cloud."""
    files_up: Literal["x", "y", "z"] = "y"
    """The axis that pointed up in the files that were indexed."""
    points: int = Field(ge=1)
    """Points of each cloud."""
    data: str
    """What the clouds are."""
    clouds: int = Field(ge=1)
    """How many there are."""
    channels: int = Field(ge=1)
    """Channels of the vector of a cloud."""
    regions: int = Field(0, ge=0)
    """Regions of each cloud; 0 where parts can't be searched."""
    region_channels: int = Field(0, ge=0)
    """Channels of the vector of a region."""
    radius: float = Field(0.25, gt=0)
    """Of a region, where the cloud lies in the unit sphere."""
    shown: int = Field(0, ge=0)
    """Points of each cloud that are kept so that it can be shown, 16 bits a coordinate; 0 in indexes of before."""
    files: dict[str, Stored] = Field(default_factory=dict)
    """Every other file of the folder."""


class Opened:
    """The files of an index, open."""

    def __init__(self, folder: Path, record: IndexRecord) -> None:
        self.folder, self.record = folder, record
        count = record.clouds
        self.vectors = self._array(VECTORS, (count, record.channels), np.float32)
        self.clouds = self._table(CLOUDS)
        self.regions = self.centres = None
        if record.regions:
            self.regions = self._array(REGIONS, (count, record.regions, record.region_channels), np.float16)
            self.centres = self._array(CENTRES, (count, record.regions, 3), np.float16)
        self.points = self._array(POINTS, (count, record.shown, 3), np.int16) if record.shown else None

    def _array(self, name: str, shape: tuple[int, ...], dtype: type) -> np.ndarray:
        try:
            found: np.ndarray = np.load(self.folder / name, mmap_mode="r")
        except (OSError, ValueError, EOFError):
            raise damaged(self.folder, name) from None
        if found.shape != shape or found.dtype != dtype:
            raise damaged(self.folder, name)
        return found

    def _table(self, name: str) -> pa.Table:
        try:
            found = pq.read_table(self.folder / name)
        except (OSError, pa.ArrowException):
            raise damaged(self.folder, name) from None
        if len(found) != self.record.clouds or "id" not in found.column_names:
            raise damaged(self.folder, name)
        return found


def damaged(folder: Path, name: str) -> CheckpointError:
    """The error for a file of an index that is not what was written."""
    return CheckpointError(
        f"The index {folder} is damaged: {name} is missing, cut off or changed. Make it again with `i2pmae index`, or "
        "copy the whole folder again."
    )


def open_index(path: Path | str) -> Opened:
    """The index in a folder, its files checked against their checksums.

    :class:`CheckpointError` where there is none, or a file of it is missing or damaged.
    """
    folder = Path(path)
    if not (folder / RECORD).is_file():
        if folder.is_dir():
            raise CheckpointError(f"{folder} is no index: it holds no {RECORD}. Make one with `i2pmae index`.")
        near = near_folders(folder, holding=RECORD)
        raise CheckpointError(f"There is no index {folder}: expected a folder that `i2pmae index` made.{near}")
    try:
        record = IndexRecord.load(folder / RECORD)
    except UsageError as error:
        raise CheckpointError(f"The index {folder} is damaged, or of another version of i2pmae: {error}") from None
    for name, stored in record.files.items():
        file = folder / Path(name).name
        if not file.is_file() or file.stat().st_size != stored.size or _crc32(file) != stored.crc32:
            raise damaged(folder, name)
    return Opened(folder, record)


def _crc32(path: Path) -> int:
    value = 0
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            value = zlib.crc32(piece, value)
    return value


def check_new(output: Path | str) -> Path:
    """The path of an index that is to be made; :class:`UsageError` where something is there."""
    folder = Path(output)
    if folder.is_dir() and not any(folder.iterdir()):
        return folder
    if folder.exists():
        what = "holds an index already" if (folder / RECORD).exists() else "is there already"
        raise UsageError(f"{folder} {what}: choose another folder, or remove it.")
    return folder


@contextlib.contextmanager
def new_index(output: Path) -> Iterator[Path]:
    """A new folder to write an index to, which gets its name when the block ends well, and is removed when not.

    :class:`I2PError` where the disk is full or the place can't be written.
    """
    part = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        part.mkdir(parents=True)
        yield part
        if output.is_dir():
            output.rmdir()  # it is empty: that was checked
        part.rename(output)
    except OSError as error:
        raise I2PError(
            f"Cannot write the index {output}: {error.strerror or error}. Free some space or choose another folder, "
            "then run again."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def finish(folder: Path, record: IndexRecord) -> None:
    """Write the record, with the checksum of every other file."""
    files = {
        file.name: Stored(size=file.stat().st_size, crc32=_crc32(file))
        for file in sorted(folder.iterdir())
        if file.name != RECORD
    }
    record.changed(files=files).save(folder / RECORD)
