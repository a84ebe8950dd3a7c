"""A table that lists clouds: a CSV or Parquet file with the columns path, and where known label and split."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from i2pmae.common.errors import DataError
from i2pmae.data.formats.parquet import list_columns
from i2pmae.data.formats.parts import PartSource, parts_beside
from i2pmae.data.formats.table import EXTENSIONS, known_formats
from i2pmae.data.labels import by_number, split_name
from i2pmae.data.paths import expanded, printable, readable
from i2pmae.data.sources.listing import source_file
from i2pmae.data.sources.plan import Entry, Plan

__all__ = ["is_manifest", "plan_manifest"]

COLUMNS = ("path", "label", "split", "category")
FIRST_BYTES = 4096


def is_manifest(path: Path) -> bool:
    """Whether a file is a manifest: a .csv file with a column ``path``, and a .parquet file, unless a column of lists
    of numbers says that it holds the clouds themselves."""
    with readable(path):
        if path.suffix.lower() == ".parquet":
            return path.is_file() and not _holds_clouds(path)
        if path.suffix.lower() != ".csv" or not path.is_file():
            return False
        with path.open("rb") as source:
            first_line = source.read(FIRST_BYTES).decode("utf-8-sig", errors="replace").splitlines()[:1]
    return "path" in (_column(name) for name in "".join(first_line).split(","))


def _holds_clouds(path: Path) -> bool:
    """Whether a .parquet file has lists of numbers and no paths; what cannot be read is for others to say."""
    import pyarrow
    import pyarrow.parquet

    try:
        schema = pyarrow.parquet.read_schema(path)
    except (ValueError, pyarrow.ArrowException):
        return False
    return "path" not in map(_column, schema.names) and bool(list_columns(schema))


def plan_manifest(path: Path, parts: Literal["none", "named", "column"] = "named") -> Plan:
    """The clouds that a manifest lists, by paths that are absolute or relative to its folder.

    ``label`` (or ``category``, which means the same) is the class, ``split`` one of train, val and test. Every row has
    them, or none. A row that stands in it twice is taken once. :class:`DataError` names the rows that are wrong; files
    that are not there are left out and counted.
    """
    table = _read(path)
    rows = table["path"]
    _check(path, "path", rows)
    if "label" in table and "category" in table:
        raise DataError(f"{path} has both a column label and a column category, which mean the same. Leave one out.")
    labels = table.get("label") or table.get("category")
    if labels is not None:
        _check(path, "label", labels)
    splits = _splits(path, table["split"]) if "split" in table else None
    entries, problems = [], []
    for row, name in enumerate(rows):
        place = path.parent / _expanded(path, row, name)
        if place.suffix.lower() not in EXTENSIONS:
            raise DataError(f"{_line(path, row)}: unknown file format {name!r}. Known: {known_formats()}.")
        try:
            file = source_file(place, name, parts_beside(place) if parts != "none" else None)
        except OSError as error:
            problems.append((name, f"cannot be read: {error.strerror or error}"))
            continue
        if parts == "column" and file.parts is None:
            file = replace(file, parts=PartSource())
        label, split = (None if column is None else column[row] for column in (labels, splits))
        entries.append(Entry(file, label, split, place=f"line {row + 2}"))
    if not entries:
        raise DataError(f"{path}: none of its {len(rows)} files is there, for instance {path.parent / rows[0]}.")
    classes = None if labels is None else tuple(sorted(set(labels), key=by_number))
    return Plan(path.name, entries, "a manifest", problems, classes=classes).once()


def _read(path: Path) -> dict[str, list[str]]:
    """The columns that count, as texts."""
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path) if path.suffix.lower() == ".parquet" else _read_csv(path)
        names = table.column_names
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error).split("\n")[0]
        raise DataError(f"{path} cannot be read as a table: {reason}") from None
    known = [_column(name) for name in names]
    if "path" not in known:
        held = ", ".join(map(printable, names)) or "none"
        raise DataError(f"{path} has no column path (its columns: {held}). Expected path[, label][, split].")
    twice = [name for name in COLUMNS if known.count(name) > 1]
    if twice:
        raise DataError(f"{path} has {known.count(twice[0])} columns {twice[0]}. Leave one, or rename the others.")
    if not len(table):
        raise DataError(f"{path} lists no clouds.")
    found = {}
    for name in COLUMNS:
        if name in known:
            found[name] = [_text(path, name, row, value) for row, value in enumerate(table.column(known.index(name)))]
    return found


def _read_csv(path: Path) -> Any:
    """The table of a CSV file with the columns that count as texts: a class called 001 stays that."""
    import pyarrow.csv

    parsing = pyarrow.csv.ParseOptions(newlines_in_values=True)
    with pyarrow.csv.open_csv(path, parse_options=parsing) as source:
        names = [name for name in source.schema.names if _column(name) in COLUMNS]
    options = pyarrow.csv.ConvertOptions(
        column_types=dict.fromkeys(names, pyarrow.string()), strings_can_be_null=False, include_columns=names or None
    )
    return pyarrow.csv.read_csv(path, parse_options=parsing, convert_options=options)


def _column(name: str) -> str:
    """The name of a column as it is compared."""
    return name.strip().strip("\"'").strip().lower()


def _text(path: Path, column: str, row: int, value: Any) -> str:
    try:
        content = value.as_py()
    except UnicodeDecodeError:
        raise DataError(f"{_line(path, row)}: the {column} is not UTF-8.") from None
    if content is None or content != content:  # NaN is how tables of numbers write nothing
        return ""
    if isinstance(content, bytes):
        content = content.decode("utf-8", "backslashreplace")
    return str(int(content) if isinstance(content, float) and content.is_integer() else content).strip()


def _check(path: Path, column: str, values: list[str]) -> None:
    """:class:`DataError` where some rows have no value."""
    wrong = [row for row, value in enumerate(values) if not value]
    if wrong:
        raise DataError(f"{_line(path, wrong[0])}: the {column} is empty{_more(wrong)}.")


def _splits(path: Path, values: list[str]) -> list[str]:
    """The split that each row means; :class:`DataError` for names that are none."""
    found, wrong = [], {}
    for row, value in enumerate(values):
        try:
            found.append(split_name(value))
        except DataError as error:
            wrong[row] = str(error)
    for row, reason in wrong.items():
        raise DataError(f"{_line(path, row)}: {reason}{_more(wrong)}.")
    return found


def _expanded(path: Path, row: int, name: str) -> Path:
    try:
        return expanded(name)
    except DataError as error:
        raise DataError(f"{_line(path, row)}: {error}") from None


def _line(path: Path, row: int) -> str:
    return f"{path}, line {row + 2}"


def _more(wrong: Collection[int]) -> str:
    return f", and {len(wrong) - 1} more rows are wrong" if len(wrong) > 1 else ""
