"""``i2pmae explore``: shapes in a browser."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from i2pmae.cli.arguments import in_order
from i2pmae.cli.options import ReadingOptions, otherwise, parse

__all__ = ["run"]


@dataclass(frozen=True)
class Explore:
    """Show shapes in a browser: their map, what is alike, and which have a part like the one you pick.

    usage: i2pmae explore [CHECKPOINT] DATA

    DATA is an index, or clouds, which are embedded first. The page is served to
    this machine alone; files that are dropped on it are embedded. Ctrl-C stops
    it. With --output, it is one file that needs no server.

    Examples:
      i2pmae explore scans.index
      i2pmae explore scans/ --up z
      i2pmae explore runs/pretrain scans.index --output scans.html
    """

    data: str
    """Index, or folder, file or array file of clouds or meshes; "shapes" for built-in ones. The last word, or named."""
    checkpoint: Annotated[
        str | None, tyro.conf.DisallowNone, otherwise("that of the index; tiny, in the package, for clouds")
    ] = None
    """Run folder, weights folder or name (`i2pmae models`); the first of two words, or named."""
    output: Annotated[Path | None, tyro.conf.DisallowNone, otherwise("none, the page is served")] = None
    """File to write instead: .html."""
    count: int = 2000
    """Most shapes in a file; a page that is served has all."""
    port: int = 8765
    """To listen at; 0 for any that is free."""
    browser: bool = True
    """Open the page in a browser."""
    teacher: Annotated[str | None, tyro.conf.DisallowNone, otherwise("that of the checkpoint, if any")] = None
    """2D model whose saliency is shown: see `i2pmae teachers`."""
    device: str = "auto"
    """auto, cpu, mps, cuda or cuda:N."""
    reading: tyro.conf.OmitArgPrefixes[ReadingOptions] = field(default_factory=ReadingOptions)


def run(arguments: Sequence[str]) -> None:
    """Serve until stopped, or write the page and say where."""
    options = parse(Explore, "explore", in_order(Explore, "explore", ("checkpoint", "data"), arguments, optional=1))
    from i2pmae.commands.explore import explore

    given = options.reading.given()
    for name, value in vars(ReadingOptions()).items():  # what was not said is no option of an index
        if given.get(name) == value:
            given.pop(name, None)
    path = explore(
        options.data,
        options.checkpoint,
        output=options.output,
        count=options.count,
        port=options.port,
        browser=options.browser,
        teacher=options.teacher,
        device=options.device,
        **given,
    )
    if path is not None:
        print(f"Written: {path}")
