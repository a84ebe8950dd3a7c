"""A table that lists clouds: a CSV or Parquet file with the columns path, and where known label and split."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from i2pmae.common.errors import DataError
from i2pmae.data.files import EXTENSIONS, known_formats
from i2pmae.data.listing import SPLIT_NAMES, source_file
from i2pmae.data.parts import PartSource, parts_beside
from i2pmae.data.plan import Entry, Plan

__all__ = ["by_number", "is_manifest", "plan_manifest"]

COLUMNS = ("path", "label", "split", "category")
FIRST_BYTES = 4096


def is_manifest(path: Path) -> bool:
    """Whether a file is a manifest: any .parquet file, and a .csv file with a column ``path``."""
    if path.suffix.lower() == ".parquet":
        return path.is_file()
    if path.suffix.lower() != ".csv" or not path.is_file():
        return False
    with path.open("rb") as source:
        first_line = source.read(FIRST_BYTES).decode("utf-8-sig", errors="replace").split("\n")[0]
    return "path" in (name.strip().strip("\"'").lower() for name in first_line.split(","))


def plan_manifest(path: Path, parts: Literal["none", "named", "column"] = "named") -> Plan:
    """The clouds that a manifest lists, by paths that are absolute or relative to its folder.

    ``label`` (or ``category``, which means the same) is the class, ``split`` one of train, val and test. Every row has
    them, or none. :class:`DataError` names the rows that are wrong; files that are not there are left out and counted.
    """
    table = _read(path)
    rows = table["path"]
    _check(path, "path", rows, lambda value: bool(value))
    repeated = [name for name, count in Counter(rows).items() if count > 1]
    if repeated:
        raise DataError(f"{path}: {len(repeated)} paths stand in it more than once, for instance {repeated[0]}.")
    if "label" in table and "category" in table:
        raise DataError(f"{path} has both a column label and a column category, which mean the same. Leave one out.")
    labels = table.get("label") or table.get("category")
    splits = table.get("split")
    if labels is not None:
        _check(path, "label", labels, lambda value: bool(value))
    if splits is not None:
        _check(path, "split", splits, lambda value: value.lower() in SPLIT_NAMES, "; expected train, val or test")
        splits = [SPLIT_NAMES[split.lower()] for split in splits]
    entries, problems = [], []
    for row, name in enumerate(rows):
        place = path.parent / Path(name).expanduser()
        if place.suffix.lower() not in EXTENSIONS:
            raise DataError(f"{path}, line {row + 2}: unknown file format {name!r}. Known: {known_formats()}.")
        try:
            file = source_file(place, name, parts_beside(place) if parts != "none" else None)
        except OSError as error:
            problems.append((name, f"cannot be read: {error.strerror or error}"))
            continue
        if parts == "column" and file.parts is None:
            file = replace(file, parts=PartSource())
        entries.append(Entry(file, None if labels is None else labels[row], None if splits is None else splits[row]))
    if not entries:
        raise DataError(f"{path}: none of its {len(rows)} files is there, for instance {path.parent / rows[0]}.")
    classes = None if labels is None else tuple(sorted(set(labels), key=by_number))
    return Plan(path.name, entries, "a manifest", problems, classes=classes)


def _read(path: Path) -> dict[str, list[str]]:
    """The columns that count, as texts."""
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet

    try:
        if path.suffix.lower() == ".parquet":
            table = pyarrow.parquet.read_table(path)
        else:
            types = {name: pyarrow.string() for name in COLUMNS}  # a class called 001 stays that
            options = pyarrow.csv.ConvertOptions(column_types=types, strings_can_be_null=False)
            table = pyarrow.csv.read_csv(path, convert_options=options)
    except (OSError, pyarrow.ArrowException) as error:
        reason = str(error).split("\n")[0]
        raise DataError(f"{path} cannot be read as a table: {reason}") from None
    if "path" not in table.column_names:
        held = ", ".join(table.column_names) or "none"
        raise DataError(f"{path} has no column path (its columns: {held}). Expected path[, label][, split].")
    if not len(table):
        raise DataError(f"{path} lists no clouds.")
    found = [name for name in COLUMNS if name in table.column_names]
    return {name: [_text(value) for value in table[name].to_pylist()] for name in found}


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _check(path: Path, column: str, values: list[str], fits: Callable[[str], bool], expected: str = "") -> None:
    wrong = [row for row, value in enumerate(values) if not fits(value)]
    if wrong:
        what = repr(values[wrong[0]]) if values[wrong[0]] else "empty"
        more = f", and {len(wrong) - 1} more rows are wrong" if len(wrong) > 1 else ""
        raise DataError(f"{path}, line {wrong[0] + 2}: the {column} is {what}{expected}{more}.")


def by_number(name: str) -> tuple[int, str]:
    """A key that sorts names that are numbers by their value."""
    return (int(name), name) if name.isdecimal() else (-1, name)
