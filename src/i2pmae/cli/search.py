"""``i2pmae search``: what is like a shape, or like a part of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from i2pmae.cli.arguments import in_order
from i2pmae.cli.options import ReadingOptions, otherwise, parse

__all__ = ["run"]


@dataclass(frozen=True)
class Search:
    """Find the clouds of an index that are most like a file, as a whole or in a part; or near duplicates.

    usage: i2pmae search INDEX QUERY
           i2pmae search INDEX --duplicates

    Gives one row per result: query, rank, id, similarity (a cosine), and label
    where known; of parts also where they are (x, y, z).

    Examples:
      i2pmae search scans.index chair.obj --top 5
      i2pmae search scans.index chair.obj --near 0 0.8 0.1
      i2pmae search scans.index chairs/03.obj
      i2pmae search scans.index --duplicates --above 0.99 --output pairs.csv
    """

    index: str
    """Folder that `i2pmae index` made; the first word, or named."""
    query: Annotated[str | None, tyro.conf.DisallowNone, otherwise("none, with --duplicates")] = None
    """File or folder of clouds or meshes, or the name of a cloud of the index; the second word, or named."""
    top: int = 10
    """Results for each query."""
    near: Annotated[tuple[float, ...], otherwise("the shape as a whole", metavar="X Y Z")] = ()
    """Look for the part of the query at this place, as the encoder sees it: y up, in the unit sphere."""
    point: Annotated[int | None, tyro.conf.DisallowNone, otherwise("none")] = None
    """Instead of a place, the number of a point, as `i2pmae embed --point-features` writes them; from 0."""
    radius: Annotated[float | None, tyro.conf.DisallowNone, otherwise("that of the index")] = None
    """Of the part around that place."""
    duplicates: tyro.conf.FlagCreatePairsOff[bool] = False
    """List pairs of near duplicates within the index."""
    above: float = 0.98
    """The least similarity of near duplicates."""
    exact: tyro.conf.FlagCreatePairsOff[bool] = False
    """Compare all clouds even where the index has a graph."""
    checkpoint: Annotated[str | None, tyro.conf.DisallowNone, otherwise("as the index says")] = None
    """The encoder of the index, where it is no longer where it was."""
    output: Annotated[Path | None, tyro.conf.DisallowNone, otherwise("CSV on standard output")] = None
    """File to write: .csv, .parquet or .json."""
    device: str = "auto"
    """auto, cpu, mps, cuda or cuda:N."""
    reading: tyro.conf.OmitArgPrefixes[ReadingOptions] = field(default_factory=ReadingOptions)


def run(arguments: Sequence[str]) -> None:
    """Search, and print the table or where it was written."""
    options = parse(Search, "search", _in_order(arguments))
    from i2pmae.commands.search import search
    from i2pmae.evaluation.written import table_text

    table = search(
        options.index,
        options.query,
        top=options.top,
        near=options.near or None,
        point=options.point,
        radius=options.radius,
        duplicates=options.duplicates,
        above=options.above,
        exact=options.exact,
        checkpoint=options.checkpoint,
        output=options.output,
        device=options.device,
        **options.reading.given(),
    )
    if options.output is None:
        print(table_text(table), end="")
    else:
        what = "pairs of near duplicates" if options.duplicates else "results"
        print(f"{options.output}: {len(table)} {what}")


def _in_order(arguments: Sequence[str]) -> list[str]:
    """The words in their places: the query may be absent, which :func:`i2pmae.search` then speaks about."""
    names = ("index",) if "--duplicates" in arguments else ("index", "query")
    return in_order(Search, "search", names, arguments)
