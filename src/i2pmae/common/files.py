"""Files that are written whole or not at all."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from i2pmae.common.errors import I2PError

__all__ = ["replacing", "write_bytes", "write_text"]


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary sibling of ``path`` to write to; renamed onto ``path`` when the block ends well, removed when not.

    A reader, or a run that is killed half-way, sees the old file or the new one. A full disk, a missing right or a
    read-only folder is an :class:`I2PError` that names the file and leaves the old one in place.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(path)
    except OSError as error:
        raise I2PError(
            f"Cannot write {path}: {error.strerror or error}. Nothing was lost: the previous file, if any, is still "
            "there. Free some space or choose another folder, then run again."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``, whole or not at all."""
    with replacing(path) as part:
        part.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write ``content`` as UTF-8 to ``path``, whole or not at all."""
    write_bytes(path, content.encode("utf-8"))
