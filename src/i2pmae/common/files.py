"""Files that are written whole or not at all."""

import contextlib
import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from i2pmae.common.errors import I2PError, UsageError, near_names

__all__ = ["near_folders", "replacing", "write_bytes", "write_text"]

MOST_SIBLINGS = 10_000
"""Entries of a folder that are looked at for near names."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary sibling of ``path`` to write to; renamed onto ``path`` when the block ends well, removed when not.

    A reader, or a run that is killed half-way, sees the old file or the new one. A full disk, a missing right or a
    read-only folder is an :class:`I2PError` that names the file and leaves the old one in place. The file has the
    rights of any new one, whatever wrote it.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        rights = _rights_of_new(part)
        yield part
        part.chmod(rights)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(path)
    except OSError as error:
        raise I2PError(
            f"Cannot write {path}: {error.strerror or error}. Nothing was lost: the previous file, if any, is still "
            "there. Free some space or choose another folder, then run again."
        ) from error
    finally:
        with contextlib.suppress(OSError, ValueError):
            part.unlink(missing_ok=True)


def _rights_of_new(path: Path) -> int:
    """The rights that a file created at ``path``, which is not there yet, gets from its process and folder."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except ValueError as error:  # a NUL or half a surrogate pair within
        raise UsageError(f"{str(path)!r} cannot be the path of a file: {error}.") from None
    rights = path.stat().st_mode
    path.unlink()
    return rights


def near_folders(path: Path, holding: str | None = None, others: Iterable[str] = ()) -> str:
    """`` Did you mean ...?`` with the folders beside ``path`` of near names; empty where there are none to name.

    Only those that hold a file called ``holding``, where given. ``others`` may be meant as well.
    """
    try:
        entries = list(itertools.islice(path.parent.iterdir(), MOST_SIBLINGS))
        names = [entry.name for entry in entries if entry.name[:1] != "." and entry.is_dir()]
        names = [name for name in names if holding is None or (path.parent / name / holding).is_file()]
    except (OSError, ValueError):
        names = []
    known = [*names, *others]
    return f" {near_names(path.name, known)}" if known else ""


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``, whole or not at all."""
    with replacing(path) as part:
        part.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write ``content`` as UTF-8 to ``path``, whole or not at all.

    What UTF-8 cannot hold, as in a file's name of another encoding, is spelled out.
    """
    write_bytes(path, content.encode("utf-8", "backslashreplace"))
