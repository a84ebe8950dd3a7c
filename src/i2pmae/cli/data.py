"""``i2pmae data``: what data sets can be read, whether one is whole, and how to make it fast."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from i2pmae.cli.help import run_one
from i2pmae.cli.options import otherwise, parse

if TYPE_CHECKING:
    from rich.table import Table

    from i2pmae.data.open.check import Report

__all__ = ["run"]

HELP = """\
usage: i2pmae data {check,prepare,list} [OPTIONS]

  check DATA                  read every file and say what is there, missing or damaged
  prepare DATA --output DIR   write one folder that opens at once
  list                        the published data sets that can be read

DATA is what --data takes anywhere else: NAME=PATH for a published data set, a folder, a file, a manifest (a .csv or
.parquet file with the columns path, label and split) or a folder that prepare made. Files are meshes, clouds
(.ply .xyz .csv .pcd .las .e57 …), or sets of clouds (.npz .h5, .tar of .npy as WebDataset writes it, .parquet with a
column of lists).

Examples:
  i2pmae data check modelnet40=~/data/modelnet40_ply_hdf5_2048
  i2pmae data check my/scans
  i2pmae data prepare shapenetpart=~/data/hdf5_data --output shapenetpart
  i2pmae segment shapenetpart --checkpoint RUN --data shapenetpart
  i2pmae data check my/parts.npz --for segment

