"""What a benchmark found: one record, as JSON and as Markdown, alone or beside an earlier one."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field, ValidationError

from i2pmae.commands.bench_machine import free_stem
from i2pmae.common.config import Config
from i2pmae.common.errors import UsageError
from i2pmae.common.files import write_text

__all__ = ["BenchRecord", "BenchRow", "markdown_table"]

QUIET = 0.9
"""Share of its best rate that a quiet machine keeps."""
ABOUT = (
    "`best` is the shortest repeat; a single one is the first call, where that took longer than repeats may. `memory` "
    "is the peak beyond what was there before the call. `GFLOP` counts matrix products, convolutions and attention, "
    "backward included. `utilisation` is the time that these would take at the matrix rate measured right before and "
    "after, over `best`."
)


class BenchRow(Config):
    """One thing that was measured."""

    measure: str
    """What it is: a name that ``only`` takes."""
    what: str
    """Of which size, model or kind."""
    clouds: int = Field(0, ge=0)
    """Clouds in a call; 0 where a call has none."""
    seconds: float = Field(ge=0)
    """Of the shortest repeat."""
    median: float = Field(ge=0)
    """Seconds of the middle repeat."""
    repeats: int = Field(ge=1)
    """How often it was measured."""
    memory: int | None = Field(None, ge=0)
    """Bytes at the peak beyond those before; absent where the system does not tell."""
    flops: Mapping[str, float] = Field(default_factory=dict)
    """Floating-point operations by arithmetic; nothing for what is no matrix product."""
    rates: dict[str, float]
    """Matrix rates beside it, in FLOP/s by arithmetic; the first is that of the row."""

    @property
    def key(self) -> tuple[str, str, int]:
        """What two rows of the same thing have in common."""
        return self.measure, self.what, self.clouds

    @property
    def utilisation(self) -> float | None:
        """Share of its time that the matrix products would take at the matrix rate."""
        if not self.flops or not self.seconds:
            return None
        return sum(flops / self.rates[kind] for kind, flops in self.flops.items()) / self.seconds

    @property
    def rate(self) -> float:
        """The matrix rate beside it, by which it is compared with a row of another machine or moment."""
        return next(iter(self.rates.values()))

    @property
    def clouds_per_second(self) -> float | None:
        """Clouds a second, where a call has clouds."""
        return self.clouds / self.seconds if self.clouds and self.seconds else None


class BenchRecord(Config):
    """How fast a machine is at what the package does. ``print`` shows it as Markdown."""

    format: int = 1
    """Version of this record."""
    date: str
    """When it was made, UTC."""
    machine: str
    """The GPU, or the processor."""
    device: str
    """Where it was computed."""
    cores: int | None = None
    """Processor cores of the machine."""
    threads: int
    """CPU threads in use."""
    load_average: float | None = None
    """Processes that wanted to run, a minute before the start; absent where the system does not tell."""
    versions: dict[str, str]
    """Of Python and of what computes."""
    commit: str | None = None
    """Of the source, where it is a git work tree."""
    checkpoint: str | None = None
    """What was measured, where it was no recipe."""
    rates: dict[str, tuple[float, float]]
    """Highest and lowest matrix rate of each arithmetic over the run, FLOP/s."""
    rows: tuple[BenchRow, ...]
    """What was measured."""
    against: "BenchRecord | None" = Field(None, exclude=True)
    """An earlier record to be compared with; not stored."""

    @classmethod
    def read(cls, path: str | Path) -> "BenchRecord":
        """The record in a JSON file; :class:`UsageError` where there is none."""
        try:
            return cls.model_validate(json.loads(Path(path).read_text(encoding="utf-8")))
        except OSError as error:
            raise UsageError(f"Cannot read {path}: {error.strerror or error}.") from None
        except (ValidationError, ValueError, RecursionError):
            raise UsageError(
                f"{path} is no result of `i2pmae bench`: expected the JSON file that `i2pmae bench --output FOLDER` "
                "writes."
            ) from None

    def write(self, folder: Path) -> tuple[Path, Path]:
        """The Markdown and the JSON file that were written, named after date and machine; none is overwritten."""
        stem = free_stem(folder, self.date, self.machine)
        files = stem.with_suffix(".md"), stem.with_suffix(".json")
        write_text(files[0], f"{self}\n")
        write_text(files[1], self.model_dump_json(indent=1) + "\n")
        return files

    def __str__(self) -> str:
        parts = [self._title(), self._rates(), self._table(), ABOUT]
        if self.against is not None:
            parts += [self._compared(self.against)]
        return "\n\n".join(parts)

    def _title(self) -> str:
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        load = "" if self.load_average is None else f", load {self.load_average:.1f} before the start"
        cores = "" if self.cores is None else f" of {self.cores} cores"
        lines = [
            f"# {self.machine}, {self.date[:10]}",
            "",
            f"Device {self.device}, {self.threads} threads{cores}{load}.",
            f"{versions}, commit {self.commit or 'unknown'}.",
        ]
        return "\n".join(lines + ([f"Checkpoint {self.checkpoint}."] if self.checkpoint else []))

    def _rates(self) -> str:
        rows = [(kind, f"{high / 1e9:.0f}", f"{low / 1e9:.0f}") for kind, (high, low) in self.rates.items()]
        table = markdown_table(("matrix rate", "best, GFLOP/s", "lowest, GFLOP/s"), rows)
        busy = [kind for kind, (high, low) in self.rates.items() if low < QUIET * high]
        if busy:
            table += (
                f"\n\nThe machine was not quiet: the rate of {', '.join(busy)} fell by more than 10 %. Compare "
                "utilisation and ratios, not times."
            )
        return table

    def _table(self) -> str:
        head = (
            "what",
            "",
            "clouds",
            "best, ms",
            "median, ms",
            "repeats",
            "clouds/s",
            "memory, MB",
            "GFLOP",
            "utilisation",
        )
        return markdown_table(head, [_cells(row) for row in self.rows])

    def _compared(self, old: "BenchRecord") -> str:
        """Rows of both, and what only one has."""
        before = {row.key: row for row in old.rows}
        both = [(before[row.key], row) for row in self.rows if row.key in before]
        head = (
            "what",
            "",
            "clouds",
            "before, ms",
            "now, ms",
            "times as fast",
            "at equal matrix rate",
            "memory, now/before",
        )
        text = [
            f"## Against {old.machine}, {old.date[:10]}, commit {old.commit or 'unknown'}",
            "`at equal matrix rate` divides out how fast the machine multiplied matrices beside each of the two.",
        ]
        differ = [
            f"{name} {then} before, {now} now"
            for name, then, now in (("device", old.device, self.device), ("threads", old.threads, self.threads))
            if then != now
        ]
        text += [f"Not the same: {'; '.join(differ)}."] if differ else []
        text += [markdown_table(head, [_compared(*pair) for pair in both])] if both else ["No row is in both."]
        kept = {row.key for row in self.rows}
        for what, rows in (
            ("Only now", [row for row in self.rows if row.key not in before]),
            ("Only before", [row for row in old.rows if row.key not in kept]),
        ):
            text += [f"{what}: {'; '.join(_named(row) for row in rows)}."] if rows else []
        return "\n\n".join(text)


def _named(row: BenchRow) -> str:
    return f"{row.measure} {row.what}" + (f" ({row.clouds} clouds)" if row.clouds else "")


def _cells(row: BenchRow) -> tuple[str, ...]:
    rate, flops, used = row.clouds_per_second, sum(row.flops.values()), row.utilisation
    return (
        row.measure,
        row.what,
        str(row.clouds or ""),
        _short(row.seconds * 1e3),
        _short(row.median * 1e3),
        str(row.repeats),
        "" if rate is None else _short(rate),
        "" if row.memory is None else f"{row.memory / 1e6:.0f}",
        _short(flops / 1e9) if flops else "",
        "" if used is None else f"{used:.2f}",
    )


def _compared(old: BenchRow, new: BenchRow) -> tuple[str, ...]:
    faster = old.seconds / new.seconds if new.seconds else float("inf")
    memory = "" if not old.memory or new.memory is None else f"{new.memory / old.memory:.2f}"
    same = next(iter(old.rates)) == next(iter(new.rates))
    equal = f"{faster * old.rate / new.rate:.2f}" if same else ""
    times = (_short(row.seconds * 1e3) for row in (old, new))
    return (new.measure, new.what, str(new.clouds or ""), *times, f"{faster:.2f}", equal, memory)


def _short(value: float) -> str:
    """Three digits, or all those before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column stands left and whose numbers stand right."""
    text = [column for column, name in enumerate(head) if column == 0 or not name]
    rule = ["---" if column in text else "---:" for column in range(len(head))]
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *rows))
