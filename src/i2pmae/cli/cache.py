"""``i2pmae cache``: what was read, and what teachers said of it, kept so that it is done once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from i2pmae.cli.help import run_one
from i2pmae.cli.options import otherwise, parse

if TYPE_CHECKING:
    from i2pmae.data.store.cache import CacheEntry
    from i2pmae.teachers.room import KeptEntry

__all__ = ["run"]

HELP = """\
usage: i2pmae cache {list,clear} [OPTIONS]

  list     what is kept: size, when it was used last, and what it was read from
  clear    remove it, or some of it; it is read anew when it is wanted

Examples:
  i2pmae cache list
  i2pmae cache clear --older-than 30
  i2pmae cache clear --match my/scans

The folder is $I2PMAE_CACHE, else i2pmae in the user's cache folder; a command's --cache names another one.
"""


@dataclass(frozen=True)
class ListCaches:
    """List what is kept: size, when it was used last, and what it was read from.

    Examples:
      i2pmae cache list
    """

    folder: Annotated[Path | None, tyro.conf.DisallowNone, otherwise("the user's cache folder")] = None
    """Another cache folder, as --cache named it."""


@dataclass(frozen=True)
class ClearCaches:
    """Remove what is kept, or some of it. No set that is being read or open is touched.

    Examples:
      i2pmae cache clear --older-than 30
    """

    older_than: Annotated[float | None, tyro.conf.DisallowNone, otherwise("all", metavar="DAYS")] = None
    """Only what was not used for so many days."""
    match: Annotated[str | None, tyro.conf.DisallowNone, otherwise("all")] = None
    """Only what was read from something whose name or path holds this text."""
    folder: Annotated[Path | None, tyro.conf.DisallowNone, otherwise("the user's cache folder")] = None
    """Another cache folder, as --cache named it."""


def run(arguments: Sequence[str]) -> None:
    """List or clear."""
    commands: dict[str, Callable[[Sequence[str]], None]] = {"list": list_entries, "clear": clear}
    run_one("cache", commands, HELP, arguments)


def list_entries(arguments: Sequence[str]) -> None:
    """Print one line for each entry, and the sum."""
    options = parse(ListCaches, "cache list", arguments)
    from i2pmae.common.text import size_in_words
    from i2pmae.data.paths import cache_folder
    from i2pmae.data.store.cache import list_caches
    from i2pmae.teachers.room import MAPS_FOLDER, list_kept

    folder = options.folder or cache_folder()
    clouds = [entry for entry in list_caches(options.folder) if entry.path.name != MAPS_FOLDER]
    entries: list[CacheEntry | KeptEntry] = [*clouds, *list_kept(folder)]
    print(_table(entries) + f"{size_in_words(sum(entry.size for entry in entries))} in {folder}")


def clear(arguments: Sequence[str]) -> None:
    """Remove entries, and say which."""
    options = parse(ClearCaches, "cache clear", arguments)
    from i2pmae.common.text import size_in_words
    from i2pmae.data.paths import cache_folder
    from i2pmae.data.store.cache import clear_caches
    from i2pmae.teachers.room import clear_kept

    older = None if options.older_than is None else timedelta(days=options.older_than)
    kept = clear_kept(options.folder or cache_folder(), older, options.match)
    removed: list[CacheEntry | KeptEntry] = [*clear_caches(older, options.match, options.folder), *kept]
    print(_table(removed) + f"{size_in_words(sum(entry.size for entry in removed))} removed")


def _table(entries: "Sequence[CacheEntry | KeptEntry]") -> str:
    from i2pmae.common.text import printable, size_in_words

    rows = [
        (size_in_words(entry.size), f"{entry.used.astimezone():%Y-%m-%d %H:%M}", entry.kind, ", ".join(entry.sources))
        for entry in entries
    ]
    return "".join(f"{size:>8}  {used}  {kind:10}  {printable(source)}\n" for size, used, kind, source in rows)