`i2pmae data COMMAND --help` explains the options.
"""

MOST_DAMAGED = 20
MOST_CLASSES = 60

Data = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]


@dataclass(frozen=True)
class Check:
    """Read every file of a data set and say what is there, missing or damaged.

    Exit status 1 where something is missing or damaged, or where the task of
    --for would refuse the set.

    Examples:
      i2pmae data check modelnet40=~/data/modelnet40_ply_hdf5_2048
      i2pmae data check my/scans --for finetune
    """

    data: Data
    """NAME=PATH, a folder, a file, a manifest or a prepared folder."""
    labels: Literal["auto", "folder", "none"] = "auto"
    """Whether the folder of a file names its class, for data of your own: auto where there are sub-folders."""
    parts: Literal["named", "column", "none"] = "named"
    """Part labels of points: where files name them, in the last column of text files, or none."""
    task: Annotated[
        Literal["pretrain", "finetune", "segment", "fewshot", "probe"] | None,
        tyro.conf.DisallowNone,
        otherwise("none", name="for"),
    ] = None
    """Say, too, what this task would refuse about the set."""
    points: Annotated[int | None, tyro.conf.DisallowNone, otherwise("as many as the files have")] = None
    """Points per cloud that the task will have: the rarest parts may be missed by few."""
    workers: Annotated[int | None, tyro.conf.DisallowNone, otherwise("one per processor")] = None
    """Processes that read files."""


@dataclass(frozen=True)
class Prepare:
    """Write a data set to one folder that opens at once, with checksums.

    The folder can be given to --data. A call that was stopped goes on where it
    was when it is made again. torchrun or srun starts several processes, on one
    machine or on several that share the folder, each of which reads its share.

    Examples:
      i2pmae data prepare shapenet55=~/data/ShapeNet55-34 --output shapenet55
      i2pmae data prepare my/scans --up z --output scans
      torchrun --nproc-per-node 4 -m i2pmae data prepare my/scans --output scans
    """

    data: Data
    """NAME=PATH, a folder, a file, a manifest or a prepared folder."""
    output: Path
    """The folder to write."""
    points: Annotated[int | None, tyro.conf.DisallowNone, otherwise("as many as the files have; 2048 of meshes")] = None
    """Points per cloud."""
    up: Annotated[
        Literal["y", "z", "x"] | None, tyro.conf.DisallowNone, otherwise("that of the published set, else y")
    ] = None
    """The axis that points up in the files."""
    labels: Literal["auto", "folder", "none"] = "auto"
    """Whether the folder of a file names its class, for data of your own: auto where there are sub-folders."""
    parts: Literal["named", "column", "none"] = "named"
    """Part labels of points: where files name them, in the last column of text files, or none."""
    columns: tuple[Literal["colour", "normal"], ...] = ()
    """What to keep beside x, y and z, of files that have it: colour, normal, or both."""
    form: Literal["fixed16", "float32"] = "fixed16"
    """How coordinates are stored: in 16 bits each, off by 1.6e-5 of the radius at most, or exactly."""
    clouds: Annotated[int | None, tyro.conf.DisallowNone, otherwise("all")] = None
    """Take at most so many clouds, of each split its share, spread over classes."""
    max_bad_share: float = 0.1
    """Largest share of unusable files to accept; they are left out and listed."""
    workers: Annotated[int | None, tyro.conf.DisallowNone, otherwise("one per processor")] = None
    """Processes that read files."""
    seed: int = 0
    """Decides which points are sampled."""


@dataclass(frozen=True)
class Listing:
    """List the published data sets that can be read, in which layouts, and where they are obtained."""


def run(arguments: Sequence[str]) -> None:
    """Check, prepare or list."""
    commands: dict[str, Callable[[Sequence[str]], None]] = {"check": check, "prepare": prepare, "list": list_readers}
    run_one("data", commands, HELP, arguments)


def check(arguments: Sequence[str]) -> None:
    """Print the report on a set; exit status 1 where it is not whole."""
    options = parse(Check, "data check", arguments)
    from i2pmae.commands.data import check as check_data

    report = check_data(**vars(options))
    _show(report)
    if not report.whole or report.refusals:
        raise SystemExit(1)


def prepare(arguments: Sequence[str]) -> None:
    """Write a set to a folder, and say what it holds."""
    options = parse(Prepare, "data prepare", arguments)
    from i2pmae.commands.data import prepare as prepare_data
    from i2pmae.data.read.shares import here

    made = prepare_data(**vars(options))
    if here().rank:  # the first speaks for all
        return
    size = made.points.shape[1]
    print(f"{options.output}: {len(made)} clouds of {size} points. Use it with --data {options.output}")


def list_readers(arguments: Sequence[str]) -> None:
    """Print the readers."""
    parse(Listing, "data list", arguments)
    from i2pmae.data.sources.benchmarks import READERS

    for name, reader in READERS.items():
        print(f"{name}: {reader.about}")
        for layout in reader.layouts:
            print(f"  {layout.expects}")
        print(f"  Obtained from {reader.obtained}\n")


def _show(report: "Report") -> None:
    """The report as tables on standard output."""
    from rich.text import Text

    from i2pmae.common.progress import console
    from i2pmae.data.paths import printable

    out = console(stderr=False)

    def say(text: str) -> None:
        out.print(Text("\n".join(map(printable, text.split("\n")))), soft_wrap=True)

    size = "of different numbers of points" if report.points is None else f"of {report.points} points"
    files = "1 file" if report.files == 1 else f"{report.files} files"
    say(f"{report.name}: {report.clouds} clouds {size}, in {files} ({report.layout}), {report.up} up\n")
    out.print(_split_table(report))
    if report.classes:
        out.print(_class_table(report))
    if report.parts:
        say(f"\n{len(report.parts)} parts, with their share of all points:")
        for line in _part_lines(report.parts):
            say(line)
    for note in report.notes:
        say(note)
    for what in report.missing:
        say(f"missing: {what}")
    for name, reason in report.damaged[:MOST_DAMAGED]:
        say(f"cannot be used: {name}: {reason}" if name else f"wrong: {reason}")
    if len(report.damaged) > MOST_DAMAGED:
        say(f"… and {len(report.damaged) - MOST_DAMAGED} more")
    if not report.whole and report.obtained:
        say(f"The data set is obtained from {report.obtained}")
    for refusal in report.refusals:
        say(f"{report.task} would refuse the set: {refusal}")
    say("\nNothing is missing or damaged." if report.whole else "\nSomething is missing or damaged: see above.")


def _part_lines(parts: dict[str, int]) -> list[str]:
    """One line for each category, or one for all parts where they belong to none."""
    total = sum(parts.values())
    lines: dict[str, list[str]] = {}
    for name, count in parts.items():
        category, _, part = name.rpartition("/")
        lines.setdefault(category, []).append(f"{part} {count / total:.2%}")
    return [
        f"  {category}: {', '.join(named)}" if category else f"  {', '.join(named)}"
        for category, named in lines.items()
    ]


def _split_table(report: "Report") -> "Table":
    from rich.table import Table
    from rich.text import Text

    from i2pmae.data.paths import printable

    table = Table("split", box=None, pad_edge=False)
    table.add_column("clouds", justify="right")
    if report.official:
        table.add_column("official", justify="right")
        table.add_column("")
    for split, count in report.splits.items():
        row = [printable(split or "(no split)"), str(count)]
        if report.official:
            difference = count - report.official.get(split, 0)
            remark = f"{abs(difference)} {'more' if difference > 0 else 'fewer'}" if difference else "as it should be"
            row += [str(report.official.get(split, 0)), remark]
        table.add_row(*map(Text, row))
    return table


def _class_table(report: "Report") -> "Table":
    from rich.table import Table
    from rich.text import Text

    from i2pmae.data.paths import printable

    table = Table("class", box=None, pad_edge=False, title="")
    for split in report.splits:
        table.add_column(Text(split or "clouds"), justify="right")
    for label, counts in list(report.classes.items())[:MOST_CLASSES]:
        table.add_row(Text(printable(label)), *(str(counts.get(split, 0)) for split in report.splits))
    if len(report.classes) > MOST_CLASSES:
        table.add_row(f"… and {len(report.classes) - MOST_CLASSES} more")
    return table
