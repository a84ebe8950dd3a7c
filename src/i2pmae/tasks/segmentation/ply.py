"""Segmented clouds as coloured files: inside their folder whatever the clouds are called, and never onto a file."""

import json
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from i2pmae.common.errors import UsageError
from i2pmae.common.files import write_bytes, write_text
from i2pmae.common.text import printable

__all__ = ["LEGEND", "PartFiles"]

LEGEND = "legend.json"
"""File beside the coloured clouds: which colour is which part."""
UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"|?*\ud800-\udfff]')
"""What a name may not hold on one system or another."""
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
"""Names that mean a device on Windows."""
LONGEST_PART, LONGEST, DEEPEST = 120, 180, 8
"""Bytes of a folder or file name, of a whole path within the folder, and folders within each other."""


class PartFiles:
    """The ``.ply`` files of a set in a folder, which gets ``legend.json`` at once, and each cloud when it is written.

    :class:`UsageError` where one of these files is there already, or a link leads out of the folder; nothing has been
    written then.
    """

    def __init__(self, folder: Path, ids: Sequence[str], parts: Sequence[str]) -> None:
        from i2pmae.viz.colours import distinct

        self.folder = folder
        self.files = [folder / name for name in _names(ids)]
        _check_free(folder, [folder / LEGEND, *self.files])
        self.colours = np.rint(255 * distinct(len(parts)).clip(0, 1)).astype(np.uint8)
        shades = [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in self.colours]
        legend = [{"part": part, "name": parts[part], "colour": shade} for part, shade in enumerate(shades)]
        write_text(folder / LEGEND, json.dumps(legend, indent=1, ensure_ascii=False) + "\n")

    def write(self, row: int, points: np.ndarray, parts: np.ndarray) -> None:
        """The cloud of a row as a binary PLY file with a colour and a part per point."""
        import trimesh

        cloud = trimesh.PointCloud(points, colors=self.colours[parts])
        cloud.vertex_attributes = {"part": parts.astype(np.uint16)}  # the writer looks for it, though clouds have none
        _check_free(self.folder, [self.files[row]])  # again: others may write here too
        write_bytes(self.files[row], bytes(cloud.export(file_type="ply")))


def _check_free(folder: Path, files: Sequence[Path]) -> None:
    root, inside = folder.resolve(), set()
    for path in files:
        if path.exists() or path.is_symlink():
            raise UsageError(
                f"{printable(str(path))} exists, and files that are there are not replaced. Choose a new or empty "
                "folder with --ply."
            )
        if path.parent not in inside and not path.parent.resolve().is_relative_to(root):
            raise UsageError(
                f"{printable(str(path.parent))} leads out of the folder {printable(str(folder))}. Choose a new or "
                "empty folder with --ply."
            )
        inside.add(path.parent)


def _names(ids: Sequence[str]) -> list[Path]:
    """A file for each cloud, below a folder whatever the ids say, and a different one for each on every system."""
    safe = [_safe(str(name)) for name in ids]
    plain = [Path(*parts).with_suffix(".ply") for parts in safe]
    whole = [Path(*parts[:-1], f"{parts[-1]}.ply") for parts in safe]
    for names in (plain, whole):
        if _distinct(names):
            return names
    return [Path(f"{row:06d}-{name.name}") for row, name in enumerate(whole)]


def _safe(name: str) -> list[str]:
    """The folders and the name of a cloud, without anything that could lead elsewhere or that no disk can hold."""
    parts = [part for part in re.split(r"[/\\]", name) if part.strip(" .")]
    cleaned = [_safe_part(part) for part in parts[-DEEPEST:]] or ["cloud"]
    while len(cleaned) > 1 and len("/".join(cleaned).encode()) > LONGEST:
        cleaned.pop(0)
    return cleaned


def _safe_part(part: str) -> str:
    plain = unicodedata.normalize("NFC", UNSAFE.sub("_", part))
    cut = plain.encode()[:LONGEST_PART].decode(errors="ignore").strip(" ").rstrip(" .")
    return f"_{cut}" if DEVICES.match(cut) else cut or "_"


def _distinct(names: Sequence[Path]) -> bool:
    """Whether no name is another's, also where case doesn't count, and none is the folder of another."""
    keys = [unicodedata.normalize("NFC", name.as_posix()).casefold() for name in names]
    files = set(keys)
    folders = {parent.as_posix() for key in files for parent in Path(key).parents}
    return len(files) == len(keys) and not files & folders
