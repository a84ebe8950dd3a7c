"""Tables of predictions as text and as files."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from i2pmae.common.errors import UsageError
from i2pmae.common.files import write_bytes

__all__ = ["check_table", "table_text", "write_table"]


def table_text(table: pa.Table) -> str:
    """The table as CSV."""
    buffer = io.BytesIO()
    pa_csv.write_csv(table, buffer)
    return buffer.getvalue().decode("utf-8")


def _parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def _json(table: pa.Table) -> bytes:
    return (json.dumps(table.to_pylist(), indent=1, ensure_ascii=False) + "\n").encode("utf-8")


WRITERS: dict[str, Callable[[pa.Table], bytes]] = {
    ".csv": lambda table: table_text(table).encode("utf-8"),
    ".parquet": _parquet,
    ".json": _json,
}
"""How each format is written, by suffix."""


def check_table(output: Path) -> str:
    """The format that a file name asks for; :class:`UsageError` where it is none of those that can be written."""
    suffix = output.suffix.lower()
    if suffix not in WRITERS:
        raise UsageError(f"Predictions are written as {', '.join(WRITERS)}, not {suffix!r}: rename {output}.")
    return suffix


def write_table(table: pa.Table, output: Path) -> None:
    """Write a table as CSV, Parquet or JSON by the suffix of the file, whole or not at all."""
    write_bytes(output, WRITERS[check_table(output)](table))
