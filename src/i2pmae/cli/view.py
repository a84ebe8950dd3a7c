"""``i2pmae view``: pictures of chosen clouds."""

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from i2pmae.cli.options import DataOptions, Source, otherwise, parse
from i2pmae.common.errors import UsageError, near_names

if TYPE_CHECKING:
    from i2pmae.data.clouds import CloudSet
    from i2pmae.training.config import PretrainConfig

__all__ = ["run"]

POINTS = 2048
"""Points per cloud where no encoder says how many."""


@dataclass(frozen=True)
class View:
    """Draw clouds: their depth maps and what the teacher finds salient in them.

    With a checkpoint also what pre-training would mask and reconstruct, and the
    encoder's features as colours.

    Examples:
      i2pmae view scans/ --up z --count 8
      i2pmae view scans/ --checkpoint runs/pretrain --select "chairs/*" --output chairs.png
    """

    path: Source
    """Folder, file or array file of clouds or meshes; "shapes" for built-in ones."""
    checkpoint: Annotated[Path | None, tyro.conf.DisallowNone, otherwise("none, only what the teacher sees")] = None
    """Run folder or weights folder."""
    output: Path = Path("view.html")
    """File to write: .html, a page whose clouds can be turned, or .png, one sheet."""
    count: int = 6
    """Most clouds to draw; spread over the classes where there are labels."""
    select: Annotated[tuple[str, ...], otherwise("any", metavar="NAME [NAME ...]")] = ()
    """Names of clouds to draw, or patterns such as "chairs/*"."""
    teacher: Annotated[
        str | None, tyro.conf.DisallowNone, otherwise("that of the checkpoint, if any; embedded without")
    ] = None
    """2D model: see `i2pmae teachers`."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    data: tyro.conf.OmitArgPrefixes[DataOptions] = field(default_factory=DataOptions)


def run(arguments: Sequence[str]) -> None:
    """Read the clouds, choose some, draw them, say what was written."""
    options = parse(View, "view", arguments)
    _check(options)
    from i2pmae.common.devices import resolve_device
    from i2pmae.hub import load
    from i2pmae.recipes.pretrain_pictures import cloud_pictures
    from i2pmae.teachers import load_teacher
    from i2pmae.viz import write_view

    device = resolve_device(options.device)
    encoder = None if options.checkpoint is None else load(options.checkpoint, device)
    config = _config(options, encoder.record.teacher if encoder is not None else "embedded")
    teacher = None
    if options.teacher is not None or encoder is None or encoder.record.teacher:
        teacher = load_teacher(config.teacher, precision=config.teacher_precision, device=device)
    clouds = options.data.open(options.path, POINTS if encoder is None else encoder.points)
    rows = _choose(clouds, options.select, options.count)
    pictures = cloud_pictures(clouds, rows, config, teacher, None if encoder is None else encoder.model)
    write_view(options.output, pictures, title=f"{clouds.name}: {len(rows)} of {len(clouds)} clouds")
    print(f"{options.output}: {len(rows)} clouds")


def _check(options: View) -> None:
    """Wrong calls that need no work to notice."""
    if options.output.suffix.lower() not in (".html", ".png"):
        raise UsageError(
            f"Pictures are written as .html or .png, not {options.output.suffix!r}: rename {options.output}."
        )
    if options.count < 1:
        raise UsageError(f"--count must be at least 1, got {options.count}.")


def _config(options: View, teacher: str) -> "PretrainConfig":
    """How the views were made in the run that the checkpoint came from, as far as it says."""
    from i2pmae.training.config import PretrainConfig

    stored = None if options.checkpoint is None else options.checkpoint / "config.yaml"
    config = PretrainConfig.load(stored) if stored is not None and stored.is_file() else PretrainConfig(teacher=teacher)
    return config if options.teacher is None else config.model_copy(update={"teacher": options.teacher})


def _choose(clouds: "CloudSet", patterns: Sequence[str], count: int) -> list[int]:
    """At most ``count`` rows whose names match a pattern; :class:`UsageError` for a pattern that matches none."""
    import numpy as np

    from i2pmae.recipes.pretrain_pictures import one_per_class

    if not patterns:
        return one_per_class(clouds, count)
    chosen: dict[int, None] = {}
    for pattern in patterns:
        found = [row for row, name in enumerate(clouds.ids) if fnmatch.fnmatchcase(str(name), pattern)]
        if not found:
            near = near_names(pattern, clouds.ids) if len(clouds) <= 20 else f"The first is {clouds.ids[0]!r}."
            raise UsageError(f"No cloud of {clouds.name} is called {pattern!r}. {near}")
        chosen |= dict.fromkeys(found)
    rows = np.array(list(chosen))
    return rows[one_per_class(clouds.subset(rows), count)].tolist()
