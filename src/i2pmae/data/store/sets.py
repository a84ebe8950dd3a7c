"""What is stored as a set of clouds, with what was noted when it was written."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from i2pmae.common.errors import DataError
from i2pmae.data.clouds import CloudSet
from i2pmae.data.paths import printable
from i2pmae.data.store.cache import read_bad_files
from i2pmae.data.store.stored import Stored
from i2pmae.data.store.summary import BAD_FILES

__all__ = ["UnusableFiles", "as_clouds", "unusable"]


def as_clouds(stored: Stored, folder: Path, max_bad_share: float = 1) -> CloudSet:
    """What is stored in ``folder``; :class:`DataError` where too much of it could not be used."""
    summary, columns = stored.summary, stored.columns
    total = summary["clouds"] + summary["bad"]
    if summary["bad"] - summary["tally"].get("prose", 0) > max_bad_share * total:
        raise unusable(read_bad_files(folder), total, folder / BAD_FILES)
    classes, parts = summary["classes"], summary["parts"]
    return CloudSet(
        stored.points,
        columns["id"],
        labels=columns.get("label"),
        classes=None if classes is None else tuple(classes),
        splits=columns.get("split"),
        part_labels=stored.part_labels,
        parts=None if parts is None else tuple(parts),
        name=summary["name"],
        notes=(*summary["notes"], *_sentences(summary, total, folder / BAD_FILES)),
        columns=stored.beside,
        files_up=summary["up_in_files"],
        bad_files=folder / BAD_FILES if summary["bad"] else None,
    )


class UnusableFiles(DataError):
    """Too many files or clouds cannot be used."""

    bad_files: Path
    """The list of them, with reasons."""


def unusable(bad: list[tuple[str, str]], total: int, listed: Path) -> DataError:
    """The error where too much of a set cannot be used, of which there is a list."""
    first = "".join(f"\n  {printable(name)}: {printable(reason)}" for name, reason in bad[:5])
    first += "\n  …" if len(bad) > 5 else ""
    error = UnusableFiles(
        f"{len(bad)} of {total} files or clouds cannot be used:{first}\n"
        f"The list is in {listed}. Repair or remove them, or allow a larger share of bad ones."
    )
    error.bad_files = listed
    return error


def _sentences(summary: dict[str, Any], total: int, listed: Path) -> Iterator[str]:
    tally, clouds, points = Counter(summary["tally"]), summary["clouds"], summary["points"]
    if tally["more"]:
        yield f"{tally['more']} of {clouds} clouds have more than {points} points: a random {points} of each are used."
    if tally["fewer"]:
        yield (
            f"{tally['fewer']} of {clouds} clouds have fewer than {points} points: they are sampled with replacement, "
            "so that some points are used more than once."
        )
    if tally["extras"]:
        yield (
            f"{tally['extras']} of {clouds} clouds have more than coordinates (normals, colours): that is left aside "
            "unless --columns asks for it."
        )
    if tally["unlabelled"]:
        yield f"{tally['unlabelled']} of {clouds} clouds have no label, or another kind of it, so no labels are used."
    if tally["unparted"]:
        yield f"{tally['unparted']} of {clouds} clouds have no part labels, so no part labels are used."
    if summary["bad"]:
        yield f"{summary['bad']} of {total} files or clouds could not be used and are left out; the reasons: {listed}"
