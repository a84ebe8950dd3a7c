"""Parquet with a column of lists: a cloud in each row, as one list of 3n numbers or as a list of triples.

Row groups are read one at a time, and of them some rows at a time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from i2pmae.common.errors import DataError
from i2pmae.data.formats.base import Block
from i2pmae.data.formats.beside import UNNAMED
from i2pmae.data.formats.containers import BLOCK_ROWS
from i2pmae.data.formats.keys import COLUMN_KEYS, ID_KEYS, LABEL_WORDS, PART_KEYS, POINT_KEYS, SPLIT_KEYS
from i2pmae.data.formats.parts import whole_labels
from i2pmae.data.formats.text import Prose
from i2pmae.data.labels import label_indices, split_name
from i2pmae.data.paths import portable, printable
from i2pmae.data.reasons import check_expansion, reasons

__all__ = ["ParquetSet", "describe_parquet", "list_columns"]

FLAT, NESTED = 1, 2
"""Lists of numbers, and lists of lists of numbers."""
DAMAGED = "it is no Parquet file, or a damaged one"


@dataclass(frozen=True)
class ParquetSet:
    """The clouds of one file."""

    path: Path
    column: str
    rows: int
    ids: Sequence[str] | None
    labels: np.ndarray | None
    """``(clouds,)`` int64, -1 for none."""
    classes: tuple[str, ...] | None
    splits: np.ndarray | None
    part_column: str | None = None
    columns: dict[str, str] = field(default_factory=dict)
    """The columns of lists that hold colours and normals."""
    parts: None = None
    size: None = None

    def __len__(self) -> int:
        return self.rows

    @property
    def extras(self) -> bool:
        """Whether points have more columns than x, y, z, in columns of their own."""
        return bool(self.columns)

    def blocks(self, columns: Sequence[str] = ()) -> Iterator[Block]:
        """Clouds of equally many points that follow one another, as stored."""
        import pyarrow.parquet

        beside = {kind: self.columns[kind] for kind in columns if kind in self.columns}
        names = list(dict.fromkeys([self.column, *([self.part_column] if self.part_column else []), *beside.values()]))
        at = 0
        with pyarrow.parquet.ParquetFile(self.path) as file:
            for group in range(file.num_row_groups):
                _check_group(file, group, names)
                for batch in file.iter_batches(BLOCK_ROWS, [group], columns=names):
                    yield from self._blocks(at, dict(zip(names, batch.columns, strict=True)), beside, bool(columns))
                    at += len(batch)

    def _blocks(self, at: int, lists: dict[str, Any], beside: dict[str, str], wanted: bool) -> Iterator[Block]:
        """The clouds of some rows, whose first is that of index ``at``."""
        tables = _Lists(lists[self.column])
        parts = None if self.part_column is None else _Lists(lists[self.part_column])
        others = {kind: _Lists(lists[name]) for kind, name in beside.items()}
        sizes = tables.counts
        stops = [*(np.flatnonzero(np.diff(sizes)) + 1).tolist(), len(sizes)]
        for start, stop in zip([0, *stops], stops, strict=False):
            try:
                table = tables.table(start, stop, self.column)
                columns = {kind: values.table(start, stop, beside[kind]) for kind, values in others.items()}
                if wanted and table.shape[-1] == 6:
                    columns[UNNAMED] = table[..., 3:]
                labels = None if parts is None else whole_labels(parts.rows(start, stop, table.shape[1]))
                yield Block(at + start, table[..., :3], labels, columns)
            except DataError as error:
                yield Block(at + start, np.empty((0, 1, 3)), bad=[(at + row, str(error)) for row in range(start, stop)])


class _Lists:
    """A column of lists of some rows: all their numbers, and how many each has."""

    def __init__(self, column: Any) -> None:
        import pyarrow

        column = getattr(column, "storage", column)
        self.counts = _lengths(column)
        values, self.width = column.flatten(), 0
        if _is_list(values.type):
            widths = _lengths(values)
            self.width = int(widths[0]) if len(widths) else 3
            self.even = bool((widths == self.width).all())
            values = values.flatten()
        else:
            self.even = True
        if not (pyarrow.types.is_floating(values.type) or pyarrow.types.is_integer(values.type)):
            raise DataError(f"a column of lists holds {values.type}; expected numbers")
        self.values = values.to_numpy(zero_copy_only=False)
        self.ends = np.cumsum(self.counts)

    def table(self, start: int, stop: int, name: str) -> np.ndarray:
        """``(rows, n, 3 or more)`` of rows that have equally many numbers."""
        count = int(self.counts[start])
        if not self.even or (self.width and self.width < 3):
            raise DataError(f"the points in column {printable(name)} are no lists of three numbers each")
        if not self.width and count % 3:
            raise DataError(f"there are {count} numbers in column {printable(name)}; expected three for each point")
        if not count:
            raise DataError(f"there is nothing in column {printable(name)}")
        width = self.width or 3
        first = int(self.ends[start]) - count
        factor = self.width or 1
        values = self.values[first * factor : int(self.ends[stop - 1]) * factor]
        return values.reshape(stop - start, -1, width)

    def rows(self, start: int, stop: int, points: int) -> np.ndarray:
        """``(rows, points)``, one number for each point."""
        counts = self.counts[start:stop]
        if self.width or (counts != points).any():
            raise DataError(f"there are {points} points, but {int(counts[counts != points][0])} part labels")
        return self.values[int(self.ends[start]) - points : int(self.ends[stop - 1])].reshape(stop - start, points)


def describe_parquet(path: Path, name: str) -> ParquetSet:
    """What a file called ``name`` holds; :class:`DataError` where no column, or more than one, could be the clouds.

    A table without a column of lists is a :class:`~i2pmae.data.formats.text.Prose`: it lies beside the data.
    """
    import pyarrow.parquet

    with reasons(DAMAGED), pyarrow.parquet.ParquetFile(path) as file:
        schema = file.schema_arrow
        column = _column_of_clouds(schema)
        lists = list_columns(schema)

        def named(words: Sequence[str], inside: Sequence[str]) -> str | None:
            return next((each for word in words for each in inside if each.lower() == word), None)

        plain = [each for each in schema.names if each not in lists]
        told = {kind: named(words, plain) for kind, words in (("id", ID_KEYS), ("label", LABEL_WORDS))}
        told["split"] = named(SPLIT_KEYS, plain)
        wanted = [each for each in told.values() if each is not None]
        table = file.read(columns=wanted) if wanted else None
        texts = {kind: table.column(each).to_pylist() for kind, each in told.items() if table is not None and each}
        rows = file.metadata.num_rows
    if not rows:
        raise DataError("the table has no rows")
    labels, classes = label_indices([_label(value) for value in texts.get("label", [])])
    splits = [None if value is None else split_name(str(value)) for value in texts.get("split", [])]
    others = [each for each in lists if each != column]
    return ParquetSet(
        path,
        column,
        rows,
        _ids(name, texts["id"]) if "id" in texts else None,
        labels,
        classes,
        np.array(splits, dtype=object) if any(splits) else None,
        named(PART_KEYS, others),
        {kind: each for kind, words in COLUMN_KEYS.items() if (each := named(words, others)) is not None},
    )


def list_columns(schema: Any) -> dict[str, int]:
    """The columns of an Arrow schema that hold lists of numbers, or lists of these, and which of the two."""
    import pyarrow

    found = {}
    for each in schema:
        kind, depth = getattr(each.type, "storage_type", each.type), 0
        while _is_list(kind):
            kind, depth = kind.value_type, depth + 1
        if depth in (FLAT, NESTED) and (pyarrow.types.is_floating(kind) or pyarrow.types.is_integer(kind)):
            found[each.name] = depth
    return found


def _column_of_clouds(schema: Any) -> str:
    lists = list_columns(schema)
    if not lists:
        raise Prose(f"none of its columns ({', '.join(map(printable, schema.names)) or 'none'}) holds lists of numbers")
    named = [each for word in POINT_KEYS for each in lists if each.lower() == word]
    if named:
        return named[0]
    others = {*PART_KEYS, *(word for words in COLUMN_KEYS.values() for word in words)}
    for depth in (NESTED, FLAT):
        fitting = [each for each, found in lists.items() if found == depth and each.lower() not in others]
        if len(fitting) > 1:
            told = ", ".join(map(printable, fitting))
            raise DataError(f"which of the columns {told} holds the clouds cannot be told: call it points")
        if fitting:
            return fitting[0]
    raise DataError(
        f"none of its columns {', '.join(map(printable, lists))} holds points; call the one that does points"
    )


def _is_list(kind: Any) -> bool:
    import pyarrow

    return bool(
        pyarrow.types.is_list(kind) or pyarrow.types.is_large_list(kind) or pyarrow.types.is_fixed_size_list(kind)
    )


def _lengths(lists: Any) -> np.ndarray:
    """``(rows,)`` how much each list holds; 0 where there is none."""
    import pyarrow.compute

    found = pyarrow.compute.list_value_length(lists).fill_null(0)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int64)


def _check_group(file: Any, group: int, names: Sequence[str]) -> None:
    """:class:`DataError` where a row group says that few bytes become very many numbers."""
    facts = file.metadata.row_group(group)
    for index in range(facts.num_columns):
        column = facts.column(index)
        if column.path_in_schema.split(".")[0] in names:
            check_expansion(f"row group {group}", 8 * column.num_values, column.total_compressed_size)


def _label(value: Any) -> int | str | None:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if value is None or value != value:
        return None
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise DataError(f"there is the label {str(value)[:60]!r}; expected whole numbers or texts, one for each cloud")
    return value


def _ids(name: str, values: Sequence[Any]) -> list[str]:
    """The names of the clouds; :class:`DataError` where some have none or one of another."""
    texts = ["" if value is None else printable(str(value)) for value in values]
    if len(set(texts)) < len(texts) or "" in texts:
        seen: set[str] = set()
        again = next(text for text in texts if not text or text in seen or seen.add(text))  # type: ignore[func-returns-value]
        raise DataError(f"the id {again!r} stands for more than one cloud" if again else "some clouds have no id")
    return [portable(f"{name}/{text}") for text in texts]
