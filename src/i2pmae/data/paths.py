"""Paths and names as people and disks have them: home folders, links, and names that are no plain text."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from i2pmae.common.errors import DataError, I2PError

__all__ = ["RealPaths", "cache_folder", "expanded", "portable", "printable", "readable"]

UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Control characters, line breaks of any kind, and halves of characters, which no file of text can hold."""


def expanded(path: str | Path) -> Path:
    """The path with ``~`` and ``~name`` replaced; :class:`DataError` where there is no such user."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise DataError(
            f"{printable(str(path))}: there is no user whose home folder this names. Write the folder out, or ./ "
            "before a name that begins with ~."
        ) from None


def cache_folder() -> Path:
    """Where caches live unless told otherwise: ``$I2PMAE_CACHE``, else ``i2pmae`` in the user's cache folder."""
    chosen = os.environ.get("I2PMAE_CACHE")
    if chosen:
        return expanded(chosen)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return (Path(base) if base else Path.home() / "AppData" / "Local") / "i2pmae" / "cache"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "i2pmae"


@contextmanager
def readable(path: str | Path) -> Iterator[None]:
    """Makes what the system refuses about ``path`` a :class:`DataError`: no permission, a name that cannot be."""
    try:
        yield
    except I2PError:
        raise
    except OSError as error:
        raise DataError(f"Cannot read {printable(str(path))}: {error.strerror or error}.") from None
    except ValueError as error:  # a NUL, or half a character
        raise DataError(f"Cannot read {printable(str(path))}: no file can have that name ({error}).") from None


def portable(name: str) -> str:
    """A name of a file as text that can be stored."""
    # Names on disk are bytes, and those that are not UTF-8 come as lone surrogates, as do broken JSON lists.
    try:
        return os.fsencode(name).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return name.encode("utf-8", "backslashreplace").decode()


def printable(text: str) -> str:
    """``text`` on one line, as it can be shown and stored anywhere: control characters are written out, as ``\\n``."""
    return UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class RealPaths:
    """Tells whether two paths lead to one file, through links, ``..`` and other spellings; one look-up for a folder."""

    def __init__(self) -> None:
        self.folders: dict[Path, Path] = {}

    def of(self, path: Path) -> Path:
        """The one name of the file that ``path`` leads to."""
        if path.parent not in self.folders:
            self.folders[path.parent] = path.parent.resolve()
        place = self.folders[path.parent] / path.name
        return place.resolve() if place.is_symlink() else place
